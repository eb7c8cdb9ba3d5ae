//! What the attempts of a sweep have used, added up by the loop for the account.

use crate::run::{Phases, Spent, Used};

/// What the attempts of a sweep have used, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    /// Attempts.
    pub attempts: u64,
    /// Slots' time: how long attempts were alive, seconds.
    pub slot_seconds: f64,
    /// User and system time of the trainers, seconds.
    pub core_seconds: f64,
    /// Of the attempts whose trainers tell; `None` while none has.
    pub phases: Option<Phases>,
}

impl Sum {
    /// Adds an attempt that was alive for `seconds`.
    pub(crate) fn add(&mut self, seconds: f64, used: &Used) {
        self.attempts += 1;
        self.slot_seconds += seconds;
        self.core_seconds += used.core_seconds.unwrap_or(0.0);
        if let Some(more) = used.phases {
            let so_far = self.phases.unwrap_or_default();
            let sum = |a: Spent, b: Spent| Spent {
                seconds: a.seconds + b.seconds,
                core_seconds: a.core_seconds + b.core_seconds,
            };
            self.phases = Some(Phases {
                training: sum(so_far.training, more.training),
                validation: sum(so_far.validation, more.validation),
            });
        }
    }
}
