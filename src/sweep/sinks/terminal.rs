//! The terminal sink: a live view where stderr is a terminal, a line for each end where it is not.
//!
//! How a frame is drawn is `live`'s; here is what it says.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use super::live::{self, Part, Size};
use crate::{
    base::{charset::for_locale, human, text::for_terminal},
    event::{Change, Event, NextTry, Resumed, Totals},
    run::{Action, RunState},
    spec::{Goal, Metric},
    sweep::status::{RunProgress, Status},
    tags,
};

/// Shows a sweep on stderr.
pub(crate) struct Terminal {
    experiment: String,
    metric: Metric,
    mode: Mode,
    /// As the last event has them.
    totals: Totals,
    /// The best value of the ranking metric of a run that this sweep has completed, and the run.
    best: Option<(f64, String)>,
    /// Whether it was said that a run has not written that metric; those behind it will do the same.
    told_without_metric: bool,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Everything.
    Normal,
    /// Problems alone.
    Quiet,
}

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    /// The last frame, and for which size it was drawn.
    Live {
        last: Option<(Vec<String>, Size)>,
    },
    Lines,
    Quiet,
}

/// What the loop knows beside an event.
pub(in crate::sweep) struct Context<'a> {
    /// The live runs, after the event.
    pub(in crate::sweep) status: &'a Status,
    /// The last value of the ranking metric of the run whose attempt has ended, where it is known.
    pub(in crate::sweep) ranked: Option<f32>,
    /// What to say where that run has completed and not written it.
    pub(in crate::sweep) without_metric: Option<String>,
    /// The time until the sweep's end, where it can be told.
    pub(in crate::sweep) eta: Option<Duration>,
    /// The time since the sweep's beginning, seconds.
    pub(in crate::sweep) elapsed: f64,
}

impl Terminal {
    /// A live view where stderr is a terminal, else lines. `metric` is the one that ranks.
    #[must_use]
    pub(crate) fn new(experiment: &str, metric: &Metric, verbosity: Verbosity) -> Self {
        let mode = match verbosity {
            Verbosity::Quiet => Mode::Quiet,
            Verbosity::Normal if size().is_some() => Mode::Live { last: None },
            Verbosity::Normal => Mode::Lines,
        };
        let totals = Totals::default();
        Self {
            experiment: experiment.to_owned(),
            metric: metric.clone(),
            mode,
            totals,
            best: None,
            told_without_metric: false,
        }
    }

    /// Shows an event and the state after it.
    pub(in crate::sweep) fn tell(&mut self, event: &Event, context: &Context<'_>) {
        self.totals = event.totals;
        let mut notes = Vec::new();
        match &event.change {
            // A start is nothing to tell, but that it is none from the beginning.
            Change::AttemptStarted(attempt) if self.mode != Mode::Quiet => {
                let goes_on = |Resumed { epoch, .. }| {
                    let (experiment, run, number) = (&self.experiment, &attempt.name, attempt.number);
                    format!("{experiment}: {run} goes on at epoch {epoch} (attempt {number})")
                };
                notes.extend(attempt.resumed.map(goes_on));
            }
            Change::AttemptNotStarted { attempt, state, failure, next } => {
                let why = (Some(failure.reason.as_str()), *next);
                notes.push(self.ended(&attempt.name, *state, why, None, context));
            }
            Change::AttemptEnded { attempt, state, failure, next, seconds, .. } => {
                let reason = failure.as_ref().map(|failure| failure.reason.as_str());
                // A run that did well is no problem.
                if self.mode != Mode::Quiet || reason.is_some() {
                    notes.push(self.ended(&attempt.name, *state, (reason, *next), Some(*seconds), context));
                }
                notes.extend(self.warn_without_metric(&attempt.name, &context.without_metric));
                if *state == RunState::Completed
                    && let Some(value) = context.ranked
                {
                    self.note_best(f64::from(value), &attempt.name);
                }
            }
            Change::Cancelled { grace } if *grace > 0.0 => {
                let grace = if *grace < 60.0 { format!("{grace} s") } else { human::seconds(*grace) };
                notes.push(format!(
                    "stopping: live runs are asked to end, and killed in {grace} or at the next Ctrl-C"
                ));
            }
            Change::Cancelled { .. } => notes.push("stopping at once: live runs are killed".to_owned()),
            Change::Note(text) if self.mode != Mode::Quiet => notes.push(text.clone()),
            Change::Note(_) => {}
            Change::Warning(text) => notes.push(format!("warning: {text}")),
            Change::SweepEnded { .. } => return self.finish(),
            Change::Problem { attempt, found, .. } => {
                notes.extend(found.iter().map(|problem| format!("warning: {}: {problem}", attempt.name)));
            }
            Change::Decided { name, decided, .. }
                if self.mode != Mode::Quiet && decided.action != Action::GoesOn =>
            {
                let what = decided.action.as_str().replace('_', " ");
                notes.push(format!("{}: {name} {what}: {}", self.experiment, decided.reason));
            }
            Change::Moved { name, state: RunState::Cancelled, .. } if self.mode != Mode::Quiet => {
                notes.push(format!("{}: {name} cancelled", self.experiment));
            }
            Change::Moved { name, state: RunState::Pending, .. } if self.mode != Mode::Quiet => {
                notes.push(format!("{}: {name} waits again", self.experiment));
            }
            Change::Moved { .. }
            | Change::Suggested { .. }
            | Change::Decided { .. }
            | Change::Stopped { .. }
            | Change::AttemptStarted(_)
            | Change::AttemptBegan { .. }
            | Change::SweepBegun { .. }
            | Change::Scalars { .. }
            | Change::Cut { .. }
            | Change::Measured { .. }
            | Change::Resumed { .. } => {}
        }
        if self.mode == Mode::Lines {
            notes.iter_mut().for_each(|note| *note = format!("{} {note}", clock(event.time)));
        }
        let note = (!notes.is_empty()).then(|| notes.join("\n"));
        self.show(note.as_deref(), context.status, context.eta, context.elapsed);
    }

    /// Draws the live view anew; lines have nothing to redraw.
    pub(in crate::sweep) fn redraw(&mut self, status: &Status, eta: Option<Duration>, elapsed: f64) {
        self.show(None, status, eta, elapsed);
    }

    fn show(&mut self, note: Option<&str>, status: &Status, eta: Option<Duration>, elapsed: f64) {
        let note = note.map(for_terminal);
        let text = match &self.mode {
            Mode::Lines | Mode::Quiet => match note {
                Some(note) => note + "\n",
                None => return,
            },
            Mode::Live { last } => {
                let Some(size) = size() else { return };
                let lines = self.lines(status, eta, elapsed, size.columns);
                if note.is_none() && last.as_ref() == Some(&(lines.clone(), size)) {
                    return;
                }
                let frame = live::frame(note.as_deref(), &lines, size);
                self.mode = Mode::Live { last: Some((lines, size)) };
                frame
            }
        };
        // A view that cannot be drawn is no reason to stop a sweep.
        let mut stderr = io::stderr().lock();
        drop(stderr.write_all(for_locale(&text).as_bytes()).and_then(|()| stderr.flush()));
    }

    /// The live view: the sweep, the best run so far, and a line for each slot that is busy, in the order of the slots.
    fn lines(&self, status: &Status, eta: Option<Duration>, elapsed: f64, columns: usize) -> Vec<String> {
        let Totals { total, completed, failed, live, cancelled, .. } = self.totals;
        let done = completed + failed;
        let queued = status.live.values().filter(|live| live.is_queued).count() as u64;
        let queued = queued.min(live);
        #[expect(clippy::cast_precision_loss, reason = "numbers of runs")]
        let part = if total > 0 { done as f64 / total as f64 } else { 0.0 };
        // Whole seconds: a view that is drawn four times a second need not flicker.
        let elapsed = human::seconds(elapsed.max(1.0).floor()).replace(".0 s", " s");
        let mut lines = vec![live::line(
            vec![
                (self.experiment.clone(), 2),
                (live::bar(part, 16), 4),
                (format!("{done}/{total} done"), 0),
                (format!("{} running", live - queued), 3),
                (if queued > 0 { format!("{queued} queued") } else { String::new() }, 3),
                (if failed > 0 { format!("{failed} failed") } else { String::new() }, 0),
                (if cancelled > 0 { format!("{cancelled} cancelled") } else { String::new() }, 3),
                (format!("{elapsed} so far"), 1),
                (eta.map(left).unwrap_or_default(), 0),
            ],
            columns,
        )];
        if let Some((value, run)) = &self.best {
            let best = format!("best so far: {} {value:.4}", tags::short(&self.metric.tag));
            let room = columns.saturating_sub(best.chars().count() + 3);
            lines.push(format!("{best}  {}", live::shortened(run, room)));
        }
        let mut runs: Vec<&RunProgress> = status.live.values().filter(|live| !live.is_queued).collect();
        runs.sort_by_cached_key(|live| slot_order(&live.slot));
        let slot_width = runs.iter().map(|live| live.slot.chars().count()).max().unwrap_or(0);
        lines.extend(runs.into_iter().map(|live| self.run_line(live, slot_width, columns)));
        lines.iter().map(|line| for_terminal(line)).collect()
    }

    /// `cpu/0   45 %  3-conv-32-nodes-0-dense  epoch 2/5  val. acc. 0.9312  loss 0.2110  310 images/s`
    fn run_line(&self, live: &RunProgress, slot_width: usize, columns: usize) -> String {
        let percent = live.fraction().map_or("    ".to_owned(), |part| format!("{:>3.0} %", part * 100.0));
        let head = format!("{:slot_width$} {percent}", live.slot);
        let metric = live
            .ranked
            .map(|value| format!("{} {value:.4}", tags::short(&self.metric.tag)))
            .unwrap_or_default();
        // The name gives way to the metric, but not all of it.
        let beside = head.chars().count() + metric.chars().count() + 5;
        let name = live::shortened(&live.forecast.name, columns.saturating_sub(beside).max(7));
        let epoch = live
            .forecast
            .epochs
            .map(|epochs| format!("epoch {}/{epochs}", (live.epochs_done + 1).min(epochs)))
            .unwrap_or_default();
        let loss = live.loss.map(|loss| format!("loss {loss:.4}")).unwrap_or_default();
        let rate = live.images_per_second.map(|rate| format!("{rate:.0} images/s")).unwrap_or_default();
        let parts: Vec<Part> = vec![(head, 0), (name, 0), (epoch, 2), (metric, 1), (loss, 3), (rate, 4)];
        live::line(parts, columns)
    }

    /// Says of the first run that has completed without the metric that ranks what the end would say of all.
    fn warn_without_metric(&mut self, run: &str, without_metric: &Option<String>) -> Option<String> {
        let words = without_metric.as_ref().filter(|_| !self.told_without_metric)?;
        self.told_without_metric = true;
        Some(format!(
            "warning: {run} has completed and will not rank, nor will others that write the same: {words}"
        ))
    }

    fn note_best(&mut self, value: f64, run: &str) {
        let is_better = match (&self.best, self.metric.goal) {
            _ if value.is_nan() => false,
            (None, _) => true,
            (Some((best, _)), Goal::Maximize) => value > *best,
            (Some((best, _)), Goal::Minimize) => value < *best,
        };
        if is_better {
            self.best = Some((value, run.to_owned()));
        }
    }

    fn ended(
        &self,
        run: &str,
        state: RunState,
        (reason, next): (Option<&str>, Option<NextTry>),
        seconds: Option<f64>,
        context: &Context<'_>,
    ) -> String {
        let experiment = &self.experiment;
        let done = format!("[{}/{}]", self.totals.completed + self.totals.failed, self.totals.total);
        let time = |word: &str| {
            seconds.map(|seconds| format!(" {word} {}", human::seconds(seconds))).unwrap_or_default()
        };
        match (state, reason) {
            (RunState::Completed | RunState::Reused, _) => {
                let metric = context
                    .ranked
                    .map(|value| format!(", {} {value:.4}", tags::short(&self.metric.tag)))
                    .unwrap_or_default();
                // The live view has it already.
                let left = match self.mode {
                    Mode::Lines => context.eta.map(|eta| format!(", {}", left(eta))).unwrap_or_default(),
                    _ => String::new(),
                };
                format!("{experiment}: {done} {run} completed{}{metric}{left}", time("in"))
            }
            (RunState::Failed, reason) => {
                format!("{experiment}: {done} {run} failed{}: {}", time("in"), reason.unwrap_or("unknown"))
            }
            (RunState::Pending | RunState::Running, Some(reason)) => {
                let next = next.map(|NextTry { number, of, alone }| {
                    let alone = if alone { "alone on its device, " } else { "" };
                    format!(" ({alone}attempt {number} of {of})")
                });
                let next = next.unwrap_or_default();
                format!("{experiment}: {run} failed{} ({reason}), tried again{next}", time("after"))
            }
            (RunState::Paused, _) => format!("{experiment}: {run} paused{}", time("after")),
            (RunState::Cancelled, _) => format!("{experiment}: {run} cancelled{}", time("after")),
            (RunState::Stopped, _) => {
                format!("{experiment}: {run} ended by a stopping rule{}", time("after"))
            }
            (RunState::Pending | RunState::Running, None) => {
                format!("{experiment}: {run} stopped{}; taken up again next time", time("after"))
            }
        }
    }

    /// Takes the live view away.
    fn finish(&mut self) {
        if matches!(self.mode, Mode::Live { .. }) {
            self.mode = Mode::Lines;
            let mut stderr = io::stderr().lock();
            drop(stderr.write_all(live::cleared().as_bytes()).and_then(|()| stderr.flush()));
        }
    }
}

/// A sweep that ends with an error leaves no view behind.
impl Drop for Terminal {
    fn drop(&mut self) {
        self.finish();
    }
}

/// That of the terminal behind stderr; `None` where it is none.
fn size() -> Option<Size> {
    let stderr = io::stderr();
    let (columns, rows) = terminal_size::terminal_size_of(&stderr).filter(|_| stderr.is_terminal())?;
    // A terminal that does not know its size says 0.
    let known = |size: u16, usual| if size == 0 { usual } else { usize::from(size) };
    Some(Size { columns: known(columns.0, 80), rows: known(rows.0, 24) })
}

/// `about 2 min left`; the time is rounded already.
fn left(eta: Duration) -> String {
    match eta.as_secs() {
        0 => "a few seconds left".to_owned(),
        seconds @ ..60 => format!("about {seconds} s left"),
        _ => format!("about {} left", human::duration(eta)),
    }
}

/// The texts and numbers of a slot's label in turn, so that `cpu/10` comes after `cpu/9`.
fn slot_order(label: &str) -> Vec<(String, u64)> {
    let mut order: Vec<(String, u64)> = vec![(String::new(), 0)];
    let mut in_number = false;
    for letter in label.chars() {
        let digit = letter.to_digit(10).map(u64::from);
        if in_number && digit.is_none() {
            order.push((String::new(), 0));
        }
        in_number = digit.is_some();
        if let Some((text, number)) = order.last_mut() {
            match digit {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(digit),
                None => text.push(letter),
            }
        }
    }
    order
}

/// Seconds since 1970 as the time of the day, UTC as in the database: `21:37:05Z`.
fn clock(time: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of today")]
    let seconds = time.max(0.0) as u64 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests;
