//! Training curves of a whole grid, as the paper's Fig. 9: a row for training and one for validation (side by side where
//! there is one panel of each), a panel for each value of the first axis, a colour for each of the second, a stroke for each of the third. So 27 curves stay apart,
//! nine to a panel, and each axis can be read off the figure.
//!
//! For runs that are no such grid `curves` draws the best in colour before the others.

use super::{
    Figure, FigureError, Quantity,
    axis::Axis,
    colour::{Colour, GRID, INK, SERIES},
    curves::{finite, pieces, span, value_axis},
    drawing::{Anchor, Drawing},
    render, text,
    thin::{COLUMN, thin},
};

/// An axis of the grid and what its values are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The axis.
    pub name: String,
    /// Its values, in order.
    pub values: Vec<String>,
}

/// One curve of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridCurve {
    /// Index of its value of each key.
    pub place: [usize; 3],
    /// (epoch, value) over the training images and over the validation images; a value that is not finite makes a gap.
    pub points: [Vec<(f64, f64)>; 2],
}

/// Most values of the three keys: what a page, the colours and the strokes can tell apart.
pub const MOST: [usize; 3] = [4, SERIES.len(), STROKES.len()];

/// Lengths of drawn and left out pieces of a stroke, logical pixels; the first stroke is whole.
const STROKES: [&[f64]; 4] = [&[], &[8.0, 4.0], &[2.0, 3.0], &[10.0, 3.0, 2.0, 3.0]];

const PLOT: (f64, f64) = (270.0, 200.0);
const TICK: f64 = 11.5;
const NAME: f64 = 12.0;
/// Above the panels, without the rows of the legend.
const HEAD: f64 = 74.0;
const LEGEND_ROW: f64 = 19.0;
const GAP: f64 = 18.0;
const ROW_GAP: f64 = 44.0;
const STROKE: f64 = 1.7;
/// Up to this many epochs every point gets a marker.
const MARKED_EPOCHS: f64 = 15.0;

/// The figure. A key with one value takes no place in the legend.
///
/// # Errors
/// [`FigureError::Empty`] where no curve has a finite point, [`FigureError::TooManyValues`] beyond [`MOST`], and what a
/// backend reports.
pub fn grid_curves(
    title: &str,
    quantity: Quantity,
    keys: &[Key; 3],
    curves: &[GridCurve],
) -> Result<Figure, FigureError> {
    render::figure(&layout(title, quantity, keys, curves)?)
}

fn layout(
    title: &str,
    quantity: Quantity,
    keys: &[Key; 3],
    curves: &[GridCurve],
) -> Result<Drawing, FigureError> {
    for (key, most) in keys.iter().zip(MOST) {
        if key.values.len() > most {
            let (name, values) = (key.name.clone(), key.values.len());
            return Err(FigureError::TooManyValues { name, values, most });
        }
    }
    let points = || curves.iter().flat_map(|curve| &curve.points).flat_map(|points| finite(points));
    let nothing = FigureError::Empty("no curve has a finite point");
    let Some((first, last)) = span(points().map(|point| point.0)) else { return Err(nothing) };
    let Some((low, high)) = span(points().map(|point| point.1)) else { return Err(nothing) };
    let epochs = Axis::whole(first, last, 6);
    let (values, value_title) = value_axis(quantity, low, high);

    let ticks: Vec<String> = values.ticks.iter().map(|tick| values.label(*tick)).collect();
    let margin = 64.0 + text::widest(ticks.iter().map(String::as_str), TICK)?;
    let panels = keys[0].values.len().max(1);
    // One panel: training and validation stand side by side, not below each other.
    let (columns, rows) = if panels == 1 { (2, 1) } else { (panels, 2) };
    let legend = keys[1..].iter().filter(|key| key.values.len() > 1).count();
    let top = HEAD + legend as f64 * LEGEND_ROW;
    let wide = columns as f64 * (PLOT.0 + GAP) - GAP;
    let tall = rows as f64 * (PLOT.1 + ROW_GAP) - ROW_GAP;
    let mut drawing = Drawing::new(margin + wide + 20.0, top + tall + 50.0);
    drawing.title(title, 20.0, 16.0)?;
    draw_legend(&mut drawing, 56.0, keys)?;
    for (part, what) in ["training", "validation"].into_iter().enumerate() {
        for panel in 0..panels {
            let (column, row) = if panels == 1 { (part, 0) } else { (panel, part) };
            let corner = (margin + column as f64 * (PLOT.0 + GAP), top + row as f64 * (PLOT.1 + ROW_GAP));
            let plot = Plot { left: corner.0, top: corner.1, epochs: &epochs, values: &values };
            plot.draw_frame(&mut drawing, column == 0, row + 1 == rows);
            if column == 0 {
                let axis =
                    if panels == 1 { value_title.to_owned() } else { format!("{value_title}, {what}") };
                let middle = (18.0, corner.1 + PLOT.1 / 2.0);
                drawing.text_upwards(&axis, middle, 14.0, Anchor::Middle, INK);
            }
            if row == 0 {
                let heading = if panels == 1 {
                    format!("{}{}", what[..1].to_uppercase(), &what[1..])
                } else {
                    format!("{} = {}", keys[0].name, keys[0].values[panel])
                };
                let heading = text::elide(&heading, 13.0, PLOT.0)?;
                drawing.text(&heading, (corner.0 + PLOT.0 / 2.0, top - 14.0), 13.0, Anchor::Middle, INK);
            }
            for curve in curves.iter().filter(|curve| curve.place[0] == panel) {
                plot.draw_curve(&mut drawing, curve, part);
            }
        }
    }
    let foot = (margin + wide / 2.0, f64::from(drawing.height) - 16.0);
    drawing.text("Epoch (from 0)", foot, 14.0, Anchor::Middle, INK);
    Ok(drawing)
}

/// Two rows of keys: the colours, and the strokes.
fn draw_legend(drawing: &mut Drawing, first: f64, keys: &[Key; 3]) -> Result<(), FigureError> {
    let mut y = first;
    for (which, key) in keys.iter().enumerate().skip(1).filter(|(_, key)| key.values.len() > 1) {
        let mut widths = vec![text::width(&key.name, NAME)? + 16.0];
        for value in &key.values {
            widths.push(text::width(value, NAME)? + 52.0);
        }
        let all: f64 = widths.iter().sum();
        let mut x = ((f64::from(drawing.width) - all) / 2.0).max(12.0);
        drawing.text(&key.name, (x, y), NAME, Anchor::Start, INK);
        x += widths[0];
        for (index, value) in key.values.iter().enumerate() {
            let (colour, dashes) =
                if which == 1 { (SERIES[index], STROKES[0]) } else { (INK, STROKES[index]) };
            draw_dashed(drawing, &[(x, y), (x + 28.0, y)], colour, (STROKE, dashes));
            if which == 1 {
                drawing.marker(index, (x + 14.0, y), 2.4, colour);
            }
            drawing.text(value, (x + 34.0, y), NAME, Anchor::Start, INK);
            x += widths[index + 1];
        }
        y += LEGEND_ROW;
    }
    Ok(())
}

/// One panel of one row.
struct Plot<'a> {
    left: f64,
    top: f64,
    epochs: &'a Axis,
    values: &'a Axis,
}

impl Plot<'_> {
    fn at(&self, (epoch, value): (f64, f64)) -> (f64, f64) {
        // A little room inside the frame, so that the first and the last marker are whole.
        const INSET: f64 = 9.0;
        let x = self.left + INSET + (PLOT.0 - 2.0 * INSET) * self.epochs.place(epoch);
        (x, self.top + PLOT.1 * (1.0 - self.values.place(value)))
    }

    fn draw_frame(&self, drawing: &mut Drawing, with_values: bool, with_epochs: bool) {
        for &tick in &self.values.ticks {
            let y = self.at((self.epochs.low, tick)).1;
            drawing.line((self.left, y), (self.left + PLOT.0, y), GRID, 1.0);
            if with_values {
                drawing.text(&self.values.label(tick), (self.left - 7.0, y), TICK, Anchor::End, INK);
            }
        }
        let bottom = self.top + PLOT.1;
        for &tick in &self.epochs.ticks {
            let x = self.at((tick, self.values.low)).0;
            drawing.line((x, bottom), (x, bottom + 4.0), INK, 1.0);
            if with_epochs {
                drawing.text(&self.epochs.label(tick), (x, bottom + 15.0), TICK, Anchor::Middle, INK);
            }
        }
        drawing.frame(self.left, self.top, PLOT.0, PLOT.1, INK);
    }

    fn draw_curve(&self, drawing: &mut Drawing, curve: &GridCurve, part: usize) {
        let [_, colour, stroke] = curve.place;
        let few = self.epochs.high - self.epochs.low <= MARKED_EPOCHS;
        for piece in pieces(&curve.points[part]) {
            let path: Vec<(f64, f64)> = piece.iter().map(|&point| self.at(point)).collect();
            let path = thin(&path, COLUMN);
            draw_dashed(drawing, &path, SERIES[colour], (STROKE, STROKES[stroke]));
            if few || path.len() == 1 {
                path.iter().for_each(|&place| drawing.marker(colour, place, 2.4, SERIES[colour]));
            }
        }
    }
}

/// A line through the points with a stroke's pattern of pieces, which runs on around the corners.
pub(super) fn draw_dashed(
    drawing: &mut Drawing,
    points: &[(f64, f64)],
    colour: Colour,
    (width, pattern): (f64, &[f64]),
) {
    if pattern.is_empty() {
        if points.len() > 1 {
            drawing.path(points.to_vec(), colour, width);
        }
        return;
    }
    let (mut index, mut left) = (0, pattern[0]);
    let mut dash: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let corner = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
            if index % 2 == 0 {
                dash.push(corner);
                drawing.path(std::mem::take(&mut dash), colour, width);
            }
            index = (index + 1) % pattern.len();
            left = pattern[index];
            dash = vec![corner];
        }
        left -= length - done;
        dash.push((x1, y1));
    }
    if index % 2 == 0 && dash.len() > 1 {
        drawing.path(dash, colour, width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::drawing::Mark;

    fn key(name: &str, values: &[&str]) -> Key {
        Key { name: name.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    fn paper() -> [Key; 3] {
        [
            key("dense layers", &["0", "1", "2"]),
            key("conv layers", &["1", "2", "3"]),
            key("layer size", &["32", "64", "128"]),
        ]
    }

    fn grid(keys: &[Key; 3], epochs: usize) -> Vec<GridCurve> {
        let mut curves = Vec::new();
        for a in 0..keys[0].values.len() {
            for b in 0..keys[1].values.len() {
                for c in 0..keys[2].values.len() {
                    let value = |epoch: usize| 1.0 - 0.5 / (1.0 + (epoch + a + 2 * b + 3 * c) as f64);
                    let points: Vec<(f64, f64)> = (0..epochs).map(|n| (n as f64, value(n))).collect();
                    curves.push(GridCurve { place: [a, b, c], points: [points.clone(), points] });
                }
            }
        }
        curves
    }

    #[test]
    fn any_grid_that_fits_is_legible() {
        let one = [key("", &[""]), key("learning rate", &["0.1", "0.01"]), key("", &[""])];
        let wide = [
            key("dense layers", &["0", "1", "2", "3"]),
            key("width", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
            key("batch size", &["16", "32", "64", "128"]),
        ];
        for keys in [paper(), one, wide] {
            for epochs in [1, 5, 30] {
                let curves = grid(&keys, epochs);
                layout("tab3: accuracy by epoch", Quantity::Accuracy, &keys, &curves)
                    .unwrap()
                    .check_legible();
                layout("tab3: loss by epoch", Quantity::Loss, &keys, &curves).unwrap().check_legible();
            }
        }
    }

    #[test]
    fn every_curve_is_in_its_panel_in_its_colour_in_both_rows() {
        let keys = paper();
        let drawing = layout("t", Quantity::Accuracy, &keys, &grid(&keys, 5)).unwrap();
        let markers = |wanted: Colour, left: f64, right: f64| {
            // A disc, a square, and the eight strips of a triangle.
            let inside = |mark: &&Mark| match mark {
                Mark::Disc { x, colour, .. } | Mark::Rect { x, colour, .. } => {
                    *colour == wanted && *x > left && *x < right
                }
                Mark::Path { .. } | Mark::Text(_) => false,
            };
            let panels =
                drawing.marks.iter().skip_while(|mark| !matches!(mark, Mark::Path { colour: GRID, .. }));
            panels.filter(inside).count() / if wanted == SERIES[2] { 8 } else { 1 }
        };
        let panel = (f64::from(drawing.width) - 20.0 - 2.0 * 18.0 - 3.0 * PLOT.0, PLOT.0 + 18.0);
        for index in 0..3 {
            let left = panel.0 + index as f64 * panel.1;
            for colour in &SERIES[..3] {
                // Three widths, five epochs, two rows.
                assert_eq!(markers(*colour, left, left + PLOT.0), 30, "panel {index}");
            }
        }
        assert_eq!(markers(SERIES[3], 0.0, 5000.0), 0);
    }

    #[test]
    fn more_values_than_can_be_told_apart_are_refused() {
        let mut keys = paper();
        keys[2].values.extend(["256".to_owned(), "512".to_owned()]);
        let error = grid_curves("t", Quantity::Loss, &keys, &grid(&paper(), 2)).unwrap_err();
        assert_eq!(error.to_string(), "`layer size` has 5 values, and a figure tells 4 apart");
        assert!(matches!(grid_curves("t", Quantity::Loss, &paper(), &[]), Err(FigureError::Empty(_))));
    }

    #[test]
    fn the_pieces_of_a_dashed_line_lie_on_it_and_have_its_pattern() {
        let mut drawing = Drawing::new(200.0, 200.0);
        let corner = [(0.0, 10.0), (50.0, 10.0), (50.0, 60.0)];
        draw_dashed(&mut drawing, &corner, INK, (STROKE, &[8.0, 4.0]));
        let length = |points: &[(f64, f64)]| {
            points.windows(2).map(|pair| (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1)).sum::<f64>()
        };
        let pieces: Vec<f64> = drawing
            .marks
            .iter()
            .map(|mark| match mark {
                Mark::Path { points, .. } => {
                    assert!(points.iter().all(|&(x, y)| (y - 10.0).abs() < 1e-9 || (x - 50.0).abs() < 1e-9));
                    length(points)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        // 100 pixels hold eight patterns of 12, and a ninth piece that the end cuts off.
        assert_eq!(pieces.len(), 9);
        assert!(pieces[..8].iter().all(|piece| (piece - 8.0).abs() < 1e-9), "{pieces:?}");
        assert!((pieces[8] - 4.0).abs() < 1e-9);
    }
}
