//! The confusion matrix of one run less that of another: where the images went that they answer differently.
//!
//! Row = true class, column = predicted class, as in `confusion`. Blue cells hold more images of the first run, orange
//! ones more of the second; on the diagonal more is better, beside it worse.

use super::{
    Figure, FigureError, cells,
    colour::{INK, SOFT_INK, balance, readable_on},
    confusion::{self, AXIS_TITLE, HEAD, LONGEST_NAME, TITLE},
    drawing::{Anchor, Drawing},
    render, text,
};
use crate::predictions::Comparison;

/// The figure.
///
/// # Errors
/// [`FigureError::Empty`] without classes, [`FigureError::ClassNames`] where names and classes differ in number, and what a
/// backend reports.
pub fn difference_matrix(
    comparison: &Comparison,
    classes: &[String],
    first: &str,
    second: &str,
) -> Result<Figure, FigureError> {
    cells::check(&comparison.first, classes)?;
    render::figure(&layout(comparison, classes, first, second)?)
}

fn layout(
    comparison: &Comparison,
    classes: &[String],
    first: &str,
    second: &str,
) -> Result<Drawing, FigureError> {
    let cell = confusion::cell_for(classes.len());
    let side = cell * classes.len() as f64;
    let rows = confusion::row_names(classes, cell, LONGEST_NAME)?;
    let columns = confusion::column_names(classes, cell, LONGEST_NAME)?;
    let lines = [
        format!("blue, +: more images of {first}"),
        format!("orange, -: more images of {second}"),
        summary(comparison),
    ];
    let beside = 44.0 + rows.depth;
    let width =
        (beside + side + 24.0).max(text::widest(lines.iter().map(String::as_str), 12.0)? + 24.0).max(420.0);
    // The square stands in the middle where the lines above it are the wider ones.
    let left = beside + (width - beside - side - 24.0) / 2.0;
    let top = HEAD + 34.0;
    let mut drawing = Drawing::new(width, top + side + 14.0 + columns.depth + 40.0);
    let middle = f64::from(drawing.width) / 2.0;
    drawing.text("Difference of confusion matrices", (middle, 20.0), TITLE, Anchor::Middle, INK);
    drawing.text_lines(&lines, (middle, 43.0), 12.0, Anchor::Middle, SOFT_INK);

    let all =
        || (0..classes.len()).flat_map(|truth| (0..classes.len()).map(move |predicted| (truth, predicted)));
    let most = all().map(|(t, p)| comparison.difference(t, p).unsigned_abs()).max().unwrap_or(0).max(1);
    for (truth, predicted) in all() {
        let difference = comparison.difference(truth, predicted);
        let (x, y) = (left + predicted as f64 * cell, top + truth as f64 * cell);
        let ground = balance(difference as f64 / most as f64);
        drawing.rect(x, y, cell, cell, ground);
        let label = if difference == 0 { "0".to_owned() } else { format!("{difference:+}") };
        let size = text::shrink(&label, (cell * 0.27).clamp(8.0, 21.0), 6.5, cell * 0.88)?;
        if cell >= 20.0 {
            let place = (x + cell / 2.0, y + cell / 2.0);
            drawing.text(&label, place, size, Anchor::Middle, readable_on(ground));
        }
    }
    drawing.frame(left, top, side, side, INK);
    confusion::draw_names(&mut drawing, (left, top), side, classes.len(), &rows, &columns);
    let below = top + side + 24.0 + columns.depth;
    drawing.text("Predicted label", (left + side / 2.0, below), AXIS_TITLE, Anchor::Middle, INK);
    let place = (left - rows.depth - 24.0, top + side / 2.0);
    drawing.text_upwards("True label", place, AXIS_TITLE, Anchor::Middle, INK);
    Ok(drawing)
}

/// `640 images, 0.808 and 0.791 correct, exact McNemar p = 0.23`.
fn summary(comparison: &Comparison) -> String {
    let p = comparison.table.p();
    let p = if p < 0.0005 { format!("{p:.1e}") } else { format!("{p:.3}") };
    format!(
        "{} images, {:.3} and {:.3} correct, exact McNemar p = {p}",
        comparison.table.images(),
        comparison.first.accuracy(),
        comparison.second.accuracy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictions::{Prediction, Predictions};

    fn comparison(classes: usize, images: usize) -> Comparison {
        let list = |step: usize| {
            let rows = (0..images)
                .map(|image| Prediction {
                    image: format!("image-{image}"),
                    label: image % classes,
                    predicted: (image + usize::from(image % step == 0)) % classes,
                    probabilities: vec![0.5; classes],
                })
                .collect();
            let classes = (0..classes).map(|class| class.to_string()).collect();
            Predictions { rows, classes, warnings: Vec::new() }
        };
        Comparison::between(&list(3), &list(4)).unwrap()
    }

    #[test]
    fn any_number_of_classes_and_long_names_are_legible() {
        for classes in [2, 3, 5, 12, 30] {
            for name in ["c", "bacterial pneumonia of the lower lobe"] {
                let names: Vec<String> = (0..classes).map(|class| format!("{name}-{class}")).collect();
                let run = "3-conv-128-nodes-1-dense-seed-1";
                layout(&comparison(classes, 500), &names, run, "b").unwrap().check_legible();
            }
        }
    }

    #[test]
    fn cells_say_first_less_second() {
        let comparison = comparison(2, 12);
        let names = ["normal".to_owned(), "covid".to_owned()];
        let drawing = layout(&comparison, &names, "a", "b").unwrap();
        let texts = drawing.texts();
        for (truth, predicted) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let difference = comparison.difference(truth, predicted);
            let label = if difference == 0 { "0".to_owned() } else { format!("{difference:+}") };
            assert!(texts.contains(&label.as_str()), "{label} in {texts:?}");
        }
        assert!(texts.iter().any(|text| text.starts_with("12 images, ")));
        assert!(matches!(
            difference_matrix(&comparison, &names[..1], "a", "b"),
            Err(FigureError::ClassNames { .. })
        ));
    }
}
