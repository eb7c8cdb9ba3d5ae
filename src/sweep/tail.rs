//! What an attempt logs, from the first point to the last: its event files, those of the attempt before that it may go on
//! with, what is wrong with them, and whether its folder is still the one that it was given.
//!
//! Used by `attempt`. The follower reads, this moves files.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    base::files::FileError,
    event::{Resumed, Scalar},
    follow::{Earlier, Poll, RunFollower, read_run},
    run::{RunDir, RunFile, StateError, TrainingState},
    spec::Checkpoint,
};

/// More problems of a run are counted, not listed.
const LISTED: usize = 3;

/// The event files of a live attempt.
pub(super) struct Tail {
    dir: PathBuf,
    follower: RunFollower,
    /// What was logged before, until the attempt turns out to go on with it.
    earlier: Option<Earlier>,
    /// Device and inode of the run's folder: as the attempt was given it, or as it was at the first point. Many programs
    /// begin with a clean folder.
    folder: Option<(u64, u64)>,
    has_logged: bool,
    problems: BTreeSet<String>,
    /// Start of the attempt, seconds since 1970: points from then on are its own.
    started: f64,
    /// Whether the first points of a command are still to tell where it goes on.
    has_state: bool,
    /// Where a built-in trainer is taken to go on.
    resumed: Option<Resumed>,
}

/// What an attempt finds in a run's folder.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    /// What a command logged before, which it may turn out to go on with.
    pub(super) earlier: Option<Earlier>,
    /// Where a built-in trainer goes on.
    pub(super) resumed: Option<Resumed>,
    /// Whether a command has something to resume from.
    pub(super) has_state: bool,
    /// Why a state that is there is not used.
    pub(super) refused: Option<String>,
}

/// Clears a run's folder for an attempt of a built-in trainer: all of it, or where there is a state that is this run's,
/// what is not before it.
pub(super) fn clear(dir: &RunDir, run: &RunFile) -> Result<Cleared, FileError> {
    let mut refused = None;
    if run.keeping.checkpoint != Checkpoint::Never {
        match usable(dir, run) {
            Ok(Some(state)) => {
                dir.clear_but(&state.files)?;
                let resumed = Some(Resumed { epoch: state.epoch, batch: state.batch });
                return Ok(Cleared { resumed, ..Cleared::default() });
            }
            Ok(None) => {}
            Err(error) => refused = Some(error.to_string()),
        }
    }
    dir.clear()?;
    Ok(Cleared { refused, ..Cleared::default() })
}

/// The state in a run's folder, as far as can be told without its tensors, which the worker reads.
fn usable(dir: &RunDir, run: &RunFile) -> Result<Option<TrainingState>, StateError> {
    let Some(state) = TrainingState::read(dir)? else { return Ok(None) };
    state.must_be_of(run)?;
    state.must_have_files(dir)?;
    Ok(Some(state))
}

/// Clears a run's folder for an attempt of a command. Where it has kept something to resume from, its event files stay. Else
/// they are set aside, since it may resume from a checkpoint that it keeps elsewhere.
pub(super) fn clear_for_command(dir: &RunDir) -> Result<Cleared, FileError> {
    // Those that an attempt without a single point left aside.
    dir.restore()?;
    if dir.make_state_dir()? {
        dir.clear_answers()?;
        return Ok(Cleared { has_state: true, ..Cleared::default() });
    }
    let points = read_run(dir.path()).scalars;
    dir.set_aside()?;
    Ok(Cleared { earlier: Some(Earlier::new(&points)), ..Cleared::default() })
}

impl Tail {
    /// Follows an attempt that starts at this time, seconds since 1970, in a folder that [`clear`] or [`clear_for_command`]
    /// has cleared.
    pub(super) fn new(dir: &Path, started: f64, cleared: Cleared) -> Self {
        let Cleared { earlier, has_state, resumed, .. } = cleared;
        Self {
            started,
            has_state,
            resumed,
            dir: dir.to_owned(),
            follower: RunFollower::new(dir),
            earlier,
            folder: identity(dir),
            has_logged: false,
            problems: BTreeSet::new(),
        }
    }

    /// What is new since the last call.
    ///
    /// # Errors
    /// Files that were set aside cannot be put back.
    pub(super) fn poll(&mut self) -> Result<Poll, FileError> {
        let folder = if self.has_logged { self.folder } else { identity(&self.dir) };
        let mut poll = self.follower.poll();
        if !self.has_logged && !poll.scalars.is_empty() {
            (self.has_logged, self.folder) = (true, folder);
        }
        if self.earlier.as_mut().is_some_and(|earlier| earlier.is_resumed_by(&poll.scalars)) {
            RunDir::new(&self.dir).restore()?;
            let cuts = self.earlier.take().map(|earlier| earlier.cuts()).unwrap_or_default();
            self.follower = RunFollower::new(&self.dir);
            let whole = self.follower.poll();
            poll = Poll { cuts, scalars: whole.scalars, problems: whole.problems };
        }
        poll.problems.retain(|problem| self.problems.insert(problem.to_string()));
        Ok(poll)
    }

    /// Where an attempt goes on, once its first points tell it: the first of their steps.
    pub(super) fn goes_on_at(&mut self, points: &[Scalar]) -> Option<i64> {
        let own = points.iter().filter(|point| self.has_state && point.wall_time >= self.started);
        let first = own.map(|point| point.step).min()?;
        self.has_state = false;
        Some(first)
    }

    /// Whether a built-in trainer that was taken to go on has begun anew, since it has refused the state: said once, at the first
    /// of its own points that is before where it was to go on.
    pub(super) fn begins_anew(&mut self, points: &[Scalar]) -> bool {
        let started = self.started;
        let is_before = |resumed: &mut Resumed| {
            let mut own = points.iter().filter(|point| point.wall_time >= started);
            own.any(|point| point.step < resumed.first_step(&point.tag))
        };
        self.resumed.take_if(is_before).is_some()
    }

    /// Whether it is a built-in trainer that is taken to go on.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed.is_some()
    }

    /// The attempt is over: what was set aside goes, unless the attempt has logged nothing, so that the next one may still go
    /// on with it.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub(super) fn end(&self) -> Result<(), FileError> {
        match &self.earlier {
            Some(earlier) if earlier.has_logged() => RunDir::new(&self.dir).discard(),
            _ => Ok(()),
        }
    }

    /// Every problem so far in one text; `None` without one.
    pub(super) fn problem(&self) -> Option<String> {
        if self.problems.is_empty() {
            return None;
        }
        let mut text = self.problems.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
        if let more @ 1.. = self.problems.len().saturating_sub(LISTED) {
            text += &format!("; and {more} more");
        }
        Some(text)
    }

    /// Why what was read is not the run's, where its folder is no longer the one that the attempt was started in.
    pub(super) fn lost_folder(&self) -> Option<String> {
        let folder = self.folder?;
        match identity(&self.dir) {
            Some(now) if now == folder => None,
            Some(_) => Some("the run's folder was replaced while it trained".to_owned()),
            None => Some("the run's folder was renamed or deleted while it trained".to_owned()),
        }
    }
}

fn identity(dir: &Path) -> Option<(u64, u64)> {
    fs::metadata(dir).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags;
    use crate::tfevents::EventWriter;

    fn log(dir: &Path, steps: std::ops::Range<i64>) {
        let mut writer = EventWriter::create_at(&dir.join("validation"), 1.0).unwrap();
        for step in steps {
            writer.scalar("acc", step, 0.5, 2.0).unwrap();
        }
        writer.finish().unwrap();
    }

    fn steps(dir: &Path) -> Vec<i64> {
        read_run(dir).scalars.iter().map(|point| point.step).collect()
    }

    fn attempt(dir: &Path) -> Tail {
        let cleared = clear_for_command(&RunDir::new(dir)).unwrap();
        assert!(steps(dir).is_empty(), "an attempt starts without curves");
        Tail::new(dir, 0.0, cleared)
    }

    #[test]
    fn a_trainer_that_resumes_has_its_whole_curve() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 0..5);
        // An attempt that logs nothing leaves the curve to the next one.
        let mut idle = attempt(folder.path());
        assert!(idle.poll().unwrap().scalars.is_empty());
        idle.end().unwrap();
        let mut tail = attempt(folder.path());
        log(folder.path(), 5..10);
        let poll = tail.poll().unwrap();
        assert_eq!(poll.cuts.len(), 1);
        assert_eq!(
            poll.scalars.iter().map(|point| point.step).collect::<Vec<_>>(),
            (0..10).collect::<Vec<_>>()
        );
        log(folder.path(), 10..11);
        assert_eq!(tail.poll().unwrap().scalars.len(), 1);
        tail.end().unwrap();
        assert_eq!(steps(folder.path()), (0..11).collect::<Vec<_>>());
    }

    #[test]
    fn a_trainer_that_starts_anew_has_its_own_curve_alone() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 0..5);
        let mut tail = attempt(folder.path());
        log(folder.path(), 0..3);
        assert_eq!(tail.poll().unwrap().scalars.len(), 3);
        tail.end().unwrap();
        assert_eq!(steps(folder.path()), [0, 1, 2]);
        assert_eq!(fs::read_dir(folder.path().join("validation")).unwrap().count(), 1);
    }

    #[test]
    fn where_a_command_goes_on_is_the_first_of_its_own_steps() {
        let folder = tempfile::tempdir().unwrap();
        let point = |step, wall_time| Scalar { tag: "a".to_owned(), step, value: 0.5, wall_time };
        for has_state in [true, false] {
            let cleared = Cleared { has_state, ..Cleared::default() };
            let mut tail = Tail::new(folder.path(), 100.0, cleared);
            assert_eq!(tail.goes_on_at(&[point(0, 98.0), point(1, 99.0)]), None, "of the attempt before");
            let own = [point(2, 99.5), point(7, 101.0), point(6, 101.5)];
            assert_eq!(tail.goes_on_at(&own), has_state.then_some(6));
            assert_eq!(tail.goes_on_at(&[point(5, 102.0)]), None, "it is told once");
        }
    }

    #[test]
    fn a_trainer_that_refuses_its_state_is_known_by_its_own_points() {
        let folder = tempfile::tempdir().unwrap();
        let resumed = Some(Resumed { epoch: 2, batch: 10 });
        let tail = || Tail::new(folder.path(), 100.0, Cleared { resumed, ..Cleared::default() });
        let point = |tag: &str, step, wall_time| Scalar { tag: tag.to_owned(), step, value: 0.5, wall_time };
        let (epochs, batches) = (tags::TRAIN_LOSS, tags::BATCH_LOSS);
        // Those of the attempts before, and those that go on.
        let goes_on = [
            point(epochs, 1, 99.0),
            point(batches, 9, 99.0),
            point(batches, 10, 101.0),
            point(epochs, 2, 102.0),
        ];
        for (first, expected) in [
            (point(batches, 9, 101.0), true),
            (point(epochs, 1, 100.0), true),
            (point(batches, 10, 101.0), false),
        ] {
            let mut tail = tail();
            assert!(!tail.begins_anew(&goes_on) && tail.is_resumed());
            assert_eq!(tail.begins_anew(std::slice::from_ref(&first)), expected, "{first:?}");
            assert_eq!(tail.is_resumed(), !expected);
            assert!(!tail.begins_anew(&[first]), "it is said once");
        }
    }

    #[test]
    fn problems_are_kept_once_and_counted_from_the_fourth_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut tail = Tail::new(folder.path(), 0.0, Cleared::default());
        assert_eq!(tail.problem(), None);
        for file in 0..5 {
            fs::write(folder.path().join(format!("{file}.tfevents")), [7; 40]).unwrap();
        }
        assert_eq!(tail.poll().unwrap().problems.len(), 5);
        let text = tail.problem().unwrap();
        assert!(
            text.contains("0.tfevents` is corrupt at byte 0") && text.ends_with("; and 2 more"),
            "{text}"
        );
    }

    #[test]
    fn a_program_may_begin_with_a_clean_folder() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        let mut tail = Tail::new(&run, 0.0, Cleared::default());
        fs::rename(&run, folder.path().join("other")).unwrap();
        fs::create_dir(&run).unwrap();
        log(&run, 0..3);
        assert_eq!(tail.poll().unwrap().scalars.len(), 3);
        assert_eq!(tail.lost_folder(), None);
        fs::rename(&run, folder.path().join("third")).unwrap();
        fs::create_dir(&run).unwrap();
        log(&run, 3..5);
        tail.poll().unwrap();
        assert!(tail.lost_folder().unwrap().contains("replaced"), "what it had logged is gone");
    }

    #[test]
    fn a_folder_that_is_another_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        let tail = Tail::new(&run, 0.0, Cleared::default());
        assert_eq!(tail.lost_folder(), None);
        fs::rename(&run, folder.path().join("other")).unwrap();
        assert!(tail.lost_folder().unwrap().contains("renamed or deleted"));
        fs::create_dir(&run).unwrap();
        assert!(tail.lost_folder().unwrap().contains("replaced"));
    }
}
