//! The table of a network's layers, Tab. 2 of the paper: for the report and for `gridboard show --layers`.

use crate::{
    base::human,
    model::Layer,
    report::table::{Cell, Column, Table},
};

/// Kind, output shape, parameters and FLOPs of every layer, the totals below.
#[must_use]
pub(crate) fn layers_table(title: String, layers: &[Layer]) -> Table {
    let shape = |sides: &[u64]| sides.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    let row = |layer: &Layer| {
        vec![
            Cell::from(&layer.name),
            Cell::from(layer.kind.to_string()),
            Cell::from(layer.activation.to_string()),
            Cell::from(shape(&layer.output_shape)),
            Cell::from(layer.parameters),
            Cell::from(layer.flops),
        ]
    };
    let (parameters, flops) = totals(layers);
    Table {
        title: Some(title),
        columns: vec![
            Column::text("layer"),
            Column::text("kind"),
            Column::text("activation"),
            Column::text("output_shape").heading("output shape"),
            Column::number("parameters"),
            Column::number("flops").heading("FLOPs per image"),
        ],
        rows: layers.iter().map(row).collect(),
        notes: vec![format!(
            "{} parameters, {}FLOP in the forward pass of one image.",
            human::grouped(parameters),
            human::count(flops),
        )],
    }
}

/// Parameters, and FLOPs of the forward pass of one image.
#[must_use]
pub(crate) fn totals(layers: &[Layer]) -> (u64, u64) {
    let total = |read: fn(&Layer) -> u64| layers.iter().map(read).fold(0, u64::saturating_add);
    (total(|layer| layer.parameters), total(|layer| layer.flops))
}
