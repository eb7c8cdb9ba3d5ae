//! The confusion matrices of the best runs on one sheet: small multiples, five to a row, one colour scale.

use super::{
    Figure, FigureError, cells,
    colour::{INK, SOFT_INK},
    drawing::{Anchor, Drawing},
    render, text,
};
use crate::metrics::ConfusionMatrix;

/// One matrix of the sheet.
#[derive(Clone, Debug)]
pub struct SheetEntry {
    /// Rank on the leaderboard.
    pub rank: u32,
    /// The run's name.
    pub run: String,
    /// Its counts.
    pub matrix: ConfusionMatrix,
}

const ACROSS: usize = 5;
const CLASS: f64 = 11.0;
const NAME: f64 = 12.0;
const LONGEST_NAME: f64 = 150.0;
const GAP: f64 = 22.0;

/// The sheet, in the order of the entries. All matrices have the classes of the sheet.
///
/// # Errors
/// [`FigureError::Empty`] without entries, and as [`confusion_matrix`](super::confusion_matrix).
pub fn confusion_sheet(
    title: &str,
    entries: &[SheetEntry],
    classes: &[String],
) -> Result<Figure, FigureError> {
    if entries.is_empty() {
        return Err(FigureError::Empty("no confusion matrix was given"));
    }
    entries.iter().try_for_each(|entry| cells::check(&entry.matrix, classes))?;
    render::figure(&layout(title, entries, classes)?)
}

fn layout(title: &str, entries: &[SheetEntry], classes: &[String]) -> Result<Drawing, FigureError> {
    let columns = entries.len().min(ACROSS);
    let rows = entries.len().div_ceil(columns);
    let count = classes.len() as f64;
    let side = (count * 34.0).clamp(168.0, 360.0);
    let cell = side / count;
    let every = (CLASS * text::LINE / cell).ceil().max(1.0) as usize;

    let beside = elided(classes)?;
    let level = classes
        .iter()
        .try_fold(true, |fits, name| Ok::<_, FigureError>(fits && text::width(name, CLASS)? <= cell - 6.0))?;
    let longest = text::widest(beside.iter().map(String::as_str), CLASS)?;
    let below = if level { CLASS * text::LINE } else { longest };

    let heads: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| text::wrap(&format!("#{} {}", entry.rank, entry.run), NAME, side, 2))
        .collect::<Result<_, _>>()?;
    let most = heads.iter().map(Vec::len).max().unwrap_or(1);
    let head = 14.0 + most as f64 * NAME * text::LINE;

    let natural = 44.0 + longest + columns as f64 * (side + GAP) + cells::colour_bar_width(true);
    // At least as wide as a title wants to be, where there are few matrices.
    let width = natural.max(420.0);
    let left = 44.0 + longest + (width - natural) / 2.0;
    let top = 38.0;
    let row_height = head + side + GAP * 0.5;
    let height = top + rows as f64 * row_height + 8.0 + below + 40.0;
    let mut drawing = Drawing::new(width, height);
    drawing.title(title, 20.0, 16.0)?;

    for (index, (entry, name)) in entries.iter().zip(&heads).enumerate() {
        let (column, row) = (index % columns, index / columns);
        let x = left + column as f64 * (side + GAP);
        let y = top + row as f64 * row_height + head;
        let first = y - 12.0 - (name.len() - 1) as f64 * NAME * text::LINE;
        drawing.text_lines(name, (x + side / 2.0, first), NAME, Anchor::Middle, INK);
        cells::draw(&mut drawing, &entry.matrix, (x, y), side)?;
        if column == 0 {
            for (class, name) in beside.iter().enumerate().step_by(every) {
                let middle = y + (class as f64 + 0.5) * cell;
                drawing.text(name, (x - 7.0, middle), CLASS, Anchor::End, INK);
            }
        }
        if index + columns >= entries.len() {
            for (class, name) in beside.iter().enumerate().step_by(every) {
                let middle = x + (class as f64 + 0.5) * cell;
                if level {
                    drawing.text(name, (middle, y + side + 13.0), CLASS, Anchor::Middle, INK);
                } else {
                    drawing.text_upwards(name, (middle, y + side + 7.0), CLASS, Anchor::End, INK);
                }
            }
        }
    }

    let across = columns as f64 * (side + GAP) - GAP;
    let down = rows as f64 * row_height - GAP * 0.5;
    let foot = (left + across / 2.0, height - 18.0);
    drawing.text("Predicted label", foot, 14.0, Anchor::Middle, INK);
    drawing.text_upwards(
        "True label",
        (left - longest - 26.0, top + head + (down - head) / 2.0),
        14.0,
        Anchor::Middle,
        INK,
    );
    let bar = (left + across + 18.0, top + head);
    cells::draw_colour_bar(&mut drawing, bar, side.max((down - head).min(2.0 * side)), true);
    if entries.iter().all(|entry| entry.matrix.total() == 0) {
        drawing.text("no images", (left, height - 18.0), 11.0, Anchor::Start, SOFT_INK);
    }
    Ok(drawing)
}

fn elided(classes: &[String]) -> Result<Vec<String>, FigureError> {
    classes.iter().map(|name| text::elide(name, CLASS, LONGEST_NAME)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::confusion::tests::{names, spread};

    fn entries(count: u32, classes: usize) -> Vec<SheetEntry> {
        (1..=count)
            .map(|rank| SheetEntry {
                rank,
                run: format!("{rank}-conv-128-nodes-1-dense-learning_rate-0.001-seed-{rank}"),
                matrix: spread(classes),
            })
            .collect()
    }

    #[test]
    fn sheets_of_any_number_of_runs_and_classes_are_legible() {
        for classes in [2, 3, 6, 10, 40] {
            let short: Vec<String> = (0..classes).map(|n| format!("c{n}")).collect();
            let long: Vec<String> =
                (0..classes).map(|n| format!("bacterial pneumonia of lobe {n}")).collect();
            for count in [1, 2, 5, 7, 10, 12] {
                for classes in [&short, &long] {
                    let entries = entries(count, classes.len());
                    layout("tab3: confusion matrices of the top ten", &entries, classes)
                        .unwrap()
                        .check_legible();
                }
            }
        }
    }

    #[test]
    fn ranks_run_along_the_rows() {
        let drawing = layout("title", &entries(7, 2), &names(&["normal", "covid"])).unwrap();
        let ranks: Vec<_> = drawing.texts().into_iter().filter(|text| text.starts_with('#')).collect();
        assert_eq!(ranks.len(), 7);
        assert!(ranks.iter().enumerate().all(|(index, text)| text.starts_with(&format!("#{}", index + 1))));
    }

    #[test]
    fn an_empty_sheet_and_foreign_classes_are_refused() {
        assert!(matches!(confusion_sheet("t", &[], &names(&["a"])), Err(FigureError::Empty(_))));
        assert!(matches!(
            confusion_sheet("t", &entries(1, 2), &names(&["a"])),
            Err(FigureError::ClassNames { classes: 2, names: 1 })
        ));
    }
}
