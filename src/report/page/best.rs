//! The best runs: Tab. 5 of the paper, the same runs on held-out images, their confusion matrices, Fig. 10, and X-rays with
//! the best one's answers, Fig. 11.

use std::collections::HashMap;

use crate::{
    figure::{self, Figure, FigureError, SheetEntry},
    metrics::ConfusionMatrix,
    report::{
        curves,
        document::{DrawError, Section},
        grid_points::top_table,
        input::ReportInput,
        leaderboard::{leaderboard_table, unranked_table},
        paper::{self, Part},
        test_set::test_table,
    },
};

use super::ranked;

/// Confusion matrices beyond these are left out of the sheet: six rows fill a page.
const MOST_MATRICES: usize = 30;
/// So many runs that do not rank are listed.
const MOST_UNRANKED: usize = 50;

/// The section.
pub(super) fn section(input: &ReportInput) -> Result<Section, DrawError> {
    let of_paper = paper::part(&input.about.spec) == Some(Part::Optimisation);
    let mut section = if of_paper {
        Section::new("best", "The best runs (Tab. 5, Fig. 10, Fig. 11)")
    } else {
        Section::new("best", "The best runs")
    };
    if of_paper && paper::is_comparable(&input.about.spec) {
        section.prose(
            "The paper's ten rows are not available as text; it states that networks with one dense layer did better \
             overall, and names the lowest validation loss as a criterion. The numbers of its confusion matrix are not \
             stated.",
        );
    }
    let top = Some(input.leaderboard.rule.top);
    let mut table = top_table(&input.leaderboard, top);
    if of_paper {
        table.title = table.title.map(|title| format!("{title} (Tab. 5)"));
    }
    section.table("top_ten", table);
    if input.leaderboard.several_seeds() {
        section.table("top_ten_runs", leaderboard_table(&input.leaderboard, top));
    }
    if let Some(table) = test_table(&input.test) {
        section.table("test_set", table);
    }
    if let Some(unranked) = unranked_table(&input.leaderboard, Some(MOST_UNRANKED)) {
        section.table("unranked", unranked);
    }
    let caption = if of_paper { "Fig. 10: confusion" } else { "Confusion" };
    section.figure(
        "top_ten_confusion",
        format!("{caption} matrices over the validation images: counts, and shares of each true class."),
        confusion_sheet(input),
    )?;
    let (name, classes) = (&input.leaderboard.experiment, &input.leaderboard.classes);
    section.figure(
        "roc_curves",
        "ROC curves over the validation images, with the area below each.",
        curves::roc(name, &input.predictions, classes),
    )?;
    section.figure(
        "pr_curves",
        "Precision against recall over the validation images.",
        curves::pr(name, &input.predictions, classes),
    )?;
    if let (Some(figure), Some(best)) = (&input.xrays, ranked(input).first()) {
        let caption = if of_paper { "Fig. 11: validation" } else { "Validation" };
        section.figure(
            "xrays",
            format!(
                "{caption} images as the network saw them, with the class that {} predicts and its probability; wrong \
                 answers are marked.",
                best.run
            ),
            Ok(figure.clone()),
        )?;
    }
    Ok(section)
}

fn confusion_sheet(input: &ReportInput) -> Result<Figure, FigureError> {
    let matrices: HashMap<&str, &ConfusionMatrix> =
        input.confusion.iter().map(|(run, matrix)| (run.as_str(), matrix)).collect();
    let entries: Vec<SheetEntry> = ranked(input)
        .into_iter()
        .filter_map(|row| {
            let rank = row.rank.filter(|rank| *rank <= input.leaderboard.rule.top)?;
            let matrix = *matrices.get(row.run.as_str())?;
            Some(SheetEntry { rank, run: row.run.clone(), matrix: matrix.clone() })
        })
        .take(MOST_MATRICES)
        .collect();
    let experiment = &input.leaderboard.experiment;
    let title = if entries.len() == 1 {
        format!("{experiment}: confusion matrix of the best run")
    } else {
        format!("{experiment}: confusion matrices of the best {} runs", entries.len())
    };
    figure::confusion_sheet(&title, &entries, &input.leaderboard.classes)
}
