//! The distribution of many values, for TensorBoard's tabs Histograms and Distributions.
//!
//! Ranges of equal width between the least and the greatest value, as TensorBoard shows them anyway: it makes thirty of
//! whatever it is given. Values that are no number are counted apart and shown by nothing. Used by the trainer.

use super::message::HistogramProto;

/// Number of ranges.
const RANGES: usize = 30;

/// The distribution of some values.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    min: f64,
    max: f64,
    sum: f64,
    sum_squares: f64,
    counts: Vec<u64>,
}

impl Histogram {
    /// The distribution of the finite ones of some values; `None` where there is none. `tell` tells all of them to what it is
    /// given, and is called twice: they need not be in memory together.
    ///
    /// # Errors
    /// As `tell`.
    pub fn of<E>(mut tell: impl FnMut(&mut dyn FnMut(f32)) -> Result<(), E>) -> Result<Option<Self>, E> {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        tell(&mut |value| {
            if value.is_finite() {
                (min, max) = (min.min(f64::from(value)), max.max(f64::from(value)));
            }
        })?;
        if min > max {
            return Ok(None);
        }
        let ranges = if min < max { RANGES } else { 1 };
        let mut all = Self { min, max, sum: 0.0, sum_squares: 0.0, counts: vec![0; ranges] };
        let scale = if min < max { RANGES as f64 / (max - min) } else { 0.0 };
        tell(&mut |value| {
            if value.is_finite() {
                let value = f64::from(value);
                all.sum += value;
                all.sum_squares += value * value;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "from 0 to RANGES"
                )]
                let place = ((value - min) * scale) as usize;
                all.counts[place.min(ranges - 1)] += 1;
            }
        })?;
        Ok(Some(all))
    }

    #[expect(clippy::cast_precision_loss, reason = "the format has doubles; counts are far below 2^53")]
    pub(super) fn to_proto(&self) -> HistogramProto {
        let ranges = self.counts.len();
        let width = (self.max - self.min) / ranges as f64;
        let limit = |place: usize| {
            if place + 1 == ranges { self.max } else { self.min + width * (place + 1) as f64 }
        };
        HistogramProto {
            min: self.min,
            max: self.max,
            num: self.counts.iter().sum::<u64>() as f64,
            sum: self.sum,
            sum_squares: self.sum_squares,
            bucket_limit: (0..ranges).map(limit).collect(),
            bucket: self.counts.iter().map(|count| *count as f64).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn of(values: &[f32]) -> Option<Histogram> {
        let tell = |take: &mut dyn FnMut(f32)| {
            values.iter().copied().for_each(take);
            Ok::<(), Infallible>(())
        };
        Histogram::of(tell).unwrap()
    }

    #[test]
    fn every_finite_value_is_in_one_range() {
        let values: Vec<f32> = (0..=300).map(|value| value as f32).chain([f32::NAN, f32::INFINITY]).collect();
        let proto = of(&values).unwrap().to_proto();
        assert_eq!((proto.min, proto.max, proto.num, proto.sum), (0.0, 300.0, 301.0, 45150.0));
        assert_eq!((proto.bucket.len(), proto.bucket_limit.len()), (30, 30));
        assert_eq!((proto.bucket[0], proto.bucket_limit[0]), (10.0, 10.0));
        // The greatest one belongs to the last.
        assert_eq!((proto.bucket[29], proto.bucket_limit[29]), (11.0, 300.0));
    }

    #[test]
    fn equal_values_have_one_range_and_none_has_none() {
        let proto = of(&[2.0, 2.0]).unwrap().to_proto();
        assert_eq!((proto.bucket, proto.bucket_limit), (vec![2.0], vec![2.0]));
        assert_eq!(of(&[f32::NAN]), None);
    }
}
