//! What `tag`, `note` and `archive` share: the file of a run first, then the database, which is its index. No sweep is disturbed,
//! and none is waited for.

use std::path::Path;

use serde_json::json;

use super::{CliError, control, exit, output, runtime, show};
use crate::{
    report::Format,
    run::{ExperimentDir, Marks},
    store::{Reader, RunRecord, Store},
};

/// Changes what is said of runs, and says what that is from then on.
///
/// # Errors
/// Where a run is none, or what cannot be read or written.
pub(super) fn change(
    runs_dir: &Path,
    runs: &[String],
    format: Format,
    change: impl Fn(&mut Marks),
) -> Result<u8, CliError> {
    let marked = runtime()?.block_on(mark_all(runs_dir, runs, change))?;
    if format == Format::Json {
        let json = marked.iter().map(|(run, marks)| {
            json!({
                "experiment": run.experiment, "run": run.spec.name, "tags": marks.tags, "note": marks.note,
                "archived": marks.archived,
            })
        });
        output::json_array(json)?;
    } else {
        for (run, marks) in &marked {
            output::data(&format!("{}/{}: {}", run.experiment, run.spec.name, words(marks)))?;
        }
    }
    Ok(exit::DONE)
}

/// Changes what is said of runs: what that is from then on.
///
/// # Errors
/// As [`change`].
pub(super) async fn mark_all(
    runs_dir: &Path,
    runs: &[String],
    change: impl Fn(&mut Marks),
) -> Result<Vec<(RunRecord, Marks)>, CliError> {
    let mut reader = Reader::open(runs_dir).await?;
    let mut found: Vec<RunRecord> = Vec::new();
    for run in runs {
        found.push(show::one(&mut reader, runs_dir, run).await?);
    }
    reader.close().await?;
    let mut marked: Vec<(RunRecord, Marks)> = Vec::new();
    let mut store: Option<Store> = None;
    for run in found {
        let dir = ExperimentDir::new(runs_dir, &run.experiment).run(&run.spec.name);
        let marks = control::mark(&dir, &change)?;
        let tags: Vec<String> = marks.tags.iter().cloned().collect();
        // Also where an earlier change was cut off between the two.
        if (&tags, &marks.note, marks.archived) != (&run.tags, &run.note, run.archived) {
            let store = match &mut store {
                Some(store) => store,
                None => store.insert(Store::open(runs_dir).await?),
            };
            store.set_marks(run.key, &marks).await?;
        }
        marked.push((run, marks));
    }
    if let Some(store) = store {
        store.leave().await?;
    }
    Ok(marked)
}

/// What is said of a run, in one line.
fn words(marks: &Marks) -> String {
    let tags: Vec<&str> = marks.tags.iter().map(String::as_str).collect();
    let mut words =
        vec![if tags.is_empty() { "no tags".to_owned() } else { format!("tags {}", tags.join(", ")) }];
    words.push(marks.note.as_ref().map_or_else(|| "no note".to_owned(), |note| format!("note: {note}")));
    if marks.archived {
        words.push("archived".to_owned());
    }
    words.join("; ")
}
