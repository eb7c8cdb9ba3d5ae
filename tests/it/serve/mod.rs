//! The live page: its server over HTTP and server-sent events, who it answers, and the page itself in a real browser.

mod api;
mod browser;
mod guard;
mod harm;
mod http;
mod made;
mod scale;
mod stream;
mod webdriver;

use std::{
    path::Path,
    process::{Child, Command},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Project, signal, wait_until};
use http::{Answer, ask};

/// A page that is served, until it is dropped.
struct Served {
    child: Child,
    port: u16,
    token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Starts `gridboard serve` on a port that is free; `None` where this build has no page, which is said.
    fn start(project: &Project, arguments: &[&str]) -> Option<Self> {
        let all = [&["serve", "--port", "0"], arguments].concat();
        let log = std::fs::File::create(project.path("serve.out")).expect("create the log");
        let errors = std::fs::File::create(project.path("serve.err")).expect("create the log");
        let mut child = project.command(&all).stdout(log).stderr(errors).spawn().expect("start gridboard");
        let told = || project.read("serve.out");
        let mut ended = false;
        wait_until("the page is served", || {
            ended = child.try_wait().expect("look at the server").is_some();
            ended || told().contains("to change")
        });
        if ended {
            let errors = project.read("serve.err");
            assert!(errors.contains("built without the live page"), "{errors}");
            missing("the live page: scripts/setup.sh brings uPlot by npm");
            return None;
        }
        let text = told();
        let change = text
            .lines()
            .find_map(|line| line.strip_prefix("to change    http://127.0.0.1:"))
            .expect("a line");
        let (port, token) = change.split_once('/').expect("a port");
        let token = token.rsplit_once("#token=").expect("a token").1.to_owned();
        Some(Self { child, port: port.parse().expect("a port"), token })
    }

    /// `GET path`.
    fn get(&self, path: &str) -> Answer {
        ask(self.port, "GET", path, &[], "")
    }

    /// `GET path`, which is answered with JSON.
    #[track_caller]
    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// `POST path` with the token.
    fn post(&self, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        ask(
            self.port,
            "POST",
            path,
            &[("Authorization", &bearer), ("Content-Type", "application/json")],
            body,
        )
    }
}

/// Says that something is not tried, and why.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see what they leave out")]
fn missing(what: &str) {
    eprintln!("NOT TRIED without {what}");
}

/// Whether a program is on the path.
fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Two runs on one slot, whose epochs are written when the files `go-0` and so on are there.
fn stepping(epochs: u32) -> Project {
    let trainer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stepping_trainer.py");
    let project = Project::new();
    let spec = format!(
        "experiment: live\n\
         model:\n  family: command\n  run: [python3, {}, {}, '{{x}}', '{epochs}']\n\
         grid: {{x: [0.5, 0.75]}}\n\
         rank: {{by: validation/epoch_accuracy}}\n\
         schedule: {{devices: 'cpu:2'}}\n",
        trainer.display(),
        project.path("").display()
    );
    project.write("spec.yaml", &spec);
    project
}

/// Lets the runs of [`stepping`] write the epochs up to this one.
fn go(project: &Project, epoch: u32) {
    project.write(&format!("go-{epoch}"), "");
}

/// A finished experiment of six runs, with three values of one axis and two of another.
fn finished() -> Project {
    let project = Project::with_spec(
        "experiment: done\n\
         model:\n  family: command\n  run: [{trainer}, '{x}', '3']\n\
         grid: {x: [0.5, 0.6, 0.7], y: [1, 2]}\n\
         rank: {by: validation/epoch_accuracy}\n\
         schedule: {devices: 'cpu:2'}\n",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    project
}

/// Asks a process to end and waits until it has.
fn end(child: &mut Child) {
    signal(child, Signal::SIGTERM);
    child.wait().expect("wait for the child");
}

#[test]
fn a_taken_port_is_told_with_the_next_free_one() {
    let project = finished();
    let Some(first) = Served::start(&project, &[]) else { return };
    let second = project.run(&["serve", "--port", &first.port.to_string()]).expect(2);
    assert!(
        second.stderr.contains(&format!("port {} of 127.0.0.1 is taken", first.port)),
        "{}",
        second.stderr
    );
    assert!(second.stderr.contains("the next free one: --port "), "{}", second.stderr);
    let none = project.run(&["serve", "--port", "0", "nothing"]).expect(2);
    assert!(none.stderr.contains("no experiment `nothing`"), "{}", none.stderr);
}

#[test]
fn a_sweep_shows_its_own_page_and_ends_with_its_own_code() {
    let project = stepping(2);
    let mut sweep = project.start(&["run", "--serve=0", "spec.yaml"]);
    let mut text = String::new();
    wait_until("the sweep tells where its page is", || {
        text = project.read("err.log");
        text.contains("to change") || sweep.try_wait().expect("look at the sweep").is_some()
    });
    if text.contains("built without the live page") {
        return missing("the live page");
    }
    let line =
        text.lines().find_map(|line| line.strip_prefix("page         http://127.0.0.1:")).expect("a line");
    let port: u16 = line.trim_end_matches('/').parse().expect("a port");
    wait_until("the page shows the sweep", || {
        let answer = ask(port, "GET", "/api/experiment?experiment=live", &[], "");
        answer.status == 200 && answer.json()["strip"]["status"]["busy"] == 2
    });
    go(&project, 0);
    go(&project, 1);
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0));
}
