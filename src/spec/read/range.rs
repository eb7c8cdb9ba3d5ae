//! An axis that is a range, `{from: 1e-5, to: 0.1, scale: log}`: the numbers that a search chooses from.

use super::{
    parameters::Trainer,
    section::{Section, scalar},
};
use crate::spec::{
    AxisRange, Value,
    parameter::{Kind, parameter_of_any},
    problem::Problems,
    yaml::Entry,
};

const KEYS: [&str; 4] = ["from", "to", "scale", "step"];

/// Reads the range of an axis; `None` where something is wrong with it, which was reported.
pub(super) fn read(entry: &Entry, trainer: &Trainer, problems: &mut Problems) -> Option<AxisRange> {
    let name = &entry.key;
    let section = Section::open(&entry.value, &format!("grid.{name}"), &entry.place, problems)?;
    let before = problems.len();
    section.only(&KEYS, problems);
    let kind =
        parameter_of_any(&trainer.families, name).map(|row| row.kind).filter(|_| !trainer.is_command());
    if let Some(kind @ (Kind::Bool | Kind::Path | Kind::Choice(_))) = kind {
        let message = format!("axis `{name}` is {} and has no range; list its values", kind.expected());
        problems.add(&entry.place, message);
        return None;
    }
    for key in ["from", "to"] {
        if section.given(key).is_none() {
            section.missing(key, "an end of the range, such as {from: 0.001, to: 0.1, scale: log}", problems);
        }
    }
    let number = |key: &str, problems: &mut Problems| {
        section.given(key)?;
        section.take(key, "a finite number", problems, |node| {
            scalar(node).filter(|value| value.as_f64().is_some())
        })
    };
    let (from, to, step) = (number("from", problems), number("to", problems), number("step", problems));
    let is_log = match section.given("scale") {
        Some(_) => section.word("scale", &[("linear", false), ("log", true)], problems).unwrap_or(false),
        None => false,
    };
    let is_int = |value: &Option<Value>| matches!(value, None | Some(Value::Int(_)));
    let is_integer = match kind {
        Some(kind) => matches!(kind, Kind::Int { .. }),
        // Of a program of the user's: what is written as integers is one.
        None => is_int(&from) && is_int(&to) && is_int(&step),
    };
    for (key, value) in [("from", &from), ("to", &to)] {
        if let (Some(kind), Some(value), Some(entry)) = (kind, value, section.entry(key))
            && kind.accept(value).is_none()
        {
            let message = format!("`{}` must be {}, not `{value}`", section.path(key), kind.expected());
            problems.add(&entry.value.place, message);
        }
    }
    if let (Some(value), Some(entry), true) = (&step, section.entry("step"), is_integer)
        && !matches!(value, Value::Int(_))
    {
        problems.add(
            &entry.value.place,
            format!("`{}` must be a whole number, as the values are", section.path("step")),
        );
    }
    let step_place = section.entry("step").map_or(&entry.place, |entry| &entry.place);
    let (from, to) = (from?.as_f64()?, to?.as_f64()?);
    let step = step.and_then(|step| step.as_f64());
    if from >= to {
        problems.add(
            &entry.place,
            format!("the range of axis `{name}` is empty: `from` {from} is not below `to` {to}"),
        );
    }
    if is_log && from <= 0.0 {
        let message =
            format!("axis `{name}`: there is no logarithm of `from` {from}; `scale: log` needs one above 0");
        problems.add(&entry.place, message);
    }
    match step {
        Some(_) if is_log => {
            problems.add(step_place, format!("axis `{name}`: `scale: log` has no steps; leave `step` out"));
        }
        Some(step) if step <= 0.0 || step > to - from => {
            problems
                .add(step_place, format!("axis `{name}`: `step` must be above 0 and at most {}", to - from));
        }
        _ => {}
    }
    if problems.len() > before {
        return None;
    }
    let step = step.or(is_integer.then_some(1.0));
    // The highest value is one that a whole number of steps leads to.
    let to = match step {
        Some(step) => from + ((to - from) / step * (1.0 + f64::EPSILON)).floor() * step,
        None => to,
    };
    Some(AxisRange { from, to, step, is_log, is_integer })
}
