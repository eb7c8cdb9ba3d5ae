//! After the sudden death of a sweep every command says the same of its runs, and several first sweeps share one database.

use nix::sys::signal::Signal;

use crate::support::{Project, signal, wait_until};

/// One run that ends, and one that waits for ever.
const SPEC: &str = "
experiment: cut
model:
  family: command
  run: [sh, -c, 'test {x} = 1 && exec python3 TRAINER 0.5; touch \"$GRIDBOARD_RUN_DIR/alive\"; sleep 1000 & wait']
grid: {x: [1, 2]}
schedule: {devices: 'cpu:2'}
";

#[test]
fn after_a_kill_every_command_says_the_same() {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    let project = Project::with_spec(&SPEC.replace("TRAINER", trainer));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let state = |project: &Project| project.sql("select state from runs order by position");
    let both = |first: &str, second: &str| vec![json(first), json(second)];
    wait_until("one run is alive and the other has ended", || {
        project.path("runs/cut/x-2/alive").exists() && state(&project) == both("completed", "running")
    });
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("the sweep is reaped");

    // Whichever looks first.
    let report = project.run(&["report", "cut"]).expect(0);
    assert!(!report.stdout.is_empty());
    let board = project.read("runs/cut/report/leaderboard.csv");
    assert!(
        board.lines().any(|line| line.contains("x-2") && line.contains("pending,not run yet")),
        "{board}"
    );
    let top = project.run(&["top", "cut"]).expect(0).stdout;
    assert!(top.lines().any(|line| line.contains("x-2") && line.contains("pending")), "{top}");
    let runs = project.run(&["runs", "--format", "json"]).expect(0).json();
    assert_eq!(runs[1]["state"], "pending");
    let owed = project.run(&["runs", "--state", "running", "--format", "json"]).expect(0).json();
    assert!(owed.is_empty(), "{owed:?}");
    let shown = project.run(&["show", "x-2", "--format", "json"]).expect(0).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("an object");
    assert_eq!((&shown["state"], &shown["attempts"][0]["state"]), (&"pending".into(), &"lost".into()));
    assert_eq!(state(&project), both("completed", "pending"));
    let reasons = project.sql("select run, reason from leaderboard where rank is null");
    assert_eq!(serde_json::json!(reasons), serde_json::json!([{"run": "x-2", "reason": "not run yet"}]));
}

/// A copy is not what is being run, whatever its rows say; the original is.
#[test]
fn a_copied_runs_directory_has_no_live_sweep() {
    let project = Project::with_spec(
        &SPEC.replace("TRAINER", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py")),
    );
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let of = |runs: &str, what: &str| {
        let ran = project.run(&["--runs-dir", runs, "sql", "--format", "json", what]).expect(0);
        serde_json::Value::from(ran.json())
    };
    let states = "select state from runs order by position";
    wait_until("one run is alive and the other has ended", || {
        project.path("runs/cut/x-2/alive").exists()
            && of("runs", states) == serde_json::json!([{"state": "completed"}, {"state": "running"}])
    });
    let attempts = "select a.pid > 0 as pid, a.pid_start > 0 as start, length(a.boot_id) as boot, r.last_point_age is null as age
        from attempts a join runs r using (run) where a.state = 'running'";
    assert_eq!(of("runs", attempts), serde_json::json!([{"pid": 1, "start": 1, "boot": 36, "age": 1}]));
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(project.path("runs"))
        .arg(project.path("copy"))
        .status();
    assert!(copied.expect("start cp").success());
    assert_eq!(of("copy", states), serde_json::json!([{"state": "completed"}, {"state": "pending"}]));
    let lost = "select state, failure, reason from attempts where run = 'x-2'";
    let said = serde_json::json!([{"state": "lost", "failure": "lost", "reason": "its sweep was killed"}]);
    assert_eq!(of("copy", lost), said);
    assert_eq!(of("runs", states)[1]["state"], "running");
    signal(&sweep, Signal::SIGTERM);
    sweep.wait().expect("the sweep ends");
    assert_eq!(of("runs", lost)[0]["state"], "interrupted");
}

fn json(state: &str) -> serde_json::Value {
    serde_json::json!({"state": state})
}

#[test]
fn several_first_sweeps_share_one_database() {
    let project = Project::new();
    let names = ["one", "two", "three", "four"];
    for name in names {
        project.write(
            &format!("{name}.yaml"),
            &format!("experiment: {name}\nmodel: {{family: command, run: ['true']}}\n"),
        );
    }
    let sweep = |name: &&str| {
        let mut command = project.command(&["run", &format!("{name}.yaml")]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        command.spawn().expect("start gridboard")
    };
    let sweeps: Vec<_> = names.iter().map(sweep).collect();
    for sweep in sweeps {
        let ended = sweep.wait_with_output().expect("the sweep ends");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let there = project.sql("select count(*) as runs from runs where state = 'completed'");
    assert_eq!(serde_json::json!(there), serde_json::json!([{"runs": 4}]));
    let litter: Vec<_> = std::fs::read_dir(project.path("runs"))
        .expect("the runs directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(litter.is_empty(), "{litter:?}");
}

#[test]
fn a_database_that_was_never_finished_is_made_anew() {
    let project = Project::with_spec("experiment: mine\nmodel: {family: command, run: ['true']}\n");
    project.write("runs/gridboard.db", "");
    let nothing = project.run(&["top"]).expect(1);
    assert!(nothing.stderr.contains("no runs database"), "{}", nothing.stderr);
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(project.sql("select state from runs"), [json("completed")]);
}

#[test]
fn what_is_no_database_is_said_and_left_alone() {
    let project = Project::with_spec("experiment: mine\nmodel: {family: command, run: ['true']}\n");
    project.write("runs/gridboard.db", &"a text of somebody's, no database\n".repeat(100));
    for arguments in [&["run", "spec.yaml"][..], &["top"], &["sql", "select 1"]] {
        let ran = project.run(arguments).expect(1);
        assert!(ran.stderr.contains("is not a Gridboard database"), "{}", ran.stderr);
    }
    assert!(project.read("runs/gridboard.db").starts_with("a text"));
    std::fs::remove_file(project.path("runs/gridboard.db")).expect("remove it");
    project.write("runs/gridboard.db/file", "");
    for arguments in [&["run", "spec.yaml"][..], &["top"], &["sql", "select 1"]] {
        let ran = project.run(arguments).expect(1);
        assert!(ran.stderr.contains("gridboard.db` is a folder, not a database"), "{}", ran.stderr);
    }
}

#[test]
fn a_metric_may_be_called_like_a_column() {
    let spec = "
experiment: named
model: {family: command, run: [python3, PROGRAM, '{x}']}
grid: {x: [1, 2]}
rank: {by: run, goal: maximize, then: validation_accuracy}
";
    let program = "import sys; sys.path.insert(0, 'TESTS'); sys.argv[1:] = sys.argv[1:] or ['0']
exec(open('TESTS/trainer.py').read().replace('\\nmain()\\n', '\\n'))
writer = Writer(os.environ['GRIDBOARD_RUN_DIR'])
writer.scalar('run', 0, float(sys.argv[1])); writer.scalar('validation_accuracy', 0, 0.75)
"
    .replace("TESTS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"));
    let project = Project::new();
    let program = project.write("program.py", &program);
    project.write("spec.yaml", &spec.replace("PROGRAM", &program.display().to_string()));
    project.run(&["run", "spec.yaml"]).expect(0);
    let view = project.sql("select run, run_metric, validation_accuracy, x from named order by rank");
    let top = project.run(&["top", "named", "--format", "json"]).expect(0).json();
    for rows in [&view, &top] {
        assert_eq!((&rows[0]["run"], &rows[1]["run"]), (&"x-2".into(), &"x-1".into()));
        assert_eq!((&rows[0]["run_metric"], &rows[0]["validation_accuracy"]), (&2.0.into(), &0.75.into()));
    }
    let csv = project.run(&["top", "named", "--format", "csv"]).expect(0).stdout;
    let header: Vec<&str> = csv.lines().next().expect("a header").split(',').collect();
    let distinct: std::collections::HashSet<&&str> = header.iter().collect();
    assert_eq!(distinct.len(), header.len(), "{header:?}");
}
