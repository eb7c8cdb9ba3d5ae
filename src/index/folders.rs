//! What the folders tell of experiments and of their runs.
//!
//! Reads only. Folders of version 0.1 lack what the database alone knew then: what can be had from other files is taken from
//! them, and the rest is not known.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::{
    base::error::with_causes,
    event::Scalar,
    follow::{FollowProblem, RunFollower},
    grid::{self, Suggested},
    publish::Answers,
    run::{
        AttemptEnding, AttemptStart, ExperimentDir, LedgerFile, LoggedAttempt, Marks, Outcome, RunDir,
        RunFile, RunSpec, RunState, Used,
    },
    spec::{self, Experiment, Overrides},
};

/// An experiment as its folder tells it.
#[derive(Debug)]
pub(super) struct FoundExperiment {
    pub(super) dir: ExperimentDir,
    pub(super) file: LedgerFile,
    /// The points that its search has suggested.
    pub(super) points: Vec<Suggested>,
    /// What its folder does not tell, or tells otherwise than it should.
    pub(super) notes: Vec<String>,
}

/// A run as its folder tells it.
#[derive(Debug)]
pub(crate) struct FoundRun {
    pub(crate) state: RunState,
    /// What users say of it.
    pub(crate) marks: Marks,
    pub(crate) attempts: Vec<LoggedAttempt>,
    pub(crate) points: Vec<Scalar>,
    pub(crate) answers: Option<Answers>,
    /// Whether its attempts are told by the log of attempts.
    pub(crate) is_logged: bool,
    /// What is wrong with its event files.
    pub(crate) lost: Vec<FollowProblem>,
}

/// The experiments of a runs directory, the oldest first, and what keeps a folder from being one.
pub(super) fn experiments(runs_dir: &Path) -> (Vec<FoundExperiment>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in below(runs_dir) {
        match experiment(&ExperimentDir::at(&path)) {
            Ok(experiment) => found.extend(experiment),
            Err(problem) => problems.push(problem),
        }
    }
    found.sort_by(|left: &FoundExperiment, right| {
        let key = |found: &FoundExperiment| (found.file.created, found.file.spec.name.clone());
        key(left).partial_cmp(&key(right)).unwrap_or(std::cmp::Ordering::Equal)
    });
    (found, problems)
}

/// The experiment of a folder; `None` where it is none's.
///
/// # Errors
/// Why the folder, which is one's, does not tell it.
pub(super) fn experiment(dir: &ExperimentDir) -> Result<Option<FoundExperiment>, String> {
    let mut notes = Vec::new();
    let file = match LedgerFile::read(dir).map_err(|error| with_causes(&error)) {
        Ok(Some(file)) => file,
        damaged if dir.spec().is_file() => {
            if let Err(problem) = damaged {
                notes.push(problem);
            }
            of_spec(dir, &mut notes)?
        }
        Ok(None) => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let folder = dir.path().file_name().unwrap_or_default();
    if folder != file.spec.name.as_str() {
        return Err(format!(
            "`{}` is the folder of experiment `{}`: give it that name, and it is taken",
            dir.path().display(),
            file.spec.name
        ));
    }
    let points = super::points::read_points(dir).map_err(|error| with_causes(&error))?;
    Ok(Some(FoundExperiment { dir: dir.clone(), file, points, notes }))
}

/// What a folder without `ledger.json` tells: it is of version 0.1.
fn of_spec(dir: &ExperimentDir, notes: &mut Vec<String>) -> Result<LedgerFile, String> {
    let path = dir.spec();
    let spec = spec::load(&path, &Overrides::default()).map_err(|error| with_causes(&error))?;
    let run_files: Vec<RunFile> =
        below(dir.path()).iter().filter_map(|folder| RunFile::read(folder).ok()).collect();
    let started = run_files.iter().map(|file| file.started).fold(f64::INFINITY, f64::min);
    let modified = fs::metadata(&path).and_then(|file| file.modified()).ok();
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let created = if started.is_finite() { started } else { modified.map_or(0.0, |time| time.as_secs_f64()) };
    let fingerprint = run_files
        .iter()
        .max_by(|left, right| left.started.total_cmp(&right.started))
        .and_then(|file| file.dataset.as_ref())
        .map(|dataset| dataset.fingerprint.clone());
    let by_id: HashMap<&str, &str> =
        run_files.iter().map(|file| (file.id.as_str(), file.run.as_str())).collect();
    let taken: HashMap<&str, &str> = by_id.iter().map(|(id, name)| (*name, *id)).collect();
    let mut names = std::collections::BTreeMap::new();
    for run in grid::runs(&spec) {
        if let Some(name) = by_id.get(run.id.as_str()) {
            if *name != run.name {
                names.insert(run.id, (*name).to_owned());
            }
        } else if taken.contains_key(run.name.as_str()) {
            let name = grid::name_with_id(&run.name, &run.id);
            names.insert(run.id, name);
        }
    }
    notes.push(format!(
        "experiment `{}`: its folder has no `ledger.json`, as those of version 0.1: it counts as created when its first run \
         was started",
        spec.name
    ));
    Ok(LedgerFile {
        created,
        fingerprint,
        spec,
        names,
        without: std::collections::BTreeSet::new(),
        import: None,
    })
}

/// The runs of an experiment, in the order of the grid, under the names of their folders.
pub(crate) fn runs<'a>(
    file: &'a LedgerFile,
    points: &[Suggested],
) -> impl Iterator<Item = RunSpec> + use<'a> {
    grid::runs_with(&file.spec, points).filter(|run| !file.without.contains(&run.id)).map(|run| {
        match file.names.get(&run.id) {
            Some(name) => RunSpec { name: name.clone(), ..run },
            None => run,
        }
    })
}

/// What the folder of a run tells. `relative` is where the database finds its predictions; links may lead to `linked`.
///
/// # Errors
/// A file of the folder that is there and cannot be read.
pub(crate) fn run(
    dir: &RunDir,
    experiment: &Experiment,
    relative: &str,
    linked: Option<&Path>,
) -> Result<FoundRun, String> {
    let mut found = FoundRun {
        state: RunState::Pending,
        marks: Marks::read(dir).map_err(|error| with_causes(&error))?,
        attempts: Vec::new(),
        points: Vec::new(),
        answers: None,
        is_logged: true,
        lost: Vec::new(),
    };
    match dir.read_attempts().map_err(|error| with_causes(&error))? {
        Some(log) => found.attempts = log.attempts,
        None => {
            // A run that has another's results never had an attempt.
            found.is_logged = dir.reused().is_file();
            if !found.is_logged {
                found.attempts = of_outcome(dir)?.into_iter().collect();
            }
        }
    }
    if found.attempts.is_empty() && dir.reused().is_file() {
        found.state = RunState::Reused;
    } else {
        let Some(last) = found.attempts.last() else {
            found.state = found.marks.state_after(0, found.state);
            return Ok(found);
        };
        found.state = found.marks.state_after(last.start.attempt, last.run_state());
    }
    let mut follower = RunFollower::new(dir.path()).with_own();
    if let Some(linked) = linked {
        follower = follower.with_links_to(linked);
    }
    let poll = follower.poll();
    found.points = poll.scalars;
    found.lost = poll.problems;
    let mut problems: Vec<String> = found.lost.iter().map(|problem| with_causes(problem)).collect();
    if found.state.has_results() {
        let classes = experiment.dataset.as_ref().map_or(&[][..], |dataset| &dataset.classes);
        let (answers, warnings) = Answers::read(dir, relative, classes);
        found.answers = answers;
        problems.extend(warnings);
    }
    if let (false, false, Some(last)) = (found.is_logged, problems.is_empty(), found.attempts.last_mut()) {
        last.problem = Some(problems.join("; "));
    }
    Ok(found)
}

/// The last attempt of a run of version 0.1, by what it was told and what it answered.
fn of_outcome(dir: &RunDir) -> Result<Option<LoggedAttempt>, String> {
    let Ok(file) = RunFile::read(dir.path()) else { return Ok(None) };
    let outcome = Outcome::read(dir.path()).map_err(|error| with_causes(&error))?;
    let start = AttemptStart {
        attempt: file.attempt,
        pid: None,
        pid_start: None,
        boot_id: None,
        slot: None,
        device: Some(file.device),
        threads: Some(file.threads),
        host: Some(file.host),
        job: None,
        started: file.started,
        resumed_from: outcome.as_ref().and_then(|outcome| outcome.resumed_from).map(i64::from),
    };
    let end = outcome.filter(|outcome| outcome.attempt == file.attempt).map(|outcome| AttemptEnding {
        attempt: outcome.attempt,
        state: outcome.state,
        finished: outcome.finished,
        used: Used {
            peak_memory: outcome.peak_memory,
            peak_device_memory: outcome.peak_device_memory,
            core_seconds: None,
            phases: outcome.phases,
        },
        failure: outcome.failure,
    });
    Ok(Some(LoggedAttempt { start, problem: None, decisions: Vec::new(), stopped: false, end }))
}

/// The folders in a folder, by name; none that begins with a point.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders
}
