//! What mattered: how much each axis has to do with `rank.by`. Left out where there are too few runs to say it.

use crate::{
    rank::importances,
    report::{
        document::{DrawError, Section},
        importance::{contour_plot, importance_table, interaction_table, slice_plot},
        input::ReportInput,
    },
};

/// Fewer points say nothing of what the best tenth has in common.
const LEAST_POINTS: usize = 10;

/// The section.
pub(super) fn section(input: &ReportInput) -> Result<Option<Section>, DrawError> {
    let Some(found) = importances(&input.about.spec, &input.leaderboard) else { return Ok(None) };
    if found.points < LEAST_POINTS || found.axes.len() < 2 {
        return Ok(None);
    }
    let mut section = Section::new("importance", "What mattered");
    section.table("importance", importance_table(&found, None));
    if let Some(table) = interaction_table(&found) {
        section.table("interactions", table);
    }
    let (experiment, by) = (&input.leaderboard.experiment, &input.leaderboard.rule.by);
    let caption = "The grid points along the two most important axes; the others differ, too.";
    section.figure("slice_plot", caption, slice_plot(&found, experiment, by))?;
    let caption = "Where good values lie over the two most important axes, darker where better: smoothed between the points, a \
                   picture and no measurement.";
    section.figure("contour_plot", caption, contour_plot(&found, experiment, by))?;
    Ok(Some(section))
}
