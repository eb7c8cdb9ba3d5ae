//! Axes: ranges that hold every value, ticks at round numbers, places of values, text of ticks.
//!
//! Used by bars and curves. Pure arithmetic, no drawing.

/// A value axis from `low` to `high`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Logarithmic, to the base 10.
    pub(super) log: bool,
    /// Ascending, inside the range.
    pub(super) ticks: Vec<f64>,
    /// Digits behind the point of a linear axis' ticks.
    decimals: usize,
}

impl Axis {
    /// A linear axis over `low..=high` with about `target` ticks; the range is widened to whole steps, and a range of
    /// one value to its surroundings.
    pub(super) fn linear(low: f64, high: f64, target: usize) -> Self {
        let (low, high) = if high - low > f64::EPSILON * low.abs().max(high.abs()).max(1e-300) {
            (low, high)
        } else {
            let around = if low == 0.0 { 0.5 } else { low.abs() * 0.05 };
            (low - around, high + around)
        };
        let step = round_step((high - low) / target.max(1) as f64);
        // A hair of tolerance, so that 0.30000000000000004 does not add a step.
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil();
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|n| (first + n as f64) * step).collect();
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        Self { low: first * step, high: last * step, log: false, ticks, decimals }
    }

    /// A linear axis that keeps the ticks at or inside `floor..=ceiling`: shares do not go below 0 or over 1.
    pub(super) fn linear_within(low: f64, high: f64, target: usize, floor: f64, ceiling: f64) -> Self {
        let mut axis = Self::linear(low, high, target);
        if low >= floor && high <= ceiling {
            axis.low = axis.low.max(floor);
            axis.high = axis.high.min(ceiling);
            axis.ticks.retain(|tick| *tick >= floor - 1e-12 && *tick <= ceiling + 1e-12);
        }
        axis
    }

    /// A logarithmic axis over positive values, widened to whole decades.
    pub(super) fn log(low: f64, high: f64) -> Self {
        let first = low.log10().floor();
        let last = high.log10().ceil().max(first + 1.0);
        let every = (((last - first) / 8.0).ceil() as i32).max(1);
        let ticks = (first as i32..=last as i32).step_by(every as usize).map(|n| 10f64.powi(n)).collect();
        Self { low: 10f64.powf(first), high: 10f64.powf(last), log: true, ticks, decimals: 0 }
    }

    /// An axis over exactly `low..=high`, which is positive where it is logarithmic; round ticks within, and around a single value
    /// some room.
    pub(super) fn exact(low: f64, high: f64, log: bool) -> Self {
        let wide = Self::linear(low, high, 5);
        if high <= low {
            return wide;
        }
        let hair = 1e-9 * (high - low);
        let inside = |tick: &f64| *tick >= low - hair && *tick <= high + hair;
        let ticks: Vec<f64> = if log {
            let decades = (low.log10().floor() as i32..=high.log10().ceil() as i32).map(|n| 10f64.powi(n));
            // A short range has ticks between the decades.
            let factors: &[f64] = if high / low < 2_000.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let all = decades.flat_map(|decade| factors.iter().map(move |factor| factor * decade));
            let all: Vec<f64> = all.filter(inside).collect();
            let every = all.len().div_ceil(9).max(1);
            all.into_iter().step_by(every).collect()
        } else {
            wide.ticks.iter().copied().filter(inside).collect()
        };
        Self { low, high, log, ticks, decimals: wide.decimals }
    }

    /// An axis of whole numbers, one tick each where there are few; half a step of room at both ends for one number.
    pub(super) fn whole(low: f64, high: f64, target: usize) -> Self {
        let step = round_step((high - low) / target.max(1) as f64).max(1.0);
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        let ticks = (0..=(last - first).max(0.0) as usize).map(|n| (first + n as f64) * step).collect();
        let room = if high > low { 0.0 } else { 0.5 };
        Self { low: low - room, high: high + room, log: false, ticks, decimals: 0 }
    }

    /// The place of a value: 0 at the low end, 1 at the high end.
    pub(super) fn place(&self, value: f64) -> f64 {
        if self.log {
            (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// The text of a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        let size = tick.abs();
        if size != 0.0 && !(1e-4..1e6).contains(&size) {
            format!("{tick:.0e}")
        } else if self.log {
            format!("{tick}")
        } else {
            // `+ 0.0` turns a negative zero into 0.
            let rounded = if size < 1e-12 { 0.0 } else { tick };
            format!("{rounded:.*}", self.decimals)
        }
    }
}

/// The next of 1, 2, 5 times a power of ten at or above a step.
fn round_step(step: f64) -> f64 {
    if !step.is_finite() || step <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(step.log10().floor());
    let factor =
        [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * 0.999_999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn shares_get_round_ticks() {
        assert_eq!(labels(&Axis::linear(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let axis = Axis::linear_within(0.913, 0.998, 5, 0.0, 1.0);
        assert_eq!(labels(&axis), ["0.90", "0.92", "0.94", "0.96", "0.98", "1.00"]);
        assert_eq!(Axis::linear_within(1.0, 1.0, 5, 0.0, 1.0).high, 1.0);
        assert!((Axis::linear(0.0, 10.0, 5).place(2.5) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_log_axis_has_whole_decades() {
        let axis = Axis::log(0.0031, 40.0);
        assert_eq!(labels(&axis), ["0.001", "0.01", "0.1", "1", "10", "100"]);
        assert!((axis.place(0.1) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn epochs_are_whole_and_one_epoch_sits_in_the_middle() {
        assert_eq!(labels(&Axis::whole(0.0, 4.0, 6)), ["0", "1", "2", "3", "4"]);
        assert_eq!(labels(&Axis::whole(0.0, 29.0, 6)), ["0", "5", "10", "15", "20", "25"]);
        let one = Axis::whole(3.0, 3.0, 6);
        assert_eq!((labels(&one), one.place(3.0)), (vec!["3".to_owned()], 0.5));
    }

    proptest! {
        #[test]
        fn a_linear_axis_holds_its_values_with_few_distinct_ticks(a in -1e6..1e6f64, b in -1e6..1e6f64) {
            let (low, high) = (a.min(b), a.max(b));
            let axis = Axis::linear(low, high, 5);
            prop_assert!(axis.place(low) >= -1e-6 && axis.place(high) <= 1.0 + 1e-6);
            prop_assert!((2..=9).contains(&axis.ticks.len()), "{:?}", axis);
            let mut texts = labels(&axis);
            let all = texts.len();
            texts.dedup();
            prop_assert_eq!(texts.len(), all);
        }
    }
}
