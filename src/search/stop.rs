//! Rules that end hopeless runs early, decided on the ranking metric whenever a run has a new value of it.
//!
//! `median`, `asha_stop` and `hyperband` are Optuna 5.0's `MedianPruner`, `SuccessiveHalvingPruner` and `HyperbandPruner`, whose
//! decisions the tests replay. `asha_stop` ends what `asha` ([`promote`](super::promote)) only pauses.

use std::collections::BTreeMap;

use crate::spec::Goal;

/// Completed runs that the median is taken of at least, as in Optuna.
const MEDIAN_OF: usize = 5;

/// Which runs are ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Those whose best value so far is worse than the median of the completed runs at the same epoch.
    Median {
        /// Epochs before the first decision.
        first: u64,
    },
    /// Those that are not among the best of each rung.
    Halving(Halving),
    /// Halving that begins later for some runs, which are chosen by their number.
    Hyperband {
        /// That of the runs that are judged the earliest.
        halving: Halving,
        /// Epochs of a whole run.
        longest: u64,
        /// What the numbers are hashed with: the experiment's name.
        salt: String,
    },
}

impl Rule {
    /// How many rungs later than others a run is judged first.
    fn bracket(&self, number: u64) -> u32 {
        let Self::Hyperband { halving, longest, salt } = self else { return 0 };
        let brackets = brackets(*halving, *longest);
        let shares: Vec<u64> = (0..brackets)
            .map(|bracket| {
                let later = brackets - 1 - bracket;
                let runs = u64::from(brackets) * halving.factor.saturating_pow(later);
                runs.div_ceil(u64::from(later) + 1)
            })
            .collect();
        let mut place =
            u64::from(crc32fast::hash(format!("{salt}_{number}").as_bytes())) % shares.iter().sum::<u64>();
        for (bracket, share) in (0..).zip(shares) {
            if place < share {
                return bracket;
            }
            place -= share;
        }
        0
    }
}

/// Rungs at `first`, `first · factor`, `first · factor²`, … epochs; at each the best `1 / factor` go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halving {
    /// Epochs of the lowest rung, at least 1.
    pub first: u64,
    /// At least 2.
    pub factor: u64,
}

impl Halving {
    /// Epochs of a rung, from 0.
    #[must_use]
    pub fn epochs(&self, rung: u32) -> u64 {
        self.factor.saturating_pow(rung).saturating_mul(self.first)
    }

    /// The rungs below a whole run.
    #[must_use]
    pub fn rungs(&self, longest: u64) -> Vec<u64> {
        (0..u64::BITS).map(|rung| self.epochs(rung)).take_while(|epochs| *epochs < longest).collect()
    }
}

/// What was decided of a run, and on what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// There was nothing to decide.
    None,
    /// The run is compared with others at a number of epochs.
    Compared {
        /// Whether the run ends.
        stops: bool,
        /// Epochs of the rung, or of the value.
        epochs: u64,
        /// Place of the run among those that were compared, from 1; equals share the best place, but where runs pause.
        place: usize,
        /// How many were compared, the run itself among them.
        of: usize,
        /// How many of them go on.
        best: usize,
    },
    /// The run is compared with the median of others.
    Median {
        /// Whether the run ends.
        stops: bool,
        /// Epochs of the value.
        epochs: u64,
        /// The run's best value so far.
        value: f64,
        /// The median of the completed runs at as many epochs.
        median: f64,
        /// How many runs that is of.
        of: usize,
    },
    /// The value is not a number: the run ends.
    NotANumber {
        /// Epochs of the value.
        epochs: u64,
    },
}

impl Decision {
    /// What was compared, in words: `epoch 3: 11th of 14, best 4 go on`.
    #[must_use]
    pub fn words(&self) -> String {
        match *self {
            Self::None => String::new(),
            Self::NotANumber { epochs } => format!("epoch {epochs}: not a number"),
            Self::Compared { epochs, place, of, best, .. } => {
                let go = match best {
                    0 => "none goes on yet".to_owned(),
                    1 => "the best goes on".to_owned(),
                    best => format!("best {best} go on"),
                };
                format!("epoch {epochs}: {} of {of}, {go}", ordinal(place))
            }
            Self::Median { epochs, value, median, of, .. } => {
                format!(
                    "epoch {epochs}: {value:.4} at best, and the median of {of} completed runs is {median:.4}"
                )
            }
        }
    }

    /// Whether the run ends.
    #[must_use]
    pub fn stops(&self) -> bool {
        match self {
            Self::None => false,
            Self::NotANumber { .. } => true,
            Self::Compared { stops, .. } | Self::Median { stops, .. } => *stops,
        }
    }
}

/// A rule and the runs it knows.
#[derive(Clone, Debug)]
pub struct Stopper {
    rule: Rule,
    goal: Goal,
    runs: BTreeMap<u64, Run>,
}

#[derive(Clone, Debug, Default)]
struct Run {
    /// Values of the metric by epochs done.
    values: BTreeMap<u64, f64>,
    is_completed: bool,
    /// The value at each rung that was reached.
    rungs: Vec<f64>,
    /// How many rungs later than others it is judged first.
    bracket: u32,
}

impl Stopper {
    /// A rule that knows no run yet.
    #[must_use]
    pub fn new(rule: Rule, goal: Goal) -> Self {
        Self { rule, goal, runs: BTreeMap::new() }
    }

    /// A run begins anew.
    pub fn forget(&mut self, number: u64) {
        self.runs.remove(&number);
    }

    /// A run has completed.
    pub fn complete(&mut self, number: u64) {
        self.run(number).is_completed = true;
    }

    fn run(&mut self, number: u64) -> &mut Run {
        let bracket = self.rule.bracket(number);
        self.runs.entry(number).or_insert_with(|| Run { bracket, ..Run::default() })
    }

    /// Decides about a run that has a value of the metric after so many epochs, more than before.
    pub fn report(&mut self, number: u64, epochs: u64, value: f64) -> Decision {
        self.run(number).values.insert(epochs, value);
        match self.rule {
            Rule::Median { first } => self.against_median(first, number, epochs),
            Rule::Halving(halving) | Rule::Hyperband { halving, .. } => {
                self.climb(halving, number, epochs, value)
            }
        }
    }

    fn against_median(&self, first: u64, number: u64, epochs: u64) -> Decision {
        let completed = || self.runs.values().filter(|run| run.is_completed);
        if completed().count() < MEDIAN_OF || epochs < first {
            return Decision::None;
        }
        let own = self.runs[&number].values.values().copied().filter(|value| !value.is_nan());
        let Some(value) = own.reduce(|a, b| if self.is_better(b, a) { b } else { a }) else {
            return Decision::NotANumber { epochs };
        };
        let mut others: Vec<f64> = completed()
            .filter_map(|run| run.values.get(&epochs).copied())
            .filter(|value| !value.is_nan())
            .collect();
        others.sort_by(f64::total_cmp);
        let Some(median) = median(&others) else { return Decision::None };
        Decision::Median { stops: self.is_better(median, value), epochs, value, median, of: others.len() }
    }

    /// The rungs that the run has reached with its newest value, as long as it is among the best of each.
    fn climb(&mut self, halving: Halving, number: u64, epochs: u64, value: f64) -> Decision {
        let mut decision = Decision::None;
        let bracket = self.run(number).bracket;
        loop {
            let rung = self.runs[&number].rungs.len();
            let at = halving.epochs(bracket.saturating_add(rung as u32));
            if epochs < at {
                return decision;
            }
            if value.is_nan() {
                return Decision::NotANumber { epochs };
            }
            self.run(number).rungs.push(value);
            let same = self.runs.values().filter(|run| run.bracket == bracket);
            let values: Vec<f64> = same.filter_map(|run| run.rungs.get(rung).copied()).collect();
            let of = values.len();
            let best = (of / halving.factor as usize).max(1);
            let place = 1 + values.iter().filter(|other| self.is_better(**other, value)).count();
            let stops = place > best;
            decision = Decision::Compared { stops, epochs: at, place, of, best };
            if stops {
                return decision;
            }
        }
    }

    fn is_better(&self, a: f64, b: f64) -> bool {
        match self.goal {
            Goal::Minimize => a < b,
            Goal::Maximize => a > b,
        }
    }
}

/// `1st`, `2nd`, `11th`.
pub(super) fn ordinal(place: usize) -> String {
    let ending = match (place % 10, place % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{place}{ending}")
}

/// How many times later a run may be judged first: ⌊log(longest / first) / log(factor)⌋ + 1.
fn brackets(halving: Halving, longest: u64) -> u32 {
    let ratio = longest.max(halving.first) as f64 / halving.first as f64;
    (ratio.ln() / (halving.factor as f64).ln()).floor() as u32 + 1
}

/// Of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { sorted[middle - 1] + (upper - sorted[middle - 1]) / 2.0 })
}
