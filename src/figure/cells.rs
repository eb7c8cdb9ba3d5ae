//! The cells of a confusion matrix and the colour bar beside them, as both the single figure and the sheet draw them.

use super::{
    FigureError,
    colour::{self, INK, NOTHING, SOFT_INK},
    drawing::{Anchor, Drawing},
    text,
};
use crate::metrics::ConfusionMatrix;

/// Cells smaller than this (logical pixels) carry no text.
const SMALLEST_WITH_SHARE: f64 = 20.0;
/// Cells smaller than this carry the share alone.
const SMALLEST_WITH_COUNT: f64 = 33.0;
/// The smallest text of a cell.
const SMALLEST_TEXT: f64 = 6.5;

/// Share of the images of class `truth` that were taken for `predicted`, 0..=1; `None` for a class without images.
pub(super) fn share(matrix: &ConfusionMatrix, truth: usize, predicted: usize) -> Option<f64> {
    let support = matrix.support(truth);
    (support > 0).then(|| matrix.count(truth, predicted) as f64 / support as f64)
}

/// Draws the cells, row 0 on top, as a square of `side` at (`x`, `y`). A cell says its share of the true class to two
/// decimals and its count; a class without images is grey, with `–` for the share that does not exist.
pub(super) fn draw(
    drawing: &mut Drawing,
    matrix: &ConfusionMatrix,
    (x, y): (f64, f64),
    side: f64,
) -> Result<(), FigureError> {
    let classes = matrix.classes();
    let cell = side / classes as f64;
    // One rectangle for every empty cell: thousands of them would make a large SVG.
    drawing.rect(x, y, side, side, colour::blues(0.0));
    for truth in 0..classes {
        let top = y + truth as f64 * cell;
        if matrix.support(truth) == 0 {
            drawing.rect(x, top, side, cell, NOTHING);
        }
        for predicted in 0..classes {
            let left = x + predicted as f64 * cell;
            let share = share(matrix, truth, predicted);
            let ground = share.map_or(NOTHING, colour::blues);
            if share.is_some_and(|share| share > 0.0) {
                drawing.rect(left, top, cell, cell, ground);
            }
            if cell >= SMALLEST_WITH_SHARE {
                let share = share.map_or_else(|| "–".to_owned(), |share| format!("{share:.2}"));
                let count = matrix.count(truth, predicted).to_string();
                draw_cell_text(drawing, (left + cell / 2.0, top + cell / 2.0), cell, &share, &count, ground)?;
            }
        }
    }
    drawing.frame(x, y, side, side, INK);
    Ok(())
}

fn draw_cell_text(
    drawing: &mut Drawing,
    (x, y): (f64, f64),
    cell: f64,
    share: &str,
    count: &str,
    ground: colour::Colour,
) -> Result<(), FigureError> {
    let room = cell * 0.88;
    let ink = colour::readable_on(ground);
    let size = text::shrink("0.00", (cell * 0.27).clamp(8.0, 21.0), SMALLEST_TEXT, room)?;
    let count_size = text::shrink(count, (size * 0.8).max(SMALLEST_TEXT), SMALLEST_TEXT, room)?;
    if cell < SMALLEST_WITH_COUNT || text::width(count, count_size)? > room {
        drawing.text(share, (x, y), size, Anchor::Middle, ink);
    } else {
        let apart = size * 0.62;
        drawing.text(share, (x, y - apart), size, Anchor::Middle, ink);
        drawing.text(count, (x, y + apart), count_size, Anchor::Middle, ink);
    }
    Ok(())
}

/// Draws the colour bar with its ticks and, with `title`, what the colour means.
pub(super) fn draw_colour_bar(drawing: &mut Drawing, (x, y): (f64, f64), height: f64, title: bool) {
    const WIDTH: f64 = 12.0;
    const STEPS: usize = 100;
    // Each colour reaches down to the foot and the next covers it: side by side, SVG viewers show hairlines.
    for step in (0..STEPS).rev() {
        let top = height * (1.0 - (step + 1) as f64 / STEPS as f64);
        let colour = colour::blues((step as f64 + 0.5) / STEPS as f64);
        drawing.rect(x, y + top, WIDTH, height - top, colour);
    }
    drawing.frame(x, y, WIDTH, height, INK);
    let ticks: &[f64] = if height >= 150.0 { &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0] } else { &[0.0, 0.5, 1.0] };
    for &tick in ticks {
        let middle = y + height * (1.0 - tick);
        drawing.line((x + WIDTH, middle), (x + WIDTH + 4.0, middle), INK, 1.0);
        drawing.text(&format!("{tick:.1}"), (x + WIDTH + 7.0, middle), 11.0, Anchor::Start, INK);
    }
    if title {
        let place = (x + WIDTH + 36.0, y + height / 2.0);
        drawing.text_upwards("Share of the true class", place, 12.0, Anchor::Middle, SOFT_INK);
    }
}

/// Room that the colour bar needs to the right of its left edge.
pub(super) fn colour_bar_width(title: bool) -> f64 {
    if title { 58.0 } else { 40.0 }
}

/// Checks that every class has a name, and that there is a class.
pub(super) fn check(matrix: &ConfusionMatrix, classes: &[String]) -> Result<(), FigureError> {
    if matrix.classes() == 0 {
        return Err(FigureError::Empty("the confusion matrix has no classes"));
    }
    if matrix.classes() != classes.len() {
        return Err(FigureError::ClassNames { classes: matrix.classes(), names: classes.len() });
    }
    Ok(())
}
