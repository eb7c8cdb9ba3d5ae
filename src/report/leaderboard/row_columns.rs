//! The columns of a table of runs: what is shown of a row of the leaderboard, and to whom.
//!
//! Machines get plain numbers under names of their own; people get an interval in one column, a sign for a tie, and the
//! best epoch only where it is not the last.

use crate::{
    rank::{self, Leaderboard, Row, Standing},
    report::table::{Cell, Column, Readers},
    stats::Interval,
};

/// Digits of metrics for people: with 640 validation images one image is .0016.
pub(in crate::report) const DECIMALS: usize = 4;

/// What people read where a run is not told from the best one, and where there was no test.
pub(super) const TIE: &str = "=";
pub(super) const UNTESTED: &str = "?";
/// What people read where the event files of a run are not whole, so that its metrics may be others.
pub(in crate::report) const DOUBTFUL: &str = "!";

/// A column and what it shows of a row.
pub(super) type RowColumn = (Column, Box<dyn Fn(&Row) -> Cell>);

/// How a metric is read from a row.
pub(in crate::report) type Read = fn(&Row) -> Option<f64>;

/// The columns of these rows of the leaderboard.
pub(super) fn columns(leaderboard: &Leaderboard, rows: &[&Row]) -> Vec<RowColumn> {
    let mut columns: Vec<RowColumn> = vec![
        (
            Column::number("rank"),
            Box::new(|row| row.rank.map_or(Cell::Empty, |rank| Cell::from(u64::from(rank)))),
        ),
        (Column::text("run"), Box::new(|row| Cell::from(row.run.as_str()))),
    ];
    columns.extend(problem(rows));
    for (index, column) in axis_columns(leaderboard).into_iter().enumerate() {
        let read = move |row: &Row| axis_cell(&row.axes, index);
        // The name of a run tells its axes.
        columns.push((column.expendable(4), Box::new(read)));
    }
    if leaderboard.several_seeds() {
        // A seed over 2^63 is no i64, and no float holds it in full.
        let seed =
            |row: &Row| i64::try_from(row.seed).map_or_else(|_| Cell::Json(row.seed.into()), Cell::Int);
        columns.push((Column::number("seed").expendable(3), Box::new(seed)));
    }
    let standard = |name: &str, heading: &str, read: Read| known(metric(name, heading, read), rows);
    columns.push(standard("train_accuracy", "train acc.", |row| row.train_accuracy));
    columns.push(standard("train_loss", "train loss", |row| row.train_loss));
    columns.push(standard("validation_accuracy", "val. acc.", |row| row.validation_accuracy));
    columns.extend(certainty(rows));
    columns.push(standard("validation_loss", "val. loss", |row| row.validation_loss));
    for RuleMetric { tag, column, read } in rule_metrics(leaderboard) {
        columns.push(known(metric(&column, &heading_of(tag), read), rows));
    }
    let answers: [(&str, &str, Read); 3] = [
        ("validation_sensitivity", "sens.", |row| row.diagnosis.sensitivity),
        ("validation_specificity", "spec.", |row| row.diagnosis.specificity),
        ("validation_auc", "AUC", |row| row.diagnosis.auc),
    ];
    for (name, heading, read) in answers {
        let (column, cell) = known(metric(name, heading, read), rows);
        columns.push((column.expendable(6), cell));
    }
    columns.extend(others(leaderboard));
    columns.extend(best_epoch(rows));
    columns
}

/// The column, for machines alone where no row has a value.
fn known((column, cell): RowColumn, rows: &[&Row]) -> RowColumn {
    let is_known = rows.iter().any(|row| cell(row) != Cell::Empty);
    (if is_known { column } else { column.only(Readers::Machines) }, cell)
}

/// Further metrics that the runs have, under the names of their tags.
fn others(leaderboard: &Leaderboard) -> Vec<RowColumn> {
    let column = |(place, tag): (usize, &String)| -> RowColumn {
        let column = Column::number(tag).heading(heading_of(tag)).decimals(DECIMALS).expendable(2);
        (column, Box::new(move |row: &Row| Cell::from(row.others.get(place).copied().flatten())))
    };
    leaderboard.metrics.iter().enumerate().map(column).collect()
}

fn metric(name: &str, heading: &str, read: Read) -> RowColumn {
    let order = match name {
        "train_accuracy" | "train_loss" => 2,
        "validation_loss" => 1,
        _ => 0,
    };
    let column = Column::number(name).heading(heading).decimals(DECIMALS).expendable(order);
    (column, Box::new(move |row| Cell::from(read(row))))
}

/// A mark for people and the words for machines, where any run has a problem.
fn problem(rows: &[&Row]) -> Vec<RowColumn> {
    if rows.iter().all(|row| row.problem.is_none()) {
        return Vec::new();
    }
    let mark = |row: &Row| row.problem.as_ref().map_or(Cell::Empty, |_| Cell::from(DOUBTFUL));
    let words = |row: &Row| row.problem.as_deref().map_or(Cell::Empty, Cell::from);
    vec![
        (Column::text("problem_mark").heading("").only(Readers::People), Box::new(mark)),
        (Column::text("problem").only(Readers::Machines), Box::new(words)),
    ]
}

/// Interval, sign and p-value.
fn certainty(rows: &[&Row]) -> Vec<RowColumn> {
    let end = |read: fn(Interval) -> f64| {
        move |row: &Row| Cell::from(row.tally.and_then(|tally| tally.interval()).map(read))
    };
    let machines = |name: &str| Column::number(name).only(Readers::Machines);
    let mut columns: Vec<RowColumn> = vec![
        (machines("validation_accuracy_low"), Box::new(end(|interval| interval.low))),
        (machines("validation_accuracy_high"), Box::new(end(|interval| interval.high))),
        (
            machines("validation_images"),
            Box::new(|row| row.tally.map_or(Cell::Empty, |tally| Cell::from(tally.images))),
        ),
    ];
    let is_known = rows.iter().any(|row| row.tally.is_some());
    if is_known {
        let interval = |row: &Row| {
            row.tally
                .and_then(|tally| tally.interval())
                .map_or(Cell::Empty, |interval| shown_interval(interval).into())
        };
        let people = |name: &str| Column::text(name).only(Readers::People);
        let column = people("validation_accuracy_interval").heading("95 % interval").expendable(1);
        columns.push((column, Box::new(interval)));
        let is_of_metric = rows.iter().all(|row| row.standing != Standing::OtherMetric);
        if is_of_metric {
            columns.push((people("against_best_sign").heading(""), Box::new(|row| sign(row).into())));
        }
    }
    let is_tested = rows.iter().any(|row| row.standing.p().is_some());
    let readers = if is_tested { Readers::All } else { Readers::Machines };
    let p = Column::number("mcnemar_p").heading("p").decimals(3).only(readers).expendable(5);
    columns.push((p, Box::new(|row| Cell::from(row.standing.p()))));
    let against = |row: &Row| row.standing.words().map_or(Cell::Empty, Cell::from);
    columns.push((Column::text("against_best").only(Readers::Machines), Box::new(against)));
    columns
}

/// Blank for the best run and for one that is told from it.
fn sign(row: &Row) -> &'static str {
    match (row.standing, row.standing.ties()) {
        (_, Some(true)) => TIE,
        (_, Some(false)) | (Standing::Best | Standing::Unranked, _) => "",
        _ => UNTESTED,
    }
}

/// Best epoch and the value there.
fn best_epoch(rows: &[&Row]) -> Vec<RowColumn> {
    let mut columns: Vec<RowColumn> = vec![
        (
            Column::number("best_epoch").only(Readers::Machines),
            Box::new(|row| row.best.map_or(Cell::Empty, |best| Cell::Int(best.step))),
        ),
        (
            Column::number("best_value").only(Readers::Machines),
            Box::new(|row| Cell::from(row.best.map(|best| best.value))),
        ),
    ];
    if rows.iter().any(|row| row.best.is_some()) {
        let best = |row: &Row| match row.best {
            None => Cell::Empty,
            Some(best) if !best.beats_last(row) => Cell::from("last"),
            Some(best) => Cell::from(format!("{:.DECIMALS$}@{}", best.value, best.step)),
        };
        let column = Column::number("best_at").heading("best @epoch").only(Readers::People).expendable(1);
        columns.push((column, Box::new(best)));
    }
    columns
}

/// `0.775-0.837`, with an en dash.
pub(in crate::report) fn shown_interval(Interval { low, high }: Interval) -> String {
    format!("{low:.3}–{high:.3}")
}

/// The columns of the axes.
pub(in crate::report) fn axis_columns(leaderboard: &Leaderboard) -> Vec<Column> {
    let names = rank::axis_columns(&leaderboard.axes, &leaderboard.rule);
    let column = |(index, (axis, name)): (usize, (&String, String))| {
        let values = leaderboard.rows.iter().filter_map(|row| row.axes.get(index)?.as_ref());
        let numeric = values.clone().all(|value| value.as_f64().is_some());
        let column = if numeric { Column::number(name).chosen() } else { Column::text(name) };
        column.heading(axis.replace('_', " "))
    };
    leaderboard.axes.iter().zip(names).enumerate().map(column).collect()
}

/// The value of an axis.
pub(in crate::report) fn axis_cell(axes: &[Option<crate::spec::Value>], index: usize) -> Cell {
    axes.get(index).and_then(Option::as_ref).map_or(Cell::Empty, Cell::from)
}

/// A metric of the rule that is not among the four standard ones.
pub(in crate::report) struct RuleMetric<'a> {
    /// Its tag.
    pub(in crate::report) tag: &'a str,
    /// What its column is called.
    pub(in crate::report) column: String,
    /// How it is read from a row.
    pub(in crate::report) read: Read,
}

/// The metrics of the rule that are not among the four standard ones, each once.
pub(in crate::report) fn rule_metrics(leaderboard: &Leaderboard) -> Vec<RuleMetric<'_>> {
    let by = &leaderboard.rule.by.tag;
    let read = |tag: &str| -> Read { if tag == by { |row| row.by } else { |row| row.then } };
    let metrics = rank::rule_metrics(&leaderboard.rule).into_iter();
    metrics.map(|(tag, column)| RuleMetric { tag, column, read: read(tag) }).collect()
}

/// A tag for people.
pub(in crate::report) fn heading_of(tag: &str) -> String {
    tag.replacen("validation/", "val. ", 1).replace(['/', '_'], " ")
}
