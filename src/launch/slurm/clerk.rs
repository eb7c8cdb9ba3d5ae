//! The clerk: a thread that does all the talking with Slurm and reads the files of jobs, so that neither a controller that is
//! slow nor a file system that is far away holds the sweep up.
//!
//! It is told what to start and to end, and tells what has begun and ended. What runs have in common is submitted together, as an
//! array. The queue is asked for all jobs at once, and more rarely the longer nothing changes.

mod submit;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

pub(super) use self::submit::Manner;
use super::{
    attend, client,
    folder::{Submission, TaskDir},
    order::Order,
    queue::{JobId, Seen, State},
    request::Shape,
    track::{Asked, Patience, Step, Tracked},
    words,
};
use crate::{
    base::{disk, human},
    launch::{AttemptEnd, Ending, News, local},
    run::{Evidence, Failure, FailureKind, Outcome, RunState},
};

/// What the clerk is told.
pub(super) enum Command {
    /// An attempt is to be submitted.
    Start(Box<Start>),
    /// An attempt of an earlier orchestrator is followed from now on.
    Adopt(Box<Adopted>),
    /// An attempt is to end.
    Stop { run: u64, kill: bool },
}

/// An attempt to be submitted.
pub(super) struct Start {
    pub(super) run: u64,
    pub(super) shape: Shape,
    pub(super) order: Order,
}

/// An attempt that was submitted before.
pub(super) struct Adopted {
    pub(super) run: u64,
    pub(super) task: Task,
}

/// Where a task lies.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) dir: TaskDir,
    pub(super) submission: Submission,
    pub(super) place: u32,
    pub(super) job: JobId,
    pub(super) order: Order,
}

/// What a job is in, in words, by run; for whoever asks why.
pub(super) type Situations = Arc<Mutex<BTreeMap<u64, String>>>;

/// An attempt that Slurm has.
struct Live {
    tracked: Tracked,
    task: Task,
}

pub(super) struct Clerk {
    manner: Manner,
    news: UnboundedSender<News>,
    situations: Situations,
    patience: Patience,
    /// Between two looks at the files.
    files_every: f64,
    begun: Instant,
    /// To be submitted, in order.
    waiting: Vec<Start>,
    /// When the next submission is tried, and the pause before the one after it.
    submit_at: f64,
    submit_pause: f64,
    /// By run.
    live: BTreeMap<u64, Live>,
    /// Jobs that are to be ended, and how, where Slurm has not taken it yet.
    cancels: Vec<(JobId, bool)>,
    files_at: f64,
    queue_at: f64,
    queue_pause: f64,
    /// What is the matter with Slurm, which has been told.
    trouble: Option<String>,
    stuck: words::Stuck,
}

/// Pauses before a look at the queue, seconds: where something is to be known, after a change, and the longest.
const NEEDED: f64 = 1.0;
const CHANGED: f64 = 5.0;
const LONGEST_PAUSE: f64 = 30.0;
/// The same between two tries to submit.
const SUBMIT: (f64, f64) = (1.0, 60.0);
/// Starts that come within this time of one another are one submission.
const TOGETHER: Duration = Duration::from_millis(30);
/// But it waits no longer than this.
const LONGEST: Duration = Duration::from_secs(2);

impl Clerk {
    pub(super) fn new(manner: Manner, news: UnboundedSender<News>, situations: Situations) -> Self {
        // A network file system shows a file up to a minute late (`acdirmax`, nfs(5)).
        let is_shared = disk::may_be_shared(manner.dir.path());
        let patience =
            Patience { settle: if is_shared { 75.0 } else { 2.0 }, fence: 3.0 * attend::LOOK.as_secs_f64() };
        Self {
            manner,
            news,
            situations,
            patience,
            files_every: if is_shared { 2.0 } else { 0.5 },
            begun: Instant::now(),
            waiting: Vec::new(),
            submit_at: 0.0,
            submit_pause: SUBMIT.0,
            live: BTreeMap::new(),
            cancels: Vec::new(),
            files_at: 0.0,
            queue_at: 0.0,
            queue_pause: CHANGED,
            trouble: None,
            stuck: words::Stuck::default(),
        }
    }

    /// Works until nobody is left who tells it anything. Jobs live on.
    pub(super) fn work(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(self.rest()) {
                Ok(command) => {
                    self.take(command);
                    let begun = Instant::now();
                    while begun.elapsed() < LONGEST {
                        match commands.recv_timeout(TOGETHER) {
                            Ok(command) => self.take(command),
                            Err(RecvTimeoutError::Timeout) => break,
                            Err(RecvTimeoutError::Disconnected) => return,
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.submit();
            self.look();
        }
    }

    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// How long there is nothing to do.
    fn rest(&self) -> Duration {
        let submit = if self.waiting.is_empty() { f64::INFINITY } else { self.submit_at };
        let looks = if self.live.is_empty() && self.cancels.is_empty() {
            f64::INFINITY
        } else {
            self.files_at.min(self.queue_at)
        };
        Duration::try_from_secs_f64((submit.min(looks) - self.now()).max(0.0))
            .unwrap_or(Duration::from_secs(3600))
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Start(start) => {
                self.situate(start.run, "is about to be submitted to Slurm".to_owned());
                self.waiting.push(*start);
            }
            Command::Adopt(adopted) => {
                let Adopted { run, task } = *adopted;
                let tracked = Tracked::new(run, task.order.attempt, Some(task.job));
                self.live.insert(run, Live { tracked, task });
                self.soon();
            }
            Command::Stop { run, kill } => self.stop(run, kill),
        }
    }

    /// Looks at files and queue as soon as possible.
    fn soon(&mut self) {
        (self.files_at, self.queue_pause) = (0.0, CHANGED);
        self.queue_at = self.queue_at.min(self.now() + NEEDED);
    }

    fn stop(&mut self, run: u64, kill: bool) {
        if let Some(place) = self.waiting.iter().position(|start| start.run == run) {
            let start = self.waiting.remove(place);
            let tracked = Tracked::new(run, start.order.attempt, None);
            self.tell_end(tracked.end(Ending::Interrupted));
            return;
        }
        let Some(live) = self.live.get_mut(&run) else { return };
        live.tracked.begun |= live.task.dir.started().is_some();
        live.tracked.asked = if kill { Asked::Killed } else { Asked::ToEnd };
        if kill {
            // Should its node hear nothing of Slurm.
            let _ = live.task.dir.take_back();
        }
        // What waits has nothing to finish.
        let only_ask = !kill && live.tracked.begun;
        self.cancels.push((live.task.job, only_ask));
        self.soon();
    }

    /// Looks at the files of jobs and at the queue, where it is time.
    fn look(&mut self) {
        if self.live.is_empty() && self.cancels.is_empty() {
            return;
        }
        self.cancel();
        let mut words = BTreeMap::new();
        let now = self.now();
        if now >= self.files_at {
            self.files_at = now + self.files_every;
            for (run, live) in &mut self.live {
                if !live.tracked.begun
                    && let Some(started) = live.task.dir.started()
                {
                    live.tracked.begun = true;
                    live.tracked.host.clone_from(&started.host);
                    (self.queue_at, self.queue_pause) = (self.queue_at.min(now + CHANGED), CHANGED);
                    let _ = self.news.send(News::Began {
                        run: *run,
                        host: started.host,
                        job: started.job,
                        time: started.time,
                    });
                }
                if live.tracked.begun
                    && let Some(word) = live.task.dir.ended()
                {
                    words.insert(*run, word);
                }
            }
        }
        self.look_into_queue();
        self.decide(&words);
    }

    fn look_into_queue(&mut self) {
        // Whoever has a word of its own needs no queue.
        if self.now() < self.queue_at || self.live.is_empty() {
            return;
        }
        let jobs = client::jobs();
        let now = self.now();
        self.queue_at = now + self.queue_pause;
        self.queue_pause = (2.0 * self.queue_pause).min(LONGEST_PAUSE);
        match jobs {
            Ok(jobs) => {
                self.fine();
                // By name too: a controller that was killed may give a number a second time.
                let arrays: BTreeSet<(u64, &str)> =
                    jobs.iter().map(|seen| (seen.id.array, seen.name.as_str())).collect();
                let jobs: BTreeMap<(JobId, &str), &Seen> =
                    jobs.iter().map(|seen| ((seen.id, seen.name.as_str()), seen)).collect();
                let mut changed = false;
                for (run, live) in &mut self.live {
                    let before = (live.tracked.state.clone(), live.tracked.reason.clone());
                    let id = live.task.job;
                    let name = super::job_name(&self.manner.dir, &live.task.submission);
                    let has_others = arrays.contains(&(id.array, name.as_str()));
                    live.tracked.seen(jobs.get(&(id, name.as_str())).copied(), has_others, now);
                    changed |= before != (live.tracked.state.clone(), live.tracked.reason.clone());
                    if let (false, Some(reason)) = (live.tracked.begun, &live.tracked.reason)
                        && let Some(text) = self.stuck.tell(&live.tracked.called(), reason)
                    {
                        let _ = self.news.send(News::Warning(text));
                    }
                    let text = situation(&live.tracked);
                    situations(&self.situations).insert(*run, text);
                }
                if changed {
                    self.queue_pause = CHANGED;
                    self.queue_at = self.queue_at.min(now + CHANGED);
                }
            }
            Err(error) => self.complain(&format!("{error}; jobs go on, and it is asked again")),
        }
    }

    fn decide(&mut self, words: &BTreeMap<u64, super::order::Ended>) {
        let runs: Vec<u64> = self.live.keys().copied().collect();
        for run in runs {
            let now = self.now();
            let Some(live) = self.live.get_mut(&run) else { continue };
            match live.tracked.step(words.get(&run), now, self.patience) {
                Step::Wait => {}
                Step::Look => self.queue_at = self.queue_at.min(now + NEEDED),
                Step::AskFor => match client::job(live.task.job) {
                    Ok(seen) => live.tracked.told(seen.as_ref()),
                    Err(error) => {
                        self.files_at = now + NEEDED;
                        self.complain(&format!("{error}; it is asked again"));
                    }
                },
                Step::Fence => {
                    // Where it cannot be removed, it is tried again.
                    if live.task.dir.take_back().is_ok() {
                        live.tracked.fenced(now);
                        // A number that is not in the queue may be another's soon.
                        if !live.tracked.is_gone() {
                            self.cancels.push((live.task.job, false));
                        }
                    }
                }
                Step::End(end) => {
                    self.forget(run);
                    self.tell_end(*end);
                }
                Step::Interrupted => {
                    let end = live.tracked.end(Ending::Interrupted);
                    self.forget(run);
                    self.tell_end(end);
                }
                Step::Unseen(kind, reason) => {
                    let end = unseen(&live.tracked, &live.task, kind, reason);
                    self.forget(run);
                    self.tell_end(end);
                }
            }
        }
    }

    fn forget(&mut self, run: u64) {
        self.live.remove(&run);
        situations(&self.situations).remove(&run);
        // Another one may have ended; the queue says nothing that its own word has not.
        self.files_at = 0.0;
    }

    /// Ends the jobs that are to end, each kind of end in one call.
    fn cancel(&mut self) {
        if self.cancels.is_empty() {
            return;
        }
        let all = std::mem::take(&mut self.cancels);
        for only_ask in [true, false] {
            let ids: Vec<JobId> = all.iter().filter(|(_, ask)| *ask == only_ask).map(|(id, _)| *id).collect();
            if ids.is_empty() {
                continue;
            }
            match client::cancel(&ids, only_ask) {
                Ok(()) => {}
                Err(error) if error.passes() => {
                    self.cancels.extend(ids.iter().map(|id| (*id, only_ask)));
                    self.files_at = self.now() + NEEDED;
                    self.complain(&format!("{error}; what is to end is asked again"));
                }
                Err(error) => {
                    let jobs = human::counted(ids.len(), "job");
                    let text = format!("{jobs} cannot be ended: {error}");
                    let _ = self.news.send(News::Warning(text));
                }
            }
        }
    }

    /// Says once what is wrong with Slurm.
    fn complain(&mut self, problem: &str) {
        if self.trouble.is_none() {
            let _ = self.news.send(News::Warning(problem.to_owned()));
        }
        self.trouble = Some(problem.to_owned());
    }

    fn fine(&mut self) {
        if self.trouble.take().is_some() {
            let _ = self.news.send(News::Note("Slurm answers again".to_owned()));
        }
    }

    fn tell_end(&self, end: AttemptEnd) {
        // Where nobody hears it, the sweep is over: the next one reads the files.
        let _ = self.news.send(News::Ended(Box::new(end)));
    }

    fn situate(&self, run: u64, text: String) {
        situations(&self.situations).insert(run, text);
    }
}

pub(super) fn situations(shared: &Situations) -> std::sync::MutexGuard<'_, BTreeMap<u64, String>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a job is in, in words.
fn situation(tracked: &Tracked) -> String {
    let called = tracked.called();
    if tracked.begun {
        return format!("is {called}");
    }
    match (&tracked.reason, &tracked.state) {
        (Some(reason), _) => format!("waits in Slurm's queue as {called}: {}", words::reason(reason)),
        (None, Some(State::Running)) => format!("is {called}, and about to begin"),
        (None, _) => format!("waits in Slurm's queue as {called}"),
    }
}

/// The end of an attempt that has not told it: what its trainer has left may.
fn unseen(tracked: &Tracked, task: &Task, kind: FailureKind, reason: String) -> AttemptEnd {
    let run_dir = &task.order.run_dir;
    let outcome = Outcome::read(run_dir).ok().flatten().filter(|outcome| outcome.attempt == tracked.attempt);
    match outcome {
        Some(Outcome { state: RunState::Completed, .. }) => {
            return AttemptEnd { has_outcome: true, ..tracked.end(Ending::Completed) };
        }
        Some(Outcome { failure: Some(failure), .. }) => {
            return AttemptEnd { has_outcome: true, ..tracked.end(Ending::Failed(failure)) };
        }
        _ => {}
    }
    let said = if tracked.begun {
        local::log_tail(run_dir, 0).unwrap_or_default()
    } else {
        task.submission.said(task.place)
    };
    let reason = match (kind, said.lines().rev().find(|line| !line.trim().is_empty())) {
        // Whether runs fail alike is told by what follows the colon.
        (FailureKind::Launch, line) => {
            let line = line.map_or("it has said nothing", str::trim);
            format!("the job has ended before the run began: {line} ({})", tracked.called())
        }
        _ => reason,
    };
    tracked.end(Ending::Failed(Failure { kind, reason, log_tail: said, evidence: Evidence::default() }))
}
