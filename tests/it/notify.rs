//! People are told of a sweep, and who does not listen holds nothing up.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::Project;

const SPEC: &str = "
experiment: told
model: {family: command, run: [sh, -c, 'test {x} = 3 && exit 9; exec python3 TRAINER 0.{x}']}
grid: {x: [1, 3, 2]}
schedule: {devices: 'cpu:1'}
notify: NOTIFY
";

fn project(notify: &str) -> Project {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    Project::with_spec(&SPEC.replace("TRAINER", trainer).replace("NOTIFY", notify))
}

/// An address that takes what is posted, and the bodies.
fn listen() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (sender, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some((_, value)) = line.to_lowercase().split_once("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let _ = reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            let _ = sender.send(String::from_utf8(body).expect("UTF-8"));
        }
    });
    (address, bodies)
}

#[test]
fn webhooks_and_programs_hear_of_the_end_the_failure_and_the_best() {
    let (address, bodies) = listen();
    let notify = "{slack: $MY_HOOK, command: [sh, -c, 'cat >> told.jsonl'], on: [finished, failed, best]}";
    let project = project(notify).env("MY_HOOK", &address);
    project.run(&["run", "spec.yaml"]).expect(3);
    let told = project.read("told.jsonl");
    let events: Vec<Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(kinds, ["failed", "best", "finished"], "{told}");
    assert_eq!((&events[0]["run"], &events[1]["run"]), (&"x-3".into(), &"x-2".into()));
    assert_eq!(events[2]["runs"]["completed"], 2);
    let texts: Vec<Value> = bodies
        .iter()
        .take(3)
        .map(|body| serde_json::from_str::<Value>(&body).expect("JSON")["text"].clone())
        .collect();
    assert_eq!(texts, events.iter().map(|event| event["text"].clone()).collect::<Vec<_>>());
    // The name alone is kept.
    for file in ["runs/told/experiment.yaml", "runs/told/x-1/run.json"] {
        assert!(!project.read(file).contains(&address), "{file}");
    }
    assert!(project.read("runs/told/experiment.yaml").contains("$MY_HOOK"));
}

#[test]
fn who_does_not_listen_is_told_of_once_and_holds_nothing_up() {
    // Takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!(
        "http://{}/secret",
        silent.local_addr().map(|_| silent.local_addr().expect("one")).expect("an address")
    );
    let project = project(
        "{webhook: $DEAD, slack: $ABSENT, discord: $SILENT, command: [./nothing], on: [finished, failed]}",
    )
    .env("DEAD", "http://127.0.0.1:1/secret")
    .env("SILENT", silent);
    let begun = Instant::now();
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(
        ran.stderr.contains("nobody is notified by slack: the variable ABSENT is not set"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.matches("cannot notify by webhook ($DEAD)").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("cannot notify by `./nothing`").count(), 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("/secret"), "{}", ran.stderr);
}
