//! What the figures of the report do not say by themselves.

use crate::{
    report::{document::Section, input::ReportInput, leaderboard::problem_notes, paper},
    spec::Source,
};

use super::ranked;

/// The section, over all experiments of the report; every sentence once.
pub(super) fn section(inputs: &[&ReportInput]) -> Section {
    let mut section = Section::new("caveats", "What to keep in mind");
    let mut said: Vec<String> = Vec::new();
    for text in inputs.iter().flat_map(|input| caveats(input)) {
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said.into_iter().for_each(|text| section.prose(text));
    section
}

fn caveats(input: &ReportInput) -> Vec<String> {
    let about = &input.about;
    let name = &input.leaderboard.experiment;
    let mut said: Vec<String> = problem_notes(input.leaderboard.rows.iter())
        .into_iter()
        .map(|note| format!("{name}: {note}."))
        .collect();
    said.extend(input.leaderboard.notes.iter().map(|note| format!("{name}: {note}.")));
    let Some(dataset) = &about.spec.dataset else { return said };
    let comparable = paper::is_comparable(&about.spec);
    if matches!(dataset.source, Source::Phantom(_)) {
        said.push(
            "The images are built-in synthetic phantoms: their accuracies say nothing about X-rays, nor about the paper."
                .to_owned(),
        );
    }
    said.push(format!(
        "Selection bias: the validation images chose the best run and scored it; expect less on new images{}.",
        match (comparable, input.test.is_empty()) {
            (true, true) => ", in the paper as here: there is no separate test set",
            (true, false) => ", in the paper as here. The accuracy on the test images, which chose nothing, has no such bias",
            (false, true) => "",
            (false, false) => ". The accuracy on the test images, which chose nothing, has no such bias",
        }
    ));
    if let Some(constant) = about.constant_accuracy() {
        let paper = if comparable {
            format!(" (on the paper's corpus {:.3})", paper::constant_accuracy())
        } else {
            String::new()
        };
        said.push(format!(
            "A program that always names the larger class has a validation accuracy of {constant:.3}{paper}: an accuracy \
             means something only above that."
        ));
    }
    if let Some(best) = ranked(input).first()
        && let Some(accuracy) = best.validation_accuracy
        && let (Some(error), Some(images)) = (about.standard_error(accuracy), about.validation_images())
    {
        #[expect(clippy::cast_precision_loss, reason = "a number of images")]
        let images_of_error = error * images as f64;
        said.push(format!(
            "{}: with {images} validation images the standard error of the best accuracy, {accuracy:.4}, is {error:.4}, which \
             is {images_of_error:.0} images: runs that differ by less are not told apart by it.",
            input.leaderboard.experiment
        ));
    }
    if about.spec.seeds.len() == 1 {
        said.push(format!(
            "{}: each network was trained with one seed; another seed gives other accuracies and may give another order.",
            input.leaderboard.experiment
        ));
    }
    if comparable {
        said.push(
            "The images are not the paper's, which are not public. Where the sources of the classes differ, a network can \
             learn the source instead of the disease: hospital, format, age of the patients."
                .to_owned(),
        );
        said.push(
            "Not stated in the paper, and chosen here: kernel and sigma of the blur, the depth of the analysis sweep, how \
             the baselines were trained, and all rows of Tab. 5."
                .to_owned(),
        );
    }
    said
}
