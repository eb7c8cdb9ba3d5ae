//! Attempts as processes on this machine.
//!
//! Owned by the sweep loop, which starts and stops by run and awaits the next end. On a current-thread
//! runtime; waiting costs nothing until there is news.
//!
//! Between Gridboard and the process of an attempt are two small ones of the same program, so that nothing of
//! an attempt outlives it or Gridboard: [`keeper`], one for all attempts, which forks a [`supervisor`] for
//! each. This file is what Gridboard itself does: it asks the keeper for starts and stops, and judges how an
//! attempt ended.

mod connection;
mod keeper;
mod log;
mod log_limit;
mod orphans;
mod processes;
mod reap;
mod supervisor;
mod token;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::ExitStatus,
};

use nix::sys::signal::Signal;

pub(super) use self::log::tail as log_tail;
use self::{
    connection::Connection,
    token::Token,
    wire::{Order, Report, Request, Step},
};
pub use self::{keeper::keep_if_asked, orphans::Children};
use super::{
    end::{AttemptEnd, Ending, Known, was_asked_to_end},
    launcher::{LaunchError, Launcher, News},
    plan::{LaunchPlan, Stdin},
};
use crate::{
    device::kernel::OomCounter,
    run::{Handle, Outcome, PAUSED_EXIT, RunDir, Used},
};

/// Starts, signals and reaps attempts on this machine. Dropping it kills those that are live, and what they
/// have started.
#[derive(Debug)]
pub struct LocalLauncher {
    children: Children,
    /// Bytes that the log of a run may have.
    log_limit: u64,
    /// Started again where it was killed.
    keeper: Option<Connection>,
    /// By run.
    live: BTreeMap<u64, Supervised>,
    /// What the keeper has told that was not looked at yet.
    reports: VecDeque<Report>,
    oom: Option<OomCounter>,
    /// Kills by the kernel that are older than this launcher, or that explain an end.
    oom_explained: u64,
}

#[derive(Debug)]
struct Supervised {
    attempt: u32,
    run_dir: PathBuf,
    token: Token,
    /// Where the attempt's own part of the log begins, bytes.
    log_start: u64,
    /// Whether it was asked to end.
    stopped: bool,
    /// Whether it was told when to pause.
    pauses: bool,
}

/// So often a start is tried with another keeper, where the one there was has been killed.
const TRIES: u32 = 3;

impl LocalLauncher {
    /// A launcher without attempts, for runs whose logs have at most `log_limit` bytes.
    ///
    /// # Errors
    /// If its keeper cannot be started.
    ///
    /// # Panics
    /// Outside a tokio runtime, or in one without IO.
    pub fn new(children: &Children, log_limit: u64) -> io::Result<Self> {
        let oom = OomCounter::find();
        let oom_explained = oom.as_ref().and_then(OomCounter::kills).unwrap_or(0);
        Ok(Self {
            keeper: Some(Connection::new(children.family(), children.lock())?),
            children: children.clone(),
            log_limit,
            live: BTreeMap::new(),
            reports: VecDeque::new(),
            oom,
            oom_explained,
        })
    }

    /// Number of live attempts.
    #[must_use]
    pub fn n_live(&self) -> usize {
        self.live.len()
    }

    /// An error is the end of the keeper.
    fn try_start(&mut self, plan: &LaunchPlan) -> io::Result<Result<u32, LaunchError>> {
        let children = &self.children;
        let keeper = match &mut self.keeper {
            Some(keeper) => keeper,
            none => none.insert(Connection::new(children.family(), children.lock())?),
        };
        let (run, token) = (plan.run, children.family().attempt());
        keeper.send(&Request::Start(Box::new(Order {
            run,
            token: token.number(),
            run_dir: plan.run_dir.clone().into(),
            title: plan.title(),
            log_limit: self.log_limit,
            program: plan.program.clone(),
            args: plan.args.clone(),
            env: plan.env.clone(),
            folder: plan.folder.clone().map(Into::into),
            lifeline: plan.stdin == Stdin::Lifeline,
        })))?;
        let answer = loop {
            keeper.wait()?;
            let mut answer = None;
            for report in keeper.receive()? {
                if report.run() == run && answer.is_none() {
                    answer = Some(report);
                } else {
                    self.reports.push_back(report);
                }
            }
            if let Some(answer) = answer {
                break answer;
            }
        };
        Ok(match answer {
            Report::Started { pid, log_start, .. } => {
                let (attempt, run_dir) = (plan.attempt, plan.run_dir.clone());
                self.live.insert(
                    run,
                    Supervised { attempt, run_dir, token, log_start, stopped: false, pauses: plan.pauses },
                );
                Ok(pid.unsigned_abs())
            }
            Report::NotStarted { step, errno, .. } => {
                Err(start_error(plan, step, io::Error::from_raw_os_error(errno)))
            }
            Report::Lost { .. } | Report::Ended { .. } => {
                Err(LaunchError::Supervisor(io::Error::other("it was killed")))
            }
        })
    }

    /// Takes in what the keeper has told.
    fn receive(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        match keeper.receive() {
            Ok(reports) => self.reports.extend(reports),
            Err(_) => self.lose_keeper(),
        }
    }

    /// The keeper was killed, so the supervisors end their attempts, or are gone as well.
    fn lose_keeper(&mut self) {
        // Waits for it, if it is alive after all.
        self.keeper = None;
        for run in self.live.keys() {
            if !self.reports.iter().any(|report| report.run() == *run) {
                self.reports.push_back(Report::Lost { run: *run });
            }
        }
    }

    fn take_ended(&mut self) -> Option<AttemptEnd> {
        while let Some(report) = self.reports.pop_front() {
            if let Some(live) = self.live.remove(&report.run()) {
                return Some(self.judge(live, report));
            }
        }
        None
    }

    fn judge(&mut self, live: Supervised, report: Report) -> AttemptEnd {
        let (mut used, mut status, mut log_cut) = (Used::default(), None, 0);
        if let Report::Ended { status: raw, peak_memory, core_seconds, log_cut: cut, .. } = report {
            status = Some(ExitStatus::from_raw(raw));
            used = Used { peak_memory, core_seconds: Some(core_seconds), ..Used::default() };
            log_cut = cut;
        } else {
            // The keeper has ended what the supervisor left, unless it was killed itself.
            orphans::end_attempt(live.token);
        }
        // One of an earlier attempt says nothing of this one.
        let outcome = Outcome::read(&live.run_dir)
            .map(|outcome| outcome.filter(|outcome| outcome.attempt == live.attempt));
        let own_word = outcome.as_ref().ok().and_then(Option::as_ref);
        let has_outcome = own_word.is_some();
        let resumed_from = own_word.map(|outcome| outcome.resumed_from);
        used.peak_memory = own_word.and_then(|outcome| outcome.peak_memory).or(used.peak_memory);
        used.peak_device_memory = own_word.and_then(|outcome| outcome.peak_device_memory);
        used.phases = own_word.and_then(|outcome| outcome.phases);
        let killed = status.and_then(|status| status.signal()) == Some(Signal::SIGKILL as i32);
        let code = status.and_then(|status| status.code());
        let has_paused = live.pauses && code == Some(PAUSED_EXIT.into());
        let known = Known {
            status,
            outcome,
            stopped: live.stopped || has_paused,
            oom_kill: killed && !live.stopped && self.explained_by_oom(),
            tail: || {
                log::tail(&live.run_dir, live.log_start.saturating_sub(log_cut))
                    .unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
            },
        };
        let mut ending = known.ending();
        if let (Ending::Failed(failure), Some(status)) = (&mut ending, status) {
            failure.evidence.signal = status.signal();
            failure.evidence.exit_code = status.code();
        }
        let asked_to_end = status.is_some_and(was_asked_to_end);
        let (run, attempt) = (report.run(), live.attempt);
        AttemptEnd {
            run,
            attempt,
            ending,
            used,
            has_outcome,
            resumed_from,
            asked_to_end,
            has_paused,
            alive: None,
        }
    }

    /// Whether the kernel has killed a process for memory that explains no other end yet; then it explains
    /// this one.
    fn explained_by_oom(&mut self) -> bool {
        let kills = self.oom.as_ref().and_then(OomCounter::kills).unwrap_or(0);
        let explains = kills > self.oom_explained;
        self.oom_explained += u64::from(explains);
        explains
    }
}

impl Launcher for LocalLauncher {
    fn start(&mut self, plan: &LaunchPlan) -> Result<Handle, LaunchError> {
        if self.live.contains_key(&plan.run) {
            return Err(LaunchError::Live(plan.run));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_start(plan) {
                Ok(started) => return started.map(Handle::Process),
                Err(error) if tries == TRIES => return Err(LaunchError::Supervisor(error)),
                // The keeper is gone: another one is asked.
                Err(_) => self.lose_keeper(),
            }
        }
    }

    fn stop(&mut self, run: u64, kill: bool) -> Result<(), LaunchError> {
        let Some(live) = self.live.get_mut(&run) else { return Ok(()) };
        live.stopped = true;
        let sent = self.keeper.as_mut().map(|keeper| keeper.send(&Request::Stop { run, kill }));
        if !matches!(sent, Some(Ok(()))) {
            self.lose_keeper();
        }
        Ok(())
    }

    async fn next(&mut self) -> News {
        loop {
            self.receive();
            if let Some(end) = self.take_ended() {
                return News::Ended(Box::new(end));
            }
            match &mut self.keeper {
                Some(keeper) => keeper.readable().await,
                None => std::future::pending().await,
            }
        }
    }
}

fn start_error(plan: &LaunchPlan, step: Step, error: io::Error) -> LaunchError {
    match step {
        Step::Supervisor => return LaunchError::Supervisor(error),
        Step::Log => return LaunchError::Log { path: RunDir::new(&plan.run_dir).log(), error },
        Step::Program => {}
    }
    let path = std::path::Path::new(&plan.program);
    let detail = match error.kind() {
        io::ErrorKind::NotFound if path.components().count() == 1 && !path.is_absolute() => " on PATH",
        io::ErrorKind::NotFound if path.exists() => {
            "; the file is there, but the interpreter it names is not"
        }
        _ => "",
    };
    LaunchError::Start { program: plan.program.to_string_lossy().into_owned(), error, detail }
}

#[cfg(test)]
mod tests;
