//! What mattered: how much each axis has to do with `rank.by`. Left out where there are too few runs to say it.

use crate::{
    rank::importances,
    report::{
        document::Section,
        importance::{importance_table, interaction_table},
        input::ReportInput,
    },
};

/// Fewer points say nothing of what the best tenth has in common.
const LEAST_POINTS: usize = 10;

/// The section.
pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let found = importances(&input.about.spec, &input.leaderboard)?;
    if found.points < LEAST_POINTS || found.axes.len() < 2 {
        return None;
    }
    let mut section = Section::new("importance", "What mattered");
    section.table("importance", importance_table(&found, None));
    if let Some(table) = interaction_table(&found) {
        section.table("interactions", table);
    }
    Some(section)
}
