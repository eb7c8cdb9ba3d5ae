//! The leaderboard as tables: its head, all of it, and the runs that do not rank.

mod row_columns;

use super::table::{Cell, Column, Readers, Table};
use crate::{
    base::human::counted,
    rank::{Leaderboard, Row, Standing},
    spec::{Goal, Metric, is_accuracy},
};
use row_columns::{DOUBTFUL, TIE, UNTESTED};

pub(super) use row_columns::{DECIMALS, axis_cell, axis_columns, heading_of, rule_metrics, shown_interval};

/// The ranked runs, the best `head` of them or all: rank, run, the axes, the seed where there are several, training and
/// validation accuracy and loss, the interval of the validation accuracy, the test against the best run, the metrics of the
/// rule where they are others, and the best epoch.
#[must_use]
pub(crate) fn leaderboard_table(leaderboard: &Leaderboard, head: Option<u32>) -> Table {
    let omitted = leaderboard.omitted;
    let all = leaderboard.rows.len() + omitted.ranked + omitted.unranked;
    let ranked = leaderboard.rows.iter().filter(|row| row.rank.is_some()).count() + omitted.ranked;
    let rows: Vec<&Row> = leaderboard
        .rows
        .iter()
        .filter(|row| row.rank.is_some_and(|rank| head.is_none_or(|head| rank <= head)))
        .collect();
    let mut table = table_of(leaderboard, &rows);
    let shown = if rows.len() < ranked {
        format!("best {} of {all} runs", rows.len())
    } else {
        counted(rows.len(), "run")
    };
    table.title = Some(format!("{}: {shown}, {}", leaderboard.experiment, rule(leaderboard)));
    table.notes = notes(leaderboard, &rows);
    let unranked = all - ranked;
    if ranked == 0 {
        table = without_rows(leaderboard, &counted(all, "run"), table);
    } else if unranked > 0 {
        table.notes.push(format!("{} not ranked", counted(unranked, "run")));
    }
    table
}

/// A table of the best where nothing ranks: a sentence for people, who need no empty columns, and the columns for machines.
pub(super) fn without_rows(leaderboard: &Leaderboard, all: &str, mut table: Table) -> Table {
    let by = &leaderboard.rule.by;
    let better = better(by);
    table.title = Some(format!("{}: none of {all} ranks by {} ({better})", leaderboard.experiment, by.tag));
    table.columns.iter_mut().for_each(|column| column.readers = Readers::Machines);
    table
}

fn better(metric: &Metric) -> &'static str {
    match metric.goal {
        Goal::Maximize => "higher is better",
        Goal::Minimize => "lower is better",
    }
}

/// What interval, sign and best epoch mean, and what the reader should not take from the ranks.
fn notes(leaderboard: &Leaderboard, rows: &[&Row]) -> Vec<String> {
    let mut notes = Vec::new();
    if rows.is_empty() {
        return notes;
    }
    let counts: Vec<u64> = rows.iter().filter_map(|row| Some(row.tally?.images)).collect();
    match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) => {
            let images = if least == most { least.to_string() } else { format!("{least} to {most}") };
            notes.push(format!("95 % interval: Wilson, over {images} validation images"));
        }
        _ if is_accuracy(&leaderboard.rule.by.tag) => {
            notes.push("no intervals and no tests against rank 1: no predictions are stored".to_owned());
        }
        _ => {}
    }
    if !counts.is_empty() {
        if rows.iter().any(|row| row.standing.ties() == Some(true)) {
            notes.push(format!(
                "{TIE} marks runs that the test cannot tell from rank 1 (exact McNemar, p >= 0.05)"
            ));
        }
        if rows.iter().any(|row| row.standing == Standing::OtherMetric) {
            notes.push(not_tested(leaderboard));
        }
        let untested = [
            (Standing::NoPredictions, "no predictions are stored"),
            (Standing::BestUnknown, "no predictions of rank 1 are stored"),
            (Standing::OtherImages, "validated on other images"),
        ];
        for (standing, why) in untested {
            let count = rows.iter().filter(|row| row.standing == standing).count();
            if count > 0 {
                notes.push(format!("{UNTESTED} {} not tested against rank 1: {why}", counted(count, "run")));
            }
        }
    }
    let other = rows.iter().filter(|row| predictions_differ(row)).count();
    if other > 0 {
        notes.push(format!(
            "the stored predictions of {} do not have the accuracy of the last epoch; interval and test are theirs",
            counted(other, "run")
        ));
    }
    if rows.iter().any(|row| row.best.is_some_and(|best| best.beats_last(row))) {
        notes.push("best @epoch: shown if an earlier epoch was better; not used for ranking".to_owned());
    }
    notes.extend(problem_notes(rows.iter().copied()));
    notes.extend(leaderboard.notes.iter().cloned());
    notes.push(selection(leaderboard).to_owned());
    notes
}

/// Why there is no test where another metric than the accuracy ranks.
pub(super) fn not_tested(leaderboard: &Leaderboard) -> String {
    format!(
        "no test against rank 1: the exact McNemar test is of accuracies, and {} ranks",
        leaderboard.rule.by.tag
    )
}

/// What the reader should not take from the best value.
pub(super) fn selection(leaderboard: &Leaderboard) -> &'static str {
    let has_images =
        !leaderboard.classes.is_empty() || leaderboard.rows.iter().any(|row| row.tally.is_some());
    if has_images {
        "selection bias: these images chose and scored the runs; expect less on new images"
    } else {
        "selection bias: these data chose and scored the runs; expect less on new data"
    }
}

/// What is wrong with the event files of these runs, a line each, the first ones.
pub(super) fn problem_notes<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<String> {
    /// More are counted.
    const LISTED: usize = 5;
    let problems: Vec<(&str, &str)> =
        rows.filter_map(|row| Some((row.run.as_str(), row.problem.as_deref()?))).collect();
    let mut notes: Vec<String> = problems
        .iter()
        .take(LISTED)
        .map(|(run, problem)| format!("{DOUBTFUL} {run}: its results may not be whole: {problem}"))
        .collect();
    if let more @ 1.. = problems.len().saturating_sub(LISTED) {
        notes.push(format!("{DOUBTFUL} and {more} more"));
    }
    notes
}

/// Whether the accuracy of a run's predictions is off that of its last epoch by more than half an image.
fn predictions_differ(row: &Row) -> bool {
    let Some((tally, accuracy)) = row.tally.zip(row.validation_accuracy) else { return false };
    tally.accuracy().is_some_and(|stored| (stored - accuracy).abs() * tally.images as f64 > 0.5)
}

/// Every run, the ranked ones first, with its seed, its state and the reason why it does not rank.
#[must_use]
pub(crate) fn full_table(leaderboard: &Leaderboard) -> Table {
    let rows: Vec<&Row> = leaderboard.rows.iter().collect();
    let mut table = table_of(leaderboard, &rows);
    table.title = Some(format!(
        "{}: all {}, {}",
        leaderboard.experiment,
        counted(rows.len(), "run"),
        rule(leaderboard)
    ));
    table.columns.extend([Column::text("state"), Column::text("reason")]);
    for (cells, row) in table.rows.iter_mut().zip(rows) {
        cells.push(Cell::from(row.state.as_str()));
        cells.push(row.reason.as_deref().map_or(Cell::Empty, Cell::from));
    }
    table
}

/// The runs that do not rank, with their state and the reason, the first `most` or all; `None` where every run ranks.
#[must_use]
pub(crate) fn unranked_table(leaderboard: &Leaderboard, most: Option<usize>) -> Option<Table> {
    let unranked = || leaderboard.rows.iter().filter(|row| row.rank.is_none());
    let all = unranked().count() + leaderboard.omitted.unranked;
    let rows: Vec<Vec<Cell>> = unranked()
        .take(most.unwrap_or(usize::MAX))
        .map(|row| {
            let reason = match (row.reason.as_deref(), row.problem.as_deref()) {
                (Some(reason), Some(problem)) => Cell::from(format!("{reason} {DOUBTFUL} {problem}")),
                (Some(text), None) | (None, Some(text)) => Cell::from(text),
                (None, None) => Cell::Empty,
            };
            vec![Cell::from(row.run.as_str()), Cell::from(row.state.as_str()), reason]
        })
        .collect();
    let more = all - rows.len();
    (all > 0).then(|| Table {
        title: Some(format!("{}: {} not ranked", leaderboard.experiment, counted(all, "run"))),
        columns: vec![Column::text("run"), Column::text("state"), Column::text("reason")],
        rows,
        notes: if more > 0 { vec![format!("and {more} more: gridboard runs")] } else { Vec::new() },
    })
}

/// `ranked by validation/epoch_accuracy at the last epoch (higher is better), then by ... , then by name`.
pub(super) fn rule(leaderboard: &Leaderboard) -> String {
    let by = &leaderboard.rule.by;
    let mut text = format!("ranked by {} at the last epoch ({})", by.tag, better(by));
    // Of a program of the user's the usual tie breaker may be unknown.
    let is_known = leaderboard.rows.iter().all(|row| row.rank.is_none())
        || leaderboard.rows.iter().any(|row| row.then.is_some());
    if let Some(then) = leaderboard.rule.then.as_ref().filter(|_| is_known) {
        text.push_str(&format!(", then {} ({})", then.tag, better(then)));
    }
    text.push_str(", then name");
    text
}

fn table_of(leaderboard: &Leaderboard, rows: &[&Row]) -> Table {
    let (columns, read): (Vec<Column>, Vec<_>) = row_columns::columns(leaderboard, rows).into_iter().unzip();
    let cells = |row: &&Row| read.iter().map(|read| read(row)).collect();
    Table { title: None, columns, rows: rows.iter().map(cells).collect(), notes: Vec::new() }
}

#[cfg(test)]
pub(super) mod tests;
