//! The corpus: Tab. 1 and Fig. 2 of the paper, and what was found when the images were checked.

use crate::{
    base::human,
    corpus::LoadingTable,
    figure::{self, ClassCount},
    report::{
        audit::audit_tables,
        document::{DrawError, Section},
        input::ReportInput,
        paper::{self, NOT_STATED},
        table::{Cell, Column, Table},
    },
};

/// The section; none for an experiment without images.
pub(super) fn section(input: &ReportInput) -> Result<Option<Section>, DrawError> {
    let Some(loading) = &input.about.loading else { return Ok(None) };
    let mut section = Section::new("corpus", "The corpus (Tab. 1, Fig. 2)");
    let comparable = paper::is_comparable(&input.about.spec);
    section.table("corpus", loading_table(loading, comparable));
    let classes: Vec<ClassCount> = loading
        .classes
        .iter()
        .map(|class| ClassCount {
            label: class.name.clone(),
            images: class.images,
            stated: paper::class_images(&class.name).filter(|_| comparable),
        })
        .collect();
    let title = format!("{}: images of each class", input.leaderboard.experiment);
    let caption = if comparable {
        "Fig. 2: images of each class; the paper states 559 with COVID-19 and 1,575 normal ones."
    } else {
        "Images of each class (as Fig. 2 of the paper)."
    };
    section.figure("corpus_counts", caption, figure::count_bars(&title, &classes))?;
    match &input.about.audit {
        None => section.warning(format!(
            "Duplicates, groups on both sides of the split and whether file properties predict the class: not checked yet. Run \
             `gridboard corpus SPEC` with the spec of {}.",
            input.leaderboard.experiment
        )),
        Some(audit) => {
            for warning in &audit.warnings {
                section.warning(format!("{}.", warning.message));
            }
            for (stem, table) in audit_tables(audit) {
                section.table(format!("corpus_{stem}"), table);
            }
        }
    }
    Ok(Some(section))
}

/// Tab. 1: what loading gave, and beside it what the paper states.
#[must_use]
pub(crate) fn loading_table(loading: &LoadingTable, comparable: bool) -> Table {
    let mut columns = vec![Column::text("item"), Column::text("value")];
    columns.extend(comparable.then(|| Column::text("paper")));
    let rows = loading
        .rows()
        .into_iter()
        .map(|(item, value)| {
            let mut cells = vec![Cell::from(&item), Cell::from(value)];
            cells.extend(comparable.then(|| Cell::from(stated(&item, loading))));
            cells
        })
        .collect();
    Table { title: Some("Loading (Tab. 1)".to_owned()), columns, rows, notes: Vec::new() }
}

/// What the paper states for a row of the table.
fn stated(item: &str, loading: &LoadingTable) -> String {
    let class = loading.classes.iter().find(|class| item == format!("class {}: {}", class.index, class.name));
    if let Some(class) = class {
        return match paper::class_images(&class.name) {
            Some(paper::COVID_IMAGES) => {
                format!("{} images of {} patients", paper::COVID_IMAGES, paper::COVID_PATIENTS)
            }
            Some(images) => format!("{} images", human::grouped(images)),
            None => NOT_STATED.to_owned(),
        };
    }
    match item {
        "array" => format!("{0} x {0} grayscale, blurred (kernel and sigma not stated)", paper::IMAGE_SIZE),
        "split" => {
            let train = human::grouped(paper::TRAIN_IMAGES);
            format!("{train} train + {} validation", paper::VALIDATION_IMAGES)
        }
        _ => NOT_STATED.to_owned(),
    }
}
