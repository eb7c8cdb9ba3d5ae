//! The five architectures: Tab. 4 of the paper.

use crate::{
    event::tags,
    rank::Row,
    report::{
        document::{DrawError, Section},
        input::ReportInput,
        paper,
        table::{Cell, Column, Table},
    },
};

use super::{curves, grid, ranked};
use crate::figure::Quantity;

/// The section.
pub(super) fn section(input: &ReportInput) -> Result<Section, DrawError> {
    let mut section = Section::new("architectures", "Five architectures (Tab. 4)");
    section.prose(
        "The paper states an accuracy for each architecture; precision, recall, F1 and how the four baselines were \
         trained are not stated.",
    );
    section.table("architectures", table(input));
    section.figure(
        "accuracy_bars",
        "Accuracy of the runs at their last epoch.",
        grid::accuracy_bars(input),
    )?;
    for (quantity, stem, word) in
        [(Quantity::Accuracy, "accuracy_curves", "Accuracy"), (Quantity::Loss, "loss_curves", "Loss")]
    {
        section.figure(
            stem,
            format!("{word} by epoch over the training and the validation images."),
            curves::figure(input, quantity),
        )?;
    }
    Ok(section)
}

/// Tab. 4, a row a run in the order of the grid.
fn table(input: &ReportInput) -> Table {
    let comparable = paper::is_comparable(&input.about.spec);
    let metric = |name: &str, heading: &str| Column::number(name).heading(heading).decimals(4);
    let mut columns = vec![Column::text("architecture"), Column::text("run")];
    if comparable {
        columns.push(Column::number("paper_accuracy").heading("paper, accuracy").decimals(2));
    }
    columns.extend([
        metric("validation_accuracy", "accuracy"),
        metric("precision", "precision"),
        metric("recall", "recall"),
        metric("f1", "F1"),
        metric("auc", "AUC"),
        Column::number("parameters"),
        Column::number("flops_per_image").heading("FLOPs per image"),
        Column::number("seconds").heading("seconds").decimals(1),
    ]);
    let mut rows: Vec<&Row> = ranked(input);
    rows.sort_by_key(|row| row.index);
    let cells = |row: &Row| {
        let facts = input.about.facts(row.key);
        let family = facts.map(|facts| facts.family.as_str()).unwrap_or_default();
        let known = paper::architecture(family);
        let mut cells =
            vec![Cell::from(known.map_or(family, |(name, _)| name)), Cell::from(row.run.as_str())];
        if comparable {
            cells.push(known.map_or(Cell::from(paper::NOT_STATED), |(_, accuracy)| Cell::Float(accuracy)));
        }
        let [precision, recall, _, f1, auc] =
            tags::VALIDATION_METRICS.map(|tag| Cell::from(facts.and_then(|facts| facts.metric(tag))));
        cells.extend([Cell::from(row.validation_accuracy), precision, recall, f1, auc]);
        let count = |count: Option<u64>| count.map_or(Cell::Empty, Cell::from);
        cells.push(count(facts.and_then(|facts| facts.parameters)));
        cells.push(count(facts.and_then(|facts| facts.flops_per_image)));
        cells.push(Cell::from(facts.and_then(|facts| facts.seconds)));
        cells
    };
    Table {
        title: Some("Five architectures (Tab. 4)".to_owned()),
        columns,
        rows: rows.into_iter().map(cells).collect(),
        notes: Vec::new(),
    }
}
