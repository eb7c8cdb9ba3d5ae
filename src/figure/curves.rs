//! Training curves, as the paper's Fig. 9: panels side by side (training, validation) on one value axis, the best three
//! series in colour, with markers, and named, the others thin and grey behind them.

use super::{
    Figure, FigureError,
    axis::Axis,
    colour::{BEST, CONTEXT, Colour, GRID, INK, SERIES, SOFT_INK},
    drawing::{Anchor, Drawing},
    render, text,
    thin::{COLUMN, thin},
};
use crate::base::human::counted;

/// One panel of curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above the panel: "Training", "Validation".
    pub title: String,
    /// In the order of the leaderboard, the same series at the same place in every panel.
    pub series: Vec<Series>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The run's name.
    pub name: String,
    /// (epoch, value), by epoch; a value that is not finite makes a gap.
    pub points: Vec<(f64, f64)>,
}

/// What the curves show, which decides how the value axis may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A share: ticks stay within 0..=1 where the values do.
    Accuracy,
    /// Positive and open upwards: logarithmic where the values span more than a factor of 100, and then it says so.
    Loss,
    /// Any number, over steps of any kind.
    Other,
}

const PLOT: (f64, f64) = (350.0, 270.0);
const TICK: f64 = 11.5;
const TOP: f64 = 78.0;
const NAME: f64 = 12.0;
const LEGEND_ROW: f64 = 19.0;
/// Span of values, highest over lowest, from which a loss is drawn logarithmically.
const LOG_SPAN: f64 = 100.0;
/// Up to this many epochs every point of a named series gets a marker.
const MARKED_EPOCHS: f64 = 15.0;

/// Width of the columns in which grey lines are thinned, for each curve of the panel, logical pixels.
const CONTEXT_COLUMN: f64 = 0.02;

/// The figure.
///
/// # Errors
/// [`FigureError::Empty`] where no series has a finite point, and what a backend reports.
pub fn curves(title: &str, quantity: Quantity, panels: &[Panel]) -> Result<Figure, FigureError> {
    render::figure(&layout(title, quantity, panels)?)
}

fn layout(title: &str, quantity: Quantity, panels: &[Panel]) -> Result<Drawing, FigureError> {
    let points = || panels.iter().flat_map(|panel| &panel.series).flat_map(|series| finite(&series.points));
    let (first, last) =
        span(points().map(|point| point.0)).ok_or(FigureError::Empty("no curve has a finite point"))?;
    let epochs = Axis::whole(first, last, 6);
    let (low, high) =
        span(points().map(|point| point.1)).ok_or(FigureError::Empty("no curve has a finite point"))?;
    let (values, value_title) = value_axis(quantity, low, high);
    let step = if quantity == Quantity::Other { "Step" } else { "Epoch (from 0)" };

    let all = panels.iter().map(|panel| panel.series.len()).max().unwrap_or(0);
    let named: Vec<String> = panels
        .iter()
        .max_by_key(|panel| panel.series.len())
        .map(|panel| panel.series.iter().take(BEST))
        .into_iter()
        .flatten()
        .map(|series| text::elide(&series.name, NAME, 260.0))
        .collect::<Result<_, _>>()?;
    let others = all - named.len();
    let others_text = counted(others, "other run");
    let texts = named.iter().map(String::as_str).chain((others > 0).then_some(others_text.as_str()));
    let legend_width = 34.0 + text::widest(texts, NAME)?;

    let count = panels.len() as f64;
    let ticks: Vec<String> = values.ticks.iter().map(|tick| values.label(*tick)).collect();
    let ticks_width = text::widest(ticks.iter().map(String::as_str), TICK)?;
    let (margin, gap) = (42.0 + ticks_width, 32.0 + ticks_width);
    let right = margin + count * PLOT.0 + (count - 1.0) * gap;
    let mut drawing = Drawing::new(right + 18.0 + legend_width + 12.0, TOP + PLOT.1 + 58.0);
    drawing.title(title, 20.0, 16.0)?;
    for (index, panel) in panels.iter().enumerate() {
        let left = margin + index as f64 * (PLOT.0 + gap);
        draw_panel(&mut drawing, panel, left, (&epochs, &values), step)?;
    }
    drawing.text_upwards(value_title, (16.0, TOP + PLOT.1 / 2.0), 14.0, Anchor::Middle, INK);

    let x = right + 18.0;
    let mut y = TOP + 8.0;
    for (index, (name, colour)) in named.iter().zip(SERIES).enumerate() {
        drawing.line((x, y), (x + 22.0, y), colour, 2.0);
        drawing.marker(index, (x + 11.0, y), 3.0, colour);
        drawing.text(name, (x + 30.0, y), NAME, Anchor::Start, INK);
        y += LEGEND_ROW;
    }
    if others > 0 {
        drawing.line((x, y), (x + 22.0, y), CONTEXT, 1.2);
        drawing.text(&others_text, (x + 30.0, y), NAME, Anchor::Start, SOFT_INK);
    }
    Ok(drawing)
}

/// The axis of values from `low` to `high`, and its title.
pub(super) fn value_axis(quantity: Quantity, low: f64, high: f64) -> (Axis, &'static str) {
    match quantity {
        Quantity::Accuracy => (Axis::linear_within(low, high, 6, 0.0, 1.0), "Accuracy"),
        Quantity::Loss if low > 0.0 && high / low > LOG_SPAN => (Axis::log(low, high), "Loss (log scale)"),
        Quantity::Loss => (Axis::linear_within(low, high, 6, 0.0, f64::INFINITY), "Loss"),
        Quantity::Other => (Axis::linear(low, high, 6), "Value"),
    }
}

fn draw_panel(
    drawing: &mut Drawing,
    panel: &Panel,
    left: f64,
    (epochs, values): (&Axis, &Axis),
    step: &str,
) -> Result<(), FigureError> {
    // A little room inside the frame, so that the first and the last marker are whole.
    const INSET: f64 = 10.0;
    let across = |epoch: f64| left + INSET + (PLOT.0 - 2.0 * INSET) * epochs.place(epoch);
    let down = |value: f64| TOP + PLOT.1 * (1.0 - values.place(value));
    let bottom = TOP + PLOT.1;
    let heading = text::elide(&panel.title, 14.0, PLOT.0)?;
    drawing.text(&heading, (left + PLOT.0 / 2.0, TOP - 15.0), 14.0, Anchor::Middle, INK);
    for &tick in &values.ticks {
        drawing.line((left, down(tick)), (left + PLOT.0, down(tick)), GRID, 1.0);
        drawing.text(&values.label(tick), (left - 7.0, down(tick)), TICK, Anchor::End, INK);
    }
    for &tick in &epochs.ticks {
        drawing.line((across(tick), bottom), (across(tick), bottom + 4.0), INK, 1.0);
        drawing.text(&epochs.label(tick), (across(tick), bottom + 15.0), TICK, Anchor::Middle, INK);
    }
    drawing.text(step, (left + PLOT.0 / 2.0, bottom + 39.0), 14.0, Anchor::Middle, INK);
    drawing.frame(left, TOP, PLOT.0, PLOT.1, INK);

    let few = epochs.high - epochs.low <= MARKED_EPOCHS;
    // Many grey lines tell where curves lie, not their every turn.
    let column = (panel.series.len() as f64 * CONTEXT_COLUMN).max(COLUMN);
    // The last are drawn first: the best run lies on top.
    for (index, series) in panel.series.iter().enumerate().rev() {
        let (colour, stroke) = SERIES[..BEST].get(index).map_or((CONTEXT, 1.1), |colour| (*colour, 2.0));
        for piece in pieces(&series.points) {
            let path: Vec<(f64, f64)> = piece.iter().map(|&(x, y)| (across(x), down(y))).collect();
            if index >= BEST && path.len() > 1 {
                drawing.path(thin(&path, column), colour, stroke);
                continue;
            }
            let path = thin(&path, COLUMN);
            let marked = path.len() == 1 || (few && index < BEST);
            draw_piece(drawing, &path, (index, colour), stroke, marked);
        }
    }
    Ok(())
}

fn draw_piece(
    drawing: &mut Drawing,
    path: &[(f64, f64)],
    (series, colour): (usize, Colour),
    stroke: f64,
    marked: bool,
) {
    for pair in path.windows(2) {
        drawing.line(pair[0], pair[1], colour, stroke);
    }
    for &(x, y) in path {
        // A marker, or no more than a round joint between two straight pieces.
        if marked {
            drawing.marker(series, (x, y), stroke * 1.5, colour);
        } else {
            drawing.disc(x, y, stroke / 2.0, colour);
        }
    }
}

/// The points with a finite value.
pub(super) fn finite(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + '_ {
    points.iter().copied().filter(|(epoch, value)| epoch.is_finite() && value.is_finite())
}

/// The points in pieces without gaps.
pub(super) fn pieces(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|(epoch, value)| !epoch.is_finite() || !value.is_finite()).filter(|piece| !piece.is_empty())
}

/// Lowest and highest.
pub(super) fn span(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |span, value| {
        Some(span.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::drawing::Mark;

    fn panels(runs: usize, epochs: usize, value: impl Fn(usize, usize) -> f64) -> Vec<Panel> {
        ["Training", "Validation"]
            .map(|title| Panel {
                title: title.to_owned(),
                series: (0..runs)
                    .map(|run| Series {
                        name: format!("3-conv-128-nodes-1-dense-seed-{run}"),
                        points: (0..epochs).map(|epoch| (epoch as f64, value(run, epoch))).collect(),
                    })
                    .collect(),
            })
            .to_vec()
    }

    fn discs(drawing: &Drawing) -> usize {
        drawing.marks.iter().filter(|mark| matches!(mark, Mark::Disc { .. })).count()
    }

    #[test]
    fn any_number_of_runs_and_epochs_is_legible() {
        for runs in [1, 2, 10, 11, 27, 300] {
            for epochs in [1, 2, 5, 30, 200] {
                let panels = panels(runs, epochs, |run, epoch| 1.0 - 0.5 / (1.0 + epoch as f64 + run as f64));
                layout("tab3: accuracy", Quantity::Accuracy, &panels).unwrap().check_legible();
                layout("tab3: loss", Quantity::Loss, &panels).unwrap().check_legible();
            }
        }
    }

    #[test]
    fn the_best_three_are_named_and_the_others_counted() {
        let drawing = layout("t", Quantity::Accuracy, &panels(27, 5, |_, _| 0.9)).unwrap();
        let texts = drawing.texts();
        assert_eq!(texts.iter().filter(|text| text.contains("seed")).count(), 3);
        assert!(texts.contains(&"24 other runs"));
    }

    #[test]
    fn gaps_break_the_line_and_lonely_points_stay_visible() {
        let points = [(0.0, 0.5), (1.0, f64::NAN), (2.0, 0.6), (3.0, 0.7), (4.0, f64::INFINITY)];
        let lengths: Vec<usize> = pieces(&points).map(<[_]>::len).collect();
        assert_eq!(lengths, [1, 2]);
        let one = panels(1, 1, |_, _| 0.5);
        // One marker a panel and one in the legend.
        assert_eq!(discs(&layout("t", Quantity::Accuracy, &one).unwrap()), 3);
    }

    #[test]
    fn equal_values_and_wild_losses_stay_on_the_page() {
        for value in [0.0, 0.738, 1.0] {
            layout("t", Quantity::Accuracy, &panels(3, 5, |_, _| value)).unwrap().check_legible();
        }
        let wild = panels(3, 5, |run, epoch| 10f64.powi(run as i32 * 4 - epoch as i32));
        let drawing = layout("t", Quantity::Loss, &wild).unwrap();
        drawing.check_legible();
        assert!(drawing.texts().contains(&"Loss (log scale)"));
        let tame = layout("t", Quantity::Loss, &panels(3, 5, |_, epoch| 1.0 / (1.0 + epoch as f64))).unwrap();
        assert!(tame.texts().contains(&"Loss"));
    }

    #[test]
    fn better_accuracies_are_drawn_higher() {
        let drawing =
            layout("t", Quantity::Accuracy, &panels(1, 3, |_, epoch| 0.5 + 0.1 * epoch as f64)).unwrap();
        let ys: Vec<f64> = drawing
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Disc { y, .. } => Some(*y),
                _ => None,
            })
            .take(3)
            .collect();
        assert!(ys[0] > ys[1] && ys[1] > ys[2], "{ys:?}");
    }

    #[test]
    fn curves_without_a_finite_point_are_refused() {
        assert!(matches!(curves("t", Quantity::Loss, &[]), Err(FigureError::Empty(_))));
        let nan = panels(1, 3, |_, _| f64::NAN);
        assert!(matches!(curves("t", Quantity::Loss, &nan), Err(FigureError::Empty(_))));
    }
}
