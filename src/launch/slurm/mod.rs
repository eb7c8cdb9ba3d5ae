//! Attempts as jobs of a Slurm cluster.
//!
//! Used by the sweep in the place of this machine's own launcher, after a node was looked at ([`check`]). Each attempt is a job of its own, or a task of an array; on its
//! node it is carried out as this machine would ([`attend`]). Between the node and here there is nothing but files on a file
//! system that both see: orders, starts and ends in `.slurm/` of the experiment ([`order`], [`folder`]), and the run's folder as
//! ever. So jobs outlive whoever has submitted them, and a later Gridboard takes them over ([`Left`]).
//!
//! A thread, the [`clerk`], talks with Slurm; what follows from what it sees is decided in [`track`], and what Slurm's programs say
//! is read in [`queue`], both without a clock or a process.

mod attend;
mod check;
mod clerk;
mod client;
mod folder;
mod limits;
mod order;
mod preview;
mod queue;
mod request;
mod script;
mod site;
mod track;
mod words;

use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub use self::{
    attend::attend_if_asked,
    check::{NodeCheck, NodeNeeds, check_node, check_node_if_asked},
    client::SlurmError,
    limits::reached_limits,
    preview::Submitted,
    request::{Needs, Shape, Source},
    site::Site,
};
use self::{
    clerk::{Adopted, Clerk, Command, Manner, Situations, Start, Task, situations},
    folder::{LeftTask, Submission},
    limits::Limits,
    order::Order,
    queue::JobId,
    script::{Act, Script},
};
use super::{
    end::Ending,
    launcher::{LaunchError, Launcher, LeftAttempt, News},
    plan::LaunchPlan,
};
use crate::{
    base::files::{Durability, FileError, write_whole},
    run::{ExperimentDir, Failure, FailureKind, Handle},
    spec::SlurmPlan,
};

/// Starts and ends jobs of Slurm, and tells how they end. Dropping it leaves them alone.
#[derive(Debug)]
pub struct SlurmLauncher {
    commands: mpsc::Sender<Command>,
    news: UnboundedReceiver<News>,
    situations: Situations,
    /// By run: what was left by an earlier Gridboard, and is not followed yet.
    left: BTreeMap<u64, Task>,
    /// Runs that are live: the run's name, and its job's time limit by estimate, minutes.
    live: BTreeMap<u64, (String, Option<u64>)>,
    limits: Limits,
    /// Whether Slurm has refused a limit by estimate.
    no_limits: Arc<AtomicBool>,
    /// Runs whose last limit by estimate was too short: that limit, and the one that follows, minutes.
    longer: BTreeMap<u64, (u64, u64)>,
    plan: SlurmPlan,
    site: Site,
    folder: PathBuf,
    log_limit: u64,
}

/// The jobs that an earlier Gridboard has left.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// By run and attempt.
    tasks: BTreeMap<(String, u32), Task>,
    dir: Option<ExperimentDir>,
}

impl Left {
    /// Those of an experiment. Slurm is asked only where a submission was cut off before it could note its job.
    ///
    /// # Errors
    /// If Slurm does not answer.
    pub fn find(dir: &ExperimentDir) -> Result<Self, SlurmError> {
        let (tasks, submissions) = folder::left(dir);
        let unknown = tasks.iter().any(|task| task.submission.job().is_none());
        let jobs = if unknown { client::jobs()? } else { Vec::new() };
        let mut ids: BTreeMap<&str, JobId> = BTreeMap::new();
        for submission in &submissions {
            let name = job_name(dir, submission);
            let named = jobs.iter().find(|seen| seen.name == name).map(|seen| seen.id);
            let noted = submission.job().map(|array| JobId { array, task: None });
            if let Some(id) = noted.or(named) {
                ids.insert(submission.name(), id);
            }
        }
        let mut left = Self { tasks: BTreeMap::new(), dir: Some(dir.clone()) };
        for LeftTask { submission, dir, place, order } in tasks {
            let key = (order.run.clone(), order.attempt);
            // Of two orders for one attempt the later one stands; it cannot be otherwise but after a crash.
            if let Some(id) = ids.get(submission.name())
                && !left.tasks.contains_key(&key)
            {
                // A submission without arrays has one task and the job's own number.
                let is_array = submission.is_array();
                let job = JobId { array: id.array, task: Some(place).filter(|_| is_array) };
                left.tasks.insert(key, Task { dir, submission, place, job, order });
            }
        }
        Ok(left)
    }

    /// How many there are in an experiment's folder, whether Slurm still knows them or not.
    #[must_use]
    pub fn count(dir: &ExperimentDir) -> usize {
        folder::left(dir).0.len()
    }

    /// Whether an experiment's folder has a job of this run, whether Slurm still knows it or not.
    #[must_use]
    pub fn has_job(dir: &ExperimentDir, run: &str) -> bool {
        folder::left(dir).0.iter().any(|task| task.order.run == run)
    }

    /// Whether there is a job of this attempt.
    #[must_use]
    pub fn has(&self, run: &str, attempt: u32) -> bool {
        self.tasks.contains_key(&(run.to_owned(), attempt))
    }

    /// Takes back the orders that nobody wants any more, ends their jobs, and removes what is left of submissions none of whose
    /// tasks is wanted. `wanted` tells of a run and an attempt.
    ///
    /// # Errors
    /// If Slurm does not answer.
    pub fn tidy(&mut self, wanted: impl Fn(&str, u32) -> bool) -> Result<(), SlurmError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let unwanted: Vec<(String, u32)> =
            self.tasks.keys().filter(|(run, attempt)| !wanted(run, *attempt)).cloned().collect();
        let mut live = Vec::new();
        for key in unwanted {
            let Some(task) = self.tasks.remove(&key) else { continue };
            if task.dir.ended().is_none() {
                live.push(task.job);
            }
            // Where it cannot be taken back, Slurm ends it.
            let _ = task.dir.take_back();
        }
        if !live.is_empty() {
            client::cancel(&live, false)?;
        }
        let (_, submissions) = folder::left(dir);
        for submission in submissions {
            if !self.tasks.values().any(|task| task.submission == submission) {
                // What stays is looked at by the next sweep.
                let _ = submission.remove();
            }
        }
        Ok(())
    }
}

/// What is asked of Slurm for the runs of an experiment.
#[derive(Clone, Debug)]
pub struct SlurmSetup {
    /// `launcher.slurm` of the spec.
    pub plan: SlurmPlan,
    /// How long a run that is asked to end has for it, seconds.
    pub grace: f64,
    /// Bytes that the log of a run may have.
    pub log_limit: u64,
}

impl SlurmSetup {
    /// How long a run that is asked to end has for it at least, seconds: a job hears of it later than a process.
    pub const LEAST_GRACE: f64 = 60.0;

    /// The script of a submission: of an array of so many tasks, or of a job that is none.
    ///
    /// # Errors
    /// Where this program or its working directory has no name.
    pub fn script(
        &self,
        name: &str,
        submission: &Path,
        tasks: Option<u32>,
        shape: Shape,
    ) -> io::Result<String> {
        let script = Script {
            plan: &self.plan,
            shape,
            name,
            tasks,
            grace: self.grace,
            program: &program()?,
            submission,
            folder: &std::env::current_dir()?,
            act: Act::Attend,
        };
        Ok(script.text())
    }

    /// Asks Slurm whether it would take a run, so that a wrong partition or account is told before anything starts.
    ///
    /// # Errors
    /// Slurm's own sentence.
    pub fn test(&self, experiment: &str) -> Result<(), SlurmError> {
        let no_program = |error| SlurmError::NoProgram { program: "sbatch", error };
        let folder = tempfile::tempdir().map_err(no_program)?;
        let path = folder.path().join("script.sh");
        let shape = Shape::of(&self.plan, Needs::default(), None);
        let name = format!("gridboard-{experiment}");
        let text = self.script(&name, folder.path(), Some(1), shape).map_err(no_program)?;
        std::fs::write(&path, text).map_err(no_program)?;
        client::test(folder.path(), &path)
    }
}

impl SlurmLauncher {
    /// A launcher for the runs of an experiment, which takes over what was left: by index of the run, as `index_of` tells it.
    ///
    /// # Errors
    /// If Slurm does not answer, or its thread cannot be started.
    pub fn new(
        dir: &ExperimentDir,
        setup: &SlurmSetup,
        left: Left,
        index_of: impl Fn(&str) -> Option<u64>,
    ) -> Result<Self, SlurmError> {
        let no_program = |error| SlurmError::NoProgram { program: "gridboard", error };
        let folder = std::env::current_dir().map_err(no_program)?;
        let site = Site::ask(&setup.plan)?;
        let no_limits = Arc::new(AtomicBool::new(false));
        let manner = Manner {
            dir: dir.clone(),
            plan: setup.plan.clone(),
            program: program().map_err(no_program)?,
            folder: folder.clone(),
            grace: setup.grace,
            site,
            no_limits: Arc::clone(&no_limits),
        };
        let (commands, received) = mpsc::channel();
        let (told, news) = unbounded_channel();
        let situations = Situations::default();
        let clerk = Clerk::new(manner, told, Arc::clone(&situations));
        thread::Builder::new()
            .name("slurm".to_owned())
            .spawn(move || clerk.work(&received))
            .map_err(no_program)?;
        let left = left.tasks.into_iter().filter_map(|((run, _), task)| Some((index_of(&run)?, task)));
        Ok(Self {
            commands,
            news,
            situations,
            left: left.collect(),
            live: BTreeMap::new(),
            limits: Limits::of(dir),
            no_limits,
            longer: BTreeMap::new(),
            plan: setup.plan.clone(),
            site,
            folder,
            log_limit: setup.log_limit,
        })
    }

    fn tell(&self, command: Command) -> Result<(), LaunchError> {
        let gone = |_| LaunchError::Supervisor(io::Error::other("the thread that talks with Slurm is gone"));
        self.commands.send(command).map_err(gone)
    }
}

impl Launcher for SlurmLauncher {
    fn start(&mut self, plan: &LaunchPlan) -> Result<Handle, LaunchError> {
        if self.live.contains_key(&plan.run) {
            return Err(LaunchError::Live(plan.run));
        }
        let mut order = Order::new(plan, self.folder.clone(), (self.log_limit, self.plan.gpus))?;
        let reached = self.limits.reached(&order.run);
        let needs = Needs { memory: plan.memory, seconds: plan.seconds, reached };
        let mut shape = Shape::of(&self.plan, needs, self.site.most_minutes);
        if shape.estimated_minutes(&self.plan).is_some() && self.no_limits.load(Ordering::Relaxed) {
            shape = shape.without_limit();
        }
        order.estimated_minutes = shape.estimated_minutes(&self.plan);
        let live = (order.run.clone(), order.estimated_minutes);
        let handle = Handle::Job(format!("{} of {}", plan.attempt, order.run));
        self.tell(Command::Start(Box::new(Start { run: plan.run, shape, order })))?;
        self.live.insert(plan.run, live);
        Ok(handle)
    }

    fn adopt(&mut self, run: u64) -> Option<LeftAttempt> {
        let task = self.left.remove(&run)?;
        let order = &task.order;
        let attempt = LeftAttempt {
            handle: Handle::Job(format!("{} of {}", order.attempt, order.run)),
            attempt: order.attempt,
            run_dir: order.run_dir.clone(),
            started: order.started,
            resumed: order.resumed(),
        };
        let live = (order.run.clone(), order.estimated_minutes);
        self.tell(Command::Adopt(Box::new(Adopted { run, task }))).ok()?;
        self.live.insert(run, live);
        Some(attempt)
    }

    fn stop(&mut self, run: u64, kill: bool) -> Result<(), LaunchError> {
        if !self.live.contains_key(&run) {
            return Ok(());
        }
        self.tell(Command::Stop { run, kill })
    }

    async fn next(&mut self) -> News {
        let Some(news) = self.news.recv().await else { return std::future::pending().await };
        if let News::Ended(end) = &news {
            let live = self.live.remove(&end.run);
            let live = live.filter(|_| !self.no_limits.load(Ordering::Relaxed));
            if let (
                Ending::Failed(Failure { kind: FailureKind::TimeLimit, .. }),
                Some((name, Some(minutes))),
            ) = (&end.ending, live)
            {
                self.limits.note(&name, minutes);
                let needs = Needs { reached: Some(minutes), ..Needs::default() };
                let next = Shape::of(&self.plan, needs, self.site.most_minutes).minutes();
                self.longer.insert(end.run, (minutes, next.unwrap_or(minutes)));
            }
        }
        news
    }

    fn is_queue(&self) -> bool {
        true
    }

    fn gives_more_time(&self, run: u64) -> bool {
        self.longer.get(&run).is_some_and(|(before, next)| next > before)
    }

    fn situation(&self, run: u64) -> Option<String> {
        let text = situations(&self.situations).get(&run).cloned()?;
        let minutes = self.live.get(&run).and_then(|(_, minutes)| *minutes);
        Some(match (self.longer.get(&run), minutes) {
            (Some((before, _)), Some(minutes)) if minutes > *before => {
                format!("{text} with {minutes} min, since the {before} min of the estimate were too short")
            }
            _ => text,
        })
    }
}

/// The name of a submission's jobs.
fn job_name(dir: &ExperimentDir, submission: &Submission) -> String {
    name_of(experiment_of(dir), submission.name())
}

fn experiment_of(dir: &ExperimentDir) -> &str {
    dir.path().file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn name_of(experiment: &str, submission: &str) -> String {
    format!("gridboard-{experiment}-{submission}")
}

/// This program, as the nodes see it. One that was built or installed anew has another file.
fn program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

fn write_script(submission: &Submission, script: &Script<'_>) -> Result<(), FileError> {
    let path = submission.script();
    write_whole(&path, &[script.text().as_bytes()], Durability::Written)?;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).map_err(FileError::at("write", &path))
}
