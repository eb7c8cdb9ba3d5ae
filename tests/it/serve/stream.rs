//! The stream of events during a live sweep: what is new is told soon, a page that comes back misses nothing, and one that does
//! not read holds nobody up.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Served, end, go,
    http::{begin, head},
    stepping,
};
use crate::support::wait_until;

/// An event of a stream.
#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// A stream that is listened to. Its body comes in chunks, whose sizes are lines of their own.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(served: &Served, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut reader =
            BufReader::new(begin(served.port, "GET", &format!("/api/events?{query}"), headers, ""));
        let (status, headers) = head(&mut reader);
        assert_eq!(status, 200);
        assert!(headers.iter().any(|(name, value)| name == "content-type" && value == "text/event-stream"));
        Self(reader)
    }

    fn next(&mut self) -> Event {
        let mut event = Event { id: String::new(), kind: String::new(), data: Value::Null };
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("read the stream") > 0, "the stream has ended");
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => {
                    event.data = serde_json::from_str(data).expect("JSON");
                    return Event { ..event };
                }
                _ => {}
            }
        }
    }

    /// The next event of a kind.
    fn until(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next();
            if event.kind == kind {
                return event;
            }
        }
    }
}

/// Waits until the first epoch of both runs is shown: from then on, the columns of the table stay.
fn first_epoch(served: &Served) {
    wait_until("the first epoch is shown", || {
        let curves = served.json("/api/curves?experiment=live");
        served.json("/api/experiment?experiment=live")["metrics"]
            .as_array()
            .is_some_and(|metrics| metrics.len() == 4)
            && curves["curves"].as_array().is_some_and(|curves| curves.len() == 2)
    });
}

fn id(served: &Served) -> String {
    served.json("/api/experiment?experiment=live")["id"].as_str().expect("an id").to_owned()
}

#[test]
fn what_is_new_is_told_within_two_seconds_and_a_page_that_comes_back_misses_nothing() {
    let project = stepping(4);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("both runs are being run", || {
        project.path("runs/gridboard.db").exists()
            && project
                .run(&["sql", "--format", "json", "select 1 from runs where state = 'running'"])
                .stdout
                .matches('1')
                .count()
                >= 2
    });
    let Some(served) = Served::start(&project, &[]) else { return end(&mut sweep) };
    let whole = served.json("/api/experiment?experiment=live");
    assert_eq!(whole["strip"]["counts"]["running"], 2);
    go(&project, 0);
    first_epoch(&served);
    let mut stream = Stream::open(&served, &format!("experiment=live&since={}", id(&served)), &[]);
    assert_eq!(stream.next().kind, "hello");
    go(&project, 1);
    wait_until("the second epoch is written", || {
        project.read("runs/live/x-0.5/worker.log").contains("epoch 1")
    });
    let written = Instant::now();
    let told = stream.until("points");
    assert!(written.elapsed() < Duration::from_secs(2), "{:?}", written.elapsed());
    assert_eq!((&told.data[0]["after"], &told.data[0]["steps"][0]), (&Value::from(0), &Value::from(1)));
    // Cut off here; meanwhile the runs go on and end.
    drop(stream);
    for epoch in 2..4 {
        go(&project, epoch);
    }
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0));
    wait_until("the page knows the end", || {
        served.json("/api/experiment?experiment=live")["strip"]["counts"]["completed"] == 2
    });
    let last = id(&served);
    let mut again = Stream::open(&served, "experiment=live&since=old", &[("Last-Event-ID", &told.id)]);
    let mut steps = vec![0, 1];
    let key = told.data[0]["key"].clone();
    loop {
        let event = again.next();
        assert_ne!(event.kind, "reset", "the page had to begin anew");
        if event.kind == "points" {
            for curve in event.data.as_array().expect("curves").iter().filter(|curve| curve["key"] == key) {
                // What is told again replaces what was known.
                let after = curve["after"].as_i64().unwrap_or(-1);
                steps.retain(|step| *step <= after);
                steps.extend(curve["steps"].as_array().expect("steps").iter().filter_map(Value::as_i64));
            }
        }
        if event.id == last {
            break;
        }
    }
    assert_eq!(steps, [0, 1, 2, 3]);
    // Nobody knows this one any more.
    let mut strange = Stream::open(&served, "experiment=live&since=", &[("Last-Event-ID", "1-1")]);
    assert_eq!(strange.next().kind, "reset");
}

#[test]
fn a_log_is_followed_as_it_grows() {
    let project = stepping(2);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    go(&project, 0);
    wait_until("the run has written its log", || {
        project.path("runs/live/x-0.5/worker.log").exists()
            && project.read("runs/live/x-0.5/worker.log").contains("epoch 0")
    });
    let Some(served) = Served::start(&project, &[]) else { return end(&mut sweep) };
    let begun = served.json("/api/run/log?experiment=live&run=x-0.5");
    assert!(begun["text"].as_str().expect("text").contains("epoch 0"));
    let query = format!("experiment=live&since={}&log=x-0.5&log_from={}", id(&served), begun["end"]);
    let mut stream = Stream::open(&served, &query, &[]);
    go(&project, 1);
    let piece = stream.until("log");
    assert_eq!(piece.data["begins"], begun["end"]);
    assert!(piece.data["text"].as_str().expect("text").contains("epoch 1"), "{piece:?}");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0));
}

#[test]
fn pages_that_do_not_read_hold_nobody_up() {
    let project = stepping(4);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("the experiment is there", || project.path("runs/live/.control").exists());
    let Some(served) = Served::start(&project, &[]) else { return end(&mut sweep) };
    go(&project, 0);
    first_epoch(&served);
    let query = format!("experiment=live&since={}", id(&served));
    // They ask and never read; some are gone at once.
    let deaf: Vec<TcpStream> =
        (0..100).map(|_| begin(served.port, "GET", &format!("/api/events?{query}"), &[], "")).collect();
    drop(
        (0..20)
            .map(|_| begin(served.port, "GET", &format!("/api/events?{query}"), &[], ""))
            .collect::<Vec<_>>(),
    );
    let mut stream = Stream::open(&served, &query, &[]);
    for epoch in 1..4 {
        go(&project, epoch);
        let begun = Instant::now();
        stream.until("points");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0));
    drop(deaf);
}
