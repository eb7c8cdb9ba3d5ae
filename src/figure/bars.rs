//! Accuracies as bars, training beside validation: upright for a handful of short labels, as the paper's Fig. 8, and
//! level for many runs, so that their names stay legible.
//!
//! The value axis starts at 0, so that the lengths of bars compare; the values are printed, since good models differ
//! by less than a length shows.

use super::{
    Figure, FigureError,
    axis::Axis,
    colour::{GRID, INK, PAPER, SOFT_INK, TRAIN, VALIDATION},
    drawing::{Anchor, Drawing},
    render, text,
};

/// The two values of one run or one grid point.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What the bars are about.
    pub label: String,
    /// Over the training images; `None`, NaN and infinities are shown as unknown.
    pub train: Option<f64>,
    /// Over the validation images; likewise.
    pub validation: Option<f64>,
}

impl Bar {
    /// Both values with their colours, training first; non-finite values count as unknown.
    fn values(&self) -> [(Option<f64>, super::colour::Colour); 2] {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        [(finite(self.train), TRAIN), (finite(self.validation), VALIDATION)]
    }
}

const LABEL: f64 = 12.5;
const VALUE: f64 = 11.0;
const UPRIGHT_AT_MOST: usize = 8;
const GROUP: f64 = 96.0;

/// The bar chart. `category` names what the labels are: an axis of the grid, or "Run".
///
/// # Errors
/// [`FigureError::Empty`] without bars, and what a backend reports.
pub fn accuracy_bars(title: &str, category: &str, bars: &[Bar]) -> Result<Figure, FigureError> {
    if bars.is_empty() {
        return Err(FigureError::Empty("no bar was given"));
    }
    render::figure(&layout(title, category, bars)?)
}

fn layout(title: &str, category: &str, bars: &[Bar]) -> Result<Drawing, FigureError> {
    let values = bars.iter().flat_map(Bar::values).filter_map(|(value, _)| value);
    let (low, high) =
        values.fold((0.0, 1.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    let axis = Axis::linear(low, high, 5);
    let wrapped: Vec<Vec<String>> =
        bars.iter().map(|bar| text::wrap(&bar.label, LABEL, GROUP - 8.0, 2)).collect::<Result<_, _>>()?;
    let short = wrapped.iter().flatten().all(|line| !line.contains('…'));
    if bars.len() <= UPRIGHT_AT_MOST && short {
        upright(title, category, bars, &wrapped, &axis)
    } else {
        level(title, category, bars, &axis)
    }
}

/// The value as printed at its bar.
fn printed(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"))
}

/// A value beside or above its bar, on a patch of paper, so that no grid line runs through the digits.
fn draw_value(
    drawing: &mut Drawing,
    value: Option<f64>,
    (x, y): (f64, f64),
    anchor: Anchor,
) -> Result<(), FigureError> {
    let text = printed(value);
    let width = text::width(&text, VALUE)?;
    let left = if anchor == Anchor::Middle { x - width / 2.0 } else { x };
    drawing.rect(left - 2.0, y - 5.0, width + 4.0, 10.0, PAPER);
    drawing.text(&text, (x, y), VALUE, anchor, if value.is_some() { INK } else { SOFT_INK });
    Ok(())
}

fn legend(drawing: &mut Drawing, y: f64) -> Result<(), FigureError> {
    let entries = [("training", TRAIN), ("validation", VALIDATION)];
    let widths = [text::width(entries[0].0, LABEL)?, text::width(entries[1].0, LABEL)?];
    let mut x = (f64::from(drawing.width) - widths[0] - widths[1] - 64.0) / 2.0;
    for ((name, colour), width) in entries.into_iter().zip(widths) {
        drawing.rect(x, y - 5.0, 14.0, 10.0, colour);
        drawing.text(name, (x + 20.0, y), LABEL, Anchor::Start, INK);
        x += width + 44.0;
    }
    Ok(())
}

fn upright(
    title: &str,
    category: &str,
    bars: &[Bar],
    labels: &[Vec<String>],
    axis: &Axis,
) -> Result<Drawing, FigureError> {
    const LEFT: f64 = 66.0;
    const TOP: f64 = 96.0;
    const TALL: f64 = 250.0;
    let wide = (bars.len() as f64 * GROUP).max(300.0);
    let group = wide / bars.len() as f64;
    let lines = labels.iter().map(Vec::len).max().unwrap_or(1);
    let below = lines as f64 * LABEL * text::LINE;
    let mut drawing = Drawing::new(LEFT + wide + 24.0, TOP + TALL + below + 44.0);
    drawing.title(title, 20.0, 16.0)?;
    legend(&mut drawing, 64.0)?;
    let place = |value: f64| TOP + TALL * (1.0 - axis.place(value));
    for &tick in &axis.ticks {
        drawing.line((LEFT, place(tick)), (LEFT + wide, place(tick)), GRID, 1.0);
        drawing.text(&axis.label(tick), (LEFT - 8.0, place(tick)), 11.5, Anchor::End, INK);
    }
    let zero = place(0.0);
    for (index, (bar, label)) in bars.iter().zip(labels).enumerate() {
        let middle = LEFT + (index as f64 + 0.5) * group;
        for (side, (value, colour)) in bar.values().into_iter().enumerate() {
            let left = middle + if side == 0 { -36.0 } else { 2.0 };
            let end = value.map_or(zero, place);
            drawing.rect(left, end.min(zero), 34.0, (end - zero).abs(), colour);
            let above = end.min(zero) - 9.0;
            match value {
                Some(_) => draw_value(&mut drawing, value, (left + 17.0, above), Anchor::Middle)?,
                None => {
                    drawing.text_upwards("unknown", (left + 17.0, zero - 6.0), VALUE, Anchor::Start, SOFT_INK)
                }
            }
        }
        let first = TOP + TALL + 15.0;
        drawing.text_lines(label, (middle, first), LABEL, Anchor::Middle, INK);
    }
    drawing.line((LEFT, zero), (LEFT + wide, zero), INK, 1.0);
    drawing.line((LEFT, TOP), (LEFT, TOP + TALL), INK, 1.0);
    let foot = (LEFT + wide / 2.0, TOP + TALL + below + 26.0);
    let category = text::elide(category, 14.0, wide)?;
    drawing.text(&category, foot, 14.0, Anchor::Middle, INK);
    drawing.text_upwards("Accuracy", (18.0, TOP + TALL / 2.0), 14.0, Anchor::Middle, INK);
    Ok(drawing)
}

fn level(title: &str, category: &str, bars: &[Bar], axis: &Axis) -> Result<Drawing, FigureError> {
    const WIDE: f64 = 430.0;
    const TOP: f64 = 92.0;
    const ROW: f64 = 31.0;
    const THICK: f64 = 11.5;
    let labels: Vec<String> =
        bars.iter().map(|bar| text::elide(&bar.label, LABEL, 330.0)).collect::<Result<_, _>>()?;
    let left = 20.0 + text::widest(labels.iter().map(String::as_str), LABEL)?.max(60.0);
    let mut numbers = bars.iter().flat_map(Bar::values).map(|(value, _)| printed(value));
    let room = numbers
        .try_fold(0.0, |most: f64, text| Ok::<_, FigureError>(most.max(text::width(&text, VALUE)?)))?;
    let tall = bars.len() as f64 * ROW;
    let mut drawing = Drawing::new(left + WIDE + room + 24.0, TOP + tall + 62.0);
    drawing.title(title, 20.0, 16.0)?;
    legend(&mut drawing, 62.0)?;
    let place = |value: f64| left + WIDE * axis.place(value);
    let bottom = TOP + tall;
    for &tick in &axis.ticks {
        drawing.line((place(tick), TOP), (place(tick), bottom), GRID, 1.0);
        drawing.text(&axis.label(tick), (place(tick), bottom + 13.0), 11.5, Anchor::Middle, INK);
    }
    let zero = place(0.0);
    for (index, (bar, label)) in bars.iter().zip(&labels).enumerate() {
        let middle = TOP + (index as f64 + 0.5) * ROW;
        drawing.text(label, (left - 8.0, middle), LABEL, Anchor::End, INK);
        for (side, (value, colour)) in bar.values().into_iter().enumerate() {
            let top = middle + if side == 0 { -THICK - 0.5 } else { 0.5 };
            let end = value.map_or(zero, place);
            drawing.rect(end.min(zero), top, (end - zero).abs(), THICK, colour);
            let beside = (end.max(zero) + 5.0, top + THICK / 2.0);
            draw_value(&mut drawing, value, beside, Anchor::Start)?;
        }
    }
    drawing.line((zero, TOP), (zero, bottom), INK, 1.0);
    drawing.line((left, bottom), (left + WIDE, bottom), INK, 1.0);
    drawing.text("Accuracy", (left + WIDE / 2.0, bottom + 40.0), 14.0, Anchor::Middle, INK);
    let category = text::elide(category, 14.0, left - 12.0)?;
    drawing.text(&category, (left - 8.0, TOP - 10.0), 14.0, Anchor::End, INK);
    Ok(drawing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::drawing::Mark;

    fn bars(count: usize, name: &str) -> Vec<Bar> {
        (0..count)
            .map(|n| Bar {
                label: format!("{name}{n}"),
                train: Some(0.9 + 0.003 * n as f64),
                validation: Some(0.95 - 0.004 * n as f64),
            })
            .collect()
    }

    #[test]
    fn any_number_of_bars_with_any_names_is_legible() {
        for count in [1, 2, 5, 8, 9, 27, 60] {
            for name in ["", "3-conv-128-nodes-1-dense-", &"very-long-run-name-".repeat(8)] {
                layout("tab3: accuracy", "Run", &bars(count, name)).unwrap().check_legible();
            }
        }
    }

    #[test]
    fn unknown_values_say_so_and_draw_no_bar() {
        let mut some = bars(2, "run");
        some[0].validation = None;
        some[1].train = Some(f64::NAN);
        for count in [2, 12] {
            let mut all = bars(count, "run");
            all[..2].clone_from_slice(&some);
            let drawing = layout("t", "Run", &all).unwrap();
            drawing.check_legible();
            assert_eq!(drawing.texts().iter().filter(|text| **text == "unknown").count(), 2);
        }
    }

    #[test]
    fn lengths_of_bars_are_proportional_to_values() {
        let bars = [Bar { label: "a".to_owned(), train: Some(0.4), validation: Some(0.8) }];
        let drawing = layout("t", "Run", &bars).unwrap();
        let tall = |wanted| {
            drawing.marks.iter().rev().find_map(|mark| match mark {
                Mark::Rect { height, colour, .. } if *colour == wanted => Some(*height),
                _ => None,
            })
        };
        let (train, validation) = (tall(TRAIN).unwrap(), tall(VALIDATION).unwrap());
        assert!((validation - 2.0 * train).abs() < 1e-9, "{train} {validation}");
    }

    #[test]
    fn values_outside_of_shares_stay_on_the_page() {
        for count in [3, 20] {
            let mut all = bars(count, "run");
            all[0].train = Some(97.25);
            all[1].train = Some(-3.0);
            layout("t", "Run", &all).unwrap().check_legible();
        }
    }

    #[test]
    fn nothing_is_refused() {
        assert!(matches!(accuracy_bars("t", "Run", &[]), Err(FigureError::Empty(_))));
    }
}
