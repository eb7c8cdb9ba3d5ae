//! Filled contours of a metric over two axes of a sweep.
//!
//! Between the points they are smoothed (Nadaraya, 1964, and Watson, 1964, with a Gaussian kernel as wide as Scott's rule has it, 1992): a
//! picture of where good values lie, no measurement. Values of a list have columns of their own, across which nothing is smoothed.

use std::collections::HashSet;

use super::{
    Figure, FigureError,
    colour::{self, Colour, INK, NOTHING, PAPER, SERIES, SOFT_INK},
    curves::{span, value_axis},
    drawing::{Anchor, Drawing},
    landscape::{Metric, PLOT, Scale, Seen, SweptAxis, TICK, TOP, below, best_of, known, scale_name},
    render, text,
};

/// Logical pixels of a cell.
const CELL: f64 = 3.0;
/// Bands of colour.
const BANDS: f64 = 10.0;
/// Points that are smoothed over, evenly chosen where there are more.
const MOST_SMOOTHED: usize = 1_000;

/// Filled contours of the value over two axes, darker where it is better, with the points that they rest on.
///
/// # Errors
/// [`FigureError::Empty`] without finite points, and what a backend reports.
pub fn contours(
    title: &str,
    metric: Metric<'_>,
    axes: [&SweptAxis; 2],
    points: &[Seen],
) -> Result<Figure, FigureError> {
    render::figure(&contours_layout(title, metric, axes, points)?)
}

fn contours_layout(
    title: &str,
    metric: Metric<'_>,
    [along, up]: [&SweptAxis; 2],
    points: &[Seen],
) -> Result<Drawing, FigureError> {
    const BAR: f64 = 12.0;
    let (points, _) = known(metric, points)?;
    let scales = [Scale::new(along), Scale::new(up)];
    let field = Field::new(&scales, &points);
    let low_high = span(field.cells.iter().flatten().copied()).ok_or(FigureError::Empty("no point"))?;
    let (values, _) = value_axis(metric.quantity, low_high.0, low_high.1);
    let (_, up_labels) = scales[1].labels(up)?;
    let label_width = text::widest(up_labels.iter().map(String::as_str), TICK)?;
    let ticks: Vec<String> = values.ticks.iter().map(|tick| values.label(*tick)).collect();
    let ticks_width = text::widest(ticks.iter().map(String::as_str), TICK)?;
    let left = 48.0 + label_width;
    let bar = left + PLOT.0 + 20.0;
    let mut drawing = Drawing::new(bar + BAR + ticks_width + 46.0, TOP + PLOT.1 + 78.0);
    drawing.title(title, 22.0, 16.0)?;
    let shade = |value: f64| {
        let share = values.place(value).clamp(0.0, 1.0 - 1e-9);
        let band = ((share * BANDS).floor() + 0.5) / BANDS;
        colour::blues(if metric.is_lower_better { 1.0 - band } else { band })
    };
    field.draw(&mut drawing, left, &shade);
    let across = |at: f64| left + PLOT.0 * scales[0].place(at);
    let down = |at: f64| TOP + PLOT.1 * (1.0 - scales[1].place(at));
    below(&mut drawing, &scales[0], along, left, across)?;
    for (tick, label) in scales[1].ticks.iter().zip(&up_labels) {
        drawing.line((left - 4.0, down(*tick)), (left, down(*tick)), INK, 1.0);
        drawing.text(label, (left - 7.0, down(*tick)), TICK, Anchor::End, INK);
    }
    let name = text::elide(&up.name, 13.0, PLOT.1)?;
    drawing.text_upwards(&name, (18.0, TOP + PLOT.1 / 2.0), 13.0, Anchor::Middle, INK);
    let best = best_of(metric, &points);
    let mut taken = HashSet::new();
    for (at, _) in &points {
        let (x, y) = inside(left, (across(at[0]), down(at[1])));
        #[expect(clippy::cast_possible_truncation, reason = "pixels on the page")]
        if taken.insert((x as i64, y as i64)) {
            drawing.disc(x, y, 3.2, PAPER);
            drawing.disc(x, y, 2.2, INK);
        }
    }
    let (x, y) = inside(left, (across(points[best].0[0]), down(points[best].0[1])));
    drawing.disc(x, y, 5.6, PAPER);
    drawing.disc(x, y, 4.6, SERIES[1]);
    drawing.frame(left, TOP, PLOT.0, PLOT.1, INK);

    // Each colour reaches down to the foot and the next covers it: side by side, SVG viewers show hairlines.
    for band in (0..BANDS as usize).rev() {
        let top = PLOT.1 * (1.0 - (band + 1) as f64 / BANDS);
        let share = (band as f64 + 0.5) / BANDS;
        let colour = colour::blues(if metric.is_lower_better { 1.0 - share } else { share });
        drawing.rect(bar, TOP + top, BAR, PLOT.1 - top, colour);
    }
    drawing.frame(bar, TOP, BAR, PLOT.1, INK);
    for (tick, label) in values.ticks.iter().zip(&ticks) {
        let y = TOP + PLOT.1 * (1.0 - values.place(*tick));
        drawing.line((bar + BAR, y), (bar + BAR + 4.0, y), INK, 1.0);
        drawing.text(label, (bar + BAR + 7.0, y), TICK, Anchor::Start, INK);
    }
    let name = text::elide(&scale_name(metric, &values), 13.0, PLOT.1)?;
    let place = (bar + BAR + ticks_width + 26.0, TOP + PLOT.1 / 2.0);
    drawing.text_upwards(&name, place, 13.0, Anchor::Middle, INK);
    let y = TOP + PLOT.1 + 62.0;
    drawing.disc(left + 4.0, y, 2.2, INK);
    drawing.text("grid point", (left + 13.0, y), TICK, Anchor::Start, SOFT_INK);
    drawing.disc(left + 98.0, y, 4.6, SERIES[1]);
    drawing.text("best; smoothed between points", (left + 108.0, y), TICK, Anchor::Start, SOFT_INK);
    Ok(drawing)
}

/// Within the frame, so that points at its edge are whole.
fn inside(left: f64, (x, y): (f64, f64)) -> (f64, f64) {
    (x.clamp(left + 6.0, left + PLOT.0 - 6.0), y.clamp(TOP + 6.0, TOP + PLOT.1 - 6.0))
}

/// Cells across the panel.
fn cells(scale: &Scale, pixels: f64) -> usize {
    if scale.axis.is_some() { (pixels / CELL) as usize } else { scale.columns }
}

/// The smoothed values, row by row from the lowest; `None` where there is no point.
struct Field {
    columns: usize,
    rows: usize,
    cells: Vec<Option<f64>>,
}

impl Field {
    fn new(scales: &[Scale; 2], points: &[Seen]) -> Self {
        let (columns, rows) = (cells(&scales[0], PLOT.0), cells(&scales[1], PLOT.1));
        let every = points.len().div_ceil(MOST_SMOOTHED).max(1);
        let places: Vec<([f64; 2], f64)> = points
            .iter()
            .step_by(every)
            .map(|(at, value)| ([scales[0].place(at[0]), scales[1].place(at[1])], *value))
            .collect();
        let width = |axis: usize| {
            let count = places.len() as f64;
            let mean = places.iter().map(|(at, _)| at[axis]).sum::<f64>() / count;
            let variance = places.iter().map(|(at, _)| (at[axis] - mean).powi(2)).sum::<f64>() / count;
            (variance.sqrt() * count.powf(-1.0 / 6.0)).max(0.02)
        };
        let widths = [width(0), width(1)];
        let cell = |place: usize| {
            let at = [(place % columns) as f64 + 0.5, (place / columns) as f64 + 0.5];
            let at = [at[0] / columns as f64, at[1] / rows as f64];
            let near = |point: &[f64; 2]| -> Option<f64> {
                let mut sum = 0.0;
                for axis in 0..2 {
                    let apart = at[axis] - point[axis];
                    if scales[axis].axis.is_some() {
                        sum -= 0.5 * (apart / widths[axis]).powi(2);
                    } else if apart.abs() > 1e-9 {
                        return None;
                    }
                }
                Some(sum)
            };
            let near: Vec<(f64, f64)> =
                places.iter().filter_map(|(point, value)| Some((near(point)?, *value))).collect();
            let greatest = near.iter().map(|(logarithm, _)| *logarithm).fold(f64::NEG_INFINITY, f64::max);
            let (sum, weights) = near.iter().fold((0.0, 0.0), |(sum, weights), (logarithm, value)| {
                let weight = (logarithm - greatest).exp();
                (sum + weight * value, weights + weight)
            });
            (weights > 0.0).then(|| sum / weights)
        };
        Self { columns, rows, cells: (0..columns * rows).map(cell).collect() }
    }

    /// Rectangles of one colour, each under those to its right and below it, so that no viewer shows hairlines.
    fn draw(&self, drawing: &mut Drawing, left: f64, shade: &dyn Fn(f64) -> Colour) {
        let (width, height) = (PLOT.0 / self.columns as f64, PLOT.1 / self.rows as f64);
        for row in (0..self.rows).rev() {
            let top = TOP + PLOT.1 - (row + 1) as f64 * height;
            let mut last = None;
            for column in 0..self.columns {
                let colour = self.cells[row * self.columns + column].map_or(NOTHING, shade);
                if last != Some(colour) {
                    let x = left + column as f64 * width;
                    drawing.rect(x, top, left + PLOT.0 - x, TOP + PLOT.1 - top, colour);
                    last = Some(colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{
        Extent, Quantity,
        drawing::Mark,
        landscape::{slices, slices_layout},
    };

    fn range(name: &str, low: f64, high: f64, is_log: bool) -> SweptAxis {
        SweptAxis { name: name.to_owned(), extent: Extent::Range { low, high, is_log } }
    }

    fn list(name: &str, count: usize) -> SweptAxis {
        let names = (0..count).map(|place| format!("value-{place}-of-a-long-name")).collect();
        SweptAxis { name: name.to_owned(), extent: Extent::Values(names) }
    }

    const ACCURACY: Metric<'_> =
        Metric { name: "validation/epoch_accuracy", quantity: Quantity::Accuracy, is_lower_better: false };
    const LOSS: Metric<'_> = Metric { name: "loss", quantity: Quantity::Loss, is_lower_better: true };

    /// Points all over both axes, the best one in the middle.
    fn points(axes: [&SweptAxis; 2], count: usize) -> Vec<Seen> {
        (0..count)
            .map(|number| {
                let shares = [(number as f64 * 0.618) % 1.0, (number as f64 + 0.5) / count as f64];
                let at = |place: usize| match &axes[place].extent {
                    Extent::Range { low, high, is_log: true } => low * (high / low).powf(shares[place]),
                    Extent::Range { low, high, .. } => low + (high - low) * shares[place],
                    Extent::Values(names) => (shares[place] * names.len() as f64).floor(),
                };
                let value = 0.9 - (shares[0] - 0.5).powi(2) - 0.3 * (shares[1] - 0.5).powi(2);
                (vec![at(0), at(1)], value)
            })
            .collect()
    }

    #[test]
    fn any_axes_and_points_are_legible() {
        let axes = [
            range("learning rate", 1e-5, 0.1, true),
            range("layer size", 8.0, 64.0, true),
            range("dropout", 0.0, 0.5, false),
            range("one", 3.0, 3.0, false),
            list("conv layers", 1),
            list("dense layers", 3),
            list("many", 40),
        ];
        for along in &axes {
            for up in &axes {
                for count in [1, 2, 40, 3_000] {
                    let seen = points([along, up], count);
                    slices_layout("t: slices", ACCURACY, &[along.clone(), up.clone()], &seen)
                        .unwrap()
                        .check_legible();
                    contours_layout("t: contours", LOSS, [along, up], &seen).unwrap().check_legible();
                }
            }
        }
        slices_layout("t", LOSS, &axes[..1], &points([&axes[0], &axes[1]], 9)).unwrap().check_legible();
    }

    #[test]
    fn darker_is_better_and_the_best_point_stands_out() {
        let (along, up) = (range("a", 0.0, 1.0, false), range("b", 0.0, 1.0, false));
        let seen = points([&along, &up], 200);
        let tone = |metric: Metric<'_>, at: (f64, f64)| {
            let drawing = contours_layout("t", metric, [&along, &up], &seen).unwrap();
            // The last rectangle that covers the place, of those below the discs.
            let covers = |mark: &Mark| match mark {
                Mark::Rect { x, y, width, height, colour }
                    if (*x..x + width).contains(&at.0) && (*y..y + height).contains(&at.1) =>
                {
                    Some(colour::luminance(*colour))
                }
                _ => None,
            };
            drawing.marks.iter().filter_map(covers).next_back().unwrap()
        };
        let drawing = contours_layout("t", ACCURACY, [&along, &up], &seen).unwrap();
        let best = drawing.marks.iter().find_map(|mark| match mark {
            Mark::Disc { x, y, colour, .. } if *colour == SERIES[1] => Some((*x, *y)),
            _ => None,
        });
        let middle = best.unwrap();
        let corner = (middle.0 - PLOT.0 * 0.45, middle.1 - PLOT.1 * 0.45);
        assert!(tone(ACCURACY, middle) < tone(ACCURACY, corner));
        assert!(tone(LOSS, middle) > tone(LOSS, corner));
    }

    #[test]
    fn values_of_a_list_are_not_smoothed_into_one_another() {
        let (along, up) = (list("a", 2), list("b", 2));
        let seen =
            vec![(vec![0.0, 0.0], 0.1), (vec![1.0, 0.0], 0.9), (vec![1.0, 0.0], 0.7), (vec![0.0, 1.0], 0.5)];
        let field = Field::new(&[Scale::new(&along), Scale::new(&up)], &seen);
        assert_eq!(field.cells, [Some(0.1), Some(0.8), Some(0.5), None]);
    }

    #[test]
    fn nothing_makes_no_figure() {
        let axis = range("a", 0.0, 1.0, false);
        assert!(matches!(slices("t", LOSS, std::slice::from_ref(&axis), &[]), Err(FigureError::Empty(_))));
        let nan = [(vec![0.5, 0.5], f64::NAN)];
        assert!(matches!(contours("t", LOSS, [&axis, &axis], &nan), Err(FigureError::Empty(_))));
        assert!(matches!(slices("t", LOSS, &[], &[(vec![], 1.0)]), Err(FigureError::Empty(_))));
    }
}
