//! The leaderboard as tables: its head, all of it, and the runs that do not rank.

use std::collections::HashSet;

use super::table::{Cell, Column, Table};
use crate::{
    event::tags,
    rank::{Leaderboard, Row},
    spec::{Goal, Metric},
};

/// Digits of metrics for people: with 640 validation images one image is .0016.
const DECIMALS: usize = 4;

/// How a metric is read from a row.
type Read = fn(&Row) -> Option<f64>;
/// A metric column of the leaderboard: its name, its heading, and how it is read.
type MetricColumn = (String, String, Read);

/// The ranked runs, the best `head` of them or all: rank, run, the axes, the seed where there are several, training and
/// validation accuracy and loss, and the metrics of the rule where they are others.
#[must_use]
pub fn leaderboard_table(leaderboard: &Leaderboard, head: Option<u32>) -> Table {
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
        plural(rows.len(), "run")
    };
    table.title = Some(format!("{}: {shown}, {}", leaderboard.experiment, rule(leaderboard)));
    let unranked = all - ranked;
    if unranked > 0 {
        table.notes.push(format!("{} not ranked", plural(unranked, "run")));
    }
    table
}

/// Every run, the ranked ones first, with its seed, its state and the reason why it does not rank.
#[must_use]
pub fn full_table(leaderboard: &Leaderboard) -> Table {
    let rows: Vec<&Row> = leaderboard.rows.iter().collect();
    let mut table = table_of(leaderboard, &rows);
    table.title =
        Some(format!("{}: all {}, {}", leaderboard.experiment, plural(rows.len(), "run"), rule(leaderboard)));
    table.columns.extend([Column::text("state"), Column::text("reason")]);
    for (cells, row) in table.rows.iter_mut().zip(rows) {
        cells.push(Cell::from(row.state.as_str()));
        cells.push(row.reason.as_deref().map_or(Cell::Empty, Cell::from));
    }
    table
}

/// The runs that do not rank, with their state and the reason, the first `most` or all; `None` where every run ranks.
#[must_use]
pub fn unranked_table(leaderboard: &Leaderboard, most: Option<usize>) -> Option<Table> {
    let unranked = || leaderboard.rows.iter().filter(|row| row.rank.is_none());
    let all = unranked().count() + leaderboard.omitted.unranked;
    let rows: Vec<Vec<Cell>> = unranked()
        .take(most.unwrap_or(usize::MAX))
        .map(|row| {
            let reason = row.reason.as_deref().map_or(Cell::Empty, Cell::from);
            vec![Cell::from(row.run.as_str()), Cell::from(row.state.as_str()), reason]
        })
        .collect();
    let more = all - rows.len();
    (all > 0).then(|| Table {
        title: Some(format!("{}: {} not ranked", leaderboard.experiment, plural(all, "run"))),
        columns: vec![Column::text("run"), Column::text("state"), Column::text("reason")],
        rows,
        notes: if more > 0 { vec![format!("and {more} more: gridboard runs")] } else { Vec::new() },
    })
}

/// `ranked by validation/epoch_accuracy at the last epoch (higher is better), then by ... , then by name`.
fn rule(leaderboard: &Leaderboard) -> String {
    let better = |metric: &Metric| match metric.goal {
        Goal::Maximize => "higher is better",
        Goal::Minimize => "lower is better",
    };
    let by = &leaderboard.rule.by;
    let mut text = format!("ranked by {} at the last epoch ({})", by.tag, better(by));
    if let Some(then) = &leaderboard.rule.then {
        text.push_str(&format!(", then {} ({})", then.tag, better(then)));
    }
    text.push_str(", then name");
    text
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn table_of(leaderboard: &Leaderboard, rows: &[&Row]) -> Table {
    let metrics = metric_columns(leaderboard);
    let seeds: HashSet<u64> = leaderboard.rows.iter().map(|row| row.seed).collect();
    let with_seed = seeds.len() > 1 || leaderboard.omitted.several_seeds;

    let mut columns = vec![Column::number("rank"), Column::text("run")];
    for (index, axis) in leaderboard.axes.iter().enumerate() {
        let numeric = leaderboard
            .rows
            .iter()
            .filter_map(|row| row.axes.get(index)?.as_ref())
            .all(|value| value.as_f64().is_some());
        let name = axis_column(axis, &metrics);
        let column = if numeric { Column::number(name) } else { Column::text(name) };
        columns.push(column.heading(axis.replace('_', " ")));
    }
    if with_seed {
        columns.push(Column::number("seed"));
    }
    for (name, heading, _) in &metrics {
        columns.push(Column::number(name).heading(heading).decimals(DECIMALS));
    }

    let cells = |row: &&Row| {
        let mut cells = vec![
            row.rank.map_or(Cell::Empty, |rank| Cell::Int(i64::from(rank))),
            Cell::from(row.run.as_str()),
        ];
        let axis =
            |index: usize| row.axes.get(index).and_then(Option::as_ref).map_or(Cell::Empty, Cell::from);
        cells.extend((0..leaderboard.axes.len()).map(axis));
        if with_seed {
            // A seed over 2^63 is no i64, and no float holds it in full.
            cells.push(i64::try_from(row.seed).map_or_else(|_| Cell::Json(row.seed.into()), Cell::Int));
        }
        cells.extend(metrics.iter().map(|(_, _, read)| Cell::from(read(row))));
        cells
    };
    Table { title: None, columns, rows: rows.iter().map(cells).collect(), notes: Vec::new() }
}

/// The four standard metrics, then those of the rule that are not among them.
fn metric_columns(leaderboard: &Leaderboard) -> Vec<MetricColumn> {
    let standard: [(&str, &str, &str, Read); 4] = [
        (tags::TRAIN_ACCURACY, "train_accuracy", "train acc.", |row| row.train_accuracy),
        (tags::TRAIN_LOSS, "train_loss", "train loss", |row| row.train_loss),
        (tags::VALIDATION_ACCURACY, "validation_accuracy", "val. acc.", |row| row.validation_accuracy),
        (tags::VALIDATION_LOSS, "validation_loss", "val. loss", |row| row.validation_loss),
    ];
    let mut columns: Vec<MetricColumn> = standard
        .iter()
        .map(|(_, name, heading, read)| ((*name).to_owned(), (*heading).to_owned(), *read))
        .collect();
    let rule = &leaderboard.rule;
    let others: [(Option<&Metric>, Read); 2] =
        [(Some(&rule.by), |row| row.by), (rule.then.as_ref(), |row| row.then)];
    for (metric, read) in others {
        let Some(Metric { tag, .. }) = metric else { continue };
        let known = standard.iter().any(|(standard, ..)| standard == tag);
        if !known && columns.iter().all(|(name, ..)| name != tag) {
            let heading = tag.replacen("validation/", "val. ", 1).replace(['/', '_'], " ");
            columns.push((tag.clone(), heading, read));
        }
    }
    columns
}

/// The name of an axis' column: the axis, unless a column of the leaderboard has that name.
fn axis_column(axis: &str, metrics: &[MetricColumn]) -> String {
    let taken = ["rank", "run", "seed", "state", "reason"].contains(&axis)
        || metrics.iter().any(|(name, ..)| name == axis);
    if taken { format!("{axis}_axis") } else { axis.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        rank::Omitted,
        report::table::Format,
        run::RunState,
        spec::{RankRule, Value},
    };

    /// `ranked` runs of the paper's grid in rank order, then a failed and a pending one.
    pub(in crate::report) fn leaderboard(ranked: u32) -> Leaderboard {
        let run = |place: u32, rank: Option<u32>| {
            let (dense, conv, size) = (place / 9 % 3, place % 3 + 1, 32 << (place / 3 % 3));
            let metric = |base: f32, step: f32| rank.map(|rank| f64::from(base + step * rank as f32));
            Row {
                rank,
                run: format!("{conv}-conv-{size}-nodes-{dense}-dense"),
                index: u64::from(place),
                axes: [i64::from(dense), i64::from(conv), size].map(|value| Some(Value::Int(value))).to_vec(),
                seed: 0,
                state: if rank.is_some() { RunState::Completed } else { RunState::Failed },
                train_accuracy: metric(0.99, -0.003),
                train_loss: metric(0.02, 0.007),
                validation_accuracy: metric(0.97, -0.004),
                validation_loss: metric(0.08, 0.01),
                by: metric(0.97, -0.004),
                then: metric(0.08, 0.01),
                step: rank.map(|_| 4),
                reason: None,
            }
        };
        let mut rows: Vec<Row> = (0..ranked).map(|place| run(place, Some(place + 1))).collect();
        let failed = Row { reason: Some("exited with status 134".to_owned()), ..run(ranked, None) };
        let pending =
            Row { state: RunState::Pending, reason: Some("not run yet".to_owned()), ..run(ranked + 1, None) };
        rows.extend([failed, pending]);
        Leaderboard {
            experiment: "tab3".to_owned(),
            axes: ["dense_layers", "conv_layers", "layer_size"].map(str::to_owned).to_vec(),
            classes: ["normal", "covid"].map(str::to_owned).to_vec(),
            rule: RankRule {
                by: Metric::by_tag(tags::VALIDATION_ACCURACY),
                then: Some(Metric::by_tag(tags::VALIDATION_LOSS)),
                top: 10,
            },
            rows,
            omitted: Omitted::default(),
        }
    }

    fn names(table: &Table) -> Vec<&str> {
        table.columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn the_head_in_the_terminal() {
        insta::assert_snapshot!(leaderboard_table(&leaderboard(5), Some(3)).render(Format::Table, Some(80)), @r##"
        tab3: best 3 of 7 runs, ranked by validation/epoch_accuracy at the last epoch
        (higher is better), then validation/epoch_loss (lower is better), then name
        ─────────────────────────────────────────────────────────────────────────────
        rank run                      dense   conv layer  train  train   val.   val.
                                     layers layers  size   acc.   loss   acc.   loss
        ─────────────────────────────────────────────────────────────────────────────
           1 1-conv-32-nodes-0-dense      0      1    32 0.9870 0.0270 0.9660 0.0900
           2 2-conv-32-nodes-0-dense      0      2    32 0.9840 0.0340 0.9620 0.1000
           3 3-conv-32-nodes-0-dense      0      3    32 0.9810 0.0410 0.9580 0.1100
        ─────────────────────────────────────────────────────────────────────────────
        2 runs not ranked
        "##);
    }

    #[test]
    fn it_fits_eighty_columns_for_the_whole_grid() {
        let text = leaderboard_table(&leaderboard(25), None).render(Format::Table, Some(80));
        // The title is a sentence and may be longer.
        let widest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{text}");
        assert!(text.contains("3-conv-128-nodes-1-dense"), "a name is broken:\n{text}");
    }

    #[test]
    fn machines_get_exact_names_and_full_precision() {
        let csv = leaderboard_table(&leaderboard(5), Some(1)).render(Format::Csv, None);
        insta::assert_snapshot!(csv, @r##"
        rank,run,dense_layers,conv_layers,layer_size,train_accuracy,train_loss,validation_accuracy,validation_loss
        1,1-conv-32-nodes-0-dense,0,1,32,0.9869999885559082,0.026999998837709427,0.9660000205039978,0.08999999612569809
        "##);
    }

    #[test]
    fn all_runs_have_state_and_reason() {
        let table = full_table(&leaderboard(2));
        assert_eq!(table.rows.len(), 4);
        assert_eq!(names(&table)[9..], ["state", "reason"]);
        assert_eq!(table.rows[2][0], Cell::Empty);
        assert_eq!(table.rows[2][9..], [Cell::from("failed"), Cell::from("exited with status 134")]);
        assert_eq!(table.rows[0][9..], [Cell::from("completed"), Cell::Empty]);
    }

    #[test]
    fn runs_that_do_not_rank_are_listed_with_their_reason() {
        let table = unranked_table(&leaderboard(2), None).unwrap();
        insta::assert_snapshot!(table.render(Format::Table, None), @r##"
        tab3: 2 runs not ranked
        ──────────────────────────────────────────────────────────
         run                      state    reason
        ──────────────────────────────────────────────────────────
         3-conv-32-nodes-0-dense  failed   exited with status 134
         1-conv-64-nodes-0-dense  pending  not run yet
        ──────────────────────────────────────────────────────────
        "##);
        let mut all_ranked = leaderboard(2);
        all_ranked.rows.truncate(2);
        assert_eq!(unranked_table(&all_ranked, None), None);
    }

    #[test]
    fn a_head_reads_like_the_whole_leaderboard() {
        let mut whole = leaderboard(25);
        whole.rows[24].seed = 7;
        let mut head = whole.clone();
        head.rows.drain(3..25);
        head.rows.truncate(4);
        head.omitted = Omitted { ranked: 22, unranked: 1, several_seeds: true };
        assert_eq!(leaderboard_table(&head, Some(3)), leaderboard_table(&whole, Some(3)));
        assert_eq!(unranked_table(&head, Some(1)), unranked_table(&whole, Some(1)));
        let unranked = unranked_table(&head, Some(1)).unwrap();
        assert_eq!(unranked.title.as_deref(), Some("tab3: 2 runs not ranked"));
        assert_eq!(unranked.notes, ["and 1 more: gridboard runs"]);
    }

    #[test]
    fn a_rule_of_its_own_adds_its_columns() {
        let mut leaderboard = leaderboard(2);
        leaderboard.rule.by = Metric::by_tag("validation/f1");
        leaderboard.rule.then = None;
        leaderboard.rows[0].by = Some(0.5);
        let table = leaderboard_table(&leaderboard, None);
        assert_eq!(names(&table).last(), Some(&"validation/f1"));
        assert_eq!(table.rows[0].last(), Some(&Cell::Float(0.5)));
        let title = table.title.unwrap();
        assert_eq!(
            title,
            "tab3: 2 runs, ranked by validation/f1 at the last epoch (higher is better), then name"
        );
    }

    #[test]
    fn several_seeds_get_a_column_and_colliding_axes_another_name() {
        let mut leaderboard = leaderboard(2);
        leaderboard.rows[1].seed = u64::MAX;
        leaderboard.axes[0] = "run".to_owned();
        leaderboard.axes[1] = "train_loss".to_owned();
        let table = leaderboard_table(&leaderboard, None);
        assert_eq!(names(&table)[..6], ["rank", "run", "run_axis", "train_loss_axis", "layer_size", "seed"]);
        assert!(table.render(Format::Csv, None).contains("18446744073709551615"));
        let distinct: HashSet<&str> = names(&table).into_iter().collect();
        assert_eq!(distinct.len(), table.columns.len());
    }

    #[test]
    fn a_union_of_grids_leaves_axes_unknown() {
        let mut leaderboard = leaderboard(1);
        leaderboard.rows[0].axes[1] = None;
        assert_eq!(leaderboard_table(&leaderboard, None).rows[0][3], Cell::Empty);
    }
}
