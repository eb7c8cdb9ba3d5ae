//! The analysis sweep: Fig. 8 of the paper, training accuracy by width.

use std::collections::BTreeMap;

use crate::{
    figure::{self, Bar, Quantity},
    rank::Row,
    report::{
        document::{DrawError, Section},
        input::ReportInput,
        paper,
        table::{Cell, Column, Table},
    },
    spec::Value,
};

use super::{curves, mean, ranked};

/// The section.
pub(super) fn section(input: &ReportInput) -> Result<Section, DrawError> {
    let mut section = Section::new("analysis", "The analysis sweep (Fig. 8)");
    section.prose(
        "The paper trains one network at five widths for 5 to 30 epochs and states a training accuracy for each width. \
         Which of the epochs that is, and the depth of the network, are not stated: here it has two convolutions and \
         one dense layer, as in the tutorial that the paper follows, and the bars are of the longest training.",
    );
    let runs = by_size(input);
    let comparable = paper::is_comparable(&input.about.spec);
    section.table("layer_sizes", table(&runs, comparable));
    let Some(epochs) = runs.values().flat_map(BTreeMap::keys).max().copied() else { return Ok(section) };
    let bars: Vec<Bar> = runs
        .iter()
        .map(|(size, by_epochs)| {
            let rows = || by_epochs.get(&epochs).into_iter().flatten();
            Bar {
                label: size.to_string(),
                train: mean(rows().map(|row| row.train_accuracy)),
                validation: mean(rows().map(|row| row.validation_accuracy)),
                stated: paper::layer_size_accuracy(*size).filter(|_| comparable),
            }
        })
        .collect();
    let name = &input.leaderboard.experiment;
    let after = format!(" after {epochs} epochs");
    let title = format!("{name}: accuracy by layer size{after}");
    let caption = format!("Fig. 8: accuracy by layer size{after}; the paper states training accuracies.");
    section.figure("accuracy_bars", caption, figure::accuracy_bars(&title, "Layer size", &bars))?;
    let longest = longest(input, &runs, epochs);
    for (quantity, stem, word) in
        [(Quantity::Accuracy, "accuracy_curves", "Accuracy"), (Quantity::Loss, "loss_curves", "Loss")]
    {
        let caption = format!("Fig. 8: {} by epoch for each layer size.", word.to_lowercase());
        section.figure(stem, caption, curves::figure(&longest, quantity))?;
    }
    Ok(section)
}

/// The ranked rows by layer size, then by epochs; several seeds stand in one place.
type BySize<'a> = BTreeMap<i64, BTreeMap<i64, Vec<&'a Row>>>;

fn by_size(input: &ReportInput) -> BySize<'_> {
    let mut runs: BySize<'_> = BTreeMap::new();
    for row in ranked(input) {
        let (Some(size), Some(epochs)) =
            (input.whole_parameter(row, "layer_size"), input.whole_parameter(row, "epochs"))
        else {
            continue;
        };
        runs.entry(size).or_default().entry(epochs).or_default().push(row);
    }
    runs
}

/// The input with the runs of so many epochs alone, and the size as its only axis: those whose curves are drawn.
fn longest(input: &ReportInput, runs: &BySize<'_>, epochs: i64) -> ReportInput {
    let mut part = input.clone();
    part.leaderboard.axes = vec!["layer_size".to_owned()];
    part.leaderboard.rows = runs
        .iter()
        .flat_map(|(size, by_epochs)| {
            by_epochs.get(&epochs).into_iter().flatten().map(move |row| (size, row))
        })
        .map(|(size, row)| Row { axes: vec![Some(Value::Int(*size))], ..(*row).clone() })
        .collect();
    part
}

/// A row a width, a column a number of epochs.
fn table(runs: &BySize<'_>, comparable: bool) -> Table {
    let mut all: Vec<i64> = runs.values().flat_map(|by_epochs| by_epochs.keys().copied()).collect();
    all.sort_unstable();
    all.dedup();
    let several = runs.values().flat_map(BTreeMap::values).map(Vec::len).max().unwrap_or(0);
    let mut columns = vec![Column::number("layer_size").heading("layer size")];
    if comparable {
        columns.push(Column::number("paper_train_accuracy").heading("paper, train acc.").decimals(2));
    }
    for epochs in &all {
        columns.push(
            Column::number(format!("train_accuracy_{epochs}"))
                .heading(format!("train acc., {epochs} epochs"))
                .decimals(4),
        );
    }
    let longest = all.last().copied().unwrap_or(0);
    columns.push(
        Column::number("validation_accuracy").heading(format!("val. acc., {longest} epochs")).decimals(4),
    );
    let rows = runs
        .iter()
        .map(|(size, by_epochs)| {
            let mut cells = vec![Cell::Int(*size)];
            if comparable {
                cells.push(match paper::layer_size_accuracy(*size) {
                    Some(accuracy) => Cell::Float(accuracy),
                    None => Cell::from(paper::NOT_STATED),
                });
            }
            cells.extend(all.iter().map(|epochs| {
                Cell::from(mean(by_epochs.get(epochs).into_iter().flatten().map(|row| row.train_accuracy)))
            }));
            let last = by_epochs.get(&longest).into_iter().flatten();
            cells.push(Cell::from(mean(last.map(|row| row.validation_accuracy))));
            cells
        })
        .collect();
    Table {
        title: Some("Accuracy by layer size (Fig. 8)".to_owned()),
        columns,
        rows,
        notes: if several > 1 { vec![format!("Means of {several} seeds.")] } else { Vec::new() },
    }
}
