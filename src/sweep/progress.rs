//! The terminal sink: live bars where stderr is a terminal, plain lines where it is not.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::status::{Live, Status};
use crate::{
    base::human,
    event::Event,
    run::{Failure, RunState},
};

/// Shows a sweep on stderr.
pub struct Progress {
    experiment: String,
    mode: Mode,
}

enum Mode {
    Bars { all: MultiProgress, head: ProgressBar, runs: BTreeMap<u64, ProgressBar> },
    Lines,
}

/// Where a run's name is needed for a line about it.
pub struct Line<'a> {
    /// The run's name.
    pub run: &'a str,
    /// Seconds of the attempt, where it ended.
    pub seconds: Option<f64>,
    /// The rank metric's tag and last value, where known.
    pub metric: Option<(&'a str, f64)>,
}

impl Progress {
    /// Bars where stderr is a terminal, else lines.
    #[must_use]
    pub fn new(experiment: &str) -> Self {
        let mode = if io::stderr().is_terminal() {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            let head = all.add(ProgressBar::new(0));
            let style = "{prefix:.bold} [{bar:20}] {pos}/{len} {wide_msg}";
            head.set_style(
                ProgressStyle::with_template(style).expect("a constant template").progress_chars("=> "),
            );
            head.set_prefix(experiment.to_owned());
            Mode::Bars { all, head, runs: BTreeMap::new() }
        } else {
            Mode::Lines
        };
        Self { experiment: experiment.to_owned(), mode }
    }

    /// Writes one line above the bars.
    pub fn note(&self, text: &str) {
        match &self.mode {
            // A bar that cannot be drawn is no reason to stop a sweep.
            Mode::Bars { all, .. } => drop(all.println(text)),
            Mode::Lines => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }

    /// Shows the state after an event; `eta` is the time until the sweep's end, where it can be told.
    pub fn event(&mut self, event: &Event, line: &Line<'_>, status: &Status, eta: Option<Duration>) {
        match event {
            Event::AttemptStarted { slot, attempt, .. } => {
                if matches!(self.mode, Mode::Lines) {
                    let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                    self.note(&format!("{}: {} started on {slot}{again}", self.experiment, line.run));
                }
            }
            Event::AttemptEnded { run, state, failure, .. } => {
                if let Mode::Bars { all, runs, .. } = &mut self.mode
                    && let Some(bar) = runs.remove(run)
                {
                    bar.finish_and_clear();
                    all.remove(&bar);
                }
                self.note(&self.ended(*state, failure.as_ref(), line, status, eta));
            }
            Event::Scalars { .. } => {}
        }
        self.redraw(status, eta);
    }

    fn ended(
        &self,
        state: RunState,
        failure: Option<&Failure>,
        line: &Line<'_>,
        status: &Status,
        eta: Option<Duration>,
    ) -> String {
        let done = format!("[{}/{}]", status.completed + status.failed, status.total);
        let time = line.seconds.map(|s| format!(" in {}", human::seconds(s))).unwrap_or_default();
        match state {
            RunState::Completed => {
                let metric =
                    line.metric.map(|(tag, value)| format!(", {tag} {value:.4}")).unwrap_or_default();
                let eta = eta
                    .map(|eta| format!(", {} left", human::seconds(eta.as_secs_f64())))
                    .unwrap_or_default();
                format!("{}: {done} {} completed{time}{metric}{eta}", self.experiment, line.run)
            }
            RunState::Failed => {
                let reason = failure.map_or("unknown", |failure| failure.reason.as_str());
                format!("{}: {done} {} failed{time}: {reason}", self.experiment, line.run)
            }
            RunState::Pending | RunState::Running => {
                format!("{}: {} stopped{time}, to be run again", self.experiment, line.run)
            }
        }
    }

    /// Draws the bars anew; lines have nothing to redraw.
    pub fn redraw(&mut self, status: &Status, eta: Option<Duration>) {
        let Mode::Bars { all, head, runs } = &mut self.mode else { return };
        head.set_length(status.total);
        head.set_position(status.completed + status.failed);
        let failed = if status.failed > 0 { format!(", {} failed", status.failed) } else { String::new() };
        let left = eta.map(|eta| format!(", {} left", human::seconds(eta.as_secs_f64()))).unwrap_or_default();
        head.set_message(format!("{} running{failed}{left}", status.live.len()));
        for (run, live) in &status.live {
            let bar = runs.entry(*run).or_insert_with(|| {
                let bar = all.add(ProgressBar::new(1000));
                let style = "  {prefix} [{bar:12}] {wide_msg}";
                bar.set_style(
                    ProgressStyle::with_template(style).expect("a constant template").progress_chars("-> "),
                );
                bar.set_prefix(live.slot.clone());
                bar
            });
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a fraction of 0 to 1"
            )]
            bar.set_position((live.fraction().unwrap_or(0.0) * 1000.0) as u64);
            bar.set_message(describe(live));
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        if let Mode::Bars { all, head, runs } = &mut self.mode {
            runs.values().for_each(ProgressBar::finish_and_clear);
            head.finish_and_clear();
            drop(all.clear());
        }
    }
}

/// `3-conv-32-nodes-0-dense  epoch 2/5  loss 0.2110  val. acc. 0.9312  310 images/s`; what does not fit the terminal is
/// cut by the bar.
fn describe(live: &Live) -> String {
    let mut text = live.planned.name.clone();
    if let Some(epochs) = live.planned.epochs {
        text += &format!("  epoch {}/{epochs}", (live.epochs_done + 1).min(epochs));
    }
    if let Some(loss) = live.loss {
        text += &format!("  loss {loss:.4}");
    }
    if let Some(accuracy) = live.accuracy {
        text += &format!("  val. acc. {accuracy:.4}");
    }
    if let Some(rate) = live.images_per_second {
        text += &format!("  {rate:.0} images/s");
    }
    text
}
