//! What is worth a message, and in which words.

use std::sync::Arc;

use super::*;
use crate::{
    event::{Attempt, NextTry},
    run::{Evidence, Failure, Used},
};

fn decisions() -> Decisions {
    Decisions {
        experiment: "e".to_owned(),
        on: NotifyOn::ALL.to_vec(),
        goal: Goal::Minimize,
        metric: "loss".to_owned(),
        best: None,
        began: None,
        failures: 0,
        last_failure: None,
        untold: 0,
    }
}

fn event(time: f64, change: Change) -> Event {
    Event {
        time,
        totals: Totals { total: 9, completed: 2, failed: 1, pending: 6, live: 0, cancelled: 0 },
        change,
    }
}

fn ended(time: f64, kind: Option<FailureKind>, next: Option<NextTry>) -> Event {
    let attempt = Arc::new(Attempt {
        run: 1,
        name: "a".to_owned(),
        number: 1,
        slot: String::new(),
        device: String::new(),
        threads: 1,
        handle: None,
        started: 0.0,
        pid_start: None,
        resumed: None,
    });
    let failure = kind.map(|kind| Failure {
        kind,
        reason: "why".to_owned(),
        log_tail: String::new(),
        evidence: Evidence::default(),
    });
    let state = if failure.is_none() { RunState::Completed } else { RunState::Failed };
    event(time, Change::AttemptEnded { attempt, state, failure, next, seconds: 1.0, used: Used::default() })
}

fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(|message| message.json["event"].as_str()).collect()
}

#[test]
fn a_run_that_is_tried_again_has_not_failed_and_a_silent_one_is_told() {
    let mut decisions = decisions();
    let next = Some(NextTry { number: 2, of: 3, alone: false });
    assert_eq!(kinds(&decisions.of(&ended(1.0, Some(FailureKind::Exit), next), None)), [""; 0]);
    assert_eq!(kinds(&decisions.of(&ended(1.0, Some(FailureKind::Stalled), next), None)), ["stalled"]);
    let messages = decisions.of(&ended(1.0, Some(FailureKind::Stalled), None), None);
    assert_eq!(kinds(&messages), ["stalled", "failed"]);
    assert_eq!(messages[1].text, "e: a has failed: why");
}

#[test]
fn many_failures_are_counted() {
    let mut decisions = decisions();
    let mut told = Vec::new();
    for second in 0..100 {
        told.extend(decisions.of(&ended(f64::from(second), Some(FailureKind::Exit), None), None));
    }
    let untold: Vec<&Json> = told.iter().map(|message| &message.json["untold"]).collect();
    assert_eq!(untold, [0, 0, 0, 59]);
}

#[test]
fn the_best_is_told_by_the_goal_and_the_first_is_none() {
    let mut decisions = decisions();
    let values = [Some(0.5), Some(0.7), Some(0.25), None, Some(f64::NAN), Some(0.25)];
    let told: Vec<bool> =
        values.map(|value| !decisions.of(&ended(1.0, None, None), value).is_empty()).to_vec();
    assert_eq!(told, [false, false, true, false, false, false]);
    decisions.began = Some(10.0);
    let messages = decisions.of(&event(130.0, Change::SweepEnded { interrupted: false }), None);
    let text = &messages[0].text;
    assert!(
        text.starts_with("e is finished: 2 of 9 runs completed, 1 failed, 6 still to run, in "),
        "{text}"
    );
    assert!(text.contains("; the best loss is 0.2500"), "{text}");
    decisions.on = vec![NotifyOn::Failed];
    assert!(decisions.of(&event(130.0, Change::SweepEnded { interrupted: false }), None).is_empty());
}
