//! Built-in chest phantoms: radiograph-like images with a known finding, for trying things without any data.
//!
//! Each image is a function of the seed, its class and its number alone. Class 0 is normal; the other classes have the
//! findings of `finding`, whose strength is drawn for each image and falls with the difficulty. Anatomy, position and
//! exposure are drawn the same way for all classes, and every image is brought to a mean and a contrast that are drawn
//! without regard to the class: brightness gives nothing away, the lungs have to be looked at. The same bytes come out on
//! every machine whose C library computes `exp` and `sin` alike.
//!
//! Called by `prepare`.

mod anatomy;
mod field;
mod finding;

use image::GrayImage;

use super::random::Stream;
use crate::spec::{Dataset, Phantom};
use anatomy::Anatomy;
use field::Field;
use finding::Finding;

/// One image of the phantom corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Class index.
    pub(super) label: u8,
    /// Number in its class, from 0.
    pub(super) number: u32,
}

/// Makes the images of a phantom corpus.
pub(super) struct Generator {
    phantom: Phantom,
    classes: Vec<String>,
    size: u32,
}

impl Generator {
    /// The generator of a dataset's phantoms.
    ///
    /// # Errors
    /// Says which setting makes no corpus.
    pub(super) fn new(phantom: &Phantom, dataset: &Dataset) -> Result<Self, String> {
        let classes = dataset.classes.clone();
        if classes.len() < 2 || classes.len() != phantom.images.len() {
            let (images, classes) = (phantom.images.len(), classes.len());
            return Err(format!("a phantom corpus of {classes} classes with {images} numbers of images"));
        }
        if let Some(class) = phantom.images.iter().position(|&images| images == 0) {
            return Err(format!("a phantom corpus without images of class `{}`", classes[class]));
        }
        if !(0.0..=1.0).contains(&phantom.difficulty) {
            return Err(format!("a phantom difficulty of {} is not from 0 to 1", phantom.difficulty));
        }
        Ok(Self { phantom: phantom.clone(), classes, size: dataset.image_size })
    }

    /// All images, class by class.
    pub(super) fn places(&self) -> Vec<Place> {
        let class = |(label, &images): (u8, &u32)| (0..images).map(move |number| Place { label, number });
        (0..=u8::MAX).zip(&self.phantom.images).flat_map(class).collect()
    }

    /// The name under which an image stands in the index.
    pub(super) fn name(&self, place: &Place) -> String {
        format!("phantom/{}/{:05}.png", self.classes[usize::from(place.label)], place.number)
    }

    /// An image at the dataset's size.
    pub(super) fn image(&self, place: &Place) -> GrayImage {
        let numbers = [self.phantom.seed, u64::from(place.label), u64::from(place.number)];
        let stream = &mut Stream::new("gridboard phantom v1", &numbers);
        let anatomy = Anatomy::new(stream);
        let noise = stream.range(0.015, 0.035);
        let haze = Field::new(3, stream);
        // Squared, so that faint findings are common: what makes reading radiographs hard.
        let strength = (1.0 - self.phantom.difficulty) * (0.08 + 0.82 * stream.unit().powi(2));
        let finding = Finding::new(place.label, strength, stream);
        let mut density = Vec::with_capacity((self.size * self.size) as usize);
        let coordinate = |pixel: u32| (f64::from(pixel) + 0.5) / f64::from(self.size) * 2.0 - 1.0;
        for row in 0..self.size {
            for column in 0..self.size {
                let (x, y) = (coordinate(column), coordinate(row));
                let (u, v) = anatomy.locate(x, y);
                let tissue = anatomy.at(u, v);
                let filled = finding.as_ref().map_or(0.0, |finding| finding.at(u, v));
                let opacity = tissue.lung * filled * (0.62 - tissue.density).max(0.0);
                let veil = 0.02 * haze.at(x, y) * tissue.density;
                density.push(tissue.density + opacity + veil + noise * stream.normal());
            }
        }
        let pixels = expose(&density, stream);
        GrayImage::from_raw(self.size, self.size, pixels).expect("a value for each pixel")
    }
}

/// Brings densities to 8 bits, with a film curve, mean and contrast drawn for each image.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to 0..255; images have far fewer than 2^53 pixels"
)]
fn expose(density: &[f64], stream: &mut Stream) -> Vec<u8> {
    let gamma = stream.range(0.8, 1.25);
    let (mean, deviation) = (stream.range(105.0, 140.0), stream.range(42.0, 56.0));
    let curve: Vec<f64> = density.iter().map(|value| value.max(0.0).powf(gamma)).collect();
    let count = curve.len() as f64;
    let centre = curve.iter().sum::<f64>() / count;
    let spread = (curve.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / count).sqrt().max(1e-9);
    let pixel = |value: &f64| ((value - centre) / spread * deviation + mean).round().clamp(0.0, 255.0) as u8;
    curve.iter().map(pixel).collect()
}
