//! Writes event files: scalars, images, text, and any plugin's summaries.
//!
//! Used by the trainer for its curves and by the sweep for the experiment's page. Every wall time is passed in. Records
//! are gathered and written in large pieces; a caller flushes where others should see them: at the end of an epoch, say.
//! The HParams records have files of their own, see `hparams`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use thiserror::Error;

use super::{
    graph::{self, GraphNode},
    histogram::Histogram,
    layout::{self, Category},
    message::{
        DT_STRING, Data, Event, FILE_VERSION, Image, SessionLog, Summary, SummaryMetadata, SummaryValue,
        TensorProto, What,
    },
    pr_curve, record,
};
use crate::base::program::host;

/// Gathered bytes are written when there are this many.
const PIECE: usize = 64 << 10;

/// Why an event file could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file or its directory could not be made.
    #[error("cannot create `{}`", path.display())]
    Create {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be written: the disk is full, for one.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// TensorBoard leaves a file at an event without a time.
    #[error("cannot write `{}`: the wall time {wall_time} is not finite", path.display())]
    WallTime {
        /// The file.
        path: PathBuf,
        /// What was passed in.
        wall_time: f64,
    },
}

/// An event file that is being written.
///
/// What was not flushed is written on drop, but then nobody hears of an error: end with [`EventWriter::finish`].
///
/// A series is one tag in one directory. Its steps should rise: TensorBoard takes a step at or below an earlier one for
/// a restart and drops the points from there on, so two series must never share a tag.
#[derive(Debug)]
pub struct EventWriter<W: Write = File> {
    path: PathBuf,
    output: W,
    /// Whole records, and after a failed write the rest of one, so that a retry goes on where the output stopped.
    gathered: Vec<u8>,
    /// Bytes that the output has taken.
    taken: u64,
}

impl EventWriter {
    /// Makes `dir` and a new event file in it, named after the present second, the machine, the process and a counter. Where
    /// the directory has event files that would come behind it, it is named after the second behind theirs: readers take
    /// the files in the order of their names for the order in which they were written.
    ///
    /// # Errors
    /// [`WriteError::Create`] naming the directory or the file; [`WriteError::Write`] as for every record.
    pub fn create(dir: &Path) -> Result<Self, WriteError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self::create_named(dir, latest_second(dir).map_or(now, |second| now.max(second + 1.0)), now)
    }

    /// [`EventWriter::create`] at a given time, seconds since 1970.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub fn create_at(dir: &Path, wall_time: f64) -> Result<Self, WriteError> {
        Self::create_named(dir, wall_time, wall_time)
    }

    /// A new event file in `dir` whose name ends in `suffix`, behind all others there.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub fn create_as(dir: &Path, suffix: &str) -> Result<Self, WriteError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        fs::create_dir_all(dir).map_err(|source| WriteError::Create { path: dir.to_owned(), source })?;
        let second = latest_second(dir).map_or(now, |second| now.max(second + 1.0));
        let path = dir.join(file_name(second, suffix));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        Self::new(file.map_err(|source| WriteError::Create { path: path.clone(), source })?, &path, now)
    }

    fn create_named(dir: &Path, second: f64, wall_time: f64) -> Result<Self, WriteError> {
        // One count for the whole process: two writers in one directory in one second get two files.
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(dir).map_err(|source| WriteError::Create { path: dir.to_owned(), source })?;
        loop {
            let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(file_name(second, &format!("{}.{counter:06}", process::id())));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Self::new(file, &path, wall_time),
                // A process of the same id on a machine of the same name was here in the same second.
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(WriteError::Create { path, source }),
            }
        }
    }

    /// Flushes, and waits until the disk has the data.
    ///
    /// # Errors
    /// [`WriteError::Write`] naming the file.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.flush()?;
        self.output.sync_data().map_err(|source| WriteError::Write { path: self.path.clone(), source })
    }
}

impl<W: Write> EventWriter<W> {
    /// A writer into any output; `path` is what errors call it. Writes the event that opens every file.
    ///
    /// # Errors
    /// [`WriteError::WallTime`]; [`WriteError::Write`] where the output fails.
    pub fn new(output: W, path: &Path, wall_time: f64) -> Result<Self, WriteError> {
        let mut writer = Self { path: path.to_owned(), output, gathered: Vec::new(), taken: 0 };
        writer.event(&Event {
            wall_time,
            step: 0,
            what: Some(What::FileVersion(FILE_VERSION.to_owned())),
        })?;
        Ok(writer)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next record begins, bytes from the start of the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.taken + self.gathered.len() as u64
    }

    /// Writes one point of a curve, as `simple_value`: the smallest form, and the one TensorBoard loads fastest.
    ///
    /// # Errors
    /// [`WriteError::WallTime`] for a time that is not finite; [`WriteError::Write`] naming the file.
    pub fn scalar(&mut self, tag: &str, step: i64, value: f32, wall_time: f64) -> Result<(), WriteError> {
        self.value(tag, step, wall_time, Data::SimpleValue(value), None)
    }

    /// Writes one image: a whole PNG file and its size in pixels. TensorBoard keeps about ten steps of a tag, among
    /// them the last.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn image(
        &mut self,
        tag: &str,
        step: i64,
        wall_time: f64,
        png: &[u8],
        width: u32,
        height: u32,
    ) -> Result<(), WriteError> {
        let image = Image { height, width, colorspace: Image::RGB, encoded: png.to_vec() };
        self.value(tag, step, wall_time, Data::Image(image), None)
    }

    /// Writes one Markdown text, tables included.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn text(&mut self, tag: &str, step: i64, wall_time: f64, markdown: &str) -> Result<(), WriteError> {
        let string_val = vec![markdown.as_bytes().to_vec()];
        let tensor = TensorProto { dtype: DT_STRING, string_val, ..Default::default() };
        let metadata = SummaryMetadata::plugin("text", Vec::new());
        self.value(tag, step, wall_time, Data::Tensor(tensor), Some(metadata))
    }

    /// Writes one precision-recall curve: true positives, false positives, true negatives and false negatives at evenly
    /// spaced thresholds from 0 to 1, as `stats::pr_counts` has them.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn pr_curve(
        &mut self,
        tag: &str,
        step: i64,
        wall_time: f64,
        counts: &[[u64; 4]],
    ) -> Result<(), WriteError> {
        let (tensor, metadata) = pr_curve::of_counts(counts);
        self.value(tag, step, wall_time, Data::Tensor(tensor), Some(metadata))
    }

    /// Writes the distribution of some values.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn histogram(
        &mut self,
        tag: &str,
        step: i64,
        wall_time: f64,
        histogram: &Histogram,
    ) -> Result<(), WriteError> {
        self.value(tag, step, wall_time, Data::Histogram(histogram.to_proto()), None)
    }

    /// Writes a network as a graph. TensorBoard shows one of each directory.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn graph(&mut self, wall_time: f64, nodes: &[GraphNode]) -> Result<(), WriteError> {
        self.event(&Event { wall_time, step: 0, what: Some(What::GraphDef(graph::encode(nodes))) })
    }

    /// Writes what the tab Custom Scalars shows: charts in categories. To be written once in a directory.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn layout(&mut self, wall_time: f64, categories: &[Category]) -> Result<(), WriteError> {
        self.raw(0, wall_time, layout::summary(categories))
    }

    /// Writes a summary of any plugin.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn raw(&mut self, step: i64, wall_time: f64, summary: Summary) -> Result<(), WriteError> {
        self.event(&Event { wall_time, step, what: Some(What::Summary(summary)) })
    }

    /// Says that training starts at `step`: what an earlier file of the directory holds from there on is void.
    ///
    /// TensorBoard's default loader sees that by the falling step. Its Python loader needs this, in every file right
    /// after it was made and in the first file too: the first one only arms it.
    ///
    /// # Errors
    /// As [`EventWriter::scalar`].
    pub fn start_at(&mut self, step: i64, wall_time: f64) -> Result<(), WriteError> {
        let what = Some(What::SessionLog(SessionLog { status: SessionLog::START }));
        self.event(&Event { wall_time, step, what })
    }

    /// Hands everything to the output, where the operating system shows it to readers.
    ///
    /// # Errors
    /// [`WriteError::Write`] naming the file. What was not taken is kept, and the next flush goes on with it.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let (written, result) = write_all(&mut self.output, &self.gathered);
        self.gathered.drain(..written);
        self.taken += written as u64;
        result
            .and_then(|()| self.output.flush())
            .map_err(|source| WriteError::Write { path: self.path.clone(), source })
    }

    /// Flushes and closes.
    ///
    /// # Errors
    /// As [`EventWriter::flush`].
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.flush()
    }

    fn value(
        &mut self,
        tag: &str,
        step: i64,
        wall_time: f64,
        data: Data,
        metadata: Option<SummaryMetadata>,
    ) -> Result<(), WriteError> {
        let value = SummaryValue { tag: tag.to_owned(), data: Some(data), metadata };
        self.raw(step, wall_time, value.into())
    }

    fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        if !event.wall_time.is_finite() {
            return Err(WriteError::WallTime { path: self.path.clone(), wall_time: event.wall_time });
        }
        record::append(&mut self.gathered, event);
        if self.gathered.len() >= PIECE { self.flush() } else { Ok(()) }
    }
}

impl<W: Write> Drop for EventWriter<W> {
    fn drop(&mut self) {
        // The error has nowhere to go; `finish` is the way to hear of it.
        drop(self.flush());
    }
}

/// `events.out.tfevents.<second>.<machine>.<suffix>`: TensorBoard wants `tfevents` in it and reads a directory's files
/// in the order of their names, so the second has a fixed width.
pub(super) fn file_name(wall_time: f64, suffix: &str) -> String {
    let host = host().replace('/', "-");
    format!("events.out.tfevents.{:010}.{host}.{suffix}", wall_time.max(0.0).floor())
}

/// The latest second in the names of the event files of a directory; none where it cannot be read.
fn latest_second(dir: &Path) -> Option<f64> {
    let seconds = fs::read_dir(dir).ok()?.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let (_, rest) = name.to_str()?.split_once("tfevents.")?;
        rest.split('.').next()?.parse::<u64>().ok()
    });
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    seconds.max().map(|second| second as f64)
}

/// As `Write::write_all`, but says how many bytes were taken before an error.
fn write_all(output: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
