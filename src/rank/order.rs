//! The order itself: which runs rank, and in which order.
//!
//! Called by [`super::Leaderboard::new`] and by the store for the ranks in its views. Knows names, states and two
//! numbers per run, nothing else.

use std::cmp::Ordering;

use crate::{
    run::{FailureKind, RunState},
    spec::{Goal, Metric, RankRule},
};

/// What the order needs to know of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// The run's name: the last tie breaker, unique in the experiment.
    pub run: &'a str,
    /// State in the ledger; only runs with results rank.
    pub state: RunState,
    /// Kind and reason of the failure, for a failed run.
    pub failure: Option<(FailureKind, &'a str)>,
    /// The rule's first metric at its highest step; `None` if it was never written.
    pub by: Option<f64>,
    /// What to say of a metric that was never written, where more is known than that.
    pub absent: Option<&'a str>,
    /// The rule's tie breaker at its highest step.
    pub then: Option<f64>,
}

/// Every candidate exactly once, by its index in the slice that was ranked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// Those that rank, best first.
    pub ranked: Vec<usize>,
    /// The others in the order they came, each with the reason.
    pub unranked: Vec<(usize, String)>,
}

/// Orders the candidates by the rule: its metric, better first; ties by `then`; ties that remain by name, bytewise.
///
/// Only completed runs whose metric is a finite number rank: NaN is no result, and an infinite loss is none either. A run
/// whose tie breaker is missing, NaN or infinite follows those of the same metric that have one. The order is total and
/// does not depend on the order of the candidates, as long as their names differ.
#[must_use]
pub fn rank(rule: &RankRule, candidates: &[Candidate<'_>]) -> Ranking {
    let mut ranking = Ranking::default();
    for (place, candidate) in candidates.iter().enumerate() {
        match obstacle(rule, candidate) {
            None => ranking.ranked.push(place),
            Some(reason) => ranking.unranked.push((place, reason)),
        }
    }
    ranking.ranked.sort_by(|&left, &right| compare(rule, &candidates[left], &candidates[right]));
    ranking
}

/// Why the candidate does not rank; `None` if it does.
fn obstacle(rule: &RankRule, candidate: &Candidate<'_>) -> Option<String> {
    match (candidate.state, candidate.failure) {
        (RunState::Completed | RunState::Reused, _) => match (candidate.by, candidate.absent) {
            (None, Some(reason)) => Some(reason.to_owned()),
            (by, _) => missing(&rule.by, by),
        },
        (RunState::Failed, Some((_, reason))) => Some(reason.to_owned()),
        // The store keeps a reason with every failure.
        (RunState::Failed, None) => Some("failed for a reason that was not kept".to_owned()),
        (
            state @ (RunState::Pending
            | RunState::Running
            | RunState::Paused
            | RunState::Cancelled
            | RunState::Stopped),
            _,
        ) => Some(unfinished(state).to_owned()),
    }
}

/// Why a run that has not ended does not rank, in the words of the view `leaderboard` too.
#[must_use]
pub fn unfinished(state: RunState) -> &'static str {
    match state {
        RunState::Pending => "not run yet",
        RunState::Running => "is being run",
        RunState::Paused => "is paused",
        RunState::Cancelled => "was cancelled",
        RunState::Stopped => "was ended by a stopping rule",
        RunState::Completed | RunState::Reused | RunState::Failed => "not ranked yet",
    }
}

/// Why a metric is no result; `None` if it is one.
fn missing(metric: &Metric, value: Option<f64>) -> Option<String> {
    let tag = &metric.tag;
    match value {
        None => Some(format!("{tag} was never written")),
        Some(value) if value.is_nan() => Some(format!("{tag} is NaN")),
        Some(value) if value.is_infinite() => Some(format!("{tag} is infinite")),
        Some(_) => None,
    }
}

fn compare(rule: &RankRule, left: &Candidate<'_>, right: &Candidate<'_>) -> Ordering {
    by_goal(rule.by.goal, left.by, right.by)
        .then_with(|| match &rule.then {
            Some(then) => by_goal(then.goal, left.then, right.then),
            None => Ordering::Equal,
        })
        .then_with(|| left.run.cmp(right.run))
}

/// The better number first, what is no finite number last.
fn by_goal(goal: Goal, left: Option<f64>, right: Option<f64>) -> Ordering {
    // Adding zero turns -0.0 into 0.0, which `total_cmp` would tell apart.
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite()).map(|value| value + 0.0);
    match (finite(left), finite(right)) {
        (Some(left), Some(right)) => match goal {
            Goal::Maximize => right.total_cmp(&left),
            Goal::Minimize => left.total_cmp(&right),
        },
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule() -> RankRule {
        RankRule {
            by: Metric::by_tag("validation/epoch_accuracy"),
            then: Some(Metric::by_tag("validation/epoch_loss")),
            top: 10,
        }
    }

    fn completed(run: &str, by: impl Into<Option<f64>>, then: impl Into<Option<f64>>) -> Candidate<'_> {
        Candidate {
            run,
            state: RunState::Completed,
            failure: None,
            by: by.into(),
            absent: None,
            then: then.into(),
        }
    }

    /// Names of the ranked candidates, best first.
    fn order<'a>(rule: &RankRule, candidates: &[Candidate<'a>]) -> Vec<&'a str> {
        rank(rule, candidates).ranked.into_iter().map(|place| candidates[place].run).collect()
    }

    #[test]
    fn metric_then_tie_breaker_then_name() {
        let candidates = [
            completed("d", 0.9, 0.2),
            completed("c", 0.9, 0.1),
            completed("b", 0.9, 0.2),
            completed("a", 0.8, 0.0),
        ];
        assert_eq!(order(&rule(), &candidates), ["c", "b", "d", "a"]);
    }

    #[test]
    fn minimize_puts_the_smallest_first() {
        let rule = RankRule { by: Metric::by_tag("validation/epoch_loss"), then: None, top: 3 };
        let candidates = [completed("a", 0.5, None), completed("b", -1.0, None), completed("c", 0.1, 9.0)];
        assert_eq!(order(&rule, &candidates), ["b", "c", "a"]);
    }

    #[test]
    fn a_missing_tie_breaker_loses_the_tie_only() {
        let candidates = [
            completed("none", 0.9, None),
            completed("nan", 0.9, f64::NAN),
            completed("infinite", 0.9, f64::NEG_INFINITY),
            completed("has", 0.9, 1e9),
            completed("worse", 0.8, 0.0),
        ];
        assert_eq!(order(&rule(), &candidates), ["has", "infinite", "nan", "none", "worse"]);
    }

    #[test]
    fn the_zeros_are_a_tie() {
        let candidates = [completed("b", 0.0, 0.5), completed("a", -0.0, 0.5), completed("c", -0.0, 0.1)];
        assert_eq!(order(&rule(), &candidates), ["c", "a", "b"]);
    }

    #[test]
    fn reasons_of_those_that_do_not_rank() {
        let state = |state| Candidate { state, ..completed("x", 0.9, 0.1) };
        let failure = Some((FailureKind::Exit, "status 3"));
        let candidates = [
            state(RunState::Pending),
            state(RunState::Running),
            Candidate { failure, ..state(RunState::Failed) },
            state(RunState::Failed),
            completed("x", None, 0.1),
            completed("x", f64::NAN, 0.1),
            completed("x", f64::INFINITY, 0.1),
        ];
        let ranking = rank(&rule(), &candidates);
        assert!(ranking.ranked.is_empty());
        let reasons: Vec<&str> = ranking.unranked.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "not run yet",
                "is being run",
                "status 3",
                "failed for a reason that was not kept",
                "validation/epoch_accuracy was never written",
                "validation/epoch_accuracy is NaN",
                "validation/epoch_accuracy is infinite",
            ]
        );
    }

    /// Few distinct numbers, so that ties are common, and every special one.
    fn number() -> impl Strategy<Value = Option<f64>> {
        prop::sample::select(vec![
            None,
            Some(f64::NAN),
            Some(f64::INFINITY),
            Some(f64::NEG_INFINITY),
            Some(-0.0),
            Some(0.0),
            Some(0.25),
            Some(0.5),
            Some(1.0),
        ])
    }

    type Drawn = (RunState, Option<f64>, Option<f64>);

    fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
        let state = prop::sample::select(vec![
            RunState::Completed,
            RunState::Completed,
            RunState::Completed,
            RunState::Failed,
            RunState::Running,
            RunState::Pending,
        ]);
        prop::collection::vec((state, number(), number()), 0..24)
    }

    fn any_rule() -> impl Strategy<Value = RankRule> {
        (any::<bool>(), prop::option::of(any::<bool>())).prop_map(|(by, then)| {
            let metric = |tag: &str, up| Metric {
                tag: tag.to_owned(),
                goal: if up { Goal::Maximize } else { Goal::Minimize },
            };
            RankRule { by: metric("m", by), then: then.map(|up| metric("t", up)), top: 10 }
        })
    }

    fn candidates<'a>(names: &'a [String], drawn: &[Drawn]) -> Vec<Candidate<'a>> {
        let failed = |state| (state == RunState::Failed).then_some((FailureKind::Signal, "signal 9"));
        let candidate = |(run, &(state, by, then)): (&'a String, &Drawn)| Candidate {
            run,
            state,
            failure: failed(state),
            by,
            absent: None,
            then,
        };
        names.iter().zip(drawn).map(candidate).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("run-{index}")).collect()
    }

    proptest! {
        #[test]
        fn every_candidate_is_placed_once_and_only_results_rank(rule in any_rule(), drawn in drawn()) {
            let names = names(drawn.len());
            let candidates = candidates(&names, &drawn);
            let ranking = rank(&rule, &candidates);
            let mut all: Vec<usize> =
                ranking.ranked.iter().copied().chain(ranking.unranked.iter().map(|(place, _)| *place)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..candidates.len()).collect::<Vec<_>>());
            for &place in &ranking.ranked {
                prop_assert_eq!(candidates[place].state, RunState::Completed);
                prop_assert!(candidates[place].by.is_some_and(f64::is_finite));
            }
            for (place, reason) in &ranking.unranked {
                let candidate = candidates[*place];
                prop_assert!(candidate.state != RunState::Completed || !candidate.by.is_some_and(f64::is_finite));
                prop_assert!(!reason.is_empty());
            }
        }

        #[test]
        fn the_order_does_not_depend_on_the_input_order(
            rule in any_rule(),
            (drawn, shuffled) in drawn().prop_flat_map(|drawn| {
                let places: Vec<usize> = (0..drawn.len()).collect();
                (Just(drawn), Just(places).prop_shuffle())
            }),
        ) {
            let names = names(drawn.len());
            let straight = candidates(&names, &drawn);
            let mixed: Vec<Candidate<'_>> = shuffled.iter().map(|&place| straight[place]).collect();
            prop_assert_eq!(order(&rule, &straight), order(&rule, &mixed));
        }

        #[test]
        fn no_run_is_ranked_above_a_better_one(rule in any_rule(), drawn in drawn()) {
            let names = names(drawn.len());
            let candidates = candidates(&names, &drawn);
            let ranked = rank(&rule, &candidates).ranked;
            for pair in ranked.windows(2) {
                let metric = |place: usize| candidates[place].by.expect("a ranked run has its metric");
                let (upper, lower) = (metric(pair[0]), metric(pair[1]));
                match rule.by.goal {
                    Goal::Maximize => prop_assert!(upper >= lower),
                    Goal::Minimize => prop_assert!(upper <= lower),
                }
            }
        }

        #[test]
        fn a_better_metric_never_lowers_a_run(rule in any_rule(), drawn in drawn(), pick in any::<prop::sample::Index>()) {
            prop_assume!(!drawn.is_empty());
            let names = names(drawn.len());
            let before = candidates(&names, &drawn);
            let place = pick.index(before.len());
            let rank_of = |candidates: &[Candidate<'_>]| {
                rank(&rule, candidates).ranked.iter().position(|&ranked| ranked == place)
            };
            if let Some(old) = rank_of(&before) {
                let better = match rule.by.goal { Goal::Maximize => 0.125, Goal::Minimize => -0.125 };
                let mut after = before.clone();
                after[place].by = after[place].by.map(|value| value + better);
                let new = rank_of(&after).expect("a finite metric ranks");
                prop_assert!(new <= old);
            }
        }
    }
}
