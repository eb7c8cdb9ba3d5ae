//! What is searched: named dimensions with ranges, and points in them.

/// Where a search looks: its dimensions, in the order of the spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// The dimensions; their names differ.
    pub dimensions: Vec<Dimension>,
}

/// One axis of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The parameter's name.
    pub name: String,
    /// The values that it takes.
    pub range: Range,
}

/// The values of a dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Numbers from `low` to `high`.
    Number(Number),
    /// One of so many choices: a coordinate is the place of one.
    Choice(usize),
}

/// A range of numbers, both ends included. `low < high`, and `low > 0` where it is logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The lowest value.
    pub low: f64,
    /// The highest value; with a step a whole number of steps above `low`.
    pub high: f64,
    /// The distance of neighbours; `None` where every number is a value. 1 for integers.
    pub step: Option<f64>,
    /// Whether the logarithms are searched evenly.
    pub is_log: bool,
    /// Whether all values are integers.
    pub is_integer: bool,
}

/// A coordinate for each dimension of a space: a number, or the place of a choice.
pub type Point = Vec<f64>;

impl Number {
    /// The ends of what is searched, half a step beyond the values, in logarithms where it is logarithmic.
    pub(super) fn ends(&self) -> (f64, f64) {
        let half = self.step.unwrap_or(0.0) / 2.0;
        let (low, high) = (self.low - half, self.high + half);
        if self.is_log { (low.ln(), high.ln()) } else { (low, high) }
    }

    /// A value on the scale that is searched.
    pub(super) fn scaled(&self, value: f64) -> f64 {
        if self.is_log { value.ln() } else { value }
    }

    /// The value that belongs to a place between the [`Number::ends`].
    pub(super) fn value(&self, place: f64) -> f64 {
        let number = if self.is_log { place.exp() } else { place };
        match self.step {
            // The highest value has no more of the range than any other.
            None => number.clamp(self.low, self.high.next_down()),
            Some(_) if self.is_log => number.round_ties_even().clamp(self.low, self.high),
            Some(step) if self.is_integer => {
                (((number - self.low) / step + 0.5).floor() * step + self.low).clamp(self.low, self.high)
            }
            Some(step) => {
                (((number - self.low) / step).round_ties_even() * step + self.low).clamp(self.low, self.high)
            }
        }
    }

    /// How many values there are; `None` where it is a continuum.
    fn count(&self) -> Option<u64> {
        self.step.map(|step| ((self.high - self.low) / step).round() as u64 + 1)
    }
}

impl Range {
    /// How many values there are; `None` where it is a continuum.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.count(),
            Self::Choice(count) => Some(*count as u64),
        }
    }

    /// The value at a share of the range, in [0, 1): each value of a countable range has the same share, on the
    /// logarithmic scale where there is one.
    #[must_use]
    pub fn at(&self, share: f64) -> f64 {
        match self {
            Self::Choice(count) => (share * *count as f64).floor().min(*count as f64 - 1.0),
            Self::Number(number) => {
                let (low, high) = number.ends();
                number.value(low + share * (high - low))
            }
        }
    }

    /// The value at a place of a countable range, from 0.
    fn nth(&self, place: u64) -> f64 {
        match self {
            Self::Choice(_) => place as f64,
            Self::Number(number) => (number.low + place as f64 * number.step.unwrap_or(1.0)).min(number.high),
        }
    }
}

impl Space {
    /// How many points there are; `None` where it is a continuum, or more than can be counted.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.dimensions.iter().try_fold(1_u64, |all, dimension| all.checked_mul(dimension.range.count()?))
    }

    /// The point at a place of a countable space; the last dimension varies fastest.
    pub(super) fn nth(&self, mut place: u64) -> Point {
        let mut point = vec![0.0; self.dimensions.len()];
        for (coordinate, dimension) in point.iter_mut().zip(&self.dimensions).rev() {
            let count = dimension.range.count().unwrap_or(1);
            *coordinate = dimension.range.nth(place % count);
            place /= count;
        }
        point
    }

    /// Places of the dimensions in the order of their names.
    pub(super) fn by_name(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.dimensions.len()).collect();
        places.sort_by_key(|&place| &self.dimensions[place].name);
        places
    }
}

/// What makes two points one: the bits of the coordinates, which come from the same formula.
pub(super) fn key(point: &[f64]) -> Vec<u64> {
    point.iter().map(|coordinate| coordinate.to_bits()).collect()
}
