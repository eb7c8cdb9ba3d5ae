//! The density of a mixture at points, in logarithms.
//!
//! Most kernels are narrow and far from a point: their share of the density is nothing, to the last bit. A bound that takes three
//! operations a dimension tells them, so that logarithms and exponentials are worked out for the few that are near.

use super::{
    normal::{LN_SQRT_2PI, ln_density, ln_mass},
    parzen::{Column, Kernels, Normal},
    space::{Number, Point},
};

/// e to the power of less than minus this is 0; a bit more, for the rounding of bounds.
const NOTHING: f64 = 747.0;

/// Places for what was worked out in one dimension of steps.
const KNOWN: usize = 1024;
/// An odd number that mixes bits: 2^64 by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A mixture that is asked for its density.
pub(super) struct Density<'a> {
    /// Logarithm of the weight of each kernel, the prior's last.
    weights: Vec<f64>,
    columns: Vec<Terms<'a>>,
}

/// What one dimension adds to the logarithm of each kernel's density.
enum Terms<'a> {
    Choice { dimension: usize, count: usize, shares: &'a [f64] },
    Normal(NormalTerms<'a>),
}

struct NormalTerms<'a> {
    dimension: usize,
    number: &'a Number,
    low: f64,
    high: f64,
    kernels: &'a [Normal],
    means: Vec<f64>,
    /// 1 / deviation.
    narrowness: Vec<f64>,
    /// The least deviation.
    narrowest: f64,
    /// At most so much is added because kernels end at the ends of the range.
    most_of_ends: f64,
    /// By kernel, once it was asked for: the logarithms of its deviation and of its mass within the range.
    whole: Vec<Option<(f64, f64)>>,
    /// The ends of the coordinate that is looked at, on the scale of the kernels; both the same where there are no steps.
    ends: (f64, f64),
    /// That coordinate.
    coordinate: u64,
    /// What was worked out for coordinates and kernels: in steps both repeat. Another one takes the place of what lies there.
    known: Vec<([u64; 3], f64)>,
}

impl<'a> Density<'a> {
    /// The density of kernels with these weights, whose sum is 1.
    pub(super) fn new(weights: &[f64], columns: &'a [Column]) -> Self {
        let columns = columns.iter().map(|column| Terms::new(column.dimension, &column.kernels)).collect();
        Self { weights: weights.iter().map(|weight| weight.ln()).collect(), columns }
    }

    /// Its logarithm at each of the points.
    pub(super) fn at(&mut self, points: &[Point]) -> Vec<f64> {
        let mut bounds = vec![0.0; self.weights.len()];
        let mut near = Vec::new();
        points.iter().map(|point| self.at_point(point, &mut bounds, &mut near)).collect()
    }

    fn at_point(&mut self, point: &[f64], bounds: &mut [f64], near: &mut Vec<f64>) -> f64 {
        bounds.fill(0.0);
        let most: f64 = self.columns.iter_mut().map(|terms| terms.look(point, bounds)).sum();
        // The prior is nowhere far.
        let prior = self.kernel(self.weights.len() - 1, point);
        let least = prior - NOTHING - most;
        near.clear();
        for (kernel, bound) in bounds.iter().enumerate() {
            // Whatever is not known to be far counts.
            let is_far = *bound < least;
            if !is_far {
                near.push(self.kernel(kernel, point));
            }
        }
        let greatest = near.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let greatest = if greatest == f64::NEG_INFINITY { 0.0 } else { greatest };
        near.iter().map(|logarithm| (logarithm - greatest).exp()).sum::<f64>().ln() + greatest
    }

    /// The logarithm of a kernel's part.
    fn kernel(&mut self, kernel: usize, point: &[f64]) -> f64 {
        self.columns.iter_mut().fold(self.weights[kernel], |sum, terms| sum + terms.at(kernel, point))
    }
}

impl<'a> Terms<'a> {
    fn new(dimension: usize, kernels: &'a Kernels) -> Self {
        let (number, low, high, kernels) = match kernels {
            Kernels::Choice { count, shares } => return Self::Choice { dimension, count: *count, shares },
            Kernels::Normal { number, low, high, kernels } => (number, *low, *high, kernels),
        };
        let deviations = || kernels.iter().map(|kernel| kernel.deviation);
        let widest = deviations().fold(0.0, f64::max);
        Self::Normal(NormalTerms {
            dimension,
            number,
            low,
            high,
            kernels,
            means: kernels.iter().map(|kernel| kernel.mean).collect(),
            narrowness: deviations().map(|deviation| 1.0 / deviation).collect(),
            narrowest: deviations().fold(f64::INFINITY, f64::min),
            // All means lie in the range: the widest at an end has the least of its mass there.
            most_of_ends: -ln_mass(0.0, (high - low) / widest),
            whole: vec![None; kernels.len()],
            ends: (0.0, 0.0),
            coordinate: 0,
            known: if number.step.is_some() { vec![([0; 3], 0.0); KNOWN] } else { Vec::new() },
        })
    }

    /// Turns to a point: adds to the bound of each kernel what it is at most there, but for what is at most added to all of them, which
    /// is returned.
    fn look(&mut self, point: &[f64], bounds: &mut [f64]) -> f64 {
        match self {
            // A share is at most 1.
            Self::Choice { .. } => 0.0,
            Self::Normal(terms) => terms.look(point[terms.dimension], bounds),
        }
    }

    /// The logarithm of the kernel's density at the point that was turned to.
    fn at(&mut self, kernel: usize, point: &[f64]) -> f64 {
        match self {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places start at 0")]
            Self::Choice { dimension, count, shares } => {
                shares[kernel * *count + point[*dimension] as usize].ln()
            }
            Self::Normal(terms) => terms.at(kernel),
        }
    }
}

impl NormalTerms<'_> {
    fn look(&mut self, coordinate: f64, bounds: &mut [f64]) -> f64 {
        let half = self.number.step.unwrap_or(0.0) / 2.0;
        let (low, high) = (self.number.scaled(coordinate - half), self.number.scaled(coordinate + half));
        (self.ends, self.coordinate) = ((low, high), coordinate.to_bits());
        let kernels = bounds.iter_mut().zip(self.means.iter().zip(&self.narrowness));
        match self.number.step {
            None => {
                for (bound, (mean, narrowness)) in kernels {
                    let place = (low - mean) * narrowness;
                    *bound -= 0.5 * place * place;
                }
                self.most_of_ends - LN_SQRT_2PI - self.narrowest.ln()
            }
            // The mass of a step is at most 1, and at most its width by the density at its nearer end.
            Some(_) => {
                let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
                for (bound, (mean, narrowness)) in kernels {
                    let place = ((middle - mean).abs() - half).max(0.0) * narrowness;
                    *bound -= 0.5 * place * place;
                }
                self.most_of_ends + ((high - low) / self.narrowest).ln().max(0.0)
            }
        }
    }

    fn at(&mut self, kernel: usize) -> f64 {
        let normal = self.kernels[kernel];
        let (height, whole) = *self.whole[kernel].get_or_insert_with(|| {
            (normal.deviation.ln(), ln_mass(normal.place(self.low), normal.place(self.high)))
        });
        let (low, high) = self.ends;
        match self.number.step {
            None => ln_density(normal.place(low)) - height - whole,
            Some(_) => {
                let key = [self.coordinate, normal.mean.to_bits(), normal.deviation.to_bits()];
                let mixed = key.iter().fold(0_u64, |all, bits| (all.rotate_left(5) ^ bits).wrapping_mul(MIX));
                #[expect(clippy::cast_possible_truncation, reason = "the upper bits, which are few")]
                let known = &mut self.known[(mixed >> (64 - KNOWN.ilog2())) as usize];
                if known.0 != key {
                    *known = (key, ln_mass(normal.place(low), normal.place(high)) - whole);
                }
                known.1
            }
        }
    }
}
