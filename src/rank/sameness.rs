//! What all runs together tell: how many do no better than one answer for all images, and which seeds and axes change nothing,
//! so that runs which ought to differ have the same results to the last bit. Pure.
//!
//! Called by the store for a whole leaderboard, whose notes they become. A program that does not look at a parameter makes a
//! deviation of 0 over its seeds, and a ranking of equal runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Leaderboard, Row, Tally};
use crate::{base::human::counted, run::RunKey, spec::Experiment};

/// The last points of a run's metrics, without those of time: tag, step, and the bits of the value.
pub type Results = Vec<(String, i64, u64)>;

/// What changes nothing, in sentences: seeds, then axes in the order of the spec.
#[must_use]
pub fn without_effect(
    board: &Leaderboard,
    spec: &Experiment,
    results: &HashMap<RunKey, Results>,
) -> Vec<String> {
    let rows = || {
        let ranked = board.rows.iter().filter(|row| row.rank.is_some());
        ranked.filter_map(|row| Some((row, results.get(&row.key).filter(|results| !results.is_empty())?)))
    };
    let mut notes = Vec::new();

    let mut points: BTreeMap<u64, Vec<&Results>> = BTreeMap::new();
    for (row, results) in rows() {
        points.entry(row.index.point(board.seeds.len())).or_default().push(results);
    }
    points.retain(|_, runs| runs.len() > 1);
    if board.several_seeds() && !points.is_empty() && points.values().all(|runs| all_equal(runs)) {
        let where_to = if points.len() == 1 {
            "at the grid point".to_owned()
        } else {
            format!("at all {}", counted(points.len(), "grid point"))
        };
        notes.push(format!(
            "the seeds change nothing: {where_to} runs with different seeds have identical results, bit by bit{}",
            unseen(spec, "seed")
        ));
    }

    for (place, axis) in board.axes.iter().enumerate() {
        let mut groups: HashMap<String, (HashSet<String>, Vec<&Results>)> = HashMap::new();
        for (row, results) in rows() {
            let Some(value) = row.axes.get(place).and_then(Option::as_ref) else { continue };
            let mut others = row.axes.clone();
            others[place] = None;
            let group = groups.entry(format!("{others:?} {}", row.seed)).or_default();
            group.0.insert(value.to_string());
            group.1.push(results);
        }
        groups.retain(|_, (values, _)| values.len() > 1);
        if !groups.is_empty() && groups.values().all(|(_, runs)| all_equal(runs)) {
            notes.push(format!(
                "`{axis}` changes nothing: runs that differ in it alone have identical results, bit by bit{}",
                unseen(spec, axis)
            ));
        }
    }
    notes
}

/// How near two accuracies of one count of images may be and still be the same: each is a share in 64 bits.
const SAME: f64 = 1e-9;

impl Row {
    /// Whether it answers better than the constant answer; `None` where its predictions or the images are not known.
    #[must_use]
    pub fn beats_constant_answer(&self) -> Option<bool> {
        let accuracy = self.tally.and_then(Tally::accuracy)?;
        self.diagnosis.constant.map(|constant| accuracy > constant + SAME)
    }
}

/// The accuracy of one answer for all validation images of the best run that has any, and how many ranked runs do no better;
/// `None` without predictions. `is_whole` tells whether all ranked runs are among the rows.
#[must_use]
pub fn constant_answer(rows: &[Row], is_whole: bool) -> Option<String> {
    let ranked = || rows.iter().filter(|row| row.rank.is_some());
    let known = ranked().filter(|row| row.beats_constant_answer().is_some());
    let constant = known.min_by_key(|row| row.rank)?.diagnosis.constant?;
    let count = ranked().filter(|row| row.beats_constant_answer() == Some(false)).count();
    let shown = format!("{constant:.3}");
    let do_no_better = if count == 1 { "run does no better" } else { "runs do no better" };
    match (is_whole, count) {
        (true, 0) => Some(format!("constant answer: {shown} (every run does better)")),
        (true, count) => Some(format!("constant answer: {shown} ({count} {do_no_better})")),
        (false, _) => Some(format!("constant answer: {shown}")),
    }
}

/// That a program may not have looked at a parameter which its command does not name.
fn unseen(spec: &Experiment, name: &str) -> String {
    let place = format!("{{{name}}}");
    // Without a command the runs were imported.
    if !spec.is_command() || spec.command.is_empty() || spec.command.iter().any(|part| part.contains(&place))
    {
        return String::new();
    }
    format!("; the command has no {place}, and the program seems not to look for it in its environment")
}

fn all_equal(runs: &[&Results]) -> bool {
    runs.windows(2).all(|pair| pair[0] == pair[1])
}
