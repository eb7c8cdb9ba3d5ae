//! Standings and grid points of leaderboards with made-up predictions.

use proptest::prelude::*;

use super::*;
use crate::{
    predictions::Prediction,
    spec::Metric,
    stats::{McNemar, SIGNIFICANCE},
};

fn rule() -> RankRule {
    RankRule { by: Metric::by_tag("validation/epoch_accuracy"), then: None, top: 10 }
}

/// Hits on images of which those in `right` are right.
fn hits(set: &str, images: usize, right: impl Fn(usize) -> bool) -> Hits {
    let prediction = |image: usize| Prediction {
        image: format!("{set}-{image:04}"),
        label: 1,
        predicted: usize::from(right(image)),
        probabilities: vec![0.5, 0.5],
    };
    Hits::from_predictions(&(0..images).map(prediction).collect::<Vec<_>>()).unwrap()
}

fn entry(index: u64, name: &str, seed: u64, accuracy: Option<f64>, hits: Option<Hits>) -> Entry {
    let row = Row {
        rank: None,
        run: name.to_owned(),
        key: RunKey::new(index as i64),
        index: RunIndex::new(index),
        axes: Vec::new(),
        seed,
        state: if accuracy.is_some() { RunState::Completed } else { RunState::Pending },
        train_accuracy: accuracy,
        train_loss: None,
        validation_accuracy: accuracy,
        validation_loss: None,
        by: accuracy,
        then: None,
        step: Some(4),
        best: None,
        others: Vec::new(),
        diagnosis: Diagnosis::default(),
        tally: hits.as_ref().map(|hits| Tally { images: hits.images(), correct: hits.correct() }),
        hits,
        standing: Standing::Unranked,
        reason: None,
        problem: None,
    };
    Entry { row, failure: None, absent: None }
}

fn board(seeds: Vec<u64>, entries: Vec<Entry>) -> Leaderboard {
    Leaderboard::new("tab3".to_owned(), Vec::new(), Vec::new(), rule(), seeds, entries)
}

#[test]
fn every_run_stands_against_the_best() {
    let entries = vec![
        entry(0, "near", 0, Some(0.85), Some(hits("a", 100, |image| image < 85))),
        entry(1, "best", 0, Some(0.9), Some(hits("a", 100, |image| image < 90))),
        entry(2, "far", 0, Some(0.8), Some(hits("a", 100, |image| image < 80))),
        entry(3, "elsewhere", 0, Some(0.7), Some(hits("b", 100, |image| image < 70))),
        entry(4, "silent", 0, Some(0.6), None),
        entry(5, "owed", 0, None, None),
    ];
    let board = board(vec![0], entries);
    let standings: Vec<_> = board.rows.iter().map(|row| (row.run.as_str(), row.standing.words())).collect();
    assert_eq!(
        standings,
        [
            ("best", Some("best")),
            ("near", Some("not distinguishable")),
            ("far", Some("distinguishable")),
            ("elsewhere", Some("other images than rank 1")),
            ("silent", Some("no predictions")),
            ("owed", None),
        ]
    );
    // 2 / 2^5 and 2 / 2^10.
    let table = McNemar { both: 85, only_first: 5, only_second: 0, neither: 10 };
    assert_eq!(board.rows[1].standing, Standing::Tested { table, p: 0.0625 });
    assert_eq!(board.rows[2].standing.p(), Some(2.0 / 1024.0));
}

#[test]
fn without_the_best_run_s_predictions_nobody_is_tested() {
    let entries = vec![
        entry(0, "best", 0, Some(0.9), None),
        entry(1, "other", 0, Some(0.8), Some(hits("a", 10, |image| image < 8))),
    ];
    let board = board(vec![0], entries);
    assert_eq!(board.rows[1].standing, Standing::BestUnknown);
    assert_eq!(board.rows[1].standing.ties(), None);
}

#[test]
fn seeds_agree_as_far_as_their_orders_do() {
    // Three points with two seeds each.
    let of = |accuracies: [Option<f64>; 6]| {
        let entries = (0..).zip(accuracies).map(|(index, accuracy)| {
            entry(index, &format!("{}-seed-{}", index / 2, index % 2), index % 2, accuracy, None)
        });
        board(vec![0, 1], entries.collect()).agreement_of_seeds()
    };
    let same = [Some(0.7), Some(0.5), Some(0.8), Some(0.6), Some(0.9), Some(0.7)];
    assert_eq!(of(same), Some(1.0));
    assert_eq!(of([Some(0.7), Some(0.9), Some(0.8), Some(0.6), Some(0.9), Some(0.5)]), Some(-1.0));
    assert_eq!(
        of([Some(0.7), Some(0.9), Some(0.8), Some(0.6), Some(0.9), None]),
        None,
        "two points have both seeds"
    );
    let entries = (0..3).map(|index| entry(index, "run", 0, Some(0.5 + index as f64), None)).collect();
    assert_eq!(board(vec![0], entries).agreement_of_seeds(), None, "one seed");
}

#[test]
fn a_lucky_seed_does_not_carry_its_grid_point() {
    let run = |index: u64, point: &str, accuracy| {
        let seed = index % 3;
        entry(index, &format!("{point}-seed-{seed}"), seed, accuracy, None)
    };
    let entries = vec![
        run(0, "lucky", Some(0.99)),
        run(1, "lucky", Some(0.70)),
        run(2, "lucky", Some(0.71)),
        run(3, "steady", Some(0.85)),
        run(4, "steady", Some(0.86)),
        run(5, "steady", Some(0.87)),
        run(6, "short", Some(0.5)),
        run(7, "short", None),
        run(8, "short", None),
        run(9, "owed", None),
        run(10, "owed", None),
        run(11, "owed", None),
    ];
    let board = board(vec![0, 1, 2], entries);
    assert_eq!(board.rows[0].run, "lucky-seed-0");
    let points = board.grid_points();
    let shown: Vec<_> = points
        .iter()
        .map(|point| (point.rank, point.name.as_str(), point.seeds.len(), point.wanted))
        .collect();
    assert_eq!(
        shown,
        [(Some(1), "steady", 3, 3), (Some(2), "lucky", 3, 3), (Some(3), "short", 1, 3), (None, "owed", 0, 3)]
    );
    let spread = points[0].means.by.unwrap();
    assert!((spread.mean - 0.86).abs() < 1e-12 && (spread.deviation.unwrap() - 0.01).abs() < 1e-12);
    assert_eq!(points[2].means.by.unwrap().deviation, None);
    assert!(points[2].is_incomplete() && points[3].means.by.is_none());
    assert!(points.iter().all(|point| point.p.is_none()), "no predictions, no test");
}

#[test]
fn seeds_are_tested_pair_by_pair_and_taken_together() {
    let of = |point: &str, seed: u64, right: usize| {
        let name = format!("{point}-seed-{seed}");
        let index = seed + if point == "a" { 0 } else { 2 };
        entry(index, &name, seed, Some(right as f64 / 100.0), Some(hits("x", 100, |image| image < right)))
    };
    // Apart by 6 images for one seed, 2 / 2^6, and by 1 for the other, 1: twice the smaller.
    let board = board(vec![0, 1], vec![of("a", 0, 90), of("a", 1, 90), of("b", 0, 84), of("b", 1, 89)]);
    let points = board.grid_points();
    assert_eq!((points[1].p, points[1].tests, points[1].ties()), (Some(0.0625), 2, Some(true)));
    assert_eq!((points[0].p, points[0].ties()), (None, None));
}

#[test]
fn the_best_epoch_is_the_first_of_the_best_finite_ones() {
    let points = [(3, 0.9), (1, 0.9), (0, f64::NAN), (2, 0.5), (4, f64::INFINITY)];
    assert_eq!(Best::among(Goal::Maximize, points), Some(Best { step: 1, value: 0.9 }));
    assert_eq!(Best::among(Goal::Minimize, points), Some(Best { step: 2, value: 0.5 }));
    assert_eq!(Best::among(Goal::Minimize, [(0, f64::NAN)]), None);
}

proptest! {
    #[test]
    fn means_rank_as_they_are(accuracies in prop::collection::vec(prop::option::of(0u8..20), 3..30)) {
        let entries = accuracies.iter().enumerate().map(|(index, accuracy)| {
            let (point, seed) = (index / 3, (index % 3) as u64);
            let accuracy = accuracy.map(|accuracy| f64::from(accuracy) / 20.0);
            entry(index as u64, &format!("point-{point}-seed-{seed}"), seed, accuracy, None)
        });
        let board = board(vec![0, 1, 2], entries.collect());
        let points = board.grid_points();
        prop_assert_eq!(points.len(), accuracies.len().div_ceil(3));
        prop_assert_eq!(
            points.iter().map(|point| point.seeds.len()).sum::<usize>(),
            accuracies.iter().flatten().count()
        );
        for pair in points.windows(2) {
            match (pair[0].means.by, pair[1].means.by) {
                (Some(upper), Some(lower)) => prop_assert!(upper.mean >= lower.mean),
                (None, Some(_)) => prop_assert!(false, "a point without results is above one with"),
                _ => {}
            }
        }
    }

    #[test]
    fn ties_are_those_that_the_test_does_not_reject(right in 0usize..200) {
        let entries = vec![
            entry(0, "best", 0, Some(1.0), Some(hits("x", 200, |image| image < 150))),
            entry(1, "other", 0, Some(0.0), Some(hits("x", 200, |image| image < right))),
        ];
        let standing = board(vec![0], entries).rows[1].standing;
        let p = standing.p().expect("a test");
        prop_assert_eq!(standing.ties(), Some(p >= SIGNIFICANCE));
        // Six images apart in one direction are the fewest that 2 / 2^n rejects at .05.
        prop_assert_eq!(p < SIGNIFICANCE, right.abs_diff(150) >= 6);
    }
}
