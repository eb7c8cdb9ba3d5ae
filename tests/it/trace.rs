//! `gridboard trace` against the rules of the Trace Event Format, as Perfetto and `chrome://tracing` read it.
//!
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>: every event has `ph` and `pid`; complete
//! events (`X`) `name`, `cat`, `ts`, `dur` and `tid`, and those of a thread nest; counters (`C`) a numeric value for each series, in
//! the order of their times; metadata (`M`) a name that is known and its argument.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::Project;

/// What is wrong with a trace.
fn faults(trace: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(events) = trace["traceEvents"].as_array().filter(|events| !events.is_empty()) else {
        return vec!["no events".to_owned()];
    };
    if !["ms", "ns"].iter().any(|unit| trace["displayTimeUnit"] == *unit) {
        faults.push(format!("displayTimeUnit {}", trace["displayTimeUnit"]));
    }
    let mut spans: BTreeMap<(u64, u64), Vec<(i64, i64)>> = BTreeMap::new();
    let mut counted = BTreeMap::new();
    let (mut named, mut used) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let mut fault = |what: &str| faults.push(format!("{what}: {event}"));
        let (Some(pid), true) =
            (event["pid"].as_u64(), event["name"].as_str().is_some_and(|name| !name.is_empty()))
        else {
            fault("no pid or no name");
            continue;
        };
        let (tid, time) = (event["tid"].as_u64(), event["ts"].as_i64().filter(|time| *time >= 0));
        match event["ph"].as_str() {
            Some("X") => {
                let lasting = event["dur"].as_i64().filter(|lasting| *lasting >= 0);
                let (Some(tid), Some(time), Some(lasting)) = (tid, time, lasting) else {
                    fault("a span without thread, time or duration");
                    continue;
                };
                if !event["cat"].is_string() || !event["args"].is_object() {
                    fault("a span without category or arguments");
                }
                spans.entry((pid, tid)).or_default().push((time, time + lasting));
                used.extend([("process_name", pid, 0), ("thread_name", pid, tid)]);
            }
            Some("C") => {
                let series = event["args"].as_object().filter(|series| !series.is_empty());
                if time.is_none() || !series.is_some_and(|series| series.values().all(Value::is_number)) {
                    fault("a counter without time or numbers");
                }
                let last = counted.insert((pid, event["name"].to_string()), time);
                if last.is_some_and(|last| last > time) {
                    fault("a counter that goes back in time");
                }
                used.insert(("process_name", pid, 0));
            }
            Some("M") => {
                let kind = match (event["name"].as_str(), tid) {
                    (Some("process_name"), _) => ("process_name", pid, 0),
                    (Some("thread_name"), Some(tid)) => ("thread_name", pid, tid),
                    _ => {
                        fault("metadata of no kind");
                        continue;
                    }
                };
                if !event["args"]["name"].is_string() || !named.insert(kind) {
                    fault("metadata without a name, or twice");
                }
            }
            _ => fault("an unknown phase"),
        }
    }
    faults.extend(used.difference(&named).map(|unnamed| format!("without metadata: {unnamed:?}")));
    for (thread, mut of) in spans {
        // Outer spans before inner ones.
        of.sort_by_key(|(begin, end)| (*begin, -end));
        let mut open: Vec<i64> = Vec::new();
        for (begin, end) in of {
            open.retain(|outer| *outer > begin);
            if open.last().is_some_and(|outer| *outer < end) {
                faults.push(format!("spans of {thread:?} overlap at {begin}"));
            }
            open.push(end);
        }
    }
    faults
}

#[test]
fn a_trace_is_what_its_viewers_read() {
    let project = Project::with_spec(
        "
experiment: traced
model: {family: command, run: [sh, -c, 'test {x} = 9 && exit 3; sleep 2.2; exec {trainer} 0.{x}']}
grid: {x: [1, 2, 9]}
schedule: {devices: 'cpu:1'}
",
    );
    project.write("spec.yaml", &project.read("spec.yaml").replace("python3, ", "python3 "));
    project.run(&["run", "spec.yaml"]).expect(3);
    let ran = project.run(&["trace", "traced", "--format", "json"]).expect(0);
    assert_eq!(ran.json().len(), 1, "{}", ran.stdout);
    let trace: Value = serde_json::from_str(&project.read("runs/traced/trace.json")).expect("JSON");
    assert_eq!(faults(&trace), Vec::<String>::new());
    let events = trace["traceEvents"].as_array().expect("events");
    let spans: Vec<&Value> = events.iter().filter(|event| event["cat"] == "run").collect();
    let attempts = project.sql("select run, state, round(started * 1e6) as begun from attempts order by run");
    assert_eq!(spans.len(), attempts.len());
    for row in &attempts {
        let span = spans.iter().find(|span| span["name"] == row["run"]).expect("its span");
        assert_eq!(span["args"]["state"], row["state"]);
        assert!((span["ts"].as_f64().unwrap() - row["begun"].as_f64().unwrap()).abs() < 2.0, "{span} {row}");
    }
    assert!(events.iter().any(|event| event["ph"] == "C" && event["args"]["value"].as_f64() > Some(0.0)));
    project.run(&["trace", "nothing"]).expect(2);

    // What the rules are for.
    let spoiled = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut spoiled = trace.clone();
        change(spoiled["traceEvents"].as_array_mut().expect("events"));
        faults(&spoiled)
    };
    let place = events.iter().position(|event| event["cat"] == "run").expect("a span");
    for key in ["ph", "pid", "tid", "ts", "dur", "name", "cat", "args"] {
        let faults = spoiled(&|events| drop(events[place].as_object_mut().expect("an event").remove(key)));
        assert!(!faults.is_empty(), "a span needs no {key}");
    }
    assert!(!spoiled(&|events| events[place]["dur"] = json!("long")).is_empty());
    assert!(!spoiled(&|events| events[place]["tid"] = json!(77)).is_empty(), "a thread without a name");
    assert!(!spoiled(&|events| events.clear()).is_empty());
    assert!(!spoiled(&|events| events.reverse()).is_empty(), "counters have an order");
    let crossing = spoiled(&|events| {
        let mut second = events[place].clone();
        second["ts"] = json!(second["ts"].as_i64().expect("a time") + 1);
        events.push(second);
    });
    assert!(crossing[0].contains("overlap"), "{crossing:?}");
}
