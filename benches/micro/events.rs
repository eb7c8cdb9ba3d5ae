//! Event files: this crate's writer beside tensorboard-rs, and the reader.
//!
//!     cargo bench --bench micro -- events

use std::{fs, hint::black_box, path::Path};

use criterion::{BatchSize, Criterion, Throughput};
use gridboard::{
    follow,
    tfevents::{EventReader, EventWriter, ScalarTags},
};
use tempfile::TempDir;
use tensorboard_rs::summary_writer::SummaryWriter;

/// Points of one measurement.
const POINTS: i64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    write(criterion);
    read(criterion);
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn fill(writer: &mut EventWriter) {
    for step in 0..POINTS {
        writer.scalar("batch_loss", step, 0.25, 1_800_000_000.5).expect("room on the disk");
    }
}

/// Both write the same points to a file, with the same frames and checksums.
fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events: write scalars");
    group.throughput(Throughput::Elements(POINTS.unsigned_abs()));
    group.bench_function("gridboard", |bencher| {
        bencher.iter_batched(
            folder,
            |folder| {
                let mut writer = EventWriter::create_at(folder.path(), 1.0).expect("a new file");
                fill(&mut writer);
                writer.finish().expect("room on the disk");
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("tensorboard-rs", |bencher| {
        bencher.iter_batched(
            folder,
            |folder| {
                let mut writer = SummaryWriter::new(folder.path());
                for step in 0..POINTS {
                    let step = usize::try_from(step).expect("steps are not negative");
                    writer.add_scalar("batch_loss", black_box(0.25), step);
                }
                writer.flush();
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// From bytes in memory, and as the sweep reads a run: through its directory.
fn read(criterion: &mut Criterion) {
    let folder = folder();
    let mut writer = EventWriter::create_at(&folder.path().join("train"), 1.0).expect("a new file");
    fill(&mut writer);
    let path = writer.path().to_owned();
    writer.finish().expect("room on the disk");
    let bytes = fs::read(path).expect("the file that was just written");
    let mut group = criterion.benchmark_group("events: read scalars");
    group.throughput(Throughput::Elements(POINTS.unsigned_abs()));
    group.bench_function("reader", |bencher| {
        bencher.iter(|| {
            let mut points = 0;
            let mut reader = EventReader::new(bytes.as_slice(), 0);
            reader.read(&mut ScalarTags::default(), |_| points += 1).expect("whole records");
            assert_eq!(points, POINTS);
        });
    });
    let follow = |dir: &Path| follow::read_run(dir).scalars.len();
    group.bench_function("follower", |bencher| bencher.iter(|| follow(black_box(folder.path()))));
    group.finish();
}
