//! Reports and suites, as files: one page that needs nothing else, and the same bytes again.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path, process::Command, process::Stdio};

use crate::support::Project;

/// Two experiments over a program of the user's; the first has a run that fails.
fn project() -> Project {
    let project = Project::new();
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    let command = |test: &str| format!("[sh, -c, '{test}; exec python3 \"$0\" 0.{{a}}5 3', {trainer}]");
    let spec = |name: &str, command: &str| {
        format!(
            "experiment: {name}\nmodel: {{family: command, run: {command}}}\ngrid: {{a: [1, 2, 3]}}\n\
             schedule: {{devices: 'cpu:2'}}\n"
        )
    };
    let failing = "test {a} != 2 || { echo \"<script>alert(1)</script> & <b>\" >&2; exit 7; }";
    project.write("one.yaml", &spec("one", &command(failing)));
    project.write("two.yaml", &spec("two", &command("true")));
    project.write("all.yaml", "suite: all\nexperiments: [one.yaml, two.yaml]\n");
    project
}

/// Every file of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .expect("the report's folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (
                path.file_name().expect("a name").to_string_lossy().into_owned(),
                fs::read(&path).expect("a file"),
            )
        })
        .collect()
}

/// Reads a page with Python's HTML parser: every element that is opened is closed in its place, ids are unique, links lead
/// inside the page, and nothing is loaded from anywhere.
const CHECK: &str = r##"
import sys
from html.parser import HTMLParser
VOID = {"meta", "link", "img", "br", "hr", "input"}
SVG_VOID = set()
class Check(HTMLParser):
    open, ids, links, problems, tables, figures, scripts = [], [], [], [], 0, 0, 0
    def handle_startendtag(self, tag, attributes):
        self.attributes(tag, attributes)
    def handle_starttag(self, tag, attributes):
        self.attributes(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.tables += tag == "table"
        self.figures += tag == "svg"
    def attributes(self, tag, attributes):
        if tag == "script":
            # One of the page's own: it has no attribute, so nothing is loaded.
            self.scripts += 1
            if attributes or self.scripts > 1: self.problems.append("<script>")
        if tag in ("iframe", "object", "embed", "link", "base"):
            self.problems.append(f"<{tag}>")
        for name, value in attributes:
            if name == "id": self.ids.append(value)
            if (name, (value or "")[:5]) == ("xlink:href", "data:") or (name, (value or "")[:5]) == ("href", "data:"): continue
            if name == "href": self.links.append(value)
            if name.startswith("on") or name in ("src", "srcset", "action", "data", "xlink:href"):
                self.problems.append(f"{tag} {name}={value}")
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes another element, line {self.getpos()}")
check = Check()
text = sys.stdin.read()
check.feed(text); check.close()
if check.open: check.problems.append(f"never closed: {check.open}")
if len(set(check.ids)) != len(check.ids): check.problems.append(f"ids repeat: {sorted(check.ids)}")
for link in check.links:
    if not link.startswith("#") or link[1:] not in check.ids: check.problems.append(f"link to {link}")
for word in ("http:", "https:", "url(", "@import"):
    if word in text: check.problems.append(f"the page names {word}")
print(check.tables, check.figures)
sys.exit("\n".join(check.problems) if check.problems else 0)
"##;

/// Tables and figures of a page that is well-formed and needs nothing else.
#[track_caller]
fn checked(page: &str) -> (usize, usize) {
    let mut python = Command::new("python3")
        .args(["-c", CHECK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3");
    python.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("the page is read");
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let counts: Vec<usize> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    (counts[0], counts[1])
}

#[test]
fn a_suite_runs_all_its_experiments_and_reports_them_together() {
    let project = project();
    let ran = project.run(&["run", "all.yaml"]).expect(3);
    assert!(
        ran.stderr.contains("all: experiment 2 of 2: two"),
        "a failed run does not stop the next:\n{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("runs/all.report/report.html"), "{}", ran.stdout);
    let states = project.sql("select experiment, state, count(*) as n from runs group by 1, 2 order by 1, 2");
    assert_eq!(
        serde_json::json!(states),
        serde_json::json!([
            {"experiment": "one", "state": "completed", "n": 2},
            {"experiment": "one", "state": "failed", "n": 1},
            {"experiment": "two", "state": "completed", "n": 3},
        ])
    );
    let (page, one) =
        (project.read("runs/all.report/report.html"), project.read("runs/one/report/report.html"));
    for page in [&page, &one] {
        let (tables, figures) = checked(page);
        assert!(tables >= 4 && figures >= 3, "{tables} tables, {figures} figures");
    }
    assert!(
        one.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "the reason of the failure is shown as text"
    );

    let before = [files(&project.path("runs/all.report")), files(&project.path("runs/one/report"))];
    let printed = project.run(&["report", "all.yaml"]).expect(0).stdout;
    assert!(printed.starts_with("runs/all.report/report.html\n"), "{printed}");
    assert!(printed.contains("runs/two/report/report.html"), "{printed}");
    project.run(&["report", "one", "two"]).expect(0);
    assert_eq!(before, [files(&project.path("runs/all.report")), files(&project.path("runs/one/report"))]);

    // Every table is there for other programs too, every figure for print.
    let names: Vec<&String> = before[0].keys().collect();
    for stem in ["one-top_ten", "one-runs", "one-unranked", "two-top_ten", "two-reproduction"] {
        for extension in ["csv", "md", "tex", "json"] {
            assert!(
                before[0].contains_key(&format!("{stem}.{extension}")),
                "{stem}.{extension} in {names:?}"
            );
        }
    }
    for stem in ["one-accuracy_curves", "two-loss_curves", "two-accuracy_bars"] {
        assert!(
            before[0].contains_key(&format!("{stem}.svg")) && before[0].contains_key(&format!("{stem}.png"))
        );
    }
}

#[test]
fn a_suite_is_checked_whole_before_anything_runs() {
    let project = project();
    project.write("two.yaml", "experiment: two\nmodel: {family: command}\n");
    let ran = project.run(&["run", "all.yaml"]).expect(2);
    assert!(ran.stderr.contains("two.yaml` has 1 problem"), "{}", ran.stderr);
    assert!(!project.path("runs").exists(), "nothing was run");
}

#[test]
fn the_plan_of_a_suite_has_all_grids() {
    let project = project();
    let rows = project.run(&["plan", "all.yaml", "--format", "json"]).expect(0).json();
    let experiments: Vec<&str> = rows.iter().filter_map(|row| row["experiment"].as_str()).collect();
    assert_eq!(experiments, ["one", "one", "one", "two", "two", "two"]);
    let text = project.run(&["plan", "all.yaml"]).expect(0).stdout;
    assert!(text.contains("Plan of one") && text.contains("Plan of two"), "{text}");
    let refused = project.run(&["plan", "all.yaml", "--format", "csv"]).expect(2);
    assert!(refused.stderr.contains("`all` is a suite of 2"), "{}", refused.stderr);
    assert!(!project.path("runs").exists(), "a plan writes nothing");
}

#[test]
fn an_interrupt_ends_the_suite() {
    let project = Project::new();
    let spec = |name: &str| format!("experiment: {name}\nmodel: {{family: command, run: [sleep, '60']}}\n");
    project.write("one.yaml", &spec("one"));
    project.write("two.yaml", &spec("two"));
    project.write("all.yaml", "suite: all\nexperiments: [one.yaml, two.yaml]\n");
    let mut child = project.start(&["run", "all.yaml"]);
    crate::support::wait_until("the first run is alive", || {
        project.path("runs/gridboard.db").exists()
            && project
                .run(&["sql", "--format", "json", "select 1 from runs where state = 'running'"])
                .stdout
                .contains('1')
    });
    crate::support::signal(&child, nix::sys::signal::Signal::SIGINT);
    let code = child.wait().expect("the suite ends").code();
    assert_eq!(code, Some(130), "{}", project.read("err.log"));
    let experiments = project.sql("select experiment from experiments");
    assert_eq!(serde_json::json!(experiments), serde_json::json!([{"experiment": "one"}]));
    // Nothing more is made after the signal; the report of what there is can be asked for.
    assert!(!project.path("runs/all.report").exists());
    project.run(&["report", "all.yaml"]).expect(0);
    assert!(project.read("runs/all.report/report.html").contains("two: not run yet."));
}
