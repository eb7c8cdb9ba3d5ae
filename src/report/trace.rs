//! What the slots of a sweep did, moment by moment: a trace for Perfetto or `chrome://tracing`, and a table of the gaps.
//!
//! The format is Chrome's Trace Event Format (`ph` `X` with `ts` and `dur` in microseconds, `M` for names, `C` for counters),
//! which <https://ui.perfetto.dev> opens. A device is a process of the trace, a slot a thread of it. Pure.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::table::{Cell, Column, Table};

/// An attempt as a trace has it. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TracedAttempt {
    pub(crate) run: String,
    pub(crate) attempt: u32,
    pub(crate) slot: String,
    pub(crate) device: String,
    pub(crate) started: f64,
    pub(crate) finished: f64,
    /// `completed`, `failed` and so on.
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    /// Training and validation by the clock, seconds, where the trainer has told.
    pub(crate) phases: Option<(f64, f64)>,
    /// What was measured: a tag's name, and its values by wall time.
    pub(crate) counters: Vec<(String, Vec<(f64, f64)>)>,
}

/// A slot with its attempts in order, and what lies between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lane {
    pub(crate) slot: String,
    /// Seconds in which an attempt ran.
    pub(crate) busy: f64,
    pub(crate) gaps: Vec<Gap>,
}

/// A time in which a slot did nothing while the sweep went on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gap {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) cause: Cause,
}

/// Why a slot did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Its first run had not been started yet.
    NotStarted,
    /// One run had ended and the next was not alive yet.
    BetweenRuns,
    /// Nothing was left to start, while runs on other slots went on.
    NothingLeft,
}

impl Cause {
    const ALL: [Self; 3] = [Self::NotStarted, Self::BetweenRuns, Self::NothingLeft];

    fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "before the first run",
            Self::BetweenRuns => "between two runs",
            Self::NothingLeft => "nothing left to start",
        }
    }
}

/// No attempt of an experiment is alive for so long only where its sweep is over: the next one is another's.
const PAUSE: f64 = 30.0;

/// The slots with their gaps. Attempts come in any order.
pub(crate) fn lanes(attempts: &[TracedAttempt]) -> Vec<Lane> {
    let mut by_slot: BTreeMap<&str, (f64, Vec<Gap>)> = BTreeMap::new();
    for sweep in sweeps(attempts) {
        let first = sweep.iter().map(|attempt| attempt.started).fold(f64::INFINITY, f64::min);
        let last = sweep.iter().map(|attempt| attempt.finished).fold(f64::NEG_INFINITY, f64::max);
        let mut slots: BTreeMap<&str, Vec<&TracedAttempt>> = BTreeMap::new();
        for attempt in sweep {
            slots.entry(&attempt.slot).or_default().push(attempt);
        }
        for (slot, of) in slots {
            let (busy, gaps) = by_slot.entry(slot).or_default();
            let mut at = (first, Cause::NotStarted);
            let mut gap = |from: f64, to: f64, cause| {
                if to > from {
                    gaps.push(Gap { from, to, cause });
                }
            };
            for attempt in of {
                gap(at.0, attempt.started, at.1);
                *busy += (attempt.finished - attempt.started).max(0.0);
                at = (at.0.max(attempt.finished), Cause::BetweenRuns);
            }
            gap(at.0, last, Cause::NothingLeft);
        }
    }
    by_slot.into_iter().map(|(slot, (busy, gaps))| Lane { slot: slot.to_owned(), busy, gaps }).collect()
}

/// The attempts of each sweep, by their starts.
fn sweeps(attempts: &[TracedAttempt]) -> Vec<Vec<&TracedAttempt>> {
    let mut ordered: Vec<&TracedAttempt> = attempts.iter().collect();
    ordered.sort_by(|one, other| one.started.total_cmp(&other.started));
    let mut sweeps: Vec<Vec<&TracedAttempt>> = Vec::new();
    let mut end = f64::NEG_INFINITY;
    for attempt in ordered {
        match sweeps.last_mut() {
            Some(sweep) if attempt.started <= end + PAUSE => sweep.push(attempt),
            _ => sweeps.push(vec![attempt]),
        }
        end = end.max(attempt.finished);
    }
    sweeps
}

/// A row for each slot: its busy part, and its idle seconds by cause.
pub(crate) fn idle_table(experiment: &str, lanes: &[Lane]) -> Table {
    let mut columns = vec![
        Column::text("slot"),
        Column::number("busy_seconds").heading("busy s").decimals(1),
        Column::number("busy_percent").heading("busy %").decimals(1),
    ];
    let names = ["idle_before_seconds", "idle_between_seconds", "idle_at_end_seconds"];
    for (cause, name) in Cause::ALL.iter().zip(names) {
        columns.push(Column::number(name).heading(format!("{} s", cause.as_str())).decimals(1));
    }
    let rows = lanes
        .iter()
        .map(|lane| {
            let of = |cause: Cause| -> f64 {
                // Not `sum`, whose nothing is -0.
                lane.gaps
                    .iter()
                    .filter(|gap| gap.cause == cause)
                    .fold(0.0, |sum, gap| sum + gap.to - gap.from)
            };
            let idle: f64 = Cause::ALL.iter().map(|cause| of(*cause)).sum();
            let percent = 100.0 * lane.busy / (lane.busy + idle).max(f64::MIN_POSITIVE);
            let mut row = vec![Cell::from(lane.slot.as_str()), Cell::Float(lane.busy), Cell::Float(percent)];
            row.extend(Cause::ALL.iter().map(|cause| Cell::Float(of(*cause))));
            row
        })
        .collect();
    Table { title: Some(format!("{experiment}: what the slots did")), columns, rows, ..Table::default() }
}

/// The trace of an experiment.
pub(crate) fn trace(experiment: &str, attempts: &[TracedAttempt]) -> Json {
    let mut devices: Vec<&str> = Vec::new();
    let mut slots: Vec<(&str, usize)> = Vec::new();
    for attempt in attempts {
        if !devices.contains(&attempt.device.as_str()) {
            devices.push(&attempt.device);
        }
        let device = devices.iter().position(|device| *device == attempt.device).unwrap_or(0);
        if !slots.iter().any(|(slot, _)| *slot == attempt.slot) {
            slots.push((&attempt.slot, device));
        }
    }
    // From 1: viewers take process 0 for the idle one.
    let place = |slot: &str| {
        let thread = slots.iter().position(|(known, _)| *known == slot).unwrap_or(0);
        (slots.get(thread).map_or(0, |(_, device)| *device) + 1, thread + 1)
    };
    let mut events = Vec::new();
    for (number, device) in (1..).zip(&devices) {
        let name = format!("{experiment} on {device}");
        events.push(json!({"ph": "M", "name": "process_name", "pid": number, "args": {"name": name}}));
    }
    for (slot, _) in &slots {
        let (pid, tid) = place(slot);
        events
            .push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": slot}}));
    }
    for attempt in attempts {
        let (pid, tid) = place(&attempt.slot);
        let mut args = json!({"attempt": attempt.attempt, "state": attempt.state});
        if let Some(reason) = &attempt.reason {
            args["reason"] = json!(reason);
        }
        if let Some((training, validation)) = attempt.phases {
            args["training_seconds"] = json!(training);
            args["validation_seconds"] = json!(validation);
        }
        let mut event = json!({
            "ph": "X", "cat": "run", "name": attempt.run, "pid": pid, "tid": tid,
            "ts": micros(attempt.started), "dur": lasting(attempt.started, attempt.finished), "args": args,
        });
        if attempt.state == "failed" {
            event["cname"] = json!("terrible");
        }
        events.push(event);
        for (name, values) in &attempt.counters {
            // Of one slot, so that runs one after the other are one curve.
            let name = format!("{} {name}", attempt.slot);
            events.extend(values.iter().map(|(time, value)| {
                json!({"ph": "C", "name": name, "pid": pid, "ts": micros(*time), "args": {"value": value}})
            }));
            let end = micros(attempt.finished);
            events.push(json!({"ph": "C", "name": name, "pid": pid, "ts": end, "args": {"value": 0.0}}));
        }
    }
    for lane in lanes(attempts) {
        let (pid, tid) = place(&lane.slot);
        events.extend(lane.gaps.iter().map(|gap| {
            json!({
                "ph": "X", "cat": "idle", "name": format!("idle: {}", gap.cause.as_str()), "pid": pid, "tid": tid,
                "ts": micros(gap.from), "dur": lasting(gap.from, gap.to), "args": {},
            })
        }));
    }
    // In order: chrome://tracing draws no counter whose values go back in time. Names come first.
    events.sort_by_key(|event| event["ts"].as_i64().unwrap_or(i64::MIN));
    json!({"displayTimeUnit": "ms", "traceEvents": events})
}

/// From one moment to another as the trace has both: spans that touch do not overlap by what was rounded.
fn lasting(from: f64, to: f64) -> i64 {
    (micros(to) - micros(from)).max(0)
}

#[expect(clippy::cast_possible_truncation, reason = "microseconds since 1970 fit")]
fn micros(seconds: f64) -> i64 {
    (seconds.max(0.0) * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(slot: &str, started: f64, finished: f64) -> TracedAttempt {
        TracedAttempt {
            run: format!("run at {started}"),
            attempt: 1,
            slot: slot.to_owned(),
            device: "cpu".to_owned(),
            started,
            finished,
            state: "completed".to_owned(),
            reason: None,
            phases: Some((1.0, 0.5)),
            counters: vec![("processor_cores".to_owned(), vec![(started + 1.0, 0.9)])],
        }
    }

    #[test]
    fn gaps_have_causes_and_a_pause_between_sweeps_is_none() {
        let attempts = [
            attempt("cpu/0", 100.0, 110.0),
            attempt("cpu/1", 102.0, 104.0),
            attempt("cpu/0", 111.0, 112.0),
            attempt("cpu/0", 1000.0, 1001.0),
        ];
        let lanes = lanes(&attempts);
        let gaps: Vec<(f64, f64, Cause)> =
            lanes.iter().flat_map(|lane| lane.gaps.iter().map(|gap| (gap.from, gap.to, gap.cause))).collect();
        let expected = [
            (110.0, 111.0, Cause::BetweenRuns),
            (100.0, 102.0, Cause::NotStarted),
            (104.0, 112.0, Cause::NothingLeft),
        ];
        assert_eq!(gaps, expected);
        assert_eq!((lanes[0].busy, lanes[1].busy), (12.0, 2.0));
    }

    #[test]
    fn a_trace_has_a_span_for_each_attempt_and_gap_and_counters_that_end() {
        let attempts = [attempt("cpu/0", 100.0, 110.0), attempt("cpu/1", 102.0, 104.0)];
        let trace = trace("e", &attempts);
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
        assert_eq!((of("X"), of("C"), of("M")), (2 + 2, 4, 3));
        assert_eq!(events[3]["ts"], 100_000_000);
    }

    #[test]
    fn events_are_in_the_order_of_their_times_whatever_that_of_the_runs() {
        let trace = trace("e", &[attempt("cpu/0", 200.0, 210.0), attempt("cpu/0", 100.0, 110.0)]);
        let events = trace["traceEvents"].as_array().unwrap();
        let times: Vec<i64> = events.iter().filter_map(|event| event["ts"].as_i64()).collect();
        assert!(times.is_sorted() && times.len() == 6, "{times:?}");
    }

    #[test]
    fn a_slot_that_was_never_idle_has_zero_seconds() {
        let table = idle_table("e", &lanes(&[attempt("cpu/0", 100.0, 110.0)]));
        assert_eq!(format!("{:?}", table.rows[0][3]), "Float(0.0)");
    }

    #[test]
    fn spans_that_touch_do_not_overlap_by_what_is_rounded() {
        // 1.4 and 2.6 microseconds: rounded apart, the first would end at 3 and the second begin at 2.
        let attempts = [attempt("cpu/0", 0.000_000_6, 0.000_002_4), attempt("cpu/0", 0.000_002_4, 1.0)];
        let trace = trace("e", &attempts);
        let spans: Vec<(i64, i64)> = trace["traceEvents"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["ph"] == "X")
            .map(|event| (event["ts"].as_i64().unwrap(), event["dur"].as_i64().unwrap()))
            .collect();
        assert_eq!(spans, [(1, 1), (2, 999_998)]);
    }
}
