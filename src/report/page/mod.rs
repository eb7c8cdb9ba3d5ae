//! The report of an experiment or of a suite: the paper's tables and figures in the paper's order, with what the paper
//! states beside what was measured here.
//!
//! Called by `files`. Everything comes from [`ReportInput`]s and nothing from a clock or a disk, so the same input gives the
//! same document. What an input has nothing for is left out, or said to be missing where the paper has it.

mod analysis;
mod architectures;
mod best;
mod caveats;
mod corpus;
mod curves;
mod glance;
mod grid;
mod hardware;
mod importance;
mod layers;
mod reproduction;

pub(crate) use corpus::loading_table;

use super::{
    document::{Block, Document, DrawError, Section},
    input::ReportInput,
    paper::{self, Part},
};
use crate::{base::human::counted, rank::Row};

/// The figures that an experiment's report may have, by stem: those of an earlier report that this one lacks are removed.
pub(super) const FIGURES: [&str; 15] = [
    "corpus_counts",
    "accuracy_bars",
    "accuracy_curves",
    "loss_curves",
    "metric_curves_1",
    "metric_curves_2",
    "metric_curves_3",
    "metric_curves_4",
    "metric_curves_5",
    "top_ten_confusion",
    "roc_curves",
    "pr_curves",
    "xrays",
    "slice_plot",
    "contour_plot",
];

/// The report of one experiment.
///
/// # Errors
/// A figure that cannot be drawn.
pub(super) fn experiment(input: &ReportInput) -> Result<Document, DrawError> {
    let mut document = Document { title: input.leaderboard.experiment.clone(), ..Document::default() };
    document.lead.push(summary(input));
    if paper::is_comparable(&input.about.spec) {
        document.lead.push(format!(
            "Beside the figures of this report stand those of the paper: {}.",
            paper::CITATION
        ));
    }
    document.sections = sections(&[input])?;
    Ok(document)
}

/// The report of a suite, of whose experiments `missing` were not run yet. Stems and ids carry the name of their experiment
/// in front.
///
/// # Errors
/// A figure that cannot be drawn.
pub(super) fn suite(name: &str, inputs: &[&ReportInput], missing: &[String]) -> Result<Document, DrawError> {
    let mut document = Document { title: name.to_owned(), ..Document::default() };
    document
        .lead
        .push(format!("Beside the figures of this report stand those of the paper: {}.", paper::CITATION));
    document
        .lead
        .extend(inputs.iter().map(|input| format!("{}: {}", input.leaderboard.experiment, summary(input))));
    document.lead.extend(missing.iter().map(|experiment| format!("{experiment}: not run yet.")));
    document.sections = sections(inputs)?;
    Ok(document)
}

/// All sections: the answer first, then the others in the order of the paper.
fn sections(inputs: &[&ReportInput]) -> Result<Vec<Section>, DrawError> {
    let mut sections: Vec<Section> = Vec::new();
    let mut add = |input: &ReportInput, section: Option<Section>| {
        sections.extend(section.map(|section| named(section, input, inputs.len() > 1)));
    };
    // The paper's top ten is that of the optimisation sweep; the others' follow.
    let last = |input: &&&ReportInput| paper::part(&input.about.spec) != Some(Part::Optimisation);
    for input in inputs.iter().filter(|input| !last(input)).chain(inputs.iter().filter(last)) {
        add(input, Some(best::section(input)?));
    }
    for input in inputs {
        add(input, glance::section(input));
    }
    for (place, input) in inputs.iter().enumerate() {
        if !inputs[..place].iter().any(|earlier| earlier.about.same_corpus(&input.about)) {
            add(input, corpus::section(input)?);
        }
    }
    let of = |wanted: Option<Part>| {
        inputs.iter().copied().filter(move |input| paper::part(&input.about.spec) == wanted)
    };
    for input in of(Some(Part::Analysis)) {
        add(input, Some(analysis::section(input)?));
    }
    for input in of(Some(Part::Optimisation)) {
        add(input, layers::section(input));
        add(input, Some(grid::section(input)?));
    }
    for input in of(Some(Part::Architectures)) {
        add(input, Some(architectures::section(input)?));
    }
    for input in of(None) {
        add(input, layers::section(input));
        add(input, Some(grid::section(input)?));
    }
    for input in inputs {
        add(input, importance::section(input)?);
    }
    for input in inputs {
        add(input, hardware::section(input));
        add(input, Some(reproduction::section(input)));
    }
    sections.push(caveats::section(inputs));
    Ok(sections)
}

/// The section as it is in a report of one experiment, or under its experiment's name among others.
fn named(mut section: Section, input: &ReportInput, among_others: bool) -> Section {
    if !among_others {
        return section;
    }
    let name = &input.leaderboard.experiment;
    section.id = format!("{name}-{}", section.id);
    section.title = format!("{} \u{2014} {name}", section.title);
    for block in &mut section.blocks {
        if let Block::Table { stem, .. } | Block::Figure { stem, .. } = block {
            *stem = format!("{name}-{stem}");
        }
    }
    section
}

/// `27 runs: 26 completed, 1 failed. The best is ... with ...`
fn summary(input: &ReportInput) -> String {
    use crate::run::RunState;
    let board = &input.leaderboard;
    let count = |state: RunState| board.rows.iter().filter(|row| row.state == state).count();
    let mut text = format!("{}: {} completed", counted(board.rows.len(), "run"), count(RunState::Completed));
    for state in RunState::ALL.into_iter().filter(|state| *state != RunState::Completed && count(*state) > 0)
    {
        let word = if state == RunState::Pending { "to be run" } else { state.as_str() };
        text.push_str(&format!(", {} {word}", count(state)));
    }
    if let Some(best) = ranked(input).first() {
        let value = best.by.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.4}"));
        text.push_str(&format!(". Best by {}: {}, {value}", board.rule.by.tag, best.run));
    }
    text + "."
}

/// The ranked rows, best first.
fn ranked(input: &ReportInput) -> Vec<&Row> {
    let mut rows: Vec<&Row> = input.leaderboard.rows.iter().filter(|row| row.rank.is_some()).collect();
    rows.sort_by_key(|row| row.rank);
    rows
}

/// What an axis is called: `layer size`.
fn words(axis: &str) -> String {
    axis.replace('_', " ")
}

/// The mean of what is known; `None` where nothing is.
#[expect(clippy::cast_precision_loss, reason = "few runs")]
fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
pub(in crate::report) mod tests;
