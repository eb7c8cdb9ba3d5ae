//! `stop` and `budget`: when runs and sweeps end before their time.

use super::section::{Section, int, must_be, scalar, text};
use crate::spec::{Budget, Grid, Parameters, StopPlan, StopRule, Value, problem::Problems, yaml::Node};
use crate::tags;

/// Most epochs that a rule may speak of.
const MOST_EPOCHS: i64 = 1_000_000_000;
/// How far a written part may be from one of a whole number: .333 is meant as 1/3.
const NEAR: f64 = 0.01;

/// Reads `stop`.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> Option<StopPlan> {
    let entry = top.given("stop")?;
    let section = Section::open(&entry.value, "stop", &entry.place, problems)?;
    section.only(&["rule", "first", "keep", "epochs"], problems);
    if section.given("rule").is_none() {
        section.missing("rule", "`median`, `asha_stop`, `asha` or `hyperband`", problems);
        return None;
    }
    let rule = section.word("rule", &StopRule::WORDS, problems);
    let whole = |key: &str, problems: &mut Problems| {
        section.given(key)?;
        section.int(key, 1, MOST_EPOCHS, problems).and_then(|number| u64::try_from(number).ok())
    };
    let first = whole("first", problems).unwrap_or(1);
    let epochs = whole("epochs", problems);
    let expected = "one part of a whole number from 2 on, as 1/3 or .333";
    let factor = section.take("keep", expected, problems, part).unwrap_or(3);
    let rule = rule?;
    if let (StopRule::Median, Some(entry)) = (rule, section.entry("keep")) {
        problems.add(&entry.place, "`stop.keep`: the median keeps the better half; leave it out");
    }
    Some(StopPlan { rule, first, factor, epochs })
}

/// The number of parts of which one is kept.
fn part(node: &Node) -> Option<u64> {
    let parts = match scalar(node)? {
        Value::Text(text) => {
            let (one, parts) = text.split_once('/')?;
            let parts: u64 = parts.trim().parse().ok()?;
            return (one.trim() == "1" && parts >= 2).then_some(parts);
        }
        value => 1.0 / value.as_f64()?,
    };
    let whole = parts.round();
    let is_one = parts.is_finite() && (parts - whole).abs() <= NEAR * parts && (2.0..1e6).contains(&whole);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and a million")]
    is_one.then_some(whole as u64)
}

/// Whether runs have the epochs that the rule is about.
pub(super) fn check(
    top: &Section<'_>,
    plan: StopPlan,
    (fixed, grids, by): (&Parameters, &[Grid], &str),
    problems: &mut Problems,
) {
    let place = top.entry("stop").map_or(&top.place, |entry| &entry.place);
    let rule = plan.rule.as_str();
    if by.starts_with(tags::BATCH_FOLDER) {
        let message = format!(
            "`stop` decides by epochs, and `rank.by` is `{by}`, whose steps are batches; rank by another metric"
        );
        problems.add(place, message);
        return;
    }
    let swept = grids.iter().flat_map(|grid| &grid.axes).find(|axis| axis.name == "epochs");
    if swept.is_some() && plan.rule.needs_epochs() {
        let message = format!(
            "`stop: {{rule: {rule}}}` compares runs of one length, and `epochs` is an axis; use `median` or `asha_stop`"
        );
        problems.add(place, message);
        return;
    }
    let longest = fixed.get("epochs").and_then(Value::as_u64).or(plan.epochs);
    let Some(longest) = longest else {
        if plan.rule.needs_epochs() {
            let message = format!(
                "`stop: {{rule: {rule}}}` has to know how many epochs a run has, and no parameter `epochs` says it; give \
                 `stop.epochs`"
            );
            problems.add(place, message);
        }
        return;
    };
    if plan.first >= longest && swept.is_none() {
        let message = format!(
            "`stop.first` is {}, and a run has {longest} epochs: no run would be judged before its end",
            plan.first
        );
        problems.add(place, message);
    }
}

/// Reads `budget`.
pub(super) fn budget(top: &Section<'_>, problems: &mut Problems) -> Budget {
    let mut budget = Budget::default();
    let Some(entry) = top.given("budget") else { return budget };
    let Some(section) = Section::open(&entry.value, "budget", &entry.place, problems) else { return budget };
    section.only(&["runs", "time", "device_hours", "failures", "until"], problems);
    let whole = |key: &str, problems: &mut Problems| {
        section.given(key)?;
        section.take(key, "a whole number from 1 on", problems, |node| {
            int(node, 1, i64::MAX).and_then(|number| u64::try_from(number).ok())
        })
    };
    budget.runs = whole("runs", problems);
    budget.failures = whole("failures", problems);
    let number = |node: &Node| scalar(node).and_then(|value| value.as_f64());
    if section.given("time").is_some() {
        let expected = "a duration such as `90m` or `8h`";
        budget.time = section.take("time", expected, problems, |node| text(node)?.parse().ok());
    }
    if section.given("device_hours").is_some() {
        let hours = |node: &Node| number(node).filter(|hours| *hours > 0.0);
        budget.device_hours = section.take("device_hours", "a number of hours above 0", problems, hours);
    }
    if section.given("until").is_some() {
        budget.until = section.take("until", "a value of the metric that ranks", problems, number);
    }
    if section.entries.is_empty() {
        must_be("`budget`", "a mapping such as {runs: 40, time: 8h}", &entry.value, problems);
    }
    budget
}
