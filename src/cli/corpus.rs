//! What the terminal shows of a corpus: the progress of its preparation, and Tab. 1.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::{
    corpus::{LoadingTable, Progress},
    report::Format,
    sweep::loading_table,
};

/// The progress of decoding: a bar where stderr is a terminal, a line where it is not.
#[derive(Default)]
pub(super) struct Bar(OnceLock<ProgressBar>);

impl Progress for Bar {
    fn start(&self, total: usize) {
        if !io::stderr().is_terminal() {
            output::note(&format!("preparing {total} images"));
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr_with_hz(8));
        let style = "preparing images [{bar:30}] {pos}/{len}  {per_sec}  {eta} left";
        bar.set_style(
            ProgressStyle::with_template(style).expect("a constant template").progress_chars("=> "),
        );
        // A second start would be a second preparation, which has a bar of its own.
        let _ = self.0.set(bar);
    }

    fn advance(&self) {
        if let Some(bar) = self.0.get() {
            bar.inc(1);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}

/// Tab. 1 of the paper as text for stderr.
pub(super) fn loading_text(loading: &LoadingTable) -> String {
    loading_table(loading).render(Format::Table, None)
}
