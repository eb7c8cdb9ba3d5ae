//! Tab. 2 of the paper: the layers of a network, here of the best one.

use crate::report::{document::Section, input::ReportInput, layers_table, paper};

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
    let title = format!("The layers of {} (Tab. 2)", best.run);
    section.table("layers", layers_table(title, layers));
    Some(section)
}
