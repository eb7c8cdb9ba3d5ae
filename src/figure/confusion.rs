//! The confusion matrix of one run: a figure for the report, and a small fast PNG for TensorBoard each epoch.
//!
//! Row = true class, column = predicted class, as `metrics::ConfusionMatrix` has it; the colour and the first number of
//! a cell are its share of the true class, the second number counts images.

use super::{
    Figure, FigureError, cells,
    colour::{INK, SOFT_INK},
    drawing::{Anchor, Drawing},
    render, text,
};
use crate::{base::human::counted, metrics::ConfusionMatrix};

pub(super) const TITLE: f64 = 16.0;
pub(super) const AXIS_TITLE: f64 = 14.0;
pub(super) const CLASS: f64 = 12.5;
/// Class names are elided beyond this, logical pixels.
pub(super) const LONGEST_NAME: f64 = 260.0;
/// Below the title and its second line.
pub(super) const HEAD: f64 = 62.0;

/// Up to so many classes the PNG for TensorBoard has the small page.
const FEW: usize = 4;
/// Width and height of its pages, logical pixels.
const SMALL_PAGE: (f64, f64) = (320.0, 290.0);
const LARGE_PAGE: (f64, f64) = (480.0, 420.0);

/// The figure of a run's confusion matrix; it grows with the number of classes and the length of their names.
///
/// # Errors
/// [`FigureError::Empty`] without classes, [`FigureError::ClassNames`] where names and classes differ in number, and
/// what a backend reports.
pub fn confusion_matrix(
    matrix: &ConfusionMatrix,
    classes: &[String],
    title: &str,
) -> Result<Figure, FigureError> {
    cells::check(matrix, classes)?;
    render::figure(&growing(matrix, classes, title)?)
}

/// The same matrix as a PNG for TensorBoard, drawn in a few milliseconds: the PNG, its width and its height. TensorBoard
/// shows it 300 pixels wide: few classes are drawn on so small a page that its text can be read there.
///
/// # Errors
/// As [`confusion_matrix`].
pub fn confusion_matrix_png(
    matrix: &ConfusionMatrix,
    classes: &[String],
    title: &str,
) -> Result<(Vec<u8>, u32, u32), FigureError> {
    cells::check(matrix, classes)?;
    let page = if classes.len() <= FEW { SMALL_PAGE } else { LARGE_PAGE };
    let drawing = fixed(matrix, classes, title, page)?;
    Ok((render::png(&drawing, 1)?, drawing.width, drawing.height))
}

/// The names of the classes along an axis, ready to be drawn.
pub(super) struct Names {
    lines: Vec<Vec<String>>,
    upwards: bool,
    /// Room across the axis, logical pixels.
    pub(super) depth: f64,
    /// One name in this many is drawn, where cells are smaller than a line of text.
    every: usize,
}

/// Names below the columns: level where each fits its column on at most three lines, else upwards.
pub(super) fn column_names(classes: &[String], cell: f64, longest: f64) -> Result<Names, FigureError> {
    let every = (CLASS * text::LINE / cell).ceil().max(1.0) as usize;
    let room = cell - 6.0;
    let level: Vec<Vec<String>> =
        classes.iter().map(|name| text::wrap(name, CLASS, room, 3)).collect::<Result<_, _>>()?;
    if level.iter().flatten().all(|line| !line.contains('…')) {
        let most = level.iter().map(Vec::len).max().unwrap_or(1);
        return Ok(Names { lines: level, upwards: false, depth: most as f64 * CLASS * text::LINE, every });
    }
    let lines: Vec<Vec<String>> = classes
        .iter()
        .map(|name| text::elide(name, CLASS, longest).map(|line| vec![line]))
        .collect::<Result<_, _>>()?;
    let depth = text::widest(lines.iter().flatten().map(String::as_str), CLASS)?;
    Ok(Names { lines, upwards: true, depth, every })
}

/// Names left of the rows, wrapped where the rows are high enough and the names longer than `longest`.
pub(super) fn row_names(classes: &[String], cell: f64, longest: f64) -> Result<Names, FigureError> {
    let every = (CLASS * text::LINE / cell).ceil().max(1.0) as usize;
    let most = ((cell / (CLASS * text::LINE)) as usize).clamp(1, 3);
    let lines: Vec<Vec<String>> =
        classes.iter().map(|name| text::wrap(name, CLASS, longest, most)).collect::<Result<_, _>>()?;
    let depth = text::widest(lines.iter().flatten().map(String::as_str), CLASS)?;
    Ok(Names { lines, upwards: false, depth, every })
}

/// Side of a cell that grows the figure gently with the number of classes.
pub(super) fn cell_for(classes: usize) -> f64 {
    match classes {
        1 | 2 => 132.0,
        3 => 106.0,
        4 => 90.0,
        5 => 78.0,
        6..=10 => 62.0,
        11..=20 => 42.0,
        21..=40 => 24.0,
        more => (960.0 / more as f64).max(2.0),
    }
}

fn growing(matrix: &ConfusionMatrix, classes: &[String], title: &str) -> Result<Drawing, FigureError> {
    let cell = cell_for(classes.len());
    let side = cell * classes.len() as f64;
    let rows = row_names(classes, cell, LONGEST_NAME)?;
    let columns = column_names(classes, cell, LONGEST_NAME)?;
    let left = 44.0 + rows.depth;
    let width = left + side + 22.0 + cells::colour_bar_width(true);
    let height = HEAD + side + 14.0 + columns.depth + 40.0;
    let mut drawing = Drawing::new(width, height);
    draw(&mut drawing, matrix, title, (left, HEAD), side, &rows, &columns, true)?;
    Ok(drawing)
}

fn fixed(
    matrix: &ConfusionMatrix,
    classes: &[String],
    title: &str,
    (width, height): (f64, f64),
) -> Result<Drawing, FigureError> {
    let count = classes.len() as f64;
    let longest = 0.23 * width;
    let bar = 14.0 + cells::colour_bar_width(false);
    // Names are measured for cells as large as they can become, then the square takes what is left.
    let first = row_names(classes, (height - HEAD - 60.0) / count, longest)?;
    let across = width - 40.0 - first.depth - bar;
    let columns = column_names(classes, across.min(height - HEAD - 70.0) / count, longest)?;
    let side = across.min(height - HEAD - columns.depth - 50.0);
    let columns = column_names(classes, side / count, longest.min(columns.depth.max(longest)))?;
    let side = side.min(height - HEAD - columns.depth - 50.0);
    let rows = row_names(classes, side / count, longest)?;
    let left = (width - side - rows.depth - bar - 40.0) / 2.0 + 40.0 + rows.depth;
    let mut drawing = Drawing::new(width, height);
    draw(&mut drawing, matrix, title, (left, HEAD), side, &rows, &columns, false)?;
    Ok(drawing)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one layout, made by the two functions above alone"
)]
fn draw(
    drawing: &mut Drawing,
    matrix: &ConfusionMatrix,
    title: &str,
    (left, top): (f64, f64),
    side: f64,
    rows: &Names,
    columns: &Names,
    bar_title: bool,
) -> Result<(), FigureError> {
    let page = f64::from(drawing.width);
    let heading = text::elide(title, TITLE, page - 24.0)?;
    drawing.text(&heading, (page / 2.0, 20.0), TITLE, Anchor::Middle, INK);
    drawing.text(&summary(matrix), (page / 2.0, 43.0), 12.0, Anchor::Middle, SOFT_INK);
    cells::draw(drawing, matrix, (left, top), side)?;

    draw_names(drawing, (left, top), side, matrix.classes(), rows, columns);
    let below = top + side + 24.0 + columns.depth;
    drawing.text("Predicted label", (left + side / 2.0, below), AXIS_TITLE, Anchor::Middle, INK);
    let beside = left - rows.depth - 24.0;
    drawing.text_upwards("True label", (beside, top + side / 2.0), AXIS_TITLE, Anchor::Middle, INK);
    cells::draw_colour_bar(drawing, (left + side + 14.0, top), side, bar_title);
    Ok(())
}

/// The names of `classes` classes beside and below a square.
pub(super) fn draw_names(
    drawing: &mut Drawing,
    (left, top): (f64, f64),
    side: f64,
    classes: usize,
    rows: &Names,
    columns: &Names,
) {
    let cell = side / classes as f64;
    for (index, lines) in rows.lines.iter().enumerate().step_by(rows.every) {
        let middle = top + (index as f64 + 0.5) * cell;
        let first = middle - (lines.len() - 1) as f64 * CLASS * text::LINE / 2.0;
        drawing.text_lines(lines, (left - 8.0, first), CLASS, Anchor::End, INK);
    }
    let below = top + side + 8.0;
    for (index, lines) in columns.lines.iter().enumerate().step_by(columns.every) {
        let middle = left + (index as f64 + 0.5) * cell;
        if columns.upwards {
            drawing.text_upwards(&lines[0], (middle, below), CLASS, Anchor::End, INK);
        } else {
            drawing.text_lines(lines, (middle, below + CLASS * 0.5), CLASS, Anchor::Middle, INK);
        }
    }
}

/// `640 images, 0.953 correct`.
fn summary(matrix: &ConfusionMatrix) -> String {
    let total = matrix.total();
    if total == 0 {
        return "no images".to_owned();
    }
    let correct: u64 = (0..matrix.classes()).map(|class| matrix.count(class, class)).sum();
    format!("{}, {:.3} correct", counted(total, "image"), correct as f64 / total as f64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A matrix from its rows.
    pub(in crate::figure) fn matrix(rows: &[&[u64]]) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(rows.len());
        for (truth, row) in rows.iter().enumerate() {
            for (predicted, &count) in row.iter().enumerate() {
                (0..count).for_each(|_| matrix.add(truth, predicted));
            }
        }
        matrix
    }

    /// `count` classes of about 100 images, most of them right, one class without any.
    pub(in crate::figure) fn spread(count: usize) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(count);
        for truth in 0..count {
            for predicted in 0..count {
                let images = if truth == predicted { 80 } else { (truth * 7 + predicted * 3) % 9 };
                (0..images * usize::from(truth != 4)).for_each(|_| matrix.add(truth, predicted));
            }
        }
        matrix
    }

    pub(in crate::figure) fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn long_names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("class {n:02} bacterial pneumonia of the left lower lobe")).collect()
    }

    #[test]
    fn cells_say_share_and_count_and_axes_say_which_is_which() {
        let drawing =
            growing(&matrix(&[&[455, 17], &[9, 159]]), &names(&["normal", "covid"]), "run").unwrap();
        drawing.check_legible();
        let texts = drawing.texts();
        assert_eq!(texts[..2], ["run", "640 images, 0.959 correct"]);
        assert_eq!(texts[2..10], ["0.96", "455", "0.04", "17", "0.05", "9", "0.95", "159"]);
        for text in ["normal", "covid", "Predicted label", "True label"] {
            assert!(texts.contains(&text), "{text}");
        }
    }

    #[test]
    fn rows_are_true_classes() {
        let drawing = growing(&matrix(&[&[1, 1], &[0, 0]]), &names(&["a", "b"]), "run").unwrap();
        assert_eq!(drawing.texts()[2..10], ["0.50", "1", "0.50", "1", "–", "0", "–", "0"]);
    }

    #[test]
    fn every_size_and_length_of_names_is_legible_and_on_the_page() {
        for count in [1, 2, 3, 4, 5, 6, 10, 20, 40, 100] {
            let matrix = spread(count);
            let short: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
            for classes in [short, long_names(count)] {
                growing(&matrix, &classes, "3-conv-128-nodes-1-dense").unwrap().check_legible();
                let page = if count <= FEW { SMALL_PAGE } else { LARGE_PAGE };
                fixed(&matrix, &classes, "3-conv-128-nodes-1-dense", page).unwrap().check_legible();
            }
        }
    }

    #[test]
    fn long_titles_are_elided() {
        let title = "a-very-long-run-name-".repeat(20);
        let classes = names(&["a", "b"]);
        growing(&matrix(&[&[1, 0], &[0, 1]]), &classes, &title).unwrap().check_legible();
    }

    #[test]
    fn a_matrix_without_images_or_with_huge_counts_is_drawn() {
        let empty = ConfusionMatrix::new(2);
        let drawing = growing(&empty, &names(&["a", "b"]), "run").unwrap();
        drawing.check_legible();
        assert!(drawing.texts().contains(&"no images"));
        growing(&matrix(&[&[12_345_678, 0], &[0, 1]]), &names(&["a", "b"]), "run").unwrap().check_legible();
    }

    #[test]
    fn wrong_numbers_of_names_are_refused() {
        let error = confusion_matrix(&ConfusionMatrix::new(2), &names(&["a"]), "run").unwrap_err();
        assert_eq!(error.to_string(), "the confusion matrix has 2 classes, but 1 class names were given");
        assert!(matches!(
            confusion_matrix_png(&ConfusionMatrix::new(0), &[], "run"),
            Err(FigureError::Empty(_))
        ));
    }

    #[test]
    fn the_small_png_has_the_size_that_it_states() {
        let (png, width, height) =
            confusion_matrix_png(&spread(2), &names(&["normal", "covid"]), "run").unwrap();
        assert_eq!((width, height), (320, 290));
        let picture = image::load_from_memory(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (320, 290));
    }
}
