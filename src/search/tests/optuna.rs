//! Suggestions held to those of the Optuna package: recorded studies are replayed, with its random numbers.
//!
//! `GRIDBOARD_OPTUNA_FIXTURE=FILE` names a file of further studies (`scripts/optuna_fixture.py` makes them).

use std::{env, fs};

use rand_mt::Mt;
use serde_json::Value;

use super::{
    super::{
        draws::{Draws, random_point},
        space::{Dimension, Number, Point, Range, Space},
        tpe::{Known, STARTUP, Trial, candidates},
    },
    fixture,
};
use crate::spec::Goal;

/// NumPy's `RandomState(seed)`.
struct NumPy(Mt);

impl Draws for NumPy {
    fn uniform(&mut self) -> f64 {
        let (a, b) = (f64::from(self.0.next_u32() >> 5), f64::from(self.0.next_u32() >> 6));
        (a * 67_108_864.0 + b) / 9_007_199_254_740_992.0
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The space of a study, and the choices of each dimension.
pub(super) fn space_of(parameters: &Value) -> (Space, Vec<Vec<Value>>) {
    let mut choices = Vec::new();
    let mut dimensions = Vec::new();
    for (name, range) in parameters.as_object().expect("parameters") {
        let own = range["choices"].as_array().cloned().unwrap_or_default();
        let is_integer = range["type"] == "int";
        let range = match range["type"].as_str().expect("a type") {
            "choice" => Range::Choice(own.len()),
            _ => Range::Number(Number {
                low: number(&range["low"]),
                high: number(&range["high"]),
                step: range["step"].as_f64().or(is_integer.then_some(1.0)),
                is_log: range["log"].as_bool().unwrap_or(false),
                is_integer,
            }),
        };
        choices.push(own);
        dimensions.push(Dimension { name: name.clone(), range });
    }
    (Space { dimensions }, choices)
}

pub(super) fn point_of(space: &Space, choices: &[Vec<Value>], parameters: &Value) -> Point {
    let coordinate = |(dimension, choices): (&Dimension, &Vec<Value>)| {
        let value = &parameters[&dimension.name];
        match choices.iter().position(|choice| choice == value) {
            Some(place) => place as f64,
            None => number(value),
        }
    };
    space.dimensions.iter().zip(choices).map(coordinate).collect()
}

/// Follows a study; how many suggestions were compared, and the largest relative difference.
fn replay(study: &Value) -> (usize, f64) {
    let (space, choices) = space_of(&study["parameters"]);
    let goal = if study["goal"] == "maximize" { Goal::Maximize } else { Goal::Minimize };
    let seed = study["seed"].as_u64().expect("a seed") as u32;
    let (mut random, mut own) = (NumPy(Mt::new(seed)), NumPy(Mt::new(seed)));
    let mut trials: Vec<Trial> = Vec::new();
    let mut largest: f64 = 0.0;
    let recorded = study["trials"].as_array().expect("trials");
    for trial in recorded {
        let theirs = point_of(&space, &choices, &trial["parameters"]);
        let ended = trials.iter().filter(|trial| trial.known != Known::Running).count();
        let ours = if ended < STARTUP {
            random_point(&space, &mut random)
        } else {
            let known: Vec<&Trial> = trials.iter().collect();
            let found = candidates(&space, &known, goal, &mut own);
            // On a tie any of the tied is right; sums in another order differ in the last bits.
            let is_tied = |score: &f64| found.scores[0] - score <= 1e-12;
            let tied = found.points.into_iter().zip(&found.scores).take_while(|(_, score)| is_tied(score));
            let tied: Vec<Point> = tied.map(|(point, _)| point).collect();
            tied.iter().find(|point| **point == theirs).unwrap_or(&tied[0]).clone()
        };
        for ((ours, theirs), dimension) in ours.iter().zip(&theirs).zip(&space.dimensions) {
            let difference = (ours - theirs).abs() / theirs.abs().max(f64::MIN_POSITIVE);
            let is_real = matches!(dimension.range, Range::Number(Number { step: None, .. }));
            let is_equal = if is_real { difference <= 1e-9 } else { difference <= 1e-12 || ours == theirs };
            let (name, at) = (&dimension.name, &trial["number"]);
            assert!(is_equal, "{}, seed {seed}, trial {at}, {name}: {ours}, not {theirs}", study["space"]);
            largest = largest.max(difference);
        }
        trials.push(Trial {
            number: trial["number"].as_u64().expect("a number"),
            point: theirs,
            known: Known::Running,
        });
        for told in trial["told"].as_array().expect("told") {
            let value = told["value"].as_f64().unwrap_or(f64::NAN);
            let known = match told["stopped_at"].as_u64() {
                Some(step) => Known::Stopped { step, value },
                None => Known::Completed(value),
            };
            trials[told["number"].as_u64().expect("a number") as usize].known = known;
        }
    }
    (recorded.len(), largest)
}

fn replay_all(studies: &[Value]) -> (usize, f64) {
    let all = studies.iter().map(replay);
    all.fold((0, 0.0), |(trials, largest), (more, difference)| (trials + more, difference.max(largest)))
}

#[test]
fn suggestions_are_those_of_the_optuna_package() {
    let (trials, _) = replay_all(&fixture("tpe.json"));
    assert_eq!(trials, 16 * 40);
}

#[test]
fn suggestions_are_those_of_a_file_that_is_named() {
    let Some(path) = env::var_os("GRIDBOARD_OPTUNA_FIXTURE") else { return };
    let text = fs::read_to_string(path).expect("the file of GRIDBOARD_OPTUNA_FIXTURE");
    let studies: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let (trials, largest) = replay_all(&studies);
    println!("{trials} suggestions of {} studies; largest relative difference {largest:.1e}", studies.len());
    assert!(trials > 0);
}
