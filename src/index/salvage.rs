//! What an older version has kept in the database alone is put into the folders, before the database is made anew from them.
//!
//! Only where a folder lacks the file: what is there is believed.

use std::path::Path;

use super::record::{RecordError, keep_record};
use crate::{
    base::files::Durability,
    run::{AttemptEnding, AttemptEvent, AttemptStart, ExperimentDir, RunState},
    store::{AttemptState, Reader},
};

/// Writes the records that the folders of a runs directory lack, from the database that is there. Returns of how many runs.
///
/// # Errors
/// Where the database cannot be read, or a file cannot be written.
pub(super) async fn salvage(store: &mut Reader, runs_dir: &Path) -> Result<usize, RecordError> {
    let mut salvaged = 0;
    for experiment in store.experiments().await? {
        let dir = ExperimentDir::new(runs_dir, &experiment.name);
        if !dir.path().is_dir() {
            continue;
        }
        if !dir.ledger().exists() {
            keep_record(store, experiment.key, &dir).await?;
        }
        for run in store.runs(Some(experiment.key)).await? {
            let folder = dir.run(&run.spec.name);
            if run.attempts == 0 || !folder.path().is_dir() || folder.attempts().exists() {
                continue;
            }
            salvaged += 1;
            for attempt in store.attempts(run.key).await? {
                let number = attempt.attempt;
                let log = |event: AttemptEvent| folder.log_attempt(&event, Durability::Written);
                log(AttemptEvent::Started(AttemptStart {
                    attempt: number,
                    pid: Some(attempt.pid).filter(|pid| *pid != 0),
                    pid_start: attempt.pid_start,
                    boot_id: attempt.boot_id,
                    slot: Some(attempt.slot),
                    device: Some(attempt.device),
                    threads: attempt.threads,
                    host: Some(attempt.host),
                    job: attempt.job,
                    started: attempt.started,
                    resumed_from: attempt.resumed_from,
                }))?;
                if let Some(text) = attempt.problem {
                    log(AttemptEvent::Problem { attempt: number, text })?;
                }
                let Some(finished) = attempt.finished else { continue };
                let state = match attempt.state {
                    AttemptState::Completed => RunState::Completed,
                    AttemptState::Failed | AttemptState::Lost => RunState::Failed,
                    AttemptState::Running | AttemptState::Interrupted => RunState::Pending,
                };
                log(AttemptEvent::Ended(AttemptEnding {
                    attempt: number,
                    state,
                    finished,
                    failure: attempt.failure,
                    used: attempt.used,
                }))?;
            }
        }
    }
    Ok(salvaged)
}
