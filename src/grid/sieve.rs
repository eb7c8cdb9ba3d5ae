//! Which grid points are left out before anything trains, and why: by `exclude`, by `limit`, and of a search those whose
//! network cannot be built.
//!
//! What is left out follows from the spec alone, so that an experiment has the same runs on every machine.

use std::{collections::HashMap, fmt::Write as _};

use super::space::Values;
use crate::{
    base::human,
    model::{self, Architecture, Summary},
    spec::{
        Experiment, FAMILY_AXIS, Family, Parameters, Source, Train, Value, count_text,
        parameter::{Section, parameter_of_any},
        size_text,
    },
};

/// Networks that are named; of the points of others there is the number alone.
const MOST_NAMED: usize = 20;

/// Why a grid point is not trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// A rule of `exclude` has its values.
    Rule,
    /// It is beyond `limit`: what it has, and what it may have.
    Limit(String),
    /// Its network cannot be built, for this reason.
    Impossible(String),
}

/// The grid points that are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeftOut {
    /// By `exclude`.
    pub by_rule: u64,
    /// By `limit`.
    pub by_limit: u64,
    /// Because there is no such network.
    pub impossible: u64,
    /// The first networks of the last two.
    pub named: Vec<NoNetwork>,
    /// Points of the last two whose network is not named.
    pub unnamed: u64,
}

/// A network that is not trained.
#[derive(Clone, Debug, PartialEq)]
pub struct NoNetwork {
    /// The values of the axes that it depends on.
    pub values: Values,
    /// Why it is not trained.
    pub reason: String,
    /// Points that have it.
    pub points: u64,
}

impl LeftOut {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_rule + self.by_limit + self.impossible
    }

    pub(super) fn add(&mut self, values: &[(String, Value)], why: Exclusion) {
        let reason = match why {
            Exclusion::Rule => {
                self.by_rule += 1;
                return;
            }
            Exclusion::Limit(reason) => {
                self.by_limit += 1;
                reason
            }
            Exclusion::Impossible(reason) => {
                self.impossible += 1;
                reason
            }
        };
        let values: Values = values.iter().filter(|(name, _)| shapes(name)).cloned().collect();
        let named = self.named.len();
        match self.named.iter_mut().find(|known| known.values == values) {
            Some(known) => known.points += 1,
            None if named < MOST_NAMED => self.named.push(NoNetwork { values, reason, points: 1 }),
            None => self.unnamed += 1,
        }
    }
}

/// Leaves points of an experiment out.
#[derive(Clone, Debug)]
pub(super) struct Sieve<'a> {
    experiment: &'a Experiment,
    /// Whether networks are looked at: none of a `command` is known.
    has_networks: bool,
    /// Whether a network that cannot be built is left out.
    skips_impossible: bool,
    /// By the values that a network depends on: a grid has far fewer networks than points.
    known: HashMap<String, Option<Exclusion>>,
}

impl<'a> Sieve<'a> {
    /// The rules of an experiment. Of a search points without a network are left out; in a grid they are a mistake, which
    /// [`check`](super::check) tells.
    pub(super) fn new(experiment: &'a Experiment) -> Self {
        let is_search = experiment.search.is_some();
        let looks = experiment.dataset.is_some() && !experiment.is_command();
        Self {
            experiment,
            has_networks: looks && (is_search || !experiment.limit.is_default()),
            skips_impossible: is_search,
            known: HashMap::new(),
        }
    }

    /// Whether nothing is left out, whatever the points are.
    pub(super) fn is_idle(&self) -> bool {
        self.experiment.exclude.is_empty() && !self.has_networks
    }

    /// Why a point is left out; `None` where it is trained.
    pub(super) fn why(&mut self, values: &[(String, Value)]) -> Option<Exclusion> {
        if is_excluded(self.experiment, values) {
            return Some(Exclusion::Rule);
        }
        if !self.has_networks {
            return None;
        }
        let mut key = String::new();
        for (name, value) in values.iter().filter(|(name, _)| shapes(name)) {
            // Writing to a string does not fail.
            let _ = write!(key, "{name}={value}\0");
        }
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.of_network(values);
        self.known.insert(key, found.clone());
        found
    }

    fn of_network(&self, values: &[(String, Value)]) -> Option<Exclusion> {
        let family = self.experiment.family_of(values)?;
        let mut parameters = self.experiment.fixed.clone();
        parameters.extend(values.iter().cloned());
        match network(self.experiment, family, &parameters) {
            Ok(network) => beyond(self.experiment, &network?.summary).map(Exclusion::Limit),
            Err(reason) => self.skips_impossible.then_some(Exclusion::Impossible(reason)),
        }
    }
}

/// Whether a rule of `exclude` leaves the point out.
fn is_excluded(experiment: &Experiment, values: &[(String, Value)]) -> bool {
    let has = |(name, wanted): (&String, &Value)| {
        values.iter().any(|(axis, value)| axis == name && value == wanted)
    };
    experiment.exclude.iter().any(|rule| rule.iter().all(has))
}

/// Whether what a network is or needs depends on the parameter.
fn shapes(name: &str) -> bool {
    let row = parameter_of_any(&Family::BUILT_IN, name);
    ["batch_size", "freeze", FAMILY_AXIS].contains(&name)
        || row.is_some_and(|parameter| parameter.section == Section::Model)
}

/// A network as an experiment trains it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The network.
    pub architecture: Architecture,
    /// Its classes.
    pub classes: u32,
    /// How it is trained, in batches that the images fill.
    pub train: Train,
    /// What that takes: the same on every machine, so its memory is that with libtorch.
    pub summary: Summary,
}

/// The network of a run with these parameters; `None` for a `command`.
///
/// # Errors
/// Why there is no such network.
pub fn network(
    experiment: &Experiment,
    family: Family,
    parameters: &Parameters,
) -> Result<Option<Network>, String> {
    let Some(dataset) = &experiment.dataset else { return Ok(None) };
    let known = Architecture::from_parameters(family, parameters).map_err(|error| error.to_string())?;
    let Some(architecture) = known else { return Ok(None) };
    let mut train = Train::from_parameters(parameters).map_err(|error| error.to_string())?;
    if let Source::Phantom(phantom) = &dataset.source {
        // Fewer train, but how many is the split's to say.
        train = train.fitting(phantom.images.iter().copied().map(u64::from).sum());
    }
    let classes = u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX);
    let summary = model::summary(&architecture, dataset.image_size, classes, &train);
    let summary = summary.map_err(|error| error.to_string())?;
    Ok(Some(Network { architecture, classes, train, summary }))
}

/// What of a network is beyond the limit.
fn beyond(experiment: &Experiment, cost: &Summary) -> Option<String> {
    let limit = &experiment.limit;
    let over = |most: Option<u64>, found: u64| most.filter(|most| found > *most);
    if let Some(most) = over(limit.parameters, cost.parameters) {
        return Some(format!(
            "{} parameters, more than {}",
            human::grouped(cost.parameters),
            count_text(most)
        ));
    }
    if let Some(most) = over(limit.flops, cost.flops_per_image) {
        let found = human::count(cost.flops_per_image);
        return Some(format!("{found} FLOPs per image, more than {}", count_text(most)));
    }
    let most = over(limit.memory, cost.memory_bytes)?;
    Some(format!(
        "{} of memory with libtorch, more than {}",
        human::bytes(cost.memory_bytes),
        size_text(most)
    ))
}
