//! `stop` and `budget`: what they are read as, how they are written back, and a sentence for each mistake.

use super::*;

/// A spec of a program whose fixed parameters are these.
fn program(fixed: &str, lines: &str) -> String {
    format!(
        "experiment: e\nmodel: {{family: command, run: [x]}}\ntrain: {{{fixed}}}\ngrid: {{a: [1, 2]}}\nrank: {{by: loss}}\n{lines}\n"
    )
}

#[test]
fn a_rule_is_read_and_written_back() {
    let read = |text: &str| accept(&program("epochs: 9", text)).stop.expect("a rule");
    let plan = StopPlan { rule: StopRule::Asha, first: 2, factor: 3, epochs: None };
    for keep in ["1/3", "1 / 3", "0.333", ".333", "0.3333333333333333"] {
        assert_eq!(read(&format!("stop: {{rule: asha, first: 2, keep: {keep}}}")), plan, "{keep}");
    }
    assert_eq!(read("stop: {rule: hyperband, keep: .25}").factor, 4);
    assert_eq!((read("stop: {rule: median}").first, read("stop: {rule: asha_stop}").factor), (1, 3));
    for lines in [
        "stop: {rule: asha, first: 2, keep: 1/4}",
        "stop: {rule: median, first: 3}",
        "stop: {rule: hyperband, epochs: 27}\nbudget: {runs: 4, time: 8h, device_hours: 2.5, failures: 3, until: 0.97}",
    ] {
        let experiment = accept(&program("epochs: 9", lines));
        assert_eq!(accept(&to_yaml(&experiment)), experiment);
        // Neither is a part of what runs are.
        assert_eq!(difference(&experiment, &accept(&program("epochs: 9", ""))), [""; 0]);
    }
}

#[test]
fn a_mistaken_rule_is_one_sentence_at_its_place() {
    for (fixed, lines, expected) in [
        (
            "epochs: 9",
            "stop: {first: 1}",
            "line 6, column 1: `stop.rule` is missing; it is `median`, `asha_stop`, `asha` or `hyperband`",
        ),
        ("epochs: 9", "stop: {rule: ahsa}", "`stop.rule` must be"),
        (
            "epochs: 9",
            "stop: {rule: asha, keep: 0.4}",
            "line 6, column 26: `stop.keep` must be one part of a whole number from 2 on, as 1/3 or .333, not `0.4`",
        ),
        ("epochs: 9", "stop: {rule: asha, keep: 2/3}", "`stop.keep` must be one part of a whole number"),
        ("epochs: 9", "stop: {rule: asha, keep: 1}", "`stop.keep` must be one part of a whole number"),
        (
            "epochs: 9",
            "stop: {rule: median, keep: 1/3}",
            "line 6, column 22: `stop.keep`: the median keeps the better half; leave it out",
        ),
        ("epochs: 9", "stop: {rule: asha, first: 0}", "`stop.first` must be"),
        (
            "epochs: 9",
            "stop: {rule: asha_stop, first: 9}",
            "line 6, column 1: `stop.first` is 9, and a run has 9 epochs: no run would be judged before its end",
        ),
        (
            "b: 1",
            "stop: {rule: asha}",
            "line 6, column 1: `stop: {rule: asha}` has to know how many epochs a run has, and no parameter `epochs` says it; give `stop.epochs`",
        ),
        ("epochs: 9", "budget: {}", "`budget` must be a mapping such as {runs: 40, time: 8h}"),
        ("epochs: 9", "budget: {runs: 0}", "`budget.runs` must be a whole number from 1 on, not `0`"),
        ("epochs: 9", "budget: {time: 8}", "`budget.time` must be a duration such as `90m` or `8h`"),
        (
            "epochs: 9",
            "budget: {device_hours: -1}",
            "`budget.device_hours` must be a number of hours above 0",
        ),
        ("epochs: 9", "budget: {untill: 1}", "did you mean `until`?"),
    ] {
        let found = problems(&program(fixed, lines)).join("\n");
        assert!(found.contains(expected), "{lines}: {found}");
    }
    let batches = program("epochs: 9", "stop: {rule: median}").replace("by: loss", "by: batch/loss");
    assert!(
        problems(&batches).join("\n").contains("`stop` decides by epochs, and `rank.by` is `batch/loss`")
    );
    let swept = program("b: 1", "stop: {rule: asha, epochs: 9}").replace("a: [1, 2]", "epochs: [3, 9]");
    assert!(problems(&swept).join("\n").contains("compares runs of one length, and `epochs` is an axis"));
    accept(&program("b: 1", "stop: {rule: asha, epochs: 9}"));
    accept(&program("b: 1", "stop: {rule: asha_stop}"));
}
