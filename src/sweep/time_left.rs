//! The time that is left, as it is told: steady, and no more precise than it is known. Pure.
//!
//! The estimate of the scheduler jumps whenever a run reports or ends. What is shown follows the end that it predicts slowly,
//! in steps that grow with the time, and stays where the new one is hardly another.

use std::time::Duration;

/// Before that nothing is told, unless a run has completed: seconds.
const FIRST: f64 = 15.0;
/// How long the end that is told takes to follow the estimate, at least and as a part of what is left.
const FOLLOWS_SECONDS: f64 = 5.0;
const FOLLOWS_PART: f64 = 0.1;

/// What has been told of the end.
#[derive(Debug, Default)]
pub(super) struct TimeLeft {
    /// The end, seconds since the sweep began, and when it was worked out.
    end: Option<(f64, f64)>,
    /// What is shown, seconds.
    shown: Option<f64>,
}

impl TimeLeft {
    /// Takes a new estimate at `now`, both in seconds of the sweep's clock, and tells what to show. `completed` says whether
    /// a run of this sweep has.
    pub(super) fn update(&mut self, now: f64, estimate: Option<f64>, completed: bool) -> Option<Duration> {
        let Some(estimate) = estimate.filter(|_| completed || now >= FIRST) else {
            self.shown = None;
            return None;
        };
        if estimate <= 0.0 {
            // Nothing is left: what was shown before is no news.
            (self.end, self.shown) = (None, None);
            return None;
        }
        let target = now + estimate;
        let end = match self.end {
            None => target,
            Some((end, at)) => {
                let passed = (now - at).max(0.0);
                end + (target - end) * passed / (passed + FOLLOWS_SECONDS.max(FOLLOWS_PART * estimate))
            }
        };
        self.end = Some((end, now));
        let left = (end - now).max(0.0);
        let step = step(left);
        // Half a step either way is rounding; a quarter more keeps it from going back and forth.
        if self.shown.is_none_or(|shown| (left - shown).abs() > 0.75 * step) {
            self.shown = Some((left / step).round() * step);
        }
        self.shown.and_then(|shown| Duration::try_from_secs_f64(shown).ok())
    }
}

/// What a time is rounded to, seconds.
fn step(seconds: f64) -> f64 {
    match seconds {
        ..55.0 => 10.0,
        ..1_170.0 => 60.0,
        ..7_200.0 => 300.0,
        ..36_000.0 => 1_800.0,
        ..172_800.0 => 3_600.0,
        _ => 86_400.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(told: Option<Duration>) -> Option<u64> {
        told.map(|told| told.as_secs())
    }

    #[test]
    fn nothing_is_told_until_it_is_known() {
        let mut left = TimeLeft::default();
        assert_eq!(left.update(1.0, Some(500.0), false), None);
        assert_eq!(left.update(2.0, None, true), None);
        assert_eq!(seconds(left.update(3.0, Some(500.0), true)), Some(480));
        assert_eq!(seconds(TimeLeft::default().update(20.0, Some(43.0), false)), Some(40));
        // Nothing is left: however long it was told to be a moment before.
        assert_eq!(left.update(3.1, Some(0.0), true), None);
    }

    #[test]
    fn an_estimate_that_jumps_is_shown_as_a_steady_time() {
        let mut left = TimeLeft::default();
        let mut told = Vec::new();
        for tick in 0..400_u32 {
            let now = f64::from(tick) * 0.25;
            // 300 s in all, told 20 % too short and too long in turn.
            let wrong = if tick % 2 == 0 { 1.2 } else { 0.8 };
            told.extend(seconds(left.update(now, Some((300.0 - now) * wrong), true)));
        }
        assert!(told.windows(2).all(|pair| pair[1] <= pair[0]), "{told:?}");
        told.dedup();
        assert!((3..=4).contains(&told.len()), "{told:?}");
        assert_eq!(told.last(), Some(&180), "{told:?}");
    }

    #[test]
    fn long_times_are_told_in_long_steps() {
        for (estimate, expected) in
            [(4.0, 0), (34.0, 30), (130.0, 120), (3_400.0, 3_300), (400_000.0, 432_000)]
        {
            assert_eq!(seconds(TimeLeft::default().update(20.0, Some(estimate), true)), Some(expected));
        }
    }
}
