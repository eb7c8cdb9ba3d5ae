//! The layout of a bar chart with several bars a group: upright for a handful of short labels, level for many groups, so
//! that their names stay legible.
//!
//! The value axis starts at 0, so that the lengths of bars compare; the values are printed, since good models differ
//! by less than a length shows. Used by `bars`, which knows what the values are.

use super::{
    FigureError,
    axis::Axis,
    colour::{Colour, GRID, INK, PAPER, SOFT_INK},
    drawing::{Anchor, Drawing},
    text,
};

/// A chart before it is laid out.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// What the labels of the groups are.
    pub(super) category: &'a str,
    /// What the values are.
    pub(super) value_title: &'a str,
    /// The bars of every group, in order.
    pub(super) series: Vec<Series>,
    pub(super) groups: Vec<Group>,
    /// The value axis reaches at least this far.
    pub(super) at_least: f64,
    /// A value as printed at its bar.
    pub(super) printed: fn(f64) -> String,
}

/// One bar of every group.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) colour: Colour,
    /// What stands in the place of a value that is not there.
    pub(super) unknown: &'static str,
}

/// The bars of one label.
pub(super) struct Group {
    pub(super) label: String,
    /// As many as there are series; NaN and infinities count as unknown.
    pub(super) values: Vec<Option<f64>>,
}

impl Series {
    pub(super) fn new(name: &'static str, colour: Colour) -> Self {
        Self { name, colour, unknown: "unknown" }
    }
}

impl Group {
    fn values(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        self.values.iter().map(|value| value.filter(|value| value.is_finite()))
    }
}

const LABEL: f64 = 12.5;
const VALUE: f64 = 11.0;
const UPRIGHT_AT_MOST: usize = 8;
/// Width of an upright bar, and the room between two groups.
const BAR: f64 = 34.0;
const BETWEEN: f64 = 24.0;

impl Chart<'_> {
    /// # Errors
    /// Where the built-in font cannot be read.
    pub(super) fn layout(&self) -> Result<Drawing, FigureError> {
        let values = self.groups.iter().flat_map(Group::values).flatten();
        let (low, high) = values
            .fold((0.0, self.at_least), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
        let axis = Axis::linear(low, high, 5);
        let room = self.group_width() - 8.0;
        let wrapped: Vec<Vec<String>> = self
            .groups
            .iter()
            .map(|group| text::wrap(&group.label, LABEL, room, 2))
            .collect::<Result<_, _>>()?;
        let short = wrapped.iter().flatten().all(|line| !line.contains('…'));
        if self.groups.len() <= UPRIGHT_AT_MOST && short {
            self.upright(&wrapped, &axis)
        } else {
            self.level(&axis)
        }
    }

    fn group_width(&self) -> f64 {
        self.series.len() as f64 * (BAR + 4.0) + BETWEEN - 4.0
    }

    /// The text at a bar.
    fn text_at(&self, value: Option<f64>, series: &Series) -> String {
        value.map_or_else(|| series.unknown.to_owned(), |value| (self.printed)(value))
    }

    /// The widths of the legend's names, and that of all of it.
    fn legend_widths(&self) -> Result<(Vec<f64>, f64), FigureError> {
        let widths: Vec<f64> =
            self.series.iter().map(|series| text::width(series.name, LABEL)).collect::<Result<_, _>>()?;
        let all = widths.iter().map(|width| width + 44.0).sum::<f64>() - 24.0;
        Ok((widths, all))
    }

    fn draw_legend(&self, drawing: &mut Drawing, y: f64) -> Result<(), FigureError> {
        let (widths, all) = self.legend_widths()?;
        let mut x = (f64::from(drawing.width) - all) / 2.0;
        for (series, width) in self.series.iter().zip(widths) {
            drawing.rect(x, y - 5.0, 14.0, 10.0, series.colour);
            drawing.text(series.name, (x + 20.0, y), LABEL, Anchor::Start, INK);
            x += width + 44.0;
        }
        Ok(())
    }

    fn upright(&self, labels: &[Vec<String>], axis: &Axis) -> Result<Drawing, FigureError> {
        const TOP: f64 = 96.0;
        const TALL: f64 = 250.0;
        let ticks: Vec<String> = axis.ticks.iter().map(|tick| axis.label(*tick)).collect();
        let left = 48.0 + text::widest(ticks.iter().map(String::as_str), 11.5)?;
        let wide = (self.groups.len() as f64 * self.group_width()).max(300.0);
        let group_width = wide / self.groups.len() as f64;
        let lines = labels.iter().map(Vec::len).max().unwrap_or(1);
        let below = lines as f64 * LABEL * text::LINE;
        let legend = self.legend_widths()?.1 + 24.0;
        let mut drawing = Drawing::new((left + wide + 24.0).max(legend), TOP + TALL + below + 44.0);
        drawing.title(self.title, 20.0, 16.0)?;
        self.draw_legend(&mut drawing, 64.0)?;
        let place = |value: f64| TOP + TALL * (1.0 - axis.place(value));
        for (tick, label) in axis.ticks.iter().zip(&ticks) {
            drawing.line((left, place(*tick)), (left + wide, place(*tick)), GRID, 1.0);
            drawing.text(label, (left - 8.0, place(*tick)), 11.5, Anchor::End, INK);
        }
        let zero = place(0.0);
        let bars = self.series.len() as f64 * (BAR + 4.0) - 4.0;
        for (index, (group, label)) in self.groups.iter().zip(labels).enumerate() {
            let middle = left + (index as f64 + 0.5) * group_width;
            for (place_in_group, (value, series)) in group.values().zip(&self.series).enumerate() {
                let x = middle - bars / 2.0 + place_in_group as f64 * (BAR + 4.0);
                let end = value.map_or(zero, place);
                drawing.rect(x, end.min(zero), BAR, (end - zero).abs(), series.colour);
                let text = self.text_at(value, series);
                if value.is_some() {
                    draw_value(
                        &mut drawing,
                        &text,
                        (x + BAR / 2.0, end.min(zero) - 9.0),
                        Anchor::Middle,
                        INK,
                    )?;
                } else {
                    drawing.text_upwards(&text, (x + BAR / 2.0, zero - 6.0), VALUE, Anchor::Start, SOFT_INK);
                }
            }
            drawing.text_lines(label, (middle, TOP + TALL + 15.0), LABEL, Anchor::Middle, INK);
        }
        drawing.line((left, zero), (left + wide, zero), INK, 1.0);
        drawing.line((left, TOP), (left, TOP + TALL), INK, 1.0);
        let foot = (left + wide / 2.0, TOP + TALL + below + 26.0);
        let category = text::elide(self.category, 14.0, wide)?;
        drawing.text(&category, foot, 14.0, Anchor::Middle, INK);
        drawing.text_upwards(self.value_title, (18.0, TOP + TALL / 2.0), 14.0, Anchor::Middle, INK);
        Ok(drawing)
    }

    fn level(&self, axis: &Axis) -> Result<Drawing, FigureError> {
        const WIDE: f64 = 430.0;
        const TOP: f64 = 92.0;
        const THICK: f64 = 11.5;
        let row = self.series.len() as f64 * (THICK + 1.0) + 6.0;
        let labels: Vec<String> = self
            .groups
            .iter()
            .map(|group| text::elide(&group.label, LABEL, 330.0))
            .collect::<Result<_, _>>()?;
        let left = 20.0 + text::widest(labels.iter().map(String::as_str), LABEL)?.max(60.0);
        let mut room: f64 = 0.0;
        for group in &self.groups {
            for (value, series) in group.values().zip(&self.series) {
                room = room.max(text::width(&self.text_at(value, series), VALUE)?);
            }
        }
        let tall = self.groups.len() as f64 * row;
        let width = (left + WIDE + room + 24.0).max(self.legend_widths()?.1 + 24.0);
        let mut drawing = Drawing::new(width, TOP + tall + 62.0);
        drawing.title(self.title, 20.0, 16.0)?;
        self.draw_legend(&mut drawing, 62.0)?;
        let place = |value: f64| left + WIDE * axis.place(value);
        let bottom = TOP + tall;
        for &tick in &axis.ticks {
            drawing.line((place(tick), TOP), (place(tick), bottom), GRID, 1.0);
            drawing.text(&axis.label(tick), (place(tick), bottom + 13.0), 11.5, Anchor::Middle, INK);
        }
        let zero = place(0.0);
        let bars = self.series.len() as f64 * (THICK + 1.0) - 1.0;
        for (index, (group, label)) in self.groups.iter().zip(&labels).enumerate() {
            let middle = TOP + (index as f64 + 0.5) * row;
            drawing.text(label, (left - 8.0, middle), LABEL, Anchor::End, INK);
            for (place_in_group, (value, series)) in group.values().zip(&self.series).enumerate() {
                let top = middle - bars / 2.0 + place_in_group as f64 * (THICK + 1.0);
                let end = value.map_or(zero, place);
                drawing.rect(end.min(zero), top, (end - zero).abs(), THICK, series.colour);
                let beside = (end.max(zero) + 5.0, top + THICK / 2.0);
                let ink = if value.is_some() { INK } else { SOFT_INK };
                draw_value(&mut drawing, &self.text_at(value, series), beside, Anchor::Start, ink)?;
            }
        }
        drawing.line((zero, TOP), (zero, bottom), INK, 1.0);
        drawing.line((left, bottom), (left + WIDE, bottom), INK, 1.0);
        drawing.text(self.value_title, (left + WIDE / 2.0, bottom + 40.0), 14.0, Anchor::Middle, INK);
        let category = text::elide(self.category, 14.0, left - 12.0)?;
        drawing.text(&category, (left - 8.0, TOP - 10.0), 14.0, Anchor::End, INK);
        Ok(drawing)
    }
}

/// A value beside or above its bar, on a patch of paper, so that no grid line runs through the digits.
fn draw_value(
    drawing: &mut Drawing,
    text: &str,
    (x, y): (f64, f64),
    anchor: Anchor,
    ink: Colour,
) -> Result<(), FigureError> {
    let width = text::width(text, VALUE)?;
    let left = if anchor == Anchor::Middle { x - width / 2.0 } else { x };
    drawing.rect(left - 2.0, y - 5.0, width + 4.0, 10.0, PAPER);
    drawing.text(text, (x, y), VALUE, anchor, ink);
    Ok(())
}
