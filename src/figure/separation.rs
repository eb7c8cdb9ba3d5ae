//! ROC and precision-recall curves: one square panel, the best three in colour and with a stroke of their own, the others thin
//! and grey behind them, the best ten named with their areas, and the line that chance would draw.

use super::{
    Figure, FigureError,
    axis::Axis,
    colour::{BEST, CONTEXT, Colour, GRID, INK, SERIES, SOFT_INK},
    drawing::{Anchor, Drawing},
    facets::draw_dashed,
    render, text,
};
use crate::{
    base::human::counted,
    stats::{PrCurve, RocCurve},
};

/// A curve with the name of what it belongs to: a run, or a class against the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<C> {
    /// In the legend.
    pub name: String,
    /// The curve.
    pub curve: C,
}

const SIDE: f64 = 360.0;
const TOP: f64 = 62.0;
const TICK: f64 = 11.5;
const NAME: f64 = 12.0;
const ROW: f64 = 19.0;
/// Room for an area of three digits in the legend.
const AREA: f64 = 42.0;

/// So many curves are named.
const NAMED: usize = 10;
/// Drawn and left out pieces of the best ones' lines, logical pixels.
const STROKES: [&[f64]; BEST] = [&[], &[9.0, 3.0], &[3.0, 2.5]];

/// What both figures are made of. Both axes are shares.
struct Plot<'a> {
    title: &'a str,
    across: &'a str,
    up: &'a str,
    /// Heading of the areas: AUC, AP.
    area: &'a str,
    /// From (x, y) to (x, y), in shares; its name.
    chance: Option<([(f64, f64); 2], String)>,
    series: Vec<Series<'a>>,
}

struct Series<'a> {
    name: &'a str,
    area: f64,
    /// In shares.
    points: Vec<(f64, f64)>,
}

/// The ROC curves, best first.
///
/// # Errors
/// [`FigureError::Empty`] without curves, and what a backend reports.
pub fn roc_curves(title: &str, curves: &[Named<RocCurve>]) -> Result<Figure, FigureError> {
    render::figure(&layout(&roc(title, curves))?)
}

/// The precision-recall curves, best first. `positives` is the share of the positive class, which a guess would reach,
/// where it is the same for every curve.
///
/// # Errors
/// [`FigureError::Empty`] without curves, and what a backend reports.
pub fn pr_curves(
    title: &str,
    curves: &[Named<PrCurve>],
    positives: Option<f64>,
) -> Result<Figure, FigureError> {
    render::figure(&layout(&pr(title, curves, positives))?)
}

fn roc<'a>(title: &'a str, curves: &'a [Named<RocCurve>]) -> Plot<'a> {
    let series = |named: &'a Named<RocCurve>| Series {
        name: &named.name,
        area: named.curve.area,
        points: named
            .curve
            .points
            .iter()
            .map(|point| (point.false_positive_rate, point.true_positive_rate))
            .collect(),
    };
    Plot {
        title,
        across: "False positive rate (1 - specificity)",
        up: "True positive rate (recall)",
        area: "AUC",
        chance: Some(([(0.0, 0.0), (1.0, 1.0)], "chance, AUC 0.5".to_owned())),
        series: curves.iter().map(series).collect(),
    }
}

fn pr<'a>(title: &'a str, curves: &'a [Named<PrCurve>], positives: Option<f64>) -> Plot<'a> {
    let series = |named: &'a Named<PrCurve>| {
        // Between two thresholds recall is reached at the precision of the lower one: the steps whose area is the average
        // precision.
        let points = &named.curve.points;
        let step = |pair: &[crate::stats::PrPoint]| {
            [(pair[0].recall, pair[1].precision), (pair[1].recall, pair[1].precision)]
        };
        Series {
            name: &named.name,
            area: named.curve.average_precision,
            points: points.windows(2).flat_map(step).collect(),
        }
    };
    Plot {
        title,
        across: "Recall",
        up: "Precision",
        area: "AP",
        chance: positives.map(|share| ([(0.0, share), (1.0, share)], format!("chance, AP {share:.3}"))),
        series: curves.iter().map(series).collect(),
    }
}

fn layout(plot: &Plot<'_>) -> Result<Drawing, FigureError> {
    if plot.series.is_empty() {
        return Err(FigureError::Empty("no curve was given"));
    }
    let axis = Axis::linear_within(0.0, 1.0, 5, 0.0, 1.0);
    let named = plot.series.len().min(NAMED);
    let others = plot.series.len() - named;
    let names: Vec<String> = plot.series[..named]
        .iter()
        .map(|series| text::elide(series.name, NAME, 280.0))
        .collect::<Result<_, _>>()?;
    let others_text = counted(others, "other");
    let mut texts: Vec<&str> = names.iter().map(String::as_str).collect();
    texts.extend((others > 0).then_some(others_text.as_str()));
    texts.extend(plot.chance.iter().map(|(_, name)| name.as_str()));
    let legend = 30.0 + AREA + text::widest(texts, NAME)?;
    let left = 74.0;
    let right = left + SIDE;
    let bottom = TOP + SIDE;
    let mut drawing = Drawing::new(right + 20.0 + legend + 14.0, bottom + 58.0);
    drawing.title(plot.title, 22.0, 16.0)?;

    let across = |value: f64| left + SIDE * axis.place(value);
    let down = |value: f64| bottom - SIDE * axis.place(value);
    for &tick in &axis.ticks {
        drawing.line((left, down(tick)), (right, down(tick)), GRID, 1.0);
        drawing.line((across(tick), TOP), (across(tick), bottom), GRID, 1.0);
        drawing.text(&axis.label(tick), (left - 8.0, down(tick)), TICK, Anchor::End, INK);
        drawing.text(&axis.label(tick), (across(tick), bottom + 15.0), TICK, Anchor::Middle, INK);
    }
    drawing.text(plot.across, (left + SIDE / 2.0, bottom + 39.0), 14.0, Anchor::Middle, INK);
    drawing.text_upwards(plot.up, (22.0, TOP + SIDE / 2.0), 14.0, Anchor::Middle, INK);
    if let Some(([from, to], _)) = &plot.chance {
        dashes(&mut drawing, (across(from.0), down(from.1)), (across(to.0), down(to.1)));
    }
    drawing.frame(left, TOP, SIDE, SIDE, INK);
    // The last are drawn first: the best lies on top.
    for (index, series) in plot.series.iter().enumerate().rev() {
        let points: Vec<(f64, f64)> =
            without_straight(&series.points).iter().map(|&(x, y)| (across(x), down(y))).collect();
        draw_series(&mut drawing, index, &points);
    }

    let x = right + 20.0;
    let mut y = TOP + 8.0;
    drawing.text(plot.area, (x + 30.0, y), NAME, Anchor::Start, SOFT_INK);
    y += ROW;
    for (index, (name, series)) in names.iter().zip(&plot.series).enumerate() {
        draw_series(&mut drawing, index, &[(x, y), (x + 24.0, y)]);
        drawing.text(&format!("{:.3}", series.area), (x + 30.0, y), NAME, Anchor::Start, INK);
        drawing.text(name, (x + 30.0 + AREA, y), NAME, Anchor::Start, INK);
        y += ROW;
    }
    if others > 0 {
        drawing.line((x, y), (x + 22.0, y), CONTEXT, 1.2);
        drawing.text(&others_text, (x + 30.0 + AREA, y), NAME, Anchor::Start, SOFT_INK);
        y += ROW;
    }
    if let Some((_, name)) = &plot.chance {
        dashes(&mut drawing, (x, y), (x + 22.0, y));
        drawing.text(name, (x + 30.0 + AREA, y), NAME, Anchor::Start, SOFT_INK);
    }
    Ok(drawing)
}

/// The line of one of the curves: of the best in its colour and stroke, of the others thin and grey.
fn draw_series(drawing: &mut Drawing, index: usize, points: &[(f64, f64)]) {
    match STROKES.get(index) {
        Some([]) => draw_line(drawing, points.iter().copied(), SERIES[index], 1.8),
        Some(pattern) => draw_dashed(drawing, points, SERIES[index], (1.8, pattern)),
        None => draw_line(drawing, points.iter().copied(), CONTEXT, 1.1),
    }
}

/// A line of pieces with round joints, which the bitmap backend does not make of a path.
fn draw_line(drawing: &mut Drawing, points: impl Iterator<Item = (f64, f64)>, colour: Colour, stroke: f64) {
    let mut before: Option<(f64, f64)> = None;
    for point in points {
        if let Some(before) = before {
            drawing.line(before, point, colour, stroke);
            drawing.disc(point.0, point.1, stroke / 2.0, colour);
        }
        before = Some(point);
    }
}

/// A dashed line.
fn dashes(drawing: &mut Drawing, from: (f64, f64), to: (f64, f64)) {
    const DASH: f64 = 5.0;
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let pieces = (dx.hypot(dy) / DASH).floor().max(1.0);
    let at = |place: f64| (from.0 + dx * place / pieces, from.1 + dy * place / pieces);
    let mut place = 0.0;
    while place < pieces {
        drawing.line(at(place), at((place + 1.0).min(pieces)), SOFT_INK, 1.0);
        place += 2.0;
    }
}

/// The points without those on a level or upright piece between its ends: a curve of hundreds of images has few corners.
fn without_straight(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for &point in points {
        if let [.., a, b] = kept[..]
            && ((a.0 == b.0 && b.0 == point.0) || (a.1 == b.1 && b.1 == point.1))
        {
            kept.pop();
        }
        if kept.last() != Some(&point) {
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::drawing::Mark;

    fn scored(images: usize, noise: usize) -> (Vec<f32>, Vec<bool>) {
        let score = |image: usize| ((image * 7919 + noise * 104_729) % 1000) as f32 / 1000.0;
        (0..images)
            .map(|image| (0.6 * score(image) + 0.4 * (image % 3 == 0) as u8 as f32, image % 3 == 0))
            .unzip()
    }

    fn rocs(runs: usize) -> Vec<Named<RocCurve>> {
        let run = |run| {
            let (scores, positive) = scored(200, run);
            Named {
                name: format!("3-conv-128-nodes-1-dense-seed-{run}"),
                curve: RocCurve::from_scores(&scores, &positive).unwrap(),
            }
        };
        (0..runs).map(run).collect()
    }

    fn prs(runs: usize) -> Vec<Named<PrCurve>> {
        let run = |run| {
            let (scores, positive) = scored(200, run);
            Named { name: format!("run-{run}"), curve: PrCurve::from_scores(&scores, &positive).unwrap() }
        };
        (0..runs).map(run).collect()
    }

    #[test]
    fn any_number_of_runs_is_legible() {
        for runs in [1, 2, 10, 11, 40] {
            layout(&roc("tab3: ROC", &rocs(runs))).unwrap().check_legible();
            layout(&pr("tab3: precision and recall", &prs(runs), Some(0.26))).unwrap().check_legible();
            layout(&pr("tab3: precision and recall", &prs(runs), None)).unwrap().check_legible();
        }
    }

    #[test]
    fn areas_stand_in_the_legend_and_others_are_counted() {
        let curves = rocs(12);
        let drawing = layout(&roc("t", &curves)).unwrap();
        let texts = drawing.texts();
        for curve in &curves[..10] {
            assert!(texts.contains(&format!("{:.3}", curve.curve.area).as_str()));
            assert!(texts.contains(&curve.name.as_str()));
        }
        assert!(texts.contains(&"2 others") && texts.contains(&"chance, AUC 0.5"));
        assert!(matches!(roc_curves("t", &[]), Err(FigureError::Empty(_))));
    }

    /// What is painted in the first run's colour, back in shares: the area under it is the area it states.
    #[test]
    fn the_painted_curve_has_the_area_that_it_states() {
        for (drawing, area) in [
            (layout(&roc("t", &rocs(1))).unwrap(), rocs(1)[0].curve.area),
            (layout(&pr("t", &prs(1), None)).unwrap(), prs(1)[0].curve.average_precision),
        ] {
            let mut sum = 0.0;
            for mark in &drawing.marks {
                if let Mark::Path { points, colour, stroke } = mark
                    && (*colour, *stroke) == (SERIES[0], 1.8)
                    // Right of the panel is the legend.
                    && points[0].0 <= 74.0 + SIDE
                {
                    let height = |y: f64| (TOP + SIDE - y) / SIDE;
                    sum += (points[1].0 - points[0].0) / SIDE * (height(points[0].1) + height(points[1].1))
                        / 2.0;
                }
            }
            assert!((sum - area).abs() < 1e-9, "{sum} is not {area}");
        }
    }

    #[test]
    fn only_corners_are_kept() {
        let points = [(0.0, 0.0), (0.0, 0.5), (0.0, 0.75), (0.5, 0.75), (0.5, 0.75), (1.0, 1.0)];
        assert_eq!(without_straight(&points), [(0.0, 0.0), (0.0, 0.75), (0.5, 0.75), (1.0, 1.0)]);
    }
}
