//! One attempt outside of any sweep: started, followed, shown, reaped.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    base::clock::wall_now,
    event::Event,
    follow::RunFollower,
    launch::{AttemptEnd, LaunchError, LaunchPlan, LocalLauncher},
    sweep::{Line, Planned, Progress, Status},
};

/// How often the event files are read.
const TICK: Duration = Duration::from_millis(250);
/// How long the attempt has to end after a first signal.
const GRACE: Duration = Duration::from_secs(10);

/// How the attempt ended.
#[derive(Debug)]
pub struct Ended {
    /// The attempt's end.
    pub end: AttemptEnd,
    /// Its duration.
    pub seconds: f64,
    /// Whether a signal to this process ended it.
    pub interrupted: bool,
}

/// Why there was no attempt.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Signals could not be listened for.
    #[error("cannot listen for signals")]
    Signals(#[from] io::Error),
    /// The process could not be started or stopped.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// Carries `plan` out and shows it as a sweep of one run. Ctrl-C and SIGTERM ask the attempt to end; a second one, or ten
/// seconds, end it.
///
/// # Errors
/// [`TrainError`]; an attempt that fails is no error.
pub async fn train(
    plan: &LaunchPlan,
    slot: &str,
    device: &str,
    planned: &Planned,
    progress: &mut Progress,
) -> Result<Ended, TrainError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut launcher = LocalLauncher::new()?;
    let mut follower = RunFollower::new(&plan.run_dir);
    let mut status = Status::new(1, 0);
    let begun = Instant::now();
    let mut show = |event: &Event, seconds: Option<f64>, progress: &mut Progress| {
        status.apply(event, || planned.clone());
        let line = Line { run: &planned.name, seconds, metric: None };
        progress.event(event, &line, &status, None);
    };
    let (run, attempt) = (plan.run, plan.attempt);
    let pid = launcher.start(plan)?;
    let (slot, device) = (slot.to_owned(), device.to_owned());
    show(&Event::AttemptStarted { run, attempt, pid, slot, device, time: wall_now() }, None, progress);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut deadline: Option<Instant> = None;
    let end = loop {
        let stop = tokio::select! {
            end = launcher.next() => break end,
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            _ = tick.tick() => {
                let polled = follower.poll();
                for problem in &polled.problems {
                    progress.note(&format!("warning: {problem}"));
                }
                if !polled.scalars.is_empty() {
                    show(&Event::Scalars { run, points: polled.scalars }, None, progress);
                }
                deadline.is_some_and(|deadline| Instant::now() > deadline)
            }
        };
        if stop {
            launcher.stop(run, deadline.is_some())?;
            deadline = Some(Instant::now() + GRACE);
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let failure = match &end.ending {
        crate::launch::Ending::Failed(failure) => Some(failure.clone()),
        _ => None,
    };
    let event = Event::AttemptEnded { run, attempt, state: end.state(), failure, time: wall_now() };
    show(&event, Some(seconds), progress);
    progress.finish();
    Ok(Ended { end, seconds, interrupted: deadline.is_some() })
}
