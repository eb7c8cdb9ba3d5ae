//! The terminal sink: live bars where stderr is a terminal, plain lines where it is not.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    base::{human, text::for_terminal},
    event::{Change, Event, Resumed, Totals, tags},
    run::RunState,
    sweep::status::{RunProgress, Status},
};

/// Shows a sweep on stderr.
pub(crate) struct Terminal {
    experiment: String,
    mode: Mode,
    /// As the last event has them.
    totals: Totals,
}

enum Mode {
    Bars { all: MultiProgress, head: ProgressBar, runs: BTreeMap<u64, ProgressBar> },
    Lines,
}

/// What the loop knows beside an event.
pub(in crate::sweep) struct Context<'a> {
    /// The live runs, after the event.
    pub(in crate::sweep) status: &'a Status,
    /// The last validation accuracy of the run whose attempt has ended, where it is known.
    pub(in crate::sweep) accuracy: Option<f32>,
    /// The time until the sweep's end, where it can be told.
    pub(in crate::sweep) eta: Option<Duration>,
}

impl Terminal {
    /// Bars where stderr is a terminal, else lines.
    #[must_use]
    pub(crate) fn new(experiment: &str) -> Self {
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
        Self { experiment: experiment.to_owned(), mode, totals: Totals::default() }
    }

    /// Writes one line above the bars.
    fn note(&self, text: &str) {
        let text = for_terminal(text);
        match &self.mode {
            // A bar that cannot be drawn is no reason to stop a sweep.
            Mode::Bars { all, .. } => drop(all.println(text)),
            Mode::Lines => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }

    /// Shows an event and the state after it.
    pub(in crate::sweep) fn tell(&mut self, event: &Event, context: &Context<'_>) {
        self.totals = event.totals;
        match &event.change {
            Change::AttemptStarted(attempt) => {
                if matches!(self.mode, Mode::Lines) {
                    let again = match (attempt.number, attempt.resumed) {
                        (number, Some(Resumed { epoch, .. })) => {
                            format!(" (attempt {number}, goes on at epoch {epoch})")
                        }
                        (0 | 1, None) => String::new(),
                        (number, None) => format!(" (attempt {number})"),
                    };
                    let (run, slot) = (&attempt.name, &attempt.slot);
                    self.note(&format!("{}: {run} started on {slot}{again}", self.experiment));
                }
            }
            Change::AttemptNotStarted { attempt, state, failure } => {
                self.note(&self.ended(&attempt.name, *state, Some(&failure.reason), None, context));
            }
            Change::AttemptEnded { attempt, state, failure, seconds, .. } => {
                if let Mode::Bars { all, runs, .. } = &mut self.mode
                    && let Some(bar) = runs.remove(&attempt.run)
                {
                    bar.finish_and_clear();
                    all.remove(&bar);
                }
                let reason = failure.as_ref().map(|failure| failure.reason.as_str());
                self.note(&self.ended(&attempt.name, *state, reason, Some(*seconds), context));
            }
            Change::Cancelled { grace } if *grace > 0.0 => {
                let grace = if *grace < 60.0 { format!("{grace} s") } else { human::seconds(*grace) };
                self.note(&format!(
                    "stopping: live runs are asked to end, and killed in {grace} or at the next Ctrl-C"
                ));
            }
            Change::Cancelled { .. } => self.note("stopping at once: live runs are killed"),
            Change::Note(text) => self.note(text),
            Change::Warning(text) => self.note(&format!("warning: {text}")),
            Change::SweepEnded { .. } => return self.finish(),
            Change::Problem { attempt, found, .. } => {
                found.iter().for_each(|problem| self.note(&format!("warning: {}: {problem}", attempt.name)));
            }
            Change::SweepBegun { .. }
            | Change::Scalars { .. }
            | Change::Cut { .. }
            | Change::Resumed { .. } => {}
        }
        self.redraw(context.status, context.eta);
    }

    fn ended(
        &self,
        run: &str,
        state: RunState,
        reason: Option<&str>,
        seconds: Option<f64>,
        context: &Context<'_>,
    ) -> String {
        let experiment = &self.experiment;
        let done = format!("[{}/{}]", self.totals.completed + self.totals.failed, self.totals.total);
        let time = seconds.map(|seconds| format!(" in {}", human::seconds(seconds))).unwrap_or_default();
        match (state, reason) {
            (RunState::Completed, _) => {
                let accuracy = context.accuracy.map(f64::from);
                let metric = accuracy
                    .map(|value| format!(", {} {value:.4}", tags::VALIDATION_ACCURACY))
                    .unwrap_or_default();
                let left = left(context.eta);
                format!("{experiment}: {done} {run} completed{time}{metric}{left}")
            }
            (RunState::Failed, reason) => {
                format!("{experiment}: {done} {run} failed{time}: {}", reason.unwrap_or("unknown"))
            }
            (RunState::Pending | RunState::Running, Some(reason)) => {
                format!("{experiment}: {run} failed{time}, to be tried again: {reason}")
            }
            (RunState::Pending | RunState::Running, None) => {
                format!("{experiment}: {run} stopped{time}, to be run again")
            }
        }
    }

    /// Draws the bars anew; lines have nothing to redraw.
    pub(in crate::sweep) fn redraw(&mut self, status: &Status, eta: Option<Duration>) {
        let Mode::Bars { all, head, runs } = &mut self.mode else { return };
        let Totals { total, completed, failed, live, .. } = self.totals;
        head.set_length(total);
        head.set_position(completed + failed);
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        head.set_message(format!("{live} running{failed}{}", left(eta)));
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
    fn finish(&mut self) {
        if let Mode::Bars { all, head, runs } = &mut self.mode {
            runs.values().for_each(ProgressBar::finish_and_clear);
            head.finish_and_clear();
            drop(all.clear());
        }
    }
}

/// `, 3 min 12 s left`
fn left(eta: Option<Duration>) -> String {
    eta.map(|eta| format!(", {} left", human::seconds(eta.as_secs_f64()))).unwrap_or_default()
}

/// `3-conv-32-nodes-0-dense  epoch 2/5  loss 0.2110  val. acc. 0.9312  310 images/s`; what does not fit the terminal is
/// cut by the bar.
fn describe(live: &RunProgress) -> String {
    let mut text = live.forecast.name.clone();
    if let Some(epochs) = live.forecast.epochs {
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
