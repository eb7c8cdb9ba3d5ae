//! Decisions held to those of the Optuna package, and what holds of promotions.

use proptest::prelude::*;
use serde_json::Value;

use super::{
    super::{
        promote::Rungs,
        stop::{Decision, Halving, Rule, Stopper},
    },
    fixture,
};
use crate::spec::Goal;

fn rule(name: &str) -> Rule {
    match name {
        "median" => Rule::Median { first: 2 },
        "asha_stop_1_3" => Rule::Halving(Halving { first: 1, factor: 3 }),
        "asha_stop_2_2" => Rule::Halving(Halving { first: 2, factor: 2 }),
        "hyperband_1_3" => {
            let halving = Halving { first: 1, factor: 3 };
            Rule::Hyperband { halving, longest: 20, salt: "tab3".to_owned() }
        }
        other => panic!("no rule `{other}`"),
    }
}

#[test]
fn decisions_are_those_of_the_optuna_package() {
    let (mut decisions, mut stops) = (0, 0);
    for record in fixture("stop.json") {
        let name = record["rule"].as_str().expect("a rule");
        let goal = if record["goal"] == "maximize" { Goal::Maximize } else { Goal::Minimize };
        let mut stopper = Stopper::new(rule(name), goal);
        for event in record["events"].as_array().expect("events") {
            let number = event[0].as_u64().expect("a number");
            let Some(epochs) = event[1].as_u64() else {
                stopper.complete(number);
                continue;
            };
            let decision = stopper.report(number, epochs, event[2].as_f64().unwrap_or(f64::NAN));
            assert_eq!(Value::from(decision.stops()), event[3], "{name}, {event}: {decision:?}");
            decisions += 1;
            stops += usize::from(decision.stops());
        }
    }
    assert!(decisions > 5_000 && stops > 300, "{stops} of {decisions}");
}

#[test]
fn a_decision_says_what_it_rests_on() {
    let mut stopper = Stopper::new(Rule::Halving(Halving { first: 3, factor: 3 }), Goal::Maximize);
    for number in 0..13 {
        stopper.report(number, 3, 0.5 + number as f64 / 100.0);
    }
    assert_eq!(stopper.report(20, 2, 0.1), Decision::None);
    let expected = Decision::Compared { stops: true, epochs: 3, place: 11, of: 14, best: 4 };
    assert_eq!(stopper.report(20, 3, 0.525), expected);
    assert_eq!(Halving { first: 1, factor: 3 }.rungs(27), [1, 3, 9]);
}

/// Untrained networks give one answer for all images: of equal runs the first started go on, and the others are told so.
#[test]
fn of_equal_runs_at_a_rung_the_first_go_on_and_each_has_a_place_of_its_own() {
    let mut rungs = Rungs::new(Halving { first: 1, factor: 3 }, Goal::Maximize, 9);
    for run in 0..9 {
        rungs.reach(run, 1, 0.7);
    }
    for expected in 0..3 {
        let next = rungs.next().unwrap();
        assert_eq!(next.number, expected);
        rungs.promote(next);
    }
    assert!(rungs.next().is_none());
    let words = |run| rungs.standing(run, 1).unwrap().words();
    assert_eq!(
        (words(2), words(3)),
        ("epoch 1: 3rd of 9, best 3 go on".into(), "epoch 1: 4th of 9, best 3 go on".into())
    );
}

#[test]
fn the_paper_takes_nothing_back() {
    let mut rungs = Rungs::new(Halving { first: 1, factor: 2 }, Goal::Minimize, 8);
    assert_eq!((rungs.first(), rungs.next()), (1, None));
    rungs.reach(0, 1, 0.5);
    assert_eq!(rungs.next(), None, "one run is not half of one");
    rungs.reach(1, 1, f64::NAN);
    let promotion = rungs.next().expect("the better of two");
    assert_eq!(
        (promotion.number, promotion.from, promotion.to, promotion.place, promotion.of),
        (0, 1, 2, 1, 2)
    );
    rungs.promote(promotion);
    assert_eq!(rungs.next(), None, "it was promoted, and the other has no number");
    // Two more: the third is now among the better half, although it was not when it came.
    rungs.reach(2, 1, 0.7);
    rungs.reach(3, 1, 0.9);
    assert_eq!(rungs.next().map(|promotion| promotion.number), Some(2));
    rungs.reach(0, 2, 0.4);
    rungs.promote(rungs.next().unwrap());
    rungs.reach(2, 2, 0.3);
    let higher = rungs.next().expect("a run of the second rung comes first");
    assert_eq!((higher.number, higher.from, higher.to), (2, 2, 4));
}

proptest! {
    #[test]
    fn no_more_than_the_share_of_a_rung_is_promoted(
        values in prop::collection::vec(-1.0..1.0_f64, 1..60), factor in 2_u64..5,
    ) {
        let mut rungs = Rungs::new(Halving { first: 1, factor }, Goal::Maximize, 100);
        let (mut started, mut promoted) = (0, vec![0_usize; 200]);
        let mut reached = vec![0_usize; 200];
        while started < values.len() {
            let (number, epochs) = match rungs.next() {
                Some(promotion) => {
                    rungs.promote(promotion);
                    promoted[promotion.from as usize] += 1;
                    (promotion.number, promotion.to)
                }
                None => {
                    started += 1;
                    (started as u64 - 1, 1)
                }
            };
            rungs.reach(number, epochs, values[number as usize]);
            reached[epochs as usize] += 1;
        }
        for (reached, promoted) in reached.iter().zip(&promoted) {
            // A promoted run may have been passed by others later: at most those that were once among the best.
            prop_assert!(*promoted <= *reached);
        }
        if values.len() as u64 >= factor {
            prop_assert!(promoted[1] >= values.len() / factor as usize - 1);
        }
    }
}
