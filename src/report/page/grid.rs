//! The optimisation sweep: Tab. 3 of the paper with what came out, and its curves, Fig. 9. Experiments of another shape
//! have the same table and figures.

use crate::{
    figure::{self, Bar, Quantity},
    rank::{Row, constant_answer},
    report::{
        document::{DrawError, Section},
        input::ReportInput,
        leaderboard::{full_table, heading_of, rule_metrics},
        paper::{self, Part},
        table::{Cell, Column, Table},
    },
    spec::Goal,
};

use super::{curves, mean, ranked, words};

/// Bars beyond these are left out of the chart: it would be taller than a page.
const MOST_BARS: usize = 60;
/// Rows beyond these are left out of the table of all runs; the CSV file has them all.
const MOST_ROWS: usize = 200;

/// The section.
pub(super) fn section(input: &ReportInput) -> Result<Section, DrawError> {
    let of_paper = paper::part(&input.about.spec) == Some(Part::Optimisation);
    let mut section = if of_paper {
        Section::new("grid", "The optimisation sweep (Tab. 3, Fig. 9)")
    } else {
        Section::new("grid", "All runs")
    };
    if of_paper {
        let points = grid_points(input);
        let part = if points == paper::COMBINATIONS {
            format!("all {points} combinations of Tab. 3")
        } else {
            format!("{points} of the {} combinations of Tab. 3", paper::COMBINATIONS)
        };
        let epochs = match input.about.spec.fixed.get("epochs") {
            Some(epochs) => format!("{epochs} epochs"),
            None => "as many epochs as the table says".to_owned(),
        };
        section.prose(format!(
            "This experiment has {part}, trained for {epochs}. The paper trains each for five epochs; what each of \
             them reached is {}, but for the best one's accuracy of {:.2}.",
            paper::NOT_STATED,
            paper::BEST_ACCURACY
        ));
    }
    section.table("runs", all_runs(input, of_paper));
    for axis in 0..input.leaderboard.axes.len() {
        if let Some(table) = by_value(input, axis) {
            section.table(format!("by_{}", input.leaderboard.axes[axis]), table);
        }
    }
    for (quantity, stem, word) in
        [(Quantity::Accuracy, "accuracy_curves", "accuracy"), (Quantity::Loss, "loss_curves", "loss")]
    {
        let caption = if of_paper {
            format!(
                "Fig. 9: {word} by epoch over the training and the validation images{}.",
                curves::of_seeds(input)
            )
        } else {
            format!(
                "{}{} by epoch over the training and the validation images{}.",
                word[..1].to_uppercase(),
                &word[1..],
                curves::of_seeds(input)
            )
        };
        section.figure(stem, caption, curves::figure(input, quantity))?;
    }
    for (stem, tag, drawn) in curves::further(input) {
        section.figure(stem, format!("{tag} by step, the best runs in colour."), drawn)?;
    }
    section.figure("accuracy_bars", "Accuracy of the runs at their last epoch.", accuracy_bars(input))?;
    Ok(section)
}

/// Different grid points among the runs.
fn grid_points(input: &ReportInput) -> usize {
    let mut points: Vec<String> =
        input.leaderboard.rows.iter().map(|row| format!("{:?}", row.axes)).collect();
    points.sort();
    points.dedup();
    points.len()
}

/// Every run in the order of the grid.
fn all_runs(input: &ReportInput, of_paper: bool) -> Table {
    let board = &input.leaderboard;
    let mut order: Vec<usize> = (0..board.rows.len()).collect();
    order.sort_by_key(|&place| board.rows[place].index);
    let mut table = full_table(board);
    table.rows = order.iter().map(|&place| table.rows[place].clone()).collect();
    let title = format!("{}: all runs, in the order of the grid", board.experiment);
    table.title = Some(if of_paper { format!("{title} (Tab. 3)") } else { title });
    if board.rows.iter().all(|row| row.reason.is_none()) {
        remove_column(&mut table, "reason");
        remove_column(&mut table, "state");
    }
    let parameters: Vec<Cell> = order
        .iter()
        .map(|&place| {
            let parameters = input.about.facts(board.rows[place].key).and_then(|facts| facts.parameters);
            parameters.map_or(Cell::Empty, Cell::from)
        })
        .collect();
    if parameters.iter().any(|cell| *cell != Cell::Empty) {
        table.columns.push(Column::number("parameters"));
        for (row, cell) in table.rows.iter_mut().zip(parameters) {
            row.push(cell);
        }
    }
    if table.rows.len() > MOST_ROWS {
        table
            .notes
            .push(format!("The first {MOST_ROWS} of {}; leaderboard.csv has them all.", table.rows.len()));
        table.rows.truncate(MOST_ROWS);
    }
    table
}

fn remove_column(table: &mut Table, name: &str) {
    let Some(at) = table.columns.iter().position(|column| column.name == name) else { return };
    table.columns.remove(at);
    for row in &mut table.rows {
        row.remove(at);
    }
}

/// The mean accuracies of the runs with each value of an axis; `None` where the axis does not divide them.
fn by_value(input: &ReportInput, axis: usize) -> Option<Table> {
    let rows = ranked(input);
    let values = curves::axis_values(&rows, axis)?;
    let others = input.leaderboard.axes.len() > 1;
    if !others || values.len() < 2 || values.len() > 20 {
        return None;
    }
    let name = words(&input.leaderboard.axes[axis]);
    let board = &input.leaderboard;
    let best = |values: Vec<f64>, goal: Goal| match goal {
        Goal::Maximize => values.into_iter().reduce(f64::max),
        Goal::Minimize => values.into_iter().reduce(f64::min),
    };
    type Of = Box<dyn Fn(&[&Row]) -> Option<f64>>;
    let mean_of = |read: fn(&Row) -> Option<f64>| -> Of {
        Box::new(move |rows| mean(rows.iter().map(|row| read(row))))
    };
    let best_of = |read: fn(&Row) -> Option<f64>, goal: Goal| -> Of {
        Box::new(move |rows| best(rows.iter().filter_map(|row| read(row)).collect(), goal))
    };
    let mut metrics: Vec<(String, String, Of)> = vec![
        ("train_accuracy".into(), "train acc., mean".into(), mean_of(|row| row.train_accuracy)),
        ("validation_accuracy".into(), "val. acc., mean".into(), mean_of(|row| row.validation_accuracy)),
        (
            "best_validation_accuracy".into(),
            "val. acc., best".into(),
            best_of(|row| row.validation_accuracy, Goal::Maximize),
        ),
        ("validation_loss".into(), "val. loss, mean".into(), mean_of(|row| row.validation_loss)),
    ];
    if let Some(metric) = rule_metrics(board).into_iter().find(|metric| metric.tag == board.rule.by.tag) {
        let heading = heading_of(metric.tag);
        metrics.push((metric.column.clone(), format!("{heading}, mean"), mean_of(|row| row.by)));
        let best = best_of(|row| row.by, board.rule.by.goal);
        metrics.push((format!("best_{}", metric.column), format!("{heading}, best"), best));
    }
    metrics.retain(|(_, _, of)| of(&rows).is_some());
    let of = |value: &crate::spec::Value| -> Vec<&Row> {
        rows.iter().copied().filter(|row| row.axes[axis].as_ref() == Some(value)).collect()
    };
    Some(Table {
        title: Some(format!("{}: means by {name}", input.leaderboard.experiment)),
        columns: [Column::number(&board.axes[axis]).heading(&name), Column::number("runs")]
            .into_iter()
            .chain(metrics.iter().map(|(name, heading, _)| Column::number(name).heading(heading).decimals(4)))
            .collect(),
        rows: values
            .iter()
            .map(|value| {
                let rows = of(value);
                let mut cells = vec![Cell::from(value), Cell::from(rows.len() as u64)];
                cells.extend(metrics.iter().map(|(_, _, of)| Cell::from(of(&rows))));
                cells
            })
            .collect(),
        notes: Vec::new(),
    })
}

/// Bars in grid order with the axis' values below, where one axis alone was swept; else by rank with the runs' names.
pub(in crate::report) fn accuracy_bars(input: &ReportInput) -> Result<figure::Figure, figure::FigureError> {
    let leaderboard = &input.leaderboard;
    let mut rows = ranked(input);
    rows.retain(|row| row.train_accuracy.is_some() || row.validation_accuracy.is_some());
    let all = rows.len();
    rows.truncate(MOST_BARS);
    let one_axis = leaderboard.axes.len() == 1 && {
        let seeds: std::collections::HashSet<u64> = rows.iter().map(|row| row.seed).collect();
        seeds.len() <= 1
    };
    let category = if one_axis { leaderboard.axes[0].as_str() } else { "Run" };
    if one_axis {
        rows.sort_by_key(|row| row.index);
    }
    let bars: Vec<Bar> = rows
        .into_iter()
        .map(|row| {
            let value = row.axes.first().and_then(Option::as_ref).filter(|_| one_axis);
            Bar {
                label: value.map_or_else(|| row.run.clone(), ToString::to_string),
                train: row.train_accuracy,
                validation: row.validation_accuracy,
                stated: None,
            }
        })
        .collect();
    let part = if all > MOST_BARS { format!(", best {MOST_BARS} of {all} runs") } else { String::new() };
    let constant = constant_answer(&leaderboard.rows, true).map(|note| format!("; {note}"));
    let title = format!(
        "{}: accuracy at the last epoch{part}{}",
        leaderboard.experiment,
        constant.unwrap_or_default()
    );
    figure::accuracy_bars(&title, category, &bars)
}
