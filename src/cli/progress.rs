//! The progress over runs: a bar where stderr is a terminal, nothing where it is not; and that of bringing a database up to date.

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, OnceLock},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::base::human::counted;

/// A bar that shows itself when the number of runs is known. Its clones are one bar.
#[derive(Clone)]
pub(super) struct RunBar {
    /// What is done: `indexing`.
    verb: &'static str,
    bar: Arc<OnceLock<ProgressBar>>,
}

impl RunBar {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, bar: Arc::default() }
    }

    /// So many of all runs are done.
    pub(super) fn at(&self, done: usize, total: usize) {
        if !io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let target = ProgressDrawTarget::stderr_with_hz(8);
            let bar = ProgressBar::with_draw_target(Some(total as u64), target);
            let style = "{prefix} runs [{bar:30}] {pos}/{len}  {per_sec}  {eta} left";
            let style = ProgressStyle::with_template(style).expect("a constant template");
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(self.verb);
            bar
        });
        bar.set_position(done as u64);
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// Told while curves of a database from before are made quick to draw: once, and a bar where stderr is a terminal.
pub(super) fn upgrading(done: usize, total: usize) {
    static BAR: OnceLock<ProgressBar> = OnceLock::new();
    if total == 0 {
        return;
    }
    if done == 0 {
        let what = counted(total, "long curve");
        output::note(&format!(
            "the runs database is of an earlier version: making {what} quick to draw, once"
        ));
    }
    if !io::stderr().is_terminal() {
        return;
    }
    let bar = BAR.get_or_init(|| {
        ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr_with_hz(8))
    });
    bar.set_position(done as u64);
    if done == total {
        bar.finish_and_clear();
    }
}
