//! Whether a run that has failed is worth another attempt in the same sweep: which failures pass by themselves.
//!
//! Asked by the sweep's loop when an attempt has ended. How many attempts a run has made is the scheduler's to count.

use crate::{
    run::{Failure, FailureKind},
    spec::Retry,
};

/// Whether a failed run is tried again, where it has attempts left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The next attempt would fail alike.
    No,
    /// What ended it was not the run's own.
    Yes,
    /// It may have been the machine or the run: once more tells.
    Once,
    /// It was cut off for reasons that are none of its own, and goes on: that does not count.
    GoesOn,
    /// Others beside it may have taken what it needed: once more, alone on a device.
    Alone,
}

impl Again {
    /// What `retry` of the spec makes of a failure.
    #[must_use]
    pub fn after(failure: &Failure, retry: &Retry) -> Self {
        match failure.kind {
            FailureKind::OutOfMemory => Self::Alone,
            FailureKind::CudaFault | FailureKind::Stalled => Self::Once,
            FailureKind::Signal | FailureKind::Lost | FailureKind::Launch => Self::Yes,
            FailureKind::Preempted | FailureKind::NodeFailed | FailureKind::Requeued => Self::GoesOn,
            // A job that is ended again and again by somebody is not wanted.
            FailureKind::JobCancelled => Self::Yes,
            // Where it has come no further; the sweep's loop knows.
            FailureKind::TimeLimit => Self::Once,
            FailureKind::Exit => match failure.evidence.exit_code {
                Some(code) if retry.exit_codes.contains(&code) => Self::Yes,
                _ => Self::No,
            },
            FailureKind::Diverged
            | FailureKind::Trainer
            | FailureKind::Timeout
            | FailureKind::NoMetrics
            | FailureKind::Panic
            | FailureKind::BadData
            | FailureKind::DiskFull => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::run::Evidence;

    fn failure(kind: FailureKind, exit_code: Option<i32>) -> Failure {
        let evidence = Evidence { exit_code, ..Evidence::default() };
        Failure { kind, reason: String::new(), log_tail: String::new(), evidence }
    }

    #[test]
    fn each_kind_has_its_answer() {
        use FailureKind as Kind;
        let of = |kind| Again::after(&failure(kind, None), &Retry::default());
        for kind in [Kind::Signal, Kind::Lost, Kind::Launch, Kind::JobCancelled] {
            assert_eq!(of(kind), Again::Yes, "{kind}");
        }
        for kind in [
            Kind::Diverged,
            Kind::Exit,
            Kind::Trainer,
            Kind::Timeout,
            Kind::NoMetrics,
            Kind::Panic,
            Kind::BadData,
            Kind::DiskFull,
        ] {
            assert_eq!(of(kind), Again::No, "{kind}");
        }
        assert_eq!((of(Kind::OutOfMemory), of(Kind::CudaFault)), (Again::Alone, Again::Once));
        assert_eq!((of(Kind::Stalled), of(Kind::TimeLimit)), (Again::Once, Again::Once));
        for kind in [Kind::Preempted, Kind::NodeFailed, Kind::Requeued] {
            assert_eq!(of(kind), Again::GoesOn, "{kind}");
        }
    }

    proptest! {
        /// A program is tried again for just the codes that are listed, and no code makes anything else of another kind.
        #[test]
        fn listed_exit_codes_are_tried_again(
            code in 1..256_i32,
            exit_codes in prop::collection::vec(1..256_i32, 0..6),
            attempts in 1..9_u32,
        ) {
            let listed = exit_codes.contains(&code);
            let retry = Retry { attempts, exit_codes, ..Retry::default() };
            let expected = if listed { Again::Yes } else { Again::No };
            prop_assert_eq!(Again::after(&failure(FailureKind::Exit, Some(code)), &retry), expected);
            prop_assert_eq!(Again::after(&failure(FailureKind::Exit, None), &retry), Again::No);
            prop_assert_eq!(Again::after(&failure(FailureKind::Diverged, Some(code)), &retry), Again::No);
            prop_assert_eq!(Again::after(&failure(FailureKind::OutOfMemory, Some(code)), &retry), Again::Alone);
        }
    }
}
