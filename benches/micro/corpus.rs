//! One image through the preparation: decode to 8-bit gray, resize with antialiasing, blur.
//!
//!     cargo bench --bench micro -- corpus

use std::{hint::black_box, io::Cursor};

use criterion::{BenchmarkId, Criterion, Throughput};
use gridboard::{
    corpus::{Preprocess, decode},
    spec::{Blur, Dataset, OnError, Source},
};
use image::{ExtendedColorType, GrayImage, ImageEncoder, Luma, codecs, codecs::jpeg::JpegEncoder};

pub(crate) fn bench(criterion: &mut Criterion) {
    let preprocess = Preprocess::new(&dataset()).expect("an odd kernel and a positive sigma");
    let mut group = criterion.benchmark_group("corpus: prepare an image");
    for side in [299, 1024, 2048] {
        let image = picture(side);
        group.throughput(Throughput::Elements(u64::from(side) * u64::from(side)));
        for (format, bytes) in [("jpeg", jpeg(&image)), ("png", png(&image))] {
            group.bench_function(BenchmarkId::new(format!("decode {format}"), side), |bencher| {
                bencher.iter(|| decode(black_box(&bytes)).expect("an image"));
            });
        }
        group.bench_function(BenchmarkId::new("resize and blur", side), |bencher| {
            bencher.iter(|| preprocess.apply(black_box(&image)));
        });
    }
    group.finish();
}

fn dataset() -> Dataset {
    Dataset {
        source: Source::Images("images".into()),
        classes: vec!["normal".to_owned(), "covid".to_owned()],
        image_size: 224,
        blur: Some(Blur { kernel: 5, sigma: 1.0 }),
        test: None,
        validation_split: 0.3,
        stratify: true,
        split_seed: 0,
        group_by: None,
        on_error: OnError::Fail,
    }
}

/// Smooth shapes with fine noise, about as hard to decode as an X-ray.
fn picture(side: u32) -> GrayImage {
    let mut state = 1_u32;
    GrayImage::from_fn(side, side, |x, y| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let shade = (x * 120 / side + y * 90 / side) + state % 12;
        Luma([u8::try_from(shade).unwrap_or(u8::MAX)])
    })
}

fn jpeg(image: &GrayImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(image).expect("room in memory");
    bytes
}

fn png(image: &GrayImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    codecs::png::PngEncoder::new(&mut bytes)
        .write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::L8)
        .expect("room in memory");
    bytes.into_inner()
}
