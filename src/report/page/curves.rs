//! The training curves of an experiment: of a grid that fits, by its axes; else the best in colour before the others.
//!
//! Runs that differ by their seed alone are one curve, their mean.

use std::collections::HashSet;

use crate::{
    figure::{self, Figure, FigureError, GridCurve, Key, MOST_KEY_VALUES, Panel, Quantity, Series},
    rank::Row,
    report::input::{ReportInput, RunCurves},
    spec::Value,
};

use super::{ranked, words};

/// Curves beyond these are left out: their grey lines would only make the file large.
pub(in crate::report) const MOST_CURVES: usize = 500;

/// The figure of one quantity.
pub(in crate::report) fn figure(input: &ReportInput, quantity: Quantity) -> Result<Figure, FigureError> {
    let (word, which) = match quantity {
        Quantity::Accuracy => ("accuracy", 0),
        Quantity::Loss | Quantity::Other => ("loss", 1),
    };
    // Panels of a part that no run has would be empty.
    let has_both = |curves: &[([usize; 3], Curves)]| {
        (0..2).all(|part| curves.iter().any(|(_, curves)| !curves[which][part].is_empty()))
    };
    match by_axes(input).filter(|(_, curves)| has_both(curves)) {
        Some((keys, curves)) => {
            let curves: Vec<GridCurve> = curves
                .into_iter()
                .map(|(place, curves)| GridCurve { place, points: curves[which].clone() })
                .collect();
            let title = format!("{}: {word} by epoch{}", input.leaderboard.experiment, of_seeds(input));
            figure::grid_curves(&title, quantity, &keys, &curves)
        }
        None => by_rank(input, quantity),
    }
}

/// `, mean of 2 seeds`, where the curves are means.
pub(super) fn of_seeds(input: &ReportInput) -> String {
    let seeds = input.leaderboard.seeds.len();
    if seeds > 1 && by_axes(input).is_some() { format!(", mean of {seeds} seeds") } else { String::new() }
}

/// Training and validation curve of accuracy, then of loss.
type Curves = [[Vec<(f64, f64)>; 2]; 2];
/// Curves by their place in the grid, and what the places are.
type Placed = ([Key; 3], Vec<([usize; 3], Curves)>);
/// One of the four curves of a run.
type Read = fn(&RunCurves) -> &[(i64, f64)];

/// The curves by their place in the grid, where its axes are one to three and their values few enough to be told apart.
fn by_axes(input: &ReportInput) -> Option<Placed> {
    let board = &input.leaderboard;
    // One axis is colours, two are panels and colours, three strokes besides.
    let slots: &[usize] = match board.axes.len() {
        1 => &[1],
        2 => &[0, 1],
        3 => &[0, 1, 2],
        _ => return None,
    };
    let rows = ranked(input);
    let mut keys = [(); 3].map(|()| Key { name: String::new(), values: vec![String::new()] });
    let mut values: Vec<Vec<Value>> = Vec::new();
    for (axis, &slot) in slots.iter().enumerate() {
        let found = axis_values(&rows, axis)?;
        if found.len() > MOST_KEY_VALUES[slot] {
            return None;
        }
        keys[slot] =
            Key { name: words(&board.axes[axis]), values: found.iter().map(ToString::to_string).collect() };
        values.push(found);
    }
    let mut places: Vec<([usize; 3], Vec<&RunCurves>)> = Vec::new();
    for row in rows {
        let Some(curves) = input.curves.iter().find(|curves| curves.run == row.run) else { continue };
        let mut place = [0; 3];
        for (axis, &slot) in slots.iter().enumerate() {
            let value = row.axes[axis].as_ref()?;
            place[slot] = values[axis].iter().position(|known| known == value)?;
        }
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, runs)) => runs.push(curves),
            None => places.push((place, vec![curves])),
        }
    }
    // In the order of the grid, so that ranks do not decide which line lies on top.
    places.sort_by_key(|(place, _)| *place);
    Some((keys, places.into_iter().map(|(place, runs)| (place, means(&runs))).collect()))
}

/// The values of an axis in the order of the grid; `None` where a run has none.
pub(super) fn axis_values(rows: &[&Row], axis: usize) -> Option<Vec<Value>> {
    let mut in_grid_order: Vec<&&Row> = rows.iter().collect();
    in_grid_order.sort_by_key(|row| row.index);
    let mut values: Vec<Value> = Vec::new();
    // A search has a value for each run.
    let mut seen = HashSet::new();
    for row in in_grid_order {
        let value = row.axes.get(axis)?.clone()?;
        if seen.insert(format!("{value:?}")) {
            values.push(value);
        }
    }
    Some(values)
}

/// The mean curves of runs that differ by their seed.
fn means(runs: &[&RunCurves]) -> Curves {
    let of = |read: Read| mean_curve(&runs.iter().map(|run| read(run)).collect::<Vec<_>>());
    [
        [of(|run| &run.train_accuracy), of(|run| &run.validation_accuracy)],
        [of(|run| &run.train_loss), of(|run| &run.validation_loss)],
    ]
}

/// The mean of curves at every epoch that all of them have.
pub(super) fn mean_curve(curves: &[&[(i64, f64)]]) -> Vec<(f64, f64)> {
    let Some((first, others)) = curves.split_first() else { return Vec::new() };
    first
        .iter()
        .filter_map(|&(epoch, value)| {
            let mut sum = value;
            for other in others {
                sum += other.iter().find(|(at, _)| *at == epoch)?.1;
            }
            Some((epoch as f64, sum / curves.len() as f64))
        })
        .collect()
}

/// The best runs in colour before the others.
fn by_rank(input: &ReportInput, quantity: Quantity) -> Result<Figure, FigureError> {
    let curves: Vec<&RunCurves> = ranked(input)
        .iter()
        .filter_map(|row| input.curves.iter().find(|curves| curves.run == row.run))
        .collect();
    let drawn = &curves[..curves.len().min(MOST_CURVES)];
    let series: Vec<(String, &RunCurves)> = drawn.iter().map(|run| (run.run.clone(), *run)).collect();
    let part = if curves.len() > drawn.len() {
        format!(", best {} of {} runs", drawn.len(), curves.len())
    } else {
        String::new()
    };
    let word = if quantity == Quantity::Accuracy { "accuracy" } else { "loss" };
    let title = format!("{}: {word} by epoch{part}", input.leaderboard.experiment);
    figure::curves(&title, quantity, &panels(&series, quantity))
}

/// Training and validation side by side.
fn panels(series: &[(String, &RunCurves)], quantity: Quantity) -> Vec<Panel> {
    let reads: [Read; 2] = match quantity {
        Quantity::Accuracy => [|run| &run.train_accuracy, |run| &run.validation_accuracy],
        Quantity::Loss | Quantity::Other => [|run| &run.train_loss, |run| &run.validation_loss],
    };
    let panel = |title: &str, read: Read| Panel {
        title: title.to_owned(),
        series: series
            .iter()
            .map(|(name, run)| Series {
                name: name.clone(),
                points: read(run).iter().map(|&(epoch, value)| (epoch as f64, value)).collect(),
            })
            .collect(),
    };
    let is_drawn = |panel: &Panel| panel.series.iter().any(|series| !series.points.is_empty());
    let panels = [panel("Training", reads[0]), panel("Validation", reads[1])];
    panels.into_iter().filter(is_drawn).collect()
}

/// Stem, tag and figure of each further metric, the one that ranks first: the best runs in colour before the others.
pub(super) fn further(input: &ReportInput) -> Vec<(String, String, Result<Figure, FigureError>)> {
    let curves: Vec<&RunCurves> = ranked(input)
        .iter()
        .filter_map(|row| input.curves.iter().find(|curves| curves.run == row.run))
        .take(MOST_CURVES)
        .collect();
    let Some(first) = curves.first() else { return Vec::new() };
    let of = |(place, (tag, _)): (usize, &(String, _))| {
        let points = |run: &RunCurves| -> Vec<(f64, f64)> {
            let points =
                run.others.iter().find(|(other, _)| other == tag).map(|(_, points)| points.as_slice());
            points.unwrap_or_default().iter().map(|&(step, value)| (step as f64, value)).collect()
        };
        let series: Vec<Series> =
            curves.iter().map(|run| Series { name: run.run.clone(), points: points(run) }).collect();
        let panel = Panel { title: tag.clone(), series };
        let title = format!("{}: {tag} by step", input.leaderboard.experiment);
        (
            format!("metric_curves_{}", place + 1),
            tag.clone(),
            figure::curves(&title, Quantity::Other, &[panel]),
        )
    };
    first.others.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_curve_is_over_the_epochs_that_all_have() {
        let (one, two) = (&[(0, 0.5), (1, 0.7), (2, 0.9)][..], &[(0, 0.7), (1, 0.9)][..]);
        let mean = mean_curve(&[one, two]);
        assert_eq!(mean.len(), 2);
        assert!((mean[0].1 - 0.6).abs() < 1e-12 && (mean[1].1 - 0.8).abs() < 1e-12, "{mean:?}");
        assert!(mean_curve(&[]).is_empty());
    }
}
