//! Tab. 2 of the paper: the layers of a network, here of the best one.

use crate::{
    human,
    report::{
        document::Section,
        files::ReportInput,
        paper,
        table::{Cell, Column, Table},
    },
};

use super::ranked;

/// The section; none where the layers are not known, as with a program of the user's.
pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let best = *ranked(input).first()?;
    let layers = &input.about.layers;
    if layers.is_empty() {
        return None;
    }
    let mut section = Section::new("layers", "The layers of the best network (Tab. 2)");
    if paper::is_comparable(&input.about.spec) {
        section
            .prose("Tab. 2 of the paper lists the layers of a network; its rows are not available as text.");
    }
    let shape = |sides: &[u64]| sides.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    let total = |read: fn(&crate::model::Layer) -> u64| layers.iter().map(read).fold(0, u64::saturating_add);
    section.table(
        "layers",
        Table {
            title: Some(format!("The layers of {} (Tab. 2)", best.run)),
            columns: vec![
                Column::text("layer"),
                Column::text("kind"),
                Column::text("activation"),
                Column::text("output_shape").heading("output shape"),
                Column::number("parameters"),
                Column::number("flops").heading("FLOPs per image"),
            ],
            rows: layers
                .iter()
                .map(|layer| {
                    vec![
                        Cell::from(&layer.name),
                        Cell::from(layer.kind.to_string()),
                        Cell::from(layer.activation.to_string()),
                        Cell::from(shape(&layer.output_shape)),
                        Cell::from(layer.parameters),
                        Cell::from(layer.flops),
                    ]
                })
                .collect(),
            notes: vec![format!(
                "{} parameters, {}FLOP in the forward pass of one image.",
                human::grouped(total(|layer| layer.parameters)),
                human::count(total(|layer| layer.flops)),
            )],
        },
    );
    Some(section)
}
