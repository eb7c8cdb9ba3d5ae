//! What the terminal shows of a corpus: the progress of its preparation, and Tab. 1.

use std::{
    io::{self, IsTerminal},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{CliError, listing, output};
use crate::{
    base::{human::counted, signals::Signals},
    corpus::{LoadingTable, PreparationProgress},
    report::{Format, loading_table},
    spec::Dataset,
    sweep::{Corpus, SweepError, prepare_corpus},
};

/// Most unreadable files that are listed.
const LISTED: usize = 20;

/// The progress over images: a bar where stderr is a terminal, a line where it is not.
pub(super) struct Bar {
    /// What is done: `preparing`.
    verb: &'static str,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    /// A bar that shows itself when the number of images is known.
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, bar: OnceLock::new() }
    }
}

/// The progress of evaluating the best runs on the held-out images.
pub(super) fn test_bar() -> Bar {
    Bar::new("evaluating test")
}

impl PreparationProgress for Bar {
    fn start(&self, total: usize) {
        if !io::stderr().is_terminal() {
            output::note(&format!("{} {}", self.verb, counted(total, "image")));
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr_with_hz(8));
        let style = "{prefix} images [{bar:30}] {pos}/{len}  {per_sec}  {eta} left";
        bar.set_style(
            ProgressStyle::with_template(style).expect("a constant template").progress_chars("=> "),
        );
        bar.set_prefix(self.verb);
        // A second start would be a second preparation, which has a bar of its own.
        let _ = self.bar.set(bar);
    }

    fn advance(&self) {
        if let Some(bar) = self.bar.get() {
            bar.inc(1);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// Tab. 1 of the paper as text for stderr.
pub(super) fn loading_text(loading: &LoadingTable) -> String {
    loading_table(loading, false).render(Format::Table, output::note_width())
}

/// Works on a thread of its own, so that signals are heard: they set the flag that the work looks at.
///
/// # Errors
/// The work's; `CorpusError::Cancelled` after a signal.
pub(super) async fn interruptible<T: Send + 'static>(
    signals: &Signals,
    work: impl FnOnce(&AtomicBool) -> Result<T, SweepError> + Send + 'static,
) -> Result<T, CliError> {
    let mut signals = signals.clone();
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let mut work = tokio::task::spawn_blocking(move || work(&flag));
    loop {
        tokio::select! {
            done = &mut work => return Ok(done.map_err(|error| CliError::Runtime(io::Error::other(error)))??),
            () = signals.next() => cancelled.store(true, Ordering::Relaxed),
        }
    }
}

/// Prepares the images of a dataset in the cache `root`. A signal stops the work, takes the half-made files away, and ends with the exit code
/// of an interrupt.
///
/// # Errors
/// As `sweep::prepare_corpus`; `CorpusError::Cancelled` after a signal.
pub(super) async fn prepare(dataset: &Dataset, root: &Path, signals: &Signals) -> Result<Corpus, CliError> {
    let (dataset, root) = (dataset.clone(), root.to_owned());
    let prepared = interruptible(signals, move |cancelled| {
        prepare_corpus(&dataset, &root, &Bar::new("preparing"), cancelled)
    })
    .await?;
    for damage in prepared.damages() {
        output::note(&format!(
            "warning: the prepared images in the cache were damaged and have been prepared again ({damage}); runs that were \
             trained since may have seen damaged ones: `gridboard rerun RUN --check` tells"
        ));
    }
    for warning in prepared.warnings() {
        output::note(&format!("warning: {warning}"));
    }
    let skipped: Vec<_> = prepared.skipped().collect();
    for bad in skipped.iter().take(LISTED) {
        output::note(&format!("left out: {}: {}", bad.file, bad.reason));
    }
    if skipped.len() > LISTED {
        output::note(&format!("left out: {} more", skipped.len() - LISTED));
    }
    let copies = prepared.test_copies();
    if !copies.is_empty() {
        let what = counted(copies.len(), "test image");
        let are = if copies.len() == 1 { "is" } else { "are" };
        let shown: Vec<&str> = copies.iter().map(String::as_str).collect();
        let shown = listing::shortened(&shown, LISTED);
        output::note(&format!("warning: {what} {are} byte for byte images that train or validate: {shown}"));
    }
    Ok(prepared)
}
