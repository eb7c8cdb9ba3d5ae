//! At a glance: what the paper states in its text beside what came out here.

use crate::{
    base::human,
    report::{
        document::Section,
        input::ReportInput,
        paper::{self, NOT_STATED, Part},
        table::{Cell, Column, Table},
    },
};

use super::{mean, ranked};

/// The section; none for an experiment that does not stand beside the paper.
pub(super) fn section(input: &ReportInput) -> Option<Section> {
    if !paper::is_comparable(&input.about.spec) || paper::part(&input.about.spec) != Some(Part::Optimisation)
    {
        return None;
    }
    let mut section = Section::new("glance", "At a glance");
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut row = |what: &str, here: Option<String>, paper: String| {
        rows.push([what.to_owned(), here.unwrap_or_else(|| "-".to_owned()), paper]);
    };
    let loading = input.about.loading.as_ref();
    row(
        "images",
        loading.map(|loading| human::grouped(loading.shape[0])),
        human::grouped(paper::COVID_IMAGES + paper::NORMAL_IMAGES),
    );
    row(
        "constant answer \u{201c}the larger class\u{201d}, validation accuracy",
        input.about.constant_accuracy().map(|value| format!("{value:.3}")),
        format!("{:.3} (follows from its counts)", paper::constant_accuracy()),
    );
    let ranked = ranked(input);
    let best = ranked.first();
    let several = input.leaderboard.several_seeds();
    row(
        if several {
            "best run, validation accuracy"
        } else {
            "best network of the grid, validation accuracy"
        },
        best.and_then(|row| row.validation_accuracy).map(|value| format!("{value:.4}")),
        format!("{:.2} (Tab. 4)", paper::BEST_ACCURACY),
    );
    row("which network that is", best.map(|row| row.run.clone()), NOT_STATED.to_owned());
    if several {
        let points = input.leaderboard.grid_points();
        let accuracy = points.first().and_then(|point| Some((point, point.means.validation_accuracy?)));
        let here = accuracy.map(|(point, accuracy)| match accuracy.deviation {
            Some(deviation) => format!("{} ({:.4} \u{b1} {deviation:.4})", point.name, accuracy.mean),
            None => format!("{} ({:.4})", point.name, accuracy.mean),
        });
        row("best network by the mean over the seeds", here, NOT_STATED.to_owned());
        let agreement = input.leaderboard.agreement_of_seeds().map(|rho| format!("{rho:.2}"));
        row("agreement of the ranks between seeds (Spearman)", agreement, NOT_STATED.to_owned());
    }
    row(
        "standard error of that accuracy",
        best.and_then(|row| input.about.standard_error(row.validation_accuracy?))
            .map(|value| format!("{value:.4}")),
        format!("{NOT_STATED}; .007 follows from its {} validation images", paper::VALIDATION_IMAGES),
    );
    row("best number of dense layers, by mean validation accuracy", best_depth(input), "1 (text)".to_owned());
    section.table(
        "glance",
        Table {
            title: Some("This experiment beside the paper".to_owned()),
            columns: vec![Column::text("item"), Column::text("here"), Column::text("paper")],
            rows: rows.into_iter().map(|row| row.map(Cell::from).to_vec()).collect(),
            notes: Vec::new(),
        },
    );
    Some(section)
}

/// The number of dense layers whose runs validate best on average, with that average.
fn best_depth(input: &ReportInput) -> Option<String> {
    let axis = input.leaderboard.axes.iter().position(|axis| axis == "dense_layers")?;
    let rows = ranked(input);
    let values = super::curves::axis_values(&rows, axis)?;
    let means = values.iter().filter_map(|value| {
        let of = rows.iter().filter(|row| row.axes[axis].as_ref() == Some(value));
        Some((value, mean(of.map(|row| row.validation_accuracy))?))
    });
    let (value, mean) = means.fold(None, |best: Option<(_, f64)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    })?;
    Some(format!("{value} (mean {mean:.4})"))
}
