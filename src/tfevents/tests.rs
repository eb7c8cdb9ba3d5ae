//! Writer and reader against each other, against TensorBoard's own bytes and against tensorboard-rs.

use std::{
    collections::HashSet,
    error::Error as _,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
};

use super::{
    EventReader, EventWriter, RecordError, RecordReader, ScalarTags, Told, WriteError, hparams,
    message::{Data, SummaryMetadata, SummaryValue, TensorProto},
};

type Point = (String, i64, u32, f64);

fn read(bytes: &[u8]) -> Result<Vec<Point>, RecordError> {
    let mut points = Vec::new();
    EventReader::new(bytes, 0).read(&mut ScalarTags::default(), |told| {
        if let Told::Point(point) = told {
            points.push((point.tag.to_owned(), point.step, point.value.to_bits(), point.wall_time));
        }
    })?;
    Ok(points)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

/// Bytes of TensorBoard 2.21's own writer, each event at wall time 1.0.
mod golden {
    pub(super) const FILE_VERSION: &str =
        "1800000000000000 a37f4b22 09000000000000f03f1a0d627261696e2e4576656e743a32 86bf577a";
    pub(super) const SCALAR: &str =
        "1a00000000000000 129bd82d 09000000000000f03f10012a0d0a0b0a046c6f7373150000003f 27f95db1";
    pub(super) const TENSOR: &str = "2c00000000000000 f4aecc45 09000000000000f03f10012a1f0a1d0a046c6f73734208080\
        12a040000003f4a0b0a090a077363616c617273 d3b11d52";
    pub(super) const SESSION_LOG: &str = "0f00000000000000 6d532b09 09000000000000f03f10073a020801 c1c3ddcf";
    pub(super) const SESSION_END: &str = "4500000000000000 ebe668b0 09000000000000f03f2a3a0a380a1a5f68706172616d735f\
        2f73657373696f6e5f656e645f696e666f4a1a0a180a0768706172616d73120d220b0801110000000000000040 6d9ef28d";
}

/// What a writer makes after the file version.
fn written(write: impl FnOnce(&mut EventWriter<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, Path::new("memory"), 1.0).unwrap();
    write(&mut writer);
    writer.finish().unwrap();
    bytes.split_off(unhex(golden::FILE_VERSION).len())
}

#[test]
fn the_writer_makes_tensorboards_bytes() {
    let mut bytes = Vec::new();
    EventWriter::new(&mut bytes, Path::new("memory"), 1.0).unwrap().finish().unwrap();
    assert_eq!(bytes, unhex(golden::FILE_VERSION));
    let scalar = written(|writer| writer.scalar("loss", 1, 0.5, 1.0).unwrap());
    assert_eq!(scalar, unhex(golden::SCALAR));
    let tensor = written(|writer| {
        let tensor = TensorProto { dtype: 1, float_val: vec![0.5], ..Default::default() };
        let value = SummaryValue {
            tag: "loss".to_owned(),
            data: Some(Data::Tensor(tensor)),
            metadata: Some(SummaryMetadata::plugin("scalars", Vec::new())),
        };
        writer.raw(1, 1.0, value.into()).unwrap();
    });
    assert_eq!(tensor, unhex(golden::TENSOR));
    assert_eq!(written(|writer| writer.start_at(7, 1.0).unwrap()), unhex(golden::SESSION_LOG));
    let end = hparams::session_end(hparams::Status::Success, 2.0);
    assert_eq!(written(|writer| writer.raw(0, 1.0, end).unwrap()), unhex(golden::SESSION_END));
}

#[test]
fn the_reader_takes_the_scalars_of_tensorboards_bytes() {
    let stream: Vec<u8> =
        [golden::FILE_VERSION, golden::SESSION_LOG, golden::SCALAR, golden::SESSION_END, golden::TENSOR]
            .iter()
            .flat_map(|record| unhex(record))
            .collect();
    let point = ("loss".to_owned(), 1, 0.5_f32.to_bits(), 1.0);
    assert_eq!(read(&stream).unwrap(), [point.clone(), point]);
}

#[test]
fn what_is_written_is_read_bit_for_bit() {
    let values = [0.1, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, f32::MAX];
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, Path::new("memory"), 1.0).unwrap();
    let mut expected = Vec::new();
    for (step, value) in (-2..).zip(values) {
        writer.scalar("ä/loss", step, value, 1e9 + 0.1).unwrap();
        writer.image("confusion", step, 2.0, &[0x89; 100_000], 10, 20).unwrap();
        writer.text("note", step, 2.0, "| a |").unwrap();
        expected.push(("ä/loss".to_owned(), step, value.to_bits(), 1e9 + 0.1));
    }
    writer.finish().unwrap();
    assert_eq!(read(&bytes).unwrap(), expected);
}

#[test]
fn tensorboard_rs_and_this_writer_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    let points =
        [("epoch_loss", 0.1_f32, 0_usize), ("epoch_accuracy", 0.9, 0), ("epoch_loss", 1e-9, 1_000_000)];
    let theirs = dir.path().join("theirs");
    let mut writer = tensorboard_rs::summary_writer::SummaryWriter::new(&theirs);
    for (tag, value, step) in points {
        writer.add_scalar(tag, value, step);
    }
    drop(writer);
    let mut writer = EventWriter::create_at(&dir.path().join("ours"), 1.0).unwrap();
    for (tag, value, step) in points {
        writer.scalar(tag, step.try_into().unwrap(), value, 1.0).unwrap();
    }
    let ours = writer.path().to_owned();
    writer.finish().unwrap();
    let theirs = fs::read_dir(theirs).unwrap().next().unwrap().unwrap().path();
    let read = |path: &Path| -> Vec<_> {
        let points = read(&fs::read(path).unwrap()).unwrap();
        points.into_iter().map(|(tag, step, value, _)| (tag, step, value)).collect()
    };
    let expected =
        points.map(|(tag, value, step)| (tag.to_owned(), step.try_into().unwrap(), value.to_bits()));
    assert_eq!(read(&theirs), expected);
    assert_eq!(read(&ours), expected);
    // The records differ in their times alone, so all frames are equally long.
    assert_eq!(fs::metadata(&theirs).unwrap().len(), fs::metadata(&ours).unwrap().len());
}

#[test]
fn writers_in_one_directory_and_second_get_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = Barrier::new(8);
    let paths: HashSet<PathBuf> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|index| {
                let (barrier, dir) = (&barrier, dir.path());
                scope.spawn(move || {
                    barrier.wait();
                    let mut writer = EventWriter::create_at(dir, 1_800_000_000.25).unwrap();
                    writer.scalar("loss", index, 0.5, 1.0).unwrap();
                    let path = writer.path().to_owned();
                    writer.finish().unwrap();
                    path
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(paths.len(), 8);
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents.1800000000."), "{name}");
        assert_eq!(read(&fs::read(&path).unwrap()).unwrap().len(), 1);
    }
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = EventWriter::create_at(dir.path(), 1.0).unwrap().path().to_owned();
    let name = path.to_str().unwrap();
    let (stem, counter) = name.rsplit_once('.').unwrap();
    let counter: u32 = counter.parse().unwrap();
    // Other tests of this process count too, so a wide range is taken.
    let taken: Vec<_> = (counter + 1..counter + 50).map(|next| format!("{stem}.{next:06}")).collect();
    taken.iter().for_each(|path| fs::write(path, "theirs").unwrap());
    let second = EventWriter::create_at(dir.path(), 1.0).unwrap().path().to_owned();
    assert!(!taken.contains(&second.to_str().unwrap().to_owned()));
    taken.iter().for_each(|path| assert_eq!(fs::read(path).unwrap(), b"theirs"));
}

#[test]
fn nothing_is_lost_on_drop_and_flushed_points_are_there_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(dir.path()).unwrap();
    let path = writer.path().to_owned();
    let count = || read(&fs::read(&path).unwrap()).unwrap().len();
    writer.scalar("loss", 0, 0.5, 1.0).unwrap();
    writer.flush().unwrap();
    assert_eq!(count(), 1);
    writer.scalar("loss", 1, 0.5, 1.0).unwrap();
    writer.sync().unwrap();
    assert_eq!(count(), 2);
    writer.scalar("loss", 2, 0.5, 1.0).unwrap();
    drop(writer);
    assert_eq!(count(), 3);
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let path = Path::new("runs/full");
    let check = |error: WriteError| {
        assert_eq!(error.to_string(), "cannot write `runs/full`");
        let source: &io::Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    };
    let mut writer = EventWriter::new(full(), path, 1.0).unwrap();
    writer.scalar("loss", 0, 0.5, 1.0).unwrap();
    check(writer.flush().unwrap_err());
    check(writer.image("image", 0, 1.0, &[0; 100_000], 1, 1).unwrap_err());
    check(writer.finish().unwrap_err());
    // A drop with the disk still full is silent, and no panic.
    drop(EventWriter::<File>::new(full(), path, 1.0).unwrap());
}

#[test]
fn directories_that_cannot_be_made_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = EventWriter::create(&file.join("train")).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot create `{}`", file.join("train").display()));
}

#[test]
fn a_time_that_is_not_finite_is_refused_and_leaves_no_trace() {
    let bytes = written(|writer| {
        assert!(matches!(writer.scalar("loss", 0, 0.5, f64::NAN), Err(WriteError::WallTime { .. })));
        writer.scalar("loss", 1, 0.5, 1.0).unwrap();
    });
    assert_eq!(bytes, unhex(golden::SCALAR));
}

/// Takes three bytes at a time, and fails at every second call.
struct Failing(Vec<u8>, bool);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if !self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(3);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_an_error_the_stream_goes_on_where_it_stopped() {
    let mut output = Failing(Vec::new(), false);
    let mut writer = EventWriter::new(&mut output, Path::new("memory"), 1.0).unwrap();
    writer.scalar("loss", 1, 0.5, 1.0).unwrap();
    let errors = std::iter::repeat_with(|| writer.flush()).take_while(Result::is_err).count();
    drop(writer);
    assert!(errors > 10);
    assert_eq!(output.0, [unhex(golden::FILE_VERSION), unhex(golden::SCALAR)].concat());
}

#[test]
fn text_and_images_are_records_of_their_plugins() {
    let bytes = written(|writer| {
        writer.text("top_ten", 3, 1.0, "| rank |").unwrap();
        writer.image("confusion", 4, 1.0, b"\x89PNG", 30, 20).unwrap();
    });
    let mut reader = RecordReader::new(&bytes[..], 0);
    // Tag; a string tensor of rank 0; the plugin `text`.
    let text = "09000000000000f03f 1003 2a23 0a21 0a07746f705f74656e 420c 0807 42087c2072616e6b207c \
        4a08 0a06 0a0474657874";
    assert_eq!(reader.next_record().unwrap(), Some(&unhex(text)[..]));
    // Tag; height, width, channels, bytes.
    let image = "09000000000000f03f 1004 2a1b 0a19 0a09636f6e667573696f6e 220c 0814 101e 1803 220489504e47";
    assert_eq!(reader.next_record().unwrap(), Some(&unhex(image)[..]));
}

#[test]
fn a_later_file_sorts_behind_the_earlier_ones_and_knows_where_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = PathBuf::new();
    for _ in 0..3 {
        let mut writer = EventWriter::create(dir.path()).unwrap();
        assert!(*writer.path() > *before, "{before:?} {:?}", writer.path());
        before = writer.path().to_owned();
        for step in 0..5000 {
            writer.scalar("a", step, 0.5, 1.0).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(writer.offset(), fs::metadata(writer.path()).unwrap().len());
        writer.scalar("a", 5000, 0.5, 1.0).unwrap();
        let offset = writer.offset();
        writer.flush().unwrap();
        assert_eq!(offset, fs::metadata(writer.path()).unwrap().len());
    }
}
