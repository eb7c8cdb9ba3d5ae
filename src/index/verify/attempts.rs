//! `attempts.jsonl` and the rows of a run's attempts. Pure.

use super::Side;
use crate::{
    run::{Decided, LoggedAttempt},
    store::{AttemptRecord, AttemptState},
};

/// Says where log and rows disagree.
pub(super) fn compare(rows: &[AttemptRecord], log: &[LoggedAttempt], say: &mut dyn FnMut(Side, String)) {
    for row in rows.iter().filter(|row| log.iter().all(|logged| logged.start.attempt != row.attempt)) {
        say(Side::Database, format!("attempt {} is not in `attempts.jsonl`", row.attempt));
    }
    for logged in log {
        let number = logged.start.attempt;
        let Some(row) = rows.iter().find(|row| row.attempt == number) else {
            say(Side::Files, format!("attempt {number} is in `attempts.jsonl` and not in the database"));
            continue;
        };
        let other = differing(row, logged);
        if !other.is_empty() {
            let words = other.join(", ");
            say(
                Side::Files,
                format!("attempt {number} has another {words} in `attempts.jsonl` than in the database"),
            );
        }
    }
}

/// Says where the decisions of a stopping rule disagree.
pub(super) fn compare_decisions(
    rows: &[(u32, Decided)],
    log: &[LoggedAttempt],
    say: &mut dyn FnMut(Side, String),
) {
    let logged = log
        .iter()
        .flat_map(|attempt| attempt.decisions.iter().map(|decided| (attempt.start.attempt, decided)));
    if !logged.eq(rows.iter().map(|(attempt, decided)| (*attempt, decided))) {
        let what = "`attempts.jsonl` has other decisions of the stopping rule than the database";
        say(Side::Files, what.to_owned());
    }
}

/// What is not the same, in words.
fn differing(row: &AttemptRecord, logged: &LoggedAttempt) -> Vec<&'static str> {
    let (start, end) = (&logged.start, logged.end.as_ref());
    let state = AttemptState::of_end(end);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let all = [
        ("state", row.state == state),
        ("process", row.pid == start.pid.unwrap_or(0) && row.pid_start == start.pid_start),
        ("boot", row.boot_id == start.boot_id),
        ("slot", row.slot == text(&start.slot)),
        ("device", row.device == text(&start.device)),
        ("host", row.host == text(&start.host)),
        ("job", row.job == start.job),
        ("number of threads", row.threads == start.threads),
        ("start", row.started == start.started),
        ("place where it goes on", row.resumed_from == start.resumed_from),
        ("problem", row.problem == logged.problem),
        ("end", row.finished == end.map(|end| end.finished)),
        // Of one whose end nobody saw only the database says it.
        ("failure", end.is_none() || row.failure.as_ref() == end.and_then(|end| end.failure.as_ref())),
        ("use of the machine", row.used == end.map(|end| end.used).unwrap_or_default()),
    ];
    all.into_iter().filter(|(_, is_same)| !is_same).map(|(what, _)| what).collect()
}
