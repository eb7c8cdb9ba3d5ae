//! The points of a search that learns: each is suggested when a slot is free, by what the earlier ones have come to.
//!
//! A point that was suggested is kept as a line of `search.jsonl` in the experiment's folder, with what was learned between it
//! and the one before: so the runs of such an experiment are those of its kept points, a search that was cut off goes on
//! exactly, and each suggestion can be made again. Pure; the sweep keeps the lines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    content_id,
    points::MOST_LEFT_OUT,
    sieve::{LeftOut, Sieve},
    space::{SubSpace, Values},
};
use crate::{
    search::{Known, Reason, STARTUP, Suggestion, Trial},
    spec::{Experiment, Value},
};

/// A point that was suggested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggested {
    /// From 0. Its runs follow one another in the experiment, a run for each seed.
    pub number: u64,
    /// The grid whose axes it has.
    pub grid: usize,
    /// Its values, in the order of the axes.
    pub values: Vec<(String, Value)>,
    /// The content id of its run with seed 0: where another spec gives another, what was learned is of something else.
    pub id: String,
    /// Why it is this one.
    #[serde(flatten)]
    pub reason: Reason,
    /// What has become of earlier points since the suggestion before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<Learned>,
}

/// What has become of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Its number.
    pub point: u64,
    /// What it is in.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a search knows of a point. Values are `None` where they are no number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is being trained.
    Running,
    /// The mean of the metric that ranks over its seeds.
    Completed {
        /// The mean.
        value: Option<f64>,
    },
    /// A rule has ended it.
    Stopped {
        /// The last step of its curve.
        step: u64,
        /// The value there.
        value: Option<f64>,
    },
    /// It has come to nothing that tells of the point.
    Failed,
}

impl Suggested {
    /// Why it is this point, in a sentence without its beginning.
    #[must_use]
    pub fn words(&self) -> String {
        let number = self.number;
        let why = match self.reason {
            Reason::Drawn => "drawn, since too little was known to estimate anything".to_owned(),
            Reason::AllTried => "drawn, since every candidate had been tried".to_owned(),
            Reason::Sequence { place } => format!("place {place} of Sobol's sequence"),
            Reason::Earlier => "tried by the search of an earlier spec".to_owned(),
            Reason::Estimated { score, place, candidates, good, others, running } => {
                let best = match place {
                    1 => format!("the best of {candidates} candidates"),
                    place => {
                        format!("the best of {candidates} candidates that was not tried, at place {place}")
                    }
                };
                let ended = (good + others).saturating_sub(running);
                format!(
                    "{best} (score {score:.3}: ln of how much denser the best {good} points are there than the others), with \
                     {ended} ended and {running} running"
                )
            }
        };
        format!("point {number}: {why}")
    }
}

/// A search that learns.
#[derive(Clone, Debug)]
pub struct PointSearch<'a> {
    experiment: &'a Experiment,
    spaces: Vec<SubSpace<'a>>,
    /// Of each point: its sub-space, and its number there.
    places: Vec<(usize, u64)>,
    outcomes: BTreeMap<u64, Outcome>,
    /// What the kept suggestions say of the outcomes.
    told: BTreeMap<u64, Outcome>,
    /// How many points are wanted.
    points: u64,
    sieve: Sieve<'a>,
    left_out: LeftOut,
}

impl<'a> PointSearch<'a> {
    /// The search of an experiment that has suggested these points; `None` where its points follow from its spec.
    #[must_use]
    pub fn new(experiment: &'a Experiment, kept: &[Suggested]) -> Option<Self> {
        let plan = experiment.search.filter(|_| experiment.suggests())?;
        let goal = experiment.rank.by.goal;
        let spaces: Option<Vec<SubSpace<'a>>> = (0..)
            .zip(&experiment.grids)
            .map(|(place, grid)| SubSpace::new(grid, plan, goal, place))
            .collect();
        let mut search = Self {
            experiment,
            spaces: spaces?,
            places: Vec::new(),
            outcomes: BTreeMap::new(),
            told: BTreeMap::new(),
            points: plan.points,
            sieve: Sieve::new(experiment),
            left_out: LeftOut::default(),
        };
        for point in kept {
            search.take(point)?;
        }
        Some(search)
    }

    /// Takes a point that was suggested.
    fn take(&mut self, suggested: &Suggested) -> Option<()> {
        let space = self.spaces.get_mut(suggested.grid)?;
        let point = space.point(&suggested.values)?;
        let number = space.next;
        space.search.know(Trial { number, point, known: Known::Running });
        space.next += 1;
        self.places.push((suggested.grid, number));
        self.outcomes.insert(suggested.number, Outcome::Running);
        self.told.extend(suggested.learned.iter().map(|learned| (learned.point, learned.outcome)));
        self.told.entry(suggested.number).or_insert(Outcome::Running);
        Some(())
    }

    /// How many points were suggested.
    #[must_use]
    pub fn suggested(&self) -> u64 {
        self.places.len() as u64
    }

    /// How many points are still to be suggested, where the space has so many.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.points.saturating_sub(self.suggested())
    }

    /// What is known of the points.
    #[must_use]
    pub fn outcomes(&self) -> &BTreeMap<u64, Outcome> {
        &self.outcomes
    }

    /// Takes in what has become of a point.
    pub fn learn(&mut self, number: u64, outcome: Outcome) {
        let place = usize::try_from(number).ok().and_then(|number| self.places.get(number));
        let Some(&(space, own)) = place else { return };
        let known = match outcome {
            Outcome::Running => Some(Known::Running),
            Outcome::Completed { value } => Some(Known::Completed(value.unwrap_or(f64::NAN))),
            Outcome::Stopped { step, value } => {
                Some(Known::Stopped { step, value: value.unwrap_or(f64::NAN) })
            }
            Outcome::Failed => None,
        };
        self.spaces[space].search.learn(own, known);
        self.outcomes.insert(number, outcome);
    }

    /// What was left out since the search was made.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Whether no further point is suggested.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left() == 0
    }

    /// The next point that is not left out, which is taken as one that is being trained; `None` where there are as many as are
    /// wanted, or the space has no other.
    pub fn next_point(&mut self) -> Option<Suggested> {
        if self.is_done() {
            return None;
        }
        let number = self.suggested();
        let turn = self.places.len();
        let spaces = self.spaces.len();
        let (grid, suggestion, values) = (0..spaces)
            .map(|further| (turn + further) % spaces)
            .find_map(|grid| self.allowed(grid).map(|(suggestion, values)| (grid, suggestion, values)))?;
        let changed = |(point, outcome): (&u64, &Outcome)| {
            (self.told.get(point) != Some(outcome)).then_some(Learned { point: *point, outcome: *outcome })
        };
        let learned = self.outcomes.iter().filter_map(changed).collect();
        let id = id_of(self.experiment, &values)?;
        let suggested = Suggested { number, grid, values, id, reason: suggestion.reason, learned };
        self.take(&suggested)?;
        Some(suggested)
    }

    /// The next point of a sub-space that no rule leaves out and no other sub-space has had.
    fn allowed(&mut self, grid: usize) -> Option<(Suggestion, Values)> {
        for _ in 0..MOST_LEFT_OUT {
            let (suggestion, values) = self.spaces[grid].suggest()?;
            let is_of_another = || {
                let others = self.spaces.iter().enumerate().filter(|(place, _)| *place != grid);
                others.into_iter().any(|(_, other)| {
                    other.point(&values).is_some_and(|point| other.search.has_tried(&point))
                })
            };
            match self.sieve.why(&values) {
                Some(why) => self.left_out.add(&values, why),
                None if is_of_another() => {}
                None => return Some((suggestion, values)),
            }
            self.spaces[grid].search.pass(&suggestion.point);
        }
        None
    }
}

/// The first points of a search that learns, which are drawn before it has learned anything, and what was left out meanwhile; none of
/// another experiment.
#[must_use]
pub fn first_points(experiment: &Experiment) -> (Vec<Suggested>, LeftOut) {
    let Some(mut search) = PointSearch::new(experiment, &[]) else { return (Vec::new(), LeftOut::default()) };
    let drawn = STARTUP * experiment.grids.len();
    let points = std::iter::from_fn(|| search.next_point()).take(drawn).collect();
    (points, search.left_out)
}

/// The content id of the run of a point with seed 0.
fn id_of(experiment: &Experiment, values: &[(String, Value)]) -> Option<String> {
    let family = experiment.family_of(values)?;
    let mut parameters = experiment.fixed.clone();
    parameters.extend(values.iter().cloned());
    Some(content_id(&experiment.command, family, &parameters, 0))
}

/// Of points that were suggested for an earlier spec those that this one has too, numbered anew.
#[must_use]
pub fn still_suggested(experiment: &Experiment, points: Vec<Suggested>) -> Vec<Suggested> {
    let Some(search) = PointSearch::new(experiment, &[]) else { return Vec::new() };
    let all = points.len();
    let mut sieve = Sieve::new(experiment);
    let mut kept: Vec<Suggested> = Vec::with_capacity(all);
    for mut point in points {
        let has = |space: &SubSpace<'_>| space.point(&point.values).is_some();
        let is_same = || id_of(experiment, &point.values).as_ref() == Some(&point.id);
        let grid = match search.spaces.get(point.grid).is_some_and(has) {
            true => Some(point.grid),
            false => search.spaces.iter().position(has),
        };
        if let Some(grid) = grid.filter(|_| is_same() && sieve.why(&point.values).is_none()) {
            point.grid = grid;
            kept.push(point);
        }
    }
    if kept.len() < all {
        for (number, point) in (0..).zip(&mut kept) {
            (point.number, point.reason, point.learned) = (number, Reason::Earlier, Vec::new());
        }
    }
    kept
}

/// The points of a file of them: a line each. What is no point, or out of turn, ends the list.
#[must_use]
pub fn parse_points(text: &[u8]) -> Vec<Suggested> {
    let mut points: Vec<Suggested> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        // A line that was cut off says nothing; its point is suggested again.
        let Ok(point) = serde_json::from_slice::<Suggested>(line) else { continue };
        if point.number == points.len() as u64 {
            points.push(point);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Overrides, parse};

    fn experiment(grid: &str, more: &str) -> Experiment {
        let text = format!(
            "experiment: e\nmodel: {{family: command, run: ['true']}}\ngrid: {grid}\nrank: {{by: loss}}\n{more}"
        );
        parse(&text, Path::new("e.yaml"), &Overrides::default()).unwrap()
    }

    /// Lower is better: the middle of a, b of "x".
    fn loss(point: &Suggested) -> f64 {
        let a = point.values[0].1.as_f64().unwrap();
        (a - 0.5).powi(2) + if point.values[1].1 == Value::Text("x".to_owned()) { 0.0 } else { 0.3 }
    }

    fn space(points: u64) -> Experiment {
        let more = format!("search: {{method: tpe, points: {points}, seed: 3}}\nexclude: [{{b: z}}]\n");
        experiment("{a: {from: 0.0, to: 1.0}, b: [x, y, z]}", &more)
    }

    /// Points one after the other, each told before the next.
    fn played(search: &mut PointSearch<'_>, until: u64) -> Vec<Suggested> {
        let mut all = Vec::new();
        while search.suggested() < until {
            let point = search.next_point().unwrap();
            // Every sixth fails, every seventh diverges.
            let outcome = match point.number {
                number if number % 6 == 5 => Outcome::Failed,
                number if number % 7 == 6 => Outcome::Completed { value: None },
                _ => Outcome::Completed { value: Some(loss(&point)) },
            };
            search.learn(point.number, outcome);
            all.push(point);
        }
        all
    }

    fn told(search: &mut PointSearch<'_>, points: &[Suggested]) {
        for point in points {
            for learned in &point.learned {
                search.learn(learned.point, learned.outcome);
            }
        }
    }

    #[test]
    fn a_search_that_was_cut_off_anywhere_goes_on_as_it_would_have() {
        let experiment = space(40);
        let whole = played(&mut PointSearch::new(&experiment, &[]).unwrap(), 40);
        assert!(whole.iter().any(|point| matches!(point.reason, Reason::Estimated { .. })));
        assert!(whole.iter().all(|point| point.values[1].1 != Value::Text("z".to_owned())));
        for cut in [1, 9, 10, 11, 25, 39] {
            let mut search = PointSearch::new(&experiment, &whole[..cut]).unwrap();
            // What the ledger knows: what the later suggestion was told.
            told(&mut search, &whole[..=cut]);
            assert_eq!(search.next_point().as_ref(), Some(&whole[cut]), "{cut}");
        }
        let mut search = PointSearch::new(&experiment, &whole).unwrap();
        assert_eq!((search.next_point(), search.is_done()), (None, true));
    }

    #[test]
    fn what_a_parallel_search_has_kept_gives_the_same_suggestions() {
        let experiment = space(60);
        let mut search = PointSearch::new(&experiment, &[]).unwrap();
        let (mut all, mut live): (Vec<Suggested>, Vec<Suggested>) = (Vec::new(), Vec::new());
        while let Some(point) = search.next_point() {
            all.push(point.clone());
            live.push(point);
            if live.len() == 4 {
                // Not in the order in which they began.
                let ended = live.remove((all.len() * 7) % 4);
                search.learn(ended.number, Outcome::Completed { value: Some(loss(&ended)) });
            }
        }
        assert_eq!(all.len(), 60);
        assert!(all.iter().any(|point| matches!(point.reason, Reason::Estimated { running: 3, .. })));
        // By the lines of the file alone.
        let text: Vec<u8> = all
            .iter()
            .flat_map(|point| {
                let mut line = serde_json::to_vec(point).unwrap();
                line.push(b'\n');
                line
            })
            .collect();
        let kept = parse_points(&text);
        assert_eq!(kept, all);
        for cut in 0..60 {
            let mut search = PointSearch::new(&experiment, &kept[..cut]).unwrap();
            told(&mut search, &kept[..=cut]);
            assert_eq!(search.next_point().unwrap(), kept[cut], "{cut}");
        }
    }

    #[test]
    fn points_of_another_spec_stay_where_this_one_has_them() {
        let experiment = space(20);
        let points = played(&mut PointSearch::new(&experiment, &[]).unwrap(), 20);
        // More points, another seed: nothing of what was tried is other.
        let mut more = space(50);
        more.search.as_mut().unwrap().seed = 9;
        assert_eq!(still_suggested(&more, points.clone()), points);
        let half = self::experiment(
            "{a: {from: 0.0, to: 0.5}, b: [x, y, z]}",
            "search: {method: tpe, points: 50, seed: 3}\n",
        );
        let kept = still_suggested(&half, points.clone());
        assert!(!kept.is_empty() && kept.len() < 20);
        assert!(kept.iter().all(|point| point.values[0].1.as_f64().unwrap() <= 0.5));
        assert!((0..).zip(&kept).all(|(number, point)| point.number == number));
        // Another program: nothing is known of it.
        let mut other = space(50);
        other.command = vec!["false".to_owned()];
        assert_eq!(still_suggested(&other, points), []);
    }

    #[test]
    fn a_space_that_is_exhausted_ends_the_search() {
        let experiment = experiment(
            "[{a: [1, 2], b: [1, 2]}, {a: [1, 3], b: [1]}]",
            "search: {method: tpe, points: 5}\nexclude: [{a: 2, b: 2}]\n",
        );
        let mut search = PointSearch::new(&experiment, &[]).unwrap();
        let mut points = Vec::new();
        while let Some(point) = search.next_point() {
            let mut values = point.values.clone();
            values.sort_by(|(a, _), (b, _)| a.cmp(b));
            assert!(!points.contains(&values), "{values:?} is there twice");
            points.push(values);
        }
        // Of six one is left out, and one is in both grids.
        assert_eq!(points.len(), 4);
    }
}
