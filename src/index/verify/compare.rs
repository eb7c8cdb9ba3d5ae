//! Points and counts on both sides. Pure.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::Side;
use crate::{
    base::human::counted,
    event::Scalar,
    metrics::ConfusionMatrix,
    publish::Answers,
    store::{Chunk, Point, RawValidation, chunk_problem},
};

/// What one tag has on both sides.
#[derive(Default)]
struct Tally {
    /// Only in the files.
    missing: Vec<i64>,
    /// Only in the database.
    extra: Vec<i64>,
    /// On both sides, with another value or time: step, file, database.
    other: Vec<(i64, String, String)>,
}

/// Says where the points of the event files and those of the database disagree. `lossy` is what keeps points of the files
/// from being read.
pub(super) fn curves(
    points: &[Scalar],
    rows: &BTreeMap<String, Vec<Point>>,
    lossy: &[String],
    say: &mut dyn FnMut(Side, String),
) {
    let mut files: BTreeMap<&str, Vec<&Scalar>> = BTreeMap::new();
    for point in points {
        files.entry(&point.tag).or_default().push(point);
    }
    let mut lost = 0;
    let tags: BTreeSet<&str> = files.keys().copied().chain(rows.keys().map(String::as_str)).collect();
    for tag in tags {
        let of_files = files.get(tag).map(Vec::as_slice).unwrap_or_default();
        let tally = tally(of_files, rows.get(tag).map(Vec::as_slice).unwrap_or_default());
        if let Some(first) = tally.missing.first() {
            let n = counted(tally.missing.len(), "point");
            say(
                Side::Files,
                format!("{tag}: {n} of the event files not in the database, the first at step {first}"),
            );
        }
        if let Some((step, file, row)) = tally.other.first() {
            let n = counted(tally.other.len(), "point");
            say(
                Side::Files,
                format!(
                    "{tag}: {n} otherwise, the first at step {step}: {file} in the event file, whose checksum agrees, {row} in the \
                     database"
                ),
            );
        }
        if let Some(first) = tally.extra.first() {
            lost += tally.extra.len();
            let n = counted(tally.extra.len(), "point");
            say(
                Side::Database,
                format!(
                    "{tag}: {n} of the database not in the event files any more, the first at step {first}"
                ),
            );
        }
    }
    for problem in lossy {
        let right = if lost > 0 { Side::Database } else { Side::Neither };
        say(right, problem.clone());
    }
}

fn tally(files: &[&Scalar], rows: &[Point]) -> Tally {
    let mut tally = Tally::default();
    let (mut files, mut rows) = (files.iter().peekable(), rows.iter().peekable());
    loop {
        let order = match (files.peek(), rows.peek()) {
            (None, None) => return tally,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(file), Some(row)) => file.step.cmp(&row.step),
        };
        let file = if order.is_le() { files.next() } else { None };
        let row = if order.is_ge() { rows.next() } else { None };
        match (file, row) {
            (Some(file), Some(row)) => {
                let value = f64::from(file.value);
                if !same(value, row.value) {
                    tally.other.push((row.step, value.to_string(), row.value.to_string()));
                } else if !same(file.wall_time, row.wall_time) {
                    let time = |time: f64| format!("the time {time}");
                    tally.other.push((row.step, time(file.wall_time), time(row.wall_time)));
                }
            }
            (file, row) => {
                tally.missing.extend(file.map(|file| file.step));
                tally.extra.extend(row.map(|row| row.step));
            }
        }
    }
}

/// SQLite has no NaN and no sign of a zero.
fn same(left: f64, right: f64) -> bool {
    left == right || left.is_nan() && right.is_nan()
}

/// Says where the last points that leaderboards read are not those of the database's own curves.
pub(super) fn latest(
    rows: &BTreeMap<String, Vec<Point>>,
    latest: &BTreeMap<String, (i64, f64)>,
    say: &mut dyn FnMut(Side, String),
) {
    for (tag, points) in rows {
        let Some(last) = points.last() else { continue };
        match latest.get(tag) {
            Some((step, value)) if *step == last.step && same(*value, last.value) => {}
            Some((step, value)) => say(
                Side::Files,
                format!(
                    "{tag}: the leaderboards take {value} of step {step} for the last point, which is {} of step {}",
                    last.value, last.step
                ),
            ),
            None => say(Side::Files, format!("{tag}: the leaderboards have no last point of it")),
        }
    }
    for tag in latest.keys().filter(|tag| !rows.contains_key(*tag)) {
        say(Side::Files, format!("{tag}: the leaderboards have a last point of a curve without points"));
    }
}

/// Says where the chunks that long curves are drawn from are not those of the database's own curves.
pub(super) fn chunks(
    rows: &BTreeMap<String, Vec<Point>>,
    chunks: &BTreeMap<String, Vec<Vec<Chunk>>>,
    say: &mut dyn FnMut(Side, String),
) {
    let tags: BTreeSet<&String> = rows.keys().chain(chunks.keys()).collect();
    for tag in tags {
        let points = rows.get(tag).map(Vec::as_slice).unwrap_or_default();
        let points: Vec<(i64, f64)> = points.iter().map(|point| (point.step, point.value)).collect();
        if let Some(problem) = chunk_problem(&points, chunks.get(tag).map(Vec::as_slice).unwrap_or_default())
        {
            say(Side::Files, format!("{tag}: {problem}"));
        }
    }
}

/// Says where confusion counts are not those of the predictions. `file_is_right` is false where the file is not what the
/// attempt left.
pub(super) fn confusion(
    answers: Option<&Answers>,
    matrix: Option<&ConfusionMatrix>,
    validation: Option<&RawValidation>,
    file_is_right: bool,
    say: &mut dyn FnMut(Side, String),
) {
    let right = if file_is_right { Side::Files } else { Side::Database };
    let loaded = answers.map(Answers::loaded);
    match (&loaded, matrix) {
        (None, None) => {}
        (Some(_), None) => say(right, "the database has no confusion matrix of its predictions".to_owned()),
        (None, Some(_)) => {
            say(
                Side::Database,
                "the database has a confusion matrix, and no predictions can be read".to_owned(),
            );
        }
        (Some(loaded), Some(matrix)) => {
            let text = |matrix: &ConfusionMatrix| format!("{} of {} right", matrix.correct(), matrix.total());
            if loaded.matrix != matrix {
                let (file, row) = (text(loaded.matrix), text(matrix));
                say(right, format!("confusion matrix: the predictions have {file}, the database has {row}"));
            }
        }
    }
    let Some(loaded) = loaded else { return };
    let hits = loaded.hits.map(|hits| (hits.set().to_vec(), hits.bits().to_vec()));
    let expected = RawValidation { images: loaded.matrix.total(), correct: loaded.matrix.correct(), hits };
    if matrix.is_some() && validation != Some(&expected) {
        say(
            right,
            "the images that are right are other ones in the predictions than in the database".to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(step: i64, value: f32) -> Scalar {
        Scalar { tag: "a".to_owned(), step, value, wall_time: 1.0 }
    }

    fn row(step: i64, value: f64) -> Point {
        Point { step, value, wall_time: 1.0 }
    }

    fn told(points: &[Scalar], rows: &[Point], lossy: &[String]) -> Vec<(Side, String)> {
        let rows = if rows.is_empty() { BTreeMap::new() } else { [("a".to_owned(), rows.to_vec())].into() };
        let mut told = Vec::new();
        curves(points, &rows, lossy, &mut |right, what| told.push((right, what)));
        told
    }

    #[test]
    fn points_that_are_the_same_are_not_told() {
        let points = [scalar(0, f32::NAN), scalar(1, -0.0), scalar(2, 0.1), scalar(3, f32::INFINITY)];
        let rows = [row(0, f64::NAN), row(1, 0.0), row(2, 0.1_f32.into()), row(3, f64::INFINITY)];
        assert_eq!(told(&points, &rows, &[]), []);
    }

    #[test]
    fn each_side_is_right_where_it_has_more() {
        let right = |points: &[Scalar], rows: &[Point]| -> Vec<Side> {
            told(points, rows, &[]).into_iter().map(|(right, _)| right).collect()
        };
        assert_eq!(right(&[scalar(0, 1.0), scalar(1, 1.0)], &[row(0, 1.0)]), [Side::Files]);
        assert_eq!(right(&[scalar(1, 1.0)], &[row(0, 1.0), row(1, 1.0), row(2, 1.0)]), [Side::Database]);
        assert_eq!(right(&[scalar(0, 1.0)], &[row(0, 2.0)]), [Side::Files]);
        assert_eq!(right(&[], &[row(0, 2.0)]), [Side::Database]);
        let other = told(&[scalar(7, 0.5)], &[Point { wall_time: 2.0, ..row(7, 0.5) }], &[]);
        assert!(other[0].1.contains("at step 7: the time 1 in the event file"), "{other:?}");
        // A corrupt file that has lost nothing that is known is still told.
        let corrupt = ["event file `x` is corrupt".to_owned()];
        assert_eq!(told(&[scalar(0, 1.0)], &[row(0, 1.0)], &corrupt)[0].0, Side::Neither);
        assert_eq!(told(&[], &[row(0, 1.0)], &corrupt)[1].0, Side::Database);
    }

    #[test]
    fn last_points_are_those_of_the_curves() {
        let rows = BTreeMap::from([("a".to_owned(), vec![row(0, 1.0), row(4, 2.0)])]);
        let told = |of: &[(&str, (i64, f64))]| {
            let of = of.iter().map(|(tag, point)| ((*tag).to_owned(), *point)).collect();
            let mut told = 0;
            latest(&rows, &of, &mut |_, _| told += 1);
            told
        };
        assert_eq!(told(&[("a", (4, 2.0))]), 0);
        assert_eq!(
            [told(&[("a", (4, 2.5))]), told(&[]), told(&[("a", (4, 2.0)), ("b", (0, 1.0))])],
            [1, 1, 1]
        );
    }
}
