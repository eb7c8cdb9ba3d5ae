//! What `gridboard plan` says of a search, of the rule that ends runs early and of the budget.

use crate::{
    base::human,
    grid::{self, LeftOut, NoNetwork},
    search::Halving,
    spec::{Budget, Experiment, Limit, SearchMethod, SearchPlan, StopRule},
    sweep,
};

/// What of the space is trained, where that is not all of it.
pub(super) fn chosen(experiment: &Experiment, runs: u64, left_out: &LeftOut) -> Vec<String> {
    let points = runs / (experiment.seeds.len() as u64).max(1);
    let mut notes = Vec::new();
    if let Some(search) = experiment.search {
        let short = if points < search.points {
            format!(" ({} were asked for: nothing more is left of the space)", search.points)
        } else {
            String::new()
        };
        let how = match search.method {
            SearchMethod::Random => "random points",
            SearchMethod::Sobol => "points of Sobol's sequence",
            SearchMethod::Tpe => "",
        };
        match search.method {
            SearchMethod::Tpe => notes.extend(suggested(experiment, search, points)),
            _ => notes.push(format!("search: {points} {how}, seed {}{short}", search.seed)),
        }
    }
    notes.extend(of_left_out(experiment, points, left_out));
    notes
}

/// How many points are left out, by what, and which: of `exclude` the number alone, since the spec has its values.
fn of_left_out(experiment: &Experiment, points: u64, left_out: &LeftOut) -> Vec<String> {
    let rules = human::counted(experiment.exclude.len(), "rule");
    let by: Vec<String> = [
        (left_out.by_rule, format!("by {rules} of `exclude`")),
        (left_out.by_limit, "by `limit`".to_owned()),
        (left_out.impossible, "because they cannot be built".to_owned()),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, by)| format!("{count} {by}"))
    .collect();
    let all = points + left_out.total();
    let what = if experiment.search.is_some() { "points that were drawn" } else { "grid points" };
    let mut notes = match by.as_slice() {
        [] => return Vec::new(),
        [one] => {
            let verb = if left_out.total() == 1 { "is" } else { "are" };
            let (count, by) = one.split_once(' ').unwrap_or((one, ""));
            vec![format!("{count} of {all} {what} {verb} left out {by}")]
        }
        several => vec![format!("{} of {all} {what} are left out: {}", left_out.total(), several.join(", "))],
    };
    notes.extend(passed(left_out));
    notes
}

/// A line for each network that is left out, and why.
pub(super) fn passed(left_out: &LeftOut) -> Vec<String> {
    let mut notes = Vec::new();
    for NoNetwork { values, reason, points } in &left_out.named {
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let times = if *points > 1 { format!(" ({points} points)") } else { String::new() };
        notes.push(format!("left out: {}: {reason}{times}", values.join(", ")));
    }
    if left_out.unnamed > 0 {
        notes.push(format!("left out: {} of other networks", human::counted(left_out.unnamed, "point")));
    }
    notes
}

/// When runs are judged, and what ends the sweep.
pub(super) fn stops(experiment: &Experiment, runs: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(plan) = experiment.stop {
        let whole = sweep::whole_epochs(experiment, &plan);
        let halving = Halving { first: plan.first, factor: plan.factor };
        let rule = plan.rule.as_str();
        notes.push(match (plan.rule, whole) {
            (StopRule::Median, _) => format!(
                "stop: {rule}, from epoch {} on, once 5 runs have completed: whoever is worse than their median ends",
                plan.first
            ),
            (_, Some(whole)) => {
                let rungs: Vec<String> = halving.rungs(whole).iter().map(u64::to_string).collect();
                let at = rungs.join(", ");
                format!("stop: {rule}, rungs at epochs {at} of {whole}, the best {} goes on", part(plan.factor))
            }
            (_, None) => {
                let rungs: Vec<String> = (0..4).map(|rung| halving.epochs(rung).to_string()).collect();
                let at = rungs.join(", ");
                format!("stop: {rule}, rungs at epochs {at} and on, the best {} goes on", part(plan.factor))
            }
        });
        if runs < FEW_TO_STOP && !experiment.suggests() {
            notes.push(format!(
                "stopping early pays with many runs; with {runs} it may end what would have won"
            ));
        }
    }
    let Budget { runs, time, device_hours, failures, until } = experiment.budget;
    let limits: Vec<String> = [
        runs.map(|runs| human::counted(runs, "run")),
        time.map(|time| time.to_string()),
        device_hours.map(|hours| format!("{hours} device hours")),
        failures.map(|failures| human::counted(failures, "failure")),
        until.map(|until| format!("{} reaching {until}", experiment.rank.by.tag)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !limits.is_empty() {
        notes.push(format!("budget: {}, over all sweeps; the rest stays pending", limits.join(" or ")));
    }
    notes
}

/// With fewer runs stopping early saves little, and may end the best one.
const FEW_TO_STOP: u64 = 50;

/// `third`, `1/5`.
fn part(factor: u64) -> String {
    match factor {
        2 => "half".to_owned(),
        3 => "third".to_owned(),
        4 => "quarter".to_owned(),
        factor => format!("1/{factor}"),
    }
}

/// What is known of a search that learns before it begins.
fn suggested(experiment: &Experiment, search: SearchPlan, first: u64) -> Vec<String> {
    let wanted = human::counted(search.points, "point");
    let mut notes = vec![format!(
        "search: {wanted} by TPE, seed {}; these are the first {first}, which are drawn, the others follow from what the runs \
         have come to",
        search.seed
    )];
    let all = grid::count(&Experiment {
        search: None,
        exclude: Vec::new(),
        limit: Limit::default(),
        seeds: vec![0],
        ..experiment.clone()
    });
    let is_finite = experiment.grids.iter().flat_map(|grid| &grid.axes).all(|axis| axis.range.is_none());
    if is_finite && all < FEW_POINTS {
        notes.push(format!(
            "{all} points: a search gains nothing here, a shuffled grid (`method: random`) finds the best as soon"
        ));
    }
    notes
}

/// Below so many points a search finds the best one no sooner than a shuffled grid.
const FEW_POINTS: u128 = 50;
