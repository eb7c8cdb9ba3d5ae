//! Random numbers of a search. Those of a point depend on the seed of the search and on the number of the point alone, so
//! nothing of a generator has to be kept, and a search that was cut off goes on with what it would have drawn.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::space::{Point, Range, Space};

/// Where random numbers come from.
pub(super) trait Draws {
    /// The next one, in [0, 1), of 53 bits.
    fn uniform(&mut self) -> f64;
}

/// The numbers of one point.
#[derive(Debug)]
pub(super) struct PointDraws(ChaCha8Rng);

impl PointDraws {
    /// Those of the point with this number in the search with this seed.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(number);
        Self(generator)
    }
}

impl Draws for PointDraws {
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

/// A point of which every dimension is drawn alone, evenly over its range, as Optuna's `RandomSampler` does.
pub(super) fn random_point(space: &Space, draws: &mut impl Draws) -> Point {
    let coordinate = |range: &Range, draws: &mut dyn FnMut() -> f64| match range {
        // The choice with the highest of as many numbers.
        Range::Choice(count) => {
            let numbers: Vec<f64> = (0..*count).map(|_| draws()).collect();
            first_greatest(&numbers) as f64
        }
        Range::Number(_) => range.at(draws()),
    };
    space.dimensions.iter().map(|dimension| coordinate(&dimension.range, &mut || draws.uniform())).collect()
}

/// The place of the first of the greatest numbers.
pub(super) fn first_greatest(numbers: &[f64]) -> usize {
    let mut best = 0;
    for (place, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = place;
        }
    }
    best
}
