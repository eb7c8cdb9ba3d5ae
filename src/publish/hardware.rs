//! What the machine did for an experiment: its attempts with their slots and times, and what was measured meanwhile.
//!
//! For the report, which tells the slots' idle times, and for `gridboard trace`.

use crate::{
    base::clock::wall_now,
    report::TracedAttempt,
    store::{AttemptState, Reader, RunRecord, StoreError},
    tags::SYSTEM_FOLDER,
};

/// The attempts of some runs, in their order; with what was measured of the machine, of which that of a run's last attempt is
/// kept, where `with_counters` asks for it.
///
/// # Errors
/// If the database cannot be read.
pub(crate) async fn attempts(
    reader: &mut Reader,
    runs: &[RunRecord],
    with_counters: bool,
) -> Result<Vec<TracedAttempt>, StoreError> {
    let mut traced = Vec::new();
    for run in runs {
        let all = reader.attempts(run.key).await?;
        let last = all.len();
        for (number, attempt) in (1..).zip(all) {
            let counters = if with_counters && number == last {
                let curves = reader.history(run.key, &[]).await?;
                let own = curves.into_iter().filter_map(|curve| {
                    let name = curve.tag.strip_prefix(SYSTEM_FOLDER)?.to_owned();
                    Some((name, curve.points.iter().map(|point| (point.wall_time, point.value)).collect()))
                });
                own.collect()
            } else {
                Vec::new()
            };
            traced.push(TracedAttempt {
                run: run.spec.name.clone(),
                attempt: attempt.attempt,
                slot: attempt.slot,
                device: attempt.device,
                started: attempt.started,
                finished: attempt.finished.unwrap_or_else(|| match attempt.state {
                    AttemptState::Running => wall_now(),
                    // Nobody saw its end.
                    _ => attempt.started,
                }),
                state: attempt.state.as_str().to_owned(),
                reason: attempt.failure.map(|failure| failure.reason),
                phases: attempt
                    .used
                    .phases
                    .map(|phases| (phases.training.seconds, phases.validation.seconds)),
                counters,
            });
        }
    }
    Ok(traced)
}
