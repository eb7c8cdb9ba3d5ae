//! The progress over runs: a bar where stderr is a terminal, nothing where it is not.

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, OnceLock},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
