//! Jobs that end in every way, with and without a word of their own.

use super::*;

const PATIENCE: Patience = Patience { settle: 5.0, fence: 15.0 };

fn job() -> Tracked {
    Tracked {
        run: 7,
        attempt: 2,
        job: Some(JobId { array: 12, task: Some(3) }),
        host: "n1".to_owned(),
        ..Tracked::default()
    }
}

fn seen(word: &str) -> Seen {
    Seen {
        id: JobId { array: 12, task: Some(3) },
        state: State::parse(word),
        reason: None,
        nodes: "n1".to_owned(),
        name: String::new(),
    }
}

fn word(ending: Ending, asked: Option<AskedBy>) -> Ended {
    Ended { end: AttemptEnd { run: 1, ..job().end(ending) }, asked, time: 0.0 }
}

fn kind_of(step: &Step) -> FailureKind {
    match step {
        Step::Unseen(kind, _) => *kind,
        Step::End(end) => match &end.ending {
            Ending::Failed(failure) => failure.kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_own_word_counts_whatever_slurm_says() {
    let mut this = job();
    assert_eq!(this.step(None, 0.0, PATIENCE), Step::Wait);
    for state in ["RUNNING", "FAILED", "WONDROUS"] {
        this.seen(Some(&seen(state)), false, 0.0);
        let Step::End(end) = this.step(Some(&word(Ending::Completed, None)), 0.0, PATIENCE) else {
            panic!("it has ended")
        };
        assert_eq!((end.run, end.attempt, end.ending), (7, 2, Ending::Completed), "its place may move");
    }
}

#[test]
fn who_was_asked_to_end_is_told_why_by_slurm() {
    for (state, kind) in [
        ("TIMEOUT", FailureKind::TimeLimit),
        ("PREEMPTED", FailureKind::Preempted),
        ("CANCELLED", FailureKind::JobCancelled),
        ("NODE_FAIL", FailureKind::NodeFailed),
    ] {
        let mut this = Tracked { begun: true, ..job() };
        let word = word(Ending::Interrupted, Some(AskedBy::Term));
        this.seen(Some(&seen("COMPLETING")), false, 1.0);
        assert_eq!(this.step(Some(&word), 1.0, PATIENCE), Step::Look);
        this.seen(Some(&seen(state)), false, 2.0);
        assert_eq!(kind_of(&this.step(Some(&word), 2.0, PATIENCE)), kind);
    }
    let mut this = Tracked { begun: true, ..job() };
    let warned = word(Ending::Interrupted, Some(AskedBy::Warning));
    let step = this.step(Some(&warned), 1.0, PATIENCE);
    assert_eq!(kind_of(&step), FailureKind::TimeLimit);
    let mut ours = Tracked { begun: true, asked: Asked::ToEnd, ..job() };
    let Step::End(end) = ours.step(Some(&word(Ending::Interrupted, Some(AskedBy::Term))), 1.0, PATIENCE)
    else {
        panic!("it has ended")
    };
    assert_eq!(end.ending, Ending::Interrupted);
}

#[test]
fn neither_in_the_queue_nor_a_word_is_lost_after_its_order_was_taken_back() {
    let mut this = Tracked { begun: true, ..job() };
    this.seen(None, false, 10.0);
    assert_eq!(this.step(None, 12.0, PATIENCE), Step::Wait, "a file may be late");
    assert_eq!(this.step(None, 15.0, PATIENCE), Step::AskFor);
    this.told(None);
    assert_eq!(this.step(None, 15.0, PATIENCE), Step::Fence);
    this.fenced(15.0);
    assert_eq!(this.step(None, 29.0, PATIENCE), Step::Wait);
    let step = this.step(None, 30.0, PATIENCE);
    let expected = "Slurm does not know it any more (job 12_3 on n1)".to_owned();
    assert_eq!(step, Step::Unseen(FailureKind::Lost, expected));
}

#[test]
fn a_node_that_fails_keeps_its_run_until_it_must_have_noticed() {
    let mut this = Tracked { begun: true, ..job() };
    this.seen(Some(&seen("NODE_FAIL")), false, 0.0);
    assert_eq!(this.step(None, 6.0, PATIENCE), Step::Fence);
    this.fenced(6.0);
    assert_eq!(this.step(None, 20.0, PATIENCE), Step::Wait);
    assert_eq!(kind_of(&this.step(None, 21.0, PATIENCE)), FailureKind::NodeFailed);
    let mut killed = Tracked { begun: true, ..job() };
    killed.seen(Some(&seen("FAILED")), false, 0.0);
    assert_eq!(killed.step(None, 6.0, PATIENCE), Step::Fence);
    killed.fenced(6.0);
    assert_eq!(kind_of(&killed.step(None, 6.0, PATIENCE)), FailureKind::Lost, "its processes are gone");
}

#[test]
fn a_copy_that_sees_its_order_taken_back_says_so_and_need_not_be_waited_for() {
    let mut this = Tracked { begun: true, ..job() };
    this.seen(Some(&seen("NODE_FAIL")), false, 0.0);
    assert_eq!(this.step(None, 6.0, PATIENCE), Step::Fence);
    this.fenced(6.0);
    let killed = word(Ending::Interrupted, None);
    assert_eq!(kind_of(&this.step(Some(&killed), 7.0, PATIENCE)), FailureKind::NodeFailed);
}

#[test]
fn a_job_that_never_began_is_told_by_its_state() {
    for (state, kind) in [
        ("CANCELLED", FailureKind::JobCancelled),
        ("FAILED", FailureKind::Launch),
        ("COMPLETED", FailureKind::Launch),
        ("NODE_FAIL", FailureKind::NodeFailed),
        ("TIMEOUT", FailureKind::TimeLimit),
        ("OUT_OF_MEMORY", FailureKind::OutOfMemory),
    ] {
        let mut this = job();
        this.seen(Some(&seen("PENDING")), false, 0.0);
        assert_eq!(this.step(None, 9.0, PATIENCE), Step::Wait);
        this.seen(Some(&seen(state)), false, 10.0);
        assert_eq!(kind_of(&this.step(None, 15.0, PATIENCE)), kind, "{state}");
    }
    let mut ours = Tracked { asked: Asked::ToEnd, ..job() };
    ours.seen(Some(&seen("CANCELLED")), false, 0.0);
    assert_eq!(ours.step(None, 6.0, PATIENCE), Step::Interrupted);
}

#[test]
fn a_task_that_leaves_the_queue_alone_before_it_began_was_cancelled() {
    for (has_others, kind) in [(true, FailureKind::JobCancelled), (false, FailureKind::Lost)] {
        let mut this = job();
        this.seen(Some(&seen("PENDING")), true, 0.0);
        this.seen(None, has_others, 1.0);
        let mut now = 3.0;
        let step = loop {
            now += 5.0;
            match this.step(None, now, PATIENCE) {
                Step::AskFor => this.told(None),
                Step::Fence => this.fenced(now),
                Step::Wait => {}
                step => break step,
            }
        };
        assert_eq!(kind_of(&step), kind);
    }
}

#[test]
fn what_was_seen_before_it_began_does_not_say_that_it_was_requeued() {
    let mut this = job();
    this.seen(Some(&seen("PENDING")), false, 0.0);
    this.begun = true;
    let word = word(Ending::Interrupted, Some(AskedBy::Term));
    assert_eq!(this.step(Some(&word), 1.0, PATIENCE), Step::Look);
    this.seen(Some(&seen("CANCELLED")), false, 2.0);
    let Step::End(end) = this.step(Some(&word), 2.0, PATIENCE) else { panic!("it has ended") };
    let Ending::Failed(failure) = end.ending else { panic!("it has failed") };
    assert_eq!(failure.kind, FailureKind::JobCancelled);
}

#[test]
fn back_in_the_queue_after_it_had_begun_is_another_attempt() {
    let mut this = Tracked { begun: true, ..job() };
    this.seen(Some(&seen("PENDING")), false, 0.0);
    assert_eq!(this.step(None, 6.0, PATIENCE), Step::Fence);
    this.fenced(6.0);
    assert_eq!(kind_of(&this.step(None, 21.0, PATIENCE)), FailureKind::Requeued);
}

#[test]
fn a_word_that_nobody_knows_is_waited_out() {
    let mut this = Tracked { begun: true, ..job() };
    this.seen(Some(&seen("WONDROUS")), false, 0.0);
    assert_eq!(this.step(None, 1e6, PATIENCE), Step::Wait);
    this.seen(None, false, 1e6);
    this.seen(Some(&seen("RUNNING")), false, 1e6 + 1.0);
    assert_eq!(this.step(None, 2e6, PATIENCE), Step::Wait, "the queue had it only for a moment");
}
