//! Where the training loop writes its curves: the run's event files, or memory in tests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gridboard::{
    base::clock::wall_now,
    run::{Phases, Spent},
    tfevents::{EventWriter, Histogram, WriteError},
};

/// A taker of curves and images. Tags are full: sub-run, slash, tag (`train/epoch_loss`).
pub(crate) trait Recorder {
    /// One point of a curve.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn scalar(&mut self, tag: &str, step: i64, value: f32) -> Result<(), WriteError>;

    /// One picture: a PNG file and its size in pixels.
    ///
    /// # Errors
    /// As [`Recorder::scalar`].
    fn image(&mut self, tag: &str, step: i64, png: &[u8], width: u32, height: u32) -> Result<(), WriteError>;

    /// One precision-recall curve: the counts of `stats::pr_counts`.
    ///
    /// # Errors
    /// As [`Recorder::scalar`].
    fn pr_curve(&mut self, tag: &str, step: i64, counts: &[[u64; 4]]) -> Result<(), WriteError>;

    /// How some values are distributed.
    ///
    /// # Errors
    /// As [`Recorder::scalar`].
    fn histogram(&mut self, tag: &str, step: i64, histogram: &Histogram) -> Result<(), WriteError>;

    /// Takes note of time that a phase took.
    fn spent(&mut self, phase: Phase, time: Spent);

    /// Makes all of it visible to readers.
    ///
    /// # Errors
    /// As [`Recorder::scalar`].
    fn flush(&mut self) -> Result<(), WriteError>;

    /// Brings all of it to the disk. Answers with the files, by path below the run's folder, and where each of them ends.
    ///
    /// # Errors
    /// As [`Recorder::scalar`].
    fn sync(&mut self) -> Result<BTreeMap<String, u64>, WriteError>;
}

/// Where an attempt begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// The first epoch, from 0.
    pub(crate) epoch: u32,
    /// The step of its first batch.
    pub(crate) batch: i64,
}

/// What the loop spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Training steps.
    Training,
    /// The network on the validation images.
    Validation,
}

/// One event file for each of the sub-runs, and a sum of the time.
pub(crate) struct EventFiles {
    /// The time so far.
    pub(crate) phases: Phases,
    run_dir: PathBuf,
    /// Those of the attempts that this one goes on with, and where they end.
    earlier: BTreeMap<String, u64>,
    train: EventWriter,
    /// Apart, since its steps are batches; none where they are not wanted.
    batch: Option<EventWriter>,
    validation: EventWriter,
}

impl EventFiles {
    /// Makes `train/`, `batch/` and `validation/` in the run's directory, for an attempt that begins with this epoch and
    /// this batch and goes on with the curves of the files in `earlier`. Each file opens a session at its first step, so
    /// that readers that have seen more of an earlier attempt drop it.
    ///
    /// # Errors
    /// Where a folder or file cannot be made.
    pub(crate) fn create(
        run_dir: &Path,
        start: Start,
        earlier: BTreeMap<String, u64>,
        with_batches: bool,
    ) -> Result<Self, WriteError> {
        let create = |sub_run: &str, step: i64| {
            let mut writer = EventWriter::create(&run_dir.join(sub_run))?;
            writer.start_at(step, wall_now())?;
            writer.flush()?;
            Ok(writer)
        };
        let (epoch, batch) = (i64::from(start.epoch), start.batch);
        Ok(Self {
            phases: Phases::default(),
            run_dir: run_dir.to_owned(),
            earlier,
            train: create("train", epoch)?,
            batch: with_batches.then(|| create("batch", batch)).transpose()?,
            validation: create("validation", epoch)?,
        })
    }

    fn writers(&mut self) -> impl Iterator<Item = &mut EventWriter> {
        [&mut self.train, &mut self.validation].into_iter().chain(&mut self.batch)
    }

    /// Where a tag belongs; nowhere where it is not wanted.
    fn writer<'tag>(&mut self, tag: &'tag str) -> Option<(&mut EventWriter, &'tag str)> {
        match tag.split_once('/') {
            Some(("validation", tag)) => Some((&mut self.validation, tag)),
            Some(("batch", tag)) => self.batch.as_mut().map(|batch| (batch, tag)),
            Some((_, tag)) => Some((&mut self.train, tag)),
            None => Some((&mut self.train, tag)),
        }
    }
}

impl Recorder for EventFiles {
    fn scalar(&mut self, tag: &str, step: i64, value: f32) -> Result<(), WriteError> {
        let Some((writer, tag)) = self.writer(tag) else { return Ok(()) };
        writer.scalar(tag, step, value, wall_now())
    }

    fn image(&mut self, tag: &str, step: i64, png: &[u8], width: u32, height: u32) -> Result<(), WriteError> {
        let Some((writer, tag)) = self.writer(tag) else { return Ok(()) };
        writer.image(tag, step, wall_now(), png, width, height)
    }

    fn pr_curve(&mut self, tag: &str, step: i64, counts: &[[u64; 4]]) -> Result<(), WriteError> {
        let Some((writer, tag)) = self.writer(tag) else { return Ok(()) };
        writer.pr_curve(tag, step, wall_now(), counts)
    }

    fn histogram(&mut self, tag: &str, step: i64, histogram: &Histogram) -> Result<(), WriteError> {
        let Some((writer, tag)) = self.writer(tag) else { return Ok(()) };
        writer.histogram(tag, step, wall_now(), histogram)
    }

    fn spent(&mut self, phase: Phase, time: Spent) {
        let sum = match phase {
            Phase::Training => &mut self.phases.training,
            Phase::Validation => &mut self.phases.validation,
        };
        sum.seconds += time.seconds;
        sum.core_seconds += time.core_seconds;
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.writers().try_for_each(EventWriter::flush)
    }

    fn sync(&mut self) -> Result<BTreeMap<String, u64>, WriteError> {
        let mut files = self.earlier.clone();
        let run_dir = self.run_dir.clone();
        for writer in self.writers() {
            writer.sync()?;
            let path = writer.path().strip_prefix(&run_dir).unwrap_or(writer.path());
            files.insert(path.to_string_lossy().into_owned(), writer.offset());
        }
        Ok(files)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps everything.
    #[derive(Debug, Default)]
    pub(crate) struct Memory {
        /// Tag, step, value.
        pub(crate) scalars: Vec<(String, i64, f32)>,
        /// Tag, step, width, height.
        pub(crate) images: Vec<(String, i64, u32, u32)>,
        /// Tag, step, counts.
        pub(crate) pr_curves: Vec<(String, i64, Vec<[u64; 4]>)>,
        /// Tag, step, distribution.
        pub(crate) histograms: Vec<(String, i64, Histogram)>,
        /// Phases in the order in which they ended, and their time.
        pub(crate) spent: Vec<(Phase, Spent)>,
        /// Number of scalars at each flush.
        pub(crate) flushes: Vec<usize>,
    }

    impl Memory {
        /// The curve of a tag, by step.
        pub(crate) fn curve(&self, tag: &str) -> Vec<f32> {
            let points: Vec<_> = self.scalars.iter().filter(|point| point.0 == tag).collect();
            assert!(points.iter().zip(0..).all(|(point, step)| point.1 == step), "steps of `{tag}`");
            points.iter().map(|point| point.2).collect()
        }
    }

    impl Recorder for Memory {
        fn scalar(&mut self, tag: &str, step: i64, value: f32) -> Result<(), WriteError> {
            self.scalars.push((tag.to_owned(), step, value));
            Ok(())
        }

        fn image(
            &mut self,
            tag: &str,
            step: i64,
            _: &[u8],
            width: u32,
            height: u32,
        ) -> Result<(), WriteError> {
            self.images.push((tag.to_owned(), step, width, height));
            Ok(())
        }

        fn pr_curve(&mut self, tag: &str, step: i64, counts: &[[u64; 4]]) -> Result<(), WriteError> {
            self.pr_curves.push((tag.to_owned(), step, counts.to_vec()));
            Ok(())
        }

        fn histogram(&mut self, tag: &str, step: i64, histogram: &Histogram) -> Result<(), WriteError> {
            self.histograms.push((tag.to_owned(), step, histogram.clone()));
            Ok(())
        }

        fn spent(&mut self, phase: Phase, time: Spent) {
            self.spent.push((phase, time));
        }

        fn flush(&mut self) -> Result<(), WriteError> {
            self.flushes.push(self.scalars.len());
            Ok(())
        }

        fn sync(&mut self) -> Result<BTreeMap<String, u64>, WriteError> {
            Ok(BTreeMap::new())
        }
    }
}
