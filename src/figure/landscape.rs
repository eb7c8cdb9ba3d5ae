//! How a metric lies along the axes of a sweep: slices, a panel for each axis. `contours` draws two axes together, with the scales of
//! this file.

use std::collections::HashSet;

use super::{
    Figure, FigureError, Quantity,
    axis::Axis,
    colour::{GRID, INK, SERIES, SOFT_INK, VALIDATION},
    curves::{span, value_axis},
    drawing::{Anchor, Drawing},
    render, text,
};

/// An axis of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct SweptAxis {
    /// What it is called.
    pub name: String,
    /// Its values.
    pub extent: Extent,
}

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Extent {
    /// Numbers from `low` to `high`: a coordinate is the number.
    Range {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
        /// Whether logarithms are even.
        is_log: bool,
    },
    /// A list: a coordinate is a place in it, from 0.
    Values(Vec<String>),
}

/// What is drawn over the axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, which decides how its scale may look.
    pub quantity: Quantity,
    /// Whether lower is better.
    pub is_lower_better: bool,
}

/// A point: a coordinate for each axis, and the value there.
pub type Seen = (Vec<f64>, f64);

pub(super) const PLOT: (f64, f64) = (330.0, 280.0);
pub(super) const TOP: f64 = 62.0;
pub(super) const TICK: f64 = 11.5;
/// Room inside the frame, so that points at the ends are whole.
const INSET: f64 = 9.0;
/// Names of values that have room along an axis.
const MOST_NAMES: usize = 12;

/// The value of each point along each axis, in panels side by side; the best point stands out, and values of a list have a line at
/// their mean.
///
/// # Errors
/// [`FigureError::Empty`] without axes or finite points, and what a backend reports.
pub fn slices(
    title: &str,
    metric: Metric<'_>,
    axes: &[SweptAxis],
    points: &[Seen],
) -> Result<Figure, FigureError> {
    render::figure(&slices_layout(title, metric, axes, points)?)
}

pub(super) fn slices_layout(
    title: &str,
    metric: Metric<'_>,
    axes: &[SweptAxis],
    points: &[Seen],
) -> Result<Drawing, FigureError> {
    let (points, values) = known(metric, points)?;
    if axes.is_empty() {
        return Err(FigureError::Empty("no axis was given"));
    }
    let ticks: Vec<String> = values.ticks.iter().map(|tick| values.label(*tick)).collect();
    let ticks_width = text::widest(ticks.iter().map(String::as_str), TICK)?;
    let (margin, gap) = (46.0 + ticks_width, 34.0 + ticks_width);
    let count = axes.len() as f64;
    let width = margin + count * PLOT.0 + (count - 1.0) * gap + 22.0;
    let mut drawing = Drawing::new(width, TOP + PLOT.1 + 78.0);
    drawing.title(title, 22.0, 16.0)?;
    let best = best_of(metric, &points);
    for (place, axis) in axes.iter().enumerate() {
        let left = margin + place as f64 * (PLOT.0 + gap);
        let scale = Scale::new(axis);
        let across = |at: f64| left + INSET + (PLOT.0 - 2.0 * INSET) * scale.place(at);
        let down = |value: f64| TOP + INSET + (PLOT.1 - 2.0 * INSET) * (1.0 - values.place(value));
        for (tick, label) in values.ticks.iter().zip(&ticks) {
            drawing.line((left, down(*tick)), (left + PLOT.0, down(*tick)), GRID, 1.0);
            drawing.text(label, (left - 7.0, down(*tick)), TICK, Anchor::End, INK);
        }
        below(&mut drawing, &scale, axis, left, across)?;
        let mut taken = HashSet::new();
        for (at, value) in &points {
            let (x, y) = (across(at[place]), down(*value));
            #[expect(clippy::cast_possible_truncation, reason = "half pixels on the page")]
            if taken.insert(((2.0 * x) as i64, (2.0 * y) as i64)) {
                drawing.disc(x, y, 2.6, VALIDATION);
            }
        }
        if let Extent::Values(names) = &axis.extent {
            for value in 0..names.len() {
                let here = points.iter().filter(|(at, _)| at[place] == value as f64);
                let (sum, count) =
                    here.fold((0.0, 0.0), |(sum, count), (_, value)| (sum + value, count + 1.0));
                if count > 0.0 {
                    let (x, y) = (across(value as f64), down(sum / count));
                    let half = (0.3 * PLOT.0 / names.len() as f64).min(24.0);
                    drawing.line((x - half, y), (x + half, y), INK, 1.6);
                }
            }
        }
        let (at, value) = &points[best];
        drawing.disc(across(at[place]), down(*value), 4.6, SERIES[1]);
        drawing.frame(left, TOP, PLOT.0, PLOT.1, INK);
    }
    let name = text::elide(&scale_name(metric, &values), 13.0, PLOT.1)?;
    drawing.text_upwards(&name, (18.0, TOP + PLOT.1 / 2.0), 13.0, Anchor::Middle, INK);
    legend(&mut drawing, margin, TOP + PLOT.1 + 62.0, axes);
    Ok(drawing)
}

/// What the marks of the slices are.
fn legend(drawing: &mut Drawing, x: f64, y: f64, axes: &[SweptAxis]) {
    drawing.disc(x + 4.0, y, 2.6, VALIDATION);
    drawing.text("grid point", (x + 13.0, y), TICK, Anchor::Start, SOFT_INK);
    drawing.disc(x + 98.0, y, 4.6, SERIES[1]);
    drawing.text("best", (x + 108.0, y), TICK, Anchor::Start, SOFT_INK);
    if axes.iter().any(|axis| matches!(axis.extent, Extent::Values(_))) {
        drawing.line((x + 152.0, y), (x + 174.0, y), INK, 1.6);
        drawing.text("mean", (x + 180.0, y), TICK, Anchor::Start, SOFT_INK);
    }
}

/// The finite points, and the axis of their values.
pub(super) fn known(metric: Metric<'_>, points: &[Seen]) -> Result<(Vec<Seen>, Axis), FigureError> {
    let points: Vec<Seen> = points.iter().filter(|(_, value)| value.is_finite()).cloned().collect();
    let (low, high) = span(points.iter().map(|(_, value)| *value))
        .ok_or(FigureError::Empty("no point has a finite value"))?;
    Ok((points, value_axis(metric.quantity, low, high).0))
}

/// The place of the first of the best points.
pub(super) fn best_of(metric: Metric<'_>, points: &[Seen]) -> usize {
    let mut best = 0;
    for (place, (_, value)) in points.iter().enumerate() {
        let than = points[best].1;
        if if metric.is_lower_better { *value < than } else { *value > than } {
            best = place;
        }
    }
    best
}

pub(super) fn scale_name(metric: Metric<'_>, values: &Axis) -> String {
    if values.log { format!("{} (log scale)", metric.name) } else { metric.name.to_owned() }
}

/// Ticks, their texts and the name of an axis below a panel.
pub(super) fn below(
    drawing: &mut Drawing,
    scale: &Scale,
    axis: &SweptAxis,
    left: f64,
    across: impl Fn(f64) -> f64,
) -> Result<(), FigureError> {
    let bottom = TOP + PLOT.1;
    let (room, labels) = scale.labels(axis)?;
    let size = if room < 26.0 { 9.0 } else { TICK };
    for (tick, label) in scale.ticks.iter().zip(&labels) {
        drawing.line((across(*tick), bottom), (across(*tick), bottom + 4.0), INK, 1.0);
        let label = text::elide(label, size, room - 4.0)?;
        drawing.text(&label, (across(*tick), bottom + 15.0), size, Anchor::Middle, INK);
    }
    let name = text::elide(&axis.name, 13.0, PLOT.0)?;
    drawing.text(&name, (left + PLOT.0 / 2.0, bottom + 37.0), 13.0, Anchor::Middle, INK);
    Ok(())
}

/// Where coordinates of an axis lie, from 0 to 1.
pub(super) struct Scale {
    /// Of numbers.
    pub(super) axis: Option<Axis>,
    /// Of a list: how many there are.
    pub(super) columns: usize,
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    pub(super) fn new(axis: &SweptAxis) -> Self {
        match &axis.extent {
            Extent::Range { low, high, is_log } => {
                let axis = Axis::exact(*low, *high, *is_log);
                Self { ticks: axis.ticks.clone(), axis: Some(axis), columns: 0 }
            }
            Extent::Values(names) => {
                let every = names.len().div_ceil(MOST_NAMES).max(1);
                let ticks = (0..names.len()).step_by(every).map(|place| place as f64).collect();
                Self { axis: None, columns: names.len().max(1), ticks }
            }
        }
    }

    pub(super) fn place(&self, at: f64) -> f64 {
        match &self.axis {
            Some(axis) => axis.place(at).clamp(0.0, 1.0),
            None => (at + 0.5) / self.columns as f64,
        }
    }

    /// The texts of the ticks, and the room that each has.
    pub(super) fn labels(&self, axis: &SweptAxis) -> Result<(f64, Vec<String>), FigureError> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places of a list")]
        let label = |tick: &f64| match (&self.axis, &axis.extent) {
            (Some(axis), _) => Ok(axis.label(*tick)),
            (None, Extent::Values(names)) => text::elide(&names[*tick as usize], TICK, 120.0),
            (None, Extent::Range { .. }) => Ok(String::new()),
        };
        let labels: Vec<String> = self.ticks.iter().map(label).collect::<Result<_, _>>()?;
        Ok((PLOT.0 / labels.len().max(2) as f64, labels))
    }
}
