//! The table of an experiment with several seeds: a row per grid point, ranked by its mean.

use super::{
    leaderboard::{
        DECIMALS, axis_cell, axis_columns, heading_of, leaderboard_table, not_tested, rule, rule_metrics,
        selection, without_rows,
    },
    table::{Cell, Column, Readers, Table},
};
use crate::{
    base::human::counted,
    rank::{GridPoint, Leaderboard},
    spec::is_accuracy,
    stats::Summary,
};

/// How a summary is read from a grid point.
type Read = Box<dyn Fn(&GridPoint) -> Option<Summary>>;

/// What people read where no seed tells a point from the best one.
const TIE: &str = "=";

/// The table of the best, the first `head` or all: grid points where the experiment has several seeds, else runs. A
/// leaderboard of several seeds must be whole.
#[must_use]
pub(crate) fn top_table(leaderboard: &Leaderboard, head: Option<u32>) -> Table {
    if leaderboard.several_seeds() {
        grid_point_table(leaderboard, head)
    } else {
        leaderboard_table(leaderboard, head)
    }
}

/// The grid points of a whole leaderboard, the best `head` of them or all that rank: rank, grid point, axes, seeds, and mean
/// and standard deviation of each metric over the seeds.
#[must_use]
pub(crate) fn grid_point_table(leaderboard: &Leaderboard, head: Option<u32>) -> Table {
    let points = leaderboard.grid_points();
    let ranked = points.iter().filter(|point| point.rank.is_some()).count();
    let shown: Vec<&GridPoint> = points
        .iter()
        .filter(|point| point.rank.is_some_and(|rank| head.is_none_or(|head| rank <= head)))
        .collect();
    let title = if shown.len() < ranked {
        format!("best {} of {} grid points", shown.len(), points.len())
    } else {
        counted(shown.len(), "grid point")
    };
    let title = format!(
        "{}: {title}, mean over {}, {}",
        leaderboard.experiment,
        counted(leaderboard.seeds.len(), "seed"),
        rule(leaderboard)
    );
    let mut table = Table { title: Some(title), ..rows(leaderboard, &shown) };
    table.notes = notes(leaderboard, &shown);
    if let Some(agreement) = leaderboard.agreement_of_seeds() {
        let note = format!(
            "between two seeds the ranks agree at {agreement:.2} (Spearman; 1 is the same order, 0 is chance)"
        );
        // Before the last one, which closes every such table.
        table.notes.insert(table.notes.len().saturating_sub(1), note);
    }
    if ranked == 0 {
        return without_rows(leaderboard, &counted(points.len(), "grid point"), table);
    }
    if ranked < points.len() {
        table.notes.push(without_a_run(leaderboard, points.len() - ranked));
    }
    table
}

/// `16 grid points have no completed run yet`, or none that ranks.
fn without_a_run(leaderboard: &Leaderboard, count: usize) -> String {
    let mut unranked = leaderboard.rows.iter().filter(|row| row.rank.is_none());
    let what =
        if unranked.any(|row| row.state.has_results()) { "run that ranks" } else { "completed run yet" };
    let have = if count == 1 { "has" } else { "have" };
    format!("{} {have} no {what}", counted(count, "grid point"))
}

fn rows(leaderboard: &Leaderboard, points: &[&GridPoint]) -> Table {
    let axes = axis_columns(leaderboard);
    let metrics = metrics(leaderboard);
    let is_known = |read: &Read| points.iter().any(|point| read(point).is_some());
    let readers = |read: &Read| if is_known(read) { Readers::All } else { Readers::Machines };
    let is_tested = points.iter().any(|point| point.p.is_some());
    let mut columns = vec![Column::number("rank"), Column::text("grid_point").heading("grid point")];
    // The name of a grid point tells its axes.
    columns.extend(axes.iter().cloned().map(|column| column.expendable(4)));
    columns.push(Column::text("seeds_of").heading("seeds").only(Readers::People).expendable(1));
    columns.push(Column::number("seeds").only(Readers::Machines));
    columns.push(Column::number("seeds_wanted").only(Readers::Machines));
    for (name, heading, spread, read) in &metrics {
        let readers = readers(read);
        let mean = Column::number(format!("{name}_mean")).heading(heading).decimals(DECIMALS).only(readers);
        let is_further = leaderboard.metrics.contains(name);
        columns.push(if is_further || is_secondary(name) { mean.expendable(2) } else { mean });
        let deviation =
            Column::number(format!("{name}_deviation")).heading("± sd").decimals(DECIMALS).only(readers);
        columns.push(deviation.expendable(if *spread { 1 } else { 3 }));
        if name == "validation_accuracy" {
            columns.push(Column::text("against_best_sign").heading("").only(Readers::People));
        }
    }
    let p = Column::number("mcnemar_p").heading("p").decimals(3).expendable(5);
    columns.push(if is_tested { p } else { p.only(Readers::Machines) });
    columns.push(Column::number("best_mean").heading("at best epoch").decimals(DECIMALS).expendable(2));

    let cells = |point: &&GridPoint| {
        let mut cells = vec![
            point.rank.map_or(Cell::Empty, |rank| Cell::from(u64::from(rank))),
            Cell::from(point.name.as_str()),
        ];
        cells.extend((0..axes.len()).map(|index| axis_cell(&point.axes, index)));
        let (there, wanted) = (point.seeds.len(), point.wanted);
        let of = if point.is_incomplete() { format!("{there} of {wanted}") } else { there.to_string() };
        cells.extend([Cell::from(of), Cell::from(there as u64), Cell::from(wanted as u64)]);
        for (name, _, _, read) in &metrics {
            let summary = read(point);
            cells.push(Cell::from(summary.map(|summary| summary.mean)));
            cells.push(Cell::from(summary.and_then(|summary| summary.deviation)));
            if name == "validation_accuracy" {
                cells.push(Cell::from(if point.ties() == Some(true) { TIE } else { "" }));
            }
        }
        cells.extend([Cell::from(point.p), Cell::from(point.best.map(|summary| summary.mean))]);
        cells
    };
    Table { title: None, rows: points.iter().map(cells).collect(), columns, notes: Vec::new() }
}

/// Whether a narrow terminal goes without a metric.
fn is_secondary(name: &str) -> bool {
    matches!(name, "train_accuracy" | "train_loss" | "validation_loss")
}

/// The four standard metrics, those of the rule and the further ones of the runs: name, heading, whether the deviation is among the last that a narrow terminal leaves out, and how it is read.
fn metrics(leaderboard: &Leaderboard) -> Vec<(String, String, bool, Read)> {
    let mut metrics: Vec<(String, String, bool, Read)> = vec![
        ("train_accuracy".into(), "train acc.".into(), false, Box::new(|point| point.means.train_accuracy)),
        ("train_loss".into(), "train loss".into(), false, Box::new(|point| point.means.train_loss)),
        (
            "validation_accuracy".into(),
            "val. acc.".into(),
            true,
            Box::new(|point| point.means.validation_accuracy),
        ),
        ("validation_loss".into(), "val. loss".into(), false, Box::new(|point| point.means.validation_loss)),
    ];
    for metric in rule_metrics(leaderboard) {
        let by = leaderboard.rule.by.tag == metric.tag;
        let read = move |point: &GridPoint| if by { point.means.by } else { point.means.then };
        metrics.push((metric.column, heading_of(metric.tag), by, Box::new(read)));
    }
    for (place, tag) in leaderboard.metrics.iter().enumerate() {
        let read = move |point: &GridPoint| point.others.get(place).copied().flatten();
        metrics.push((tag.clone(), heading_of(tag), false, Box::new(read)));
    }
    metrics
}

fn notes(leaderboard: &Leaderboard, points: &[&GridPoint]) -> Vec<String> {
    let mut notes = Vec::new();
    if points.is_empty() {
        return notes;
    }
    notes.push(
        "sd: sample standard deviation over the seeds, not over images; gridboard top --runs".to_owned(),
    );
    let incomplete = points.iter().filter(|point| point.is_incomplete()).count();
    if incomplete > 0 {
        notes.push(format!(
            "{} with fewer seeds than asked for: its mean is over those that rank",
            counted(incomplete, "grid point")
        ));
    }
    if points.iter().any(|point| point.ties() == Some(true)) {
        notes.push(format!(
            "{TIE} marks grid points that the test cannot tell from rank 1 (exact McNemar seed by seed, Bonferroni, p >= \
             0.05)"
        ));
    }
    let untested = points.iter().filter(|point| point.rank != Some(1) && point.p.is_none()).count();
    let is_tested = is_accuracy(&leaderboard.rule.by.tag);
    let has_answers = leaderboard.rows.iter().any(|row| row.tally.is_some());
    if untested > 0 && !is_tested && has_answers {
        notes.push(not_tested(leaderboard));
    }
    if untested > 0 && is_tested {
        notes.push(format!(
            "{} not tested against rank 1: no predictions of the same images and seed are stored",
            counted(untested, "grid point")
        ));
    }
    notes.extend(leaderboard.notes.iter().cloned());
    notes.push(selection(leaderboard).to_owned());
    notes
}

#[cfg(test)]
mod tests;
