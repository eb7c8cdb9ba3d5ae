//! What the terminal says: frames at several widths, lines of ends, the best, and the warning of a missing metric.

use super::*;
use crate::event::Attempt;

fn terminal(mode: Mode) -> Terminal {
    let metric = Metric { tag: tags::VALIDATION_ACCURACY.to_owned(), goal: Goal::Maximize };
    let totals = Totals { total: 36, completed: 11, failed: 1, pending: 22, live: 2, cancelled: 0 };
    let best = Some((0.977_77, "2-conv-64-nodes-2-dense-seed-1".to_owned()));
    Terminal { experiment: "quickstart".to_owned(), metric, mode, totals, best, told_without_metric: false }
}

fn status() -> Status {
    let mut status = Status::default();
    for (run, slot) in [(3, "cpu/10"), (4, "cpu/9")] {
        let attempt = Attempt {
            run,
            name: String::new(),
            number: 1,
            slot: slot.to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            handle: None,
            pid_start: None,
            started: 0.0,
            resumed: None,
        };
        let forecast = crate::sweep::RunForecast {
            name: format!("{run}-conv-64-nodes-2-dense-seed-1"),
            epochs: Some(5),
            steps_per_epoch: Some(10),
            batch_size: Some(16),
            rank_by: tags::VALIDATION_ACCURACY.to_owned(),
        };
        let change = Change::AttemptStarted(std::sync::Arc::new(attempt));
        let totals = Totals::default();
        status.apply(&Event { time: 0.0, totals, change }, |_| forecast);
    }
    let live = status.live.get_mut(&3).unwrap();
    (live.ranked, live.loss, live.images_per_second) = (Some(0.9056), Some(0.2624), Some(8_123.4));
    live.epochs_done = 2;
    status
}

#[test]
fn the_live_view_at_any_width() {
    let terminal = terminal(Mode::Lines);
    let show = |columns| {
        let lines = terminal.lines(&status(), Some(Duration::from_secs(120)), 65.2, columns);
        assert!(lines.iter().all(|line| line.chars().count() < columns), "{lines:#?}");
        lines.join("\n")
    };
    insta::assert_snapshot!(show(120), @r"
    quickstart  [====>           ]  12/36 done  2 running  1 failed  1 min 5 s so far  about 2 min left
    best so far: val. acc. 0.9778  2-conv-64-nodes-2-dense-seed-1
    cpu/9    0 %  4-conv-64-nodes-2-dense-seed-1  epoch 1/5
    cpu/10  40 %  3-conv-64-nodes-2-dense-seed-1  epoch 3/5  val. acc. 0.9056  loss 0.2624  8123 images/s
    ");
    insta::assert_snapshot!(show(80), @r"
    quickstart  12/36 done  2 running  1 failed  1 min 5 s so far  about 2 min left
    best so far: val. acc. 0.9778  2-conv-64-nodes-2-dense-seed-1
    cpu/9    0 %  4-conv-64-nodes-2-dense-seed-1  epoch 1/5
    cpu/10  40 %  3-conv-64-nodes-2-dense-seed-1  epoch 3/5  val. acc. 0.9056
    ");
    insta::assert_snapshot!(show(40), @r"
    12/36 done  1 failed  about 2 min left
    best so far: val. acc. 0.9778  2-co…d-1
    cpu/9    0 %  4-conv-64-n…ense-seed-1
    cpu/10  40 %  3-c…d-1  val. acc. 0.9056
    ");
}

#[test]
fn lines_tell_what_has_ended() {
    let context = |status| Context {
        status,
        ranked: Some(0.9056),
        without_metric: None,
        eta: Some(Duration::from_secs(40)),
        elapsed: 1.0,
    };
    let status = Status::default();
    let with_why = |state, why| terminal(Mode::Lines).ended("a", state, why, Some(2.2), &context(&status));
    let ended = |state, reason| with_why(state, (reason, None));
    assert_eq!(
        ended(RunState::Completed, None),
        "quickstart: [12/36] a completed in 2.2 s, val. acc. 0.9056, about 40 s left"
    );
    assert_eq!(ended(RunState::Pending, None), "quickstart: a stopped after 2.2 s; taken up again next time");
    let next = |alone| Some(NextTry { number: 2, of: 3, alone });
    assert_eq!(
        with_why(RunState::Pending, (Some("killed by SIGKILL"), next(false))),
        "quickstart: a failed after 2.2 s (killed by SIGKILL), tried again (attempt 2 of 3)"
    );
    assert_eq!(
        with_why(RunState::Pending, (Some("the GPU has no memory left"), next(true))),
        "quickstart: a failed after 2.2 s (the GPU has no memory left), tried again (alone on its device, attempt 2 of 3)"
    );
    assert_eq!(clock(1_795_815_455.9), "21:37:35Z");
    assert_eq!(left(Duration::ZERO), "a few seconds left");
}

#[test]
fn a_metric_that_is_never_written_is_told_once() {
    let mut terminal = terminal(Mode::Quiet);
    let words = terminal.warn_without_metric("a", &Some("loss was never written".to_owned()));
    assert_eq!(
        words.as_deref(),
        Some(
            "warning: a has completed and will not rank, nor will others that write the same: loss was never written"
        )
    );
    assert_eq!(terminal.warn_without_metric("b", &Some("loss was never written".to_owned())), None);
    let mut other = self::terminal(Mode::Quiet);
    assert_eq!(other.warn_without_metric("a", &None), None);
}

#[test]
fn the_best_is_the_best_by_the_goal() {
    let mut terminal = terminal(Mode::Lines);
    terminal.best = None;
    for (value, run) in [(f64::NAN, "a"), (0.5, "b"), (0.7, "c"), (0.6, "d")] {
        terminal.note_best(value, run);
    }
    assert_eq!(terminal.best, Some((0.7, "c".to_owned())));
    terminal.metric.goal = Goal::Minimize;
    terminal.note_best(0.1, "e");
    assert_eq!(terminal.best.as_ref().map(|(_, run)| run.as_str()), Some("e"));
}
