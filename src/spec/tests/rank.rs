//! `rank`: what is better of the metric that ranks, by the spec, by its tag, or by what was kept.

use std::collections::BTreeMap;

use super::*;

/// A program of the user's, with one line more, which is line 3.
fn command(line: &str) -> String {
    format!("experiment: e\nmodel: {{family: command, run: [x]}}\n{line}\n")
}

fn by(text: &str, overrides: &Overrides) -> Metric {
    parse(text, Path::new("/specs/e.yaml"), overrides).unwrap_or_else(|error| panic!("{error}")).rank.by
}

fn set(assignments: &[&str]) -> Overrides {
    Overrides { set: assignments.iter().map(|&text| text.to_owned()).collect(), ..Overrides::default() }
}

#[test]
fn a_goal_is_asked_for_where_nothing_tells() {
    let asked = "`rank.by`: nothing in `val/quantity` tells whether higher or lower values are better; add `goal: minimize` \
                 or `goal: maximize` to `rank`, or say `--set rank.goal=minimize`";
    let text = command("rank: {by: val/quantity}");
    assert_eq!(problems(&text), [format!("line 3, column 12: {asked}")]);
    assert_eq!(
        problems_with(&text, &set(&["rank.by=val/quantity"])),
        [format!("--set rank.by=val/quantity: {asked}")]
    );
    // The tie breaker alone is not worth a question.
    let then = accept(&command("rank: {by: loss, then: val/quantity}")).rank.then;
    assert_eq!(then, Some(Metric { tag: "val/quantity".to_owned(), goal: Goal::Maximize }));
}

#[test]
fn the_goal_stands_beside_the_metric_or_within_it() {
    let minimize = |text: &str| assert_eq!(by(text, &Overrides::default()).goal, Goal::Minimize, "{text}");
    minimize(&command("rank: {by: val/quantity, goal: minimize}"));
    minimize(&command("rank: {by: {tag: val/quantity, goal: minimize}}"));
    minimize(&command("rank: {by: {tag: val/quantity, goal: minimize}, goal: minimize}"));
    minimize(&command("rank: {by: val/accuracy, goal: minimize}"));
    minimize(&command("rank: {goal: minimize}"));
    let text = command("rank: {by: {tag: val/quantity, goal: maximize}}");
    assert_eq!(by(&text, &set(&["rank.goal=minimize"])).goal, Goal::Minimize);
    assert_eq!(by(&command("rank: {by: val/quantity}"), &set(&["rank.goal=minimize"])).goal, Goal::Minimize);
    assert_eq!(
        problems(&command("rank: {by: {tag: x/loss, goal: maximize}, goal: minimize}")),
        ["line 3, column 49: `rank.goal` is another one than `rank.by.goal`; leave one of them out"]
    );
}

#[test]
fn a_wrong_goal_is_told_with_what_was_meant() {
    assert_eq!(
        problems(&command("rank: {by: x, goal: minimise}")),
        [
            "line 3, column 21: `rank.goal` must be `maximize` or `minimize`, not `minimise`; did you mean `minimize`?"
        ]
    );
    assert_eq!(
        problems(&command("rank: {by: loss, gaol: minimize}")),
        ["line 3, column 18: unknown key `rank.gaol`; did you mean `goal`? known: by, goal, then, top"]
    );
}

/// An experiment that has run, ranked by `val/quantity`.
fn kept(name: &str, goal: Goal) -> Untold {
    let written = ["train/quantity", "val/quantity"].map(str::to_owned).to_vec();
    Untold::Kept(BTreeMap::from([(name.to_owned(), Kept { by: "val/quantity".to_owned(), goal, written })]))
}

#[test]
fn a_tag_that_the_runs_have_written_almost_so_is_meant() {
    let overrides = |untold| Overrides { untold, ..Overrides::default() };
    let by = |tag: &str, untold| problems_with(&command(&format!("rank: {{by: {tag}}}")), &overrides(untold));
    let asked = by("val/quantty", kept("e", Goal::Minimize)).concat();
    assert!(asked.contains("values are better; did you mean `val/quantity`? add `goal:"), "{asked}");
    // Written as it is, of another experiment, or of none.
    for (tag, untold) in [
        ("train/quantity", kept("e", Goal::Minimize)),
        ("val/quantty", kept("other", Goal::Minimize)),
        ("val/quantty", Untold::Asked),
    ] {
        let asked = by(tag, untold).concat();
        assert!(asked.contains("values are better; add `goal:"), "{asked}");
    }
}

#[test]
fn what_has_run_keeps_its_goal() {
    let text = command("rank: {by: val/quantity}");
    let kept = |name: &str, goal| Overrides { untold: kept(name, goal), ..Overrides::default() };
    for goal in [Goal::Minimize, Goal::Maximize] {
        assert_eq!(by(&text, &kept("e", goal)).goal, goal);
    }
    assert_eq!(problems_with(&text, &kept("other", Goal::Minimize)).len(), 1);
    // The spec's word and the tag's come first.
    let told = command("rank: {by: val/quantity, goal: maximize}");
    assert_eq!(by(&told, &kept("e", Goal::Minimize)).goal, Goal::Maximize);
    let higher = Overrides { untold: Untold::Higher, ..Overrides::default() };
    assert_eq!(by(&text, &higher).goal, Goal::Maximize);
}
