//! `gridboard tensorboard`: one experiment, several in one table, the best runs alone.

use std::{net::TcpListener, path::Path};

use nix::sys::signal::Signal;
use serde_json::json;

use super::{
    TensorBoard,
    sweeps::{metric, session_groups},
};
use crate::support::Project;

/// Two experiments of one grid: TensorBoard itself would take rows of one name for seeds of one another.
fn project() -> Project {
    let spec = |name: &str, offset: u32, seeds: &str| {
        format!(
            "experiment: {name}\nmodel: {{family: command, run: [{}, '0.{offset}{{x}}{{seed}}']}}\n\
             grid: {{x: [1, 2, 3]}}\nseeds: {seeds}\nschedule: {{devices: 'cpu:2'}}\n",
            crate::support::trainer()
        )
    };
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    let project = Project::new().env("VIRTUAL_ENV", environment.to_string_lossy());
    project.write("low.yaml", &spec("low", 5, "[1, 2]"));
    project.write("high.yaml", &spec("high", 7, "[1, 2]"));
    for spec in ["low.yaml", "high.yaml"] {
        project.run(&["run", spec]).expect(0);
    }
    project
}

fn start(project: &Project, arguments: &[&str]) -> TensorBoard {
    let mut all = vec!["tensorboard"];
    all.extend(arguments);
    all.extend(["--port", "0", "--", "--host", "127.0.0.1", "--reload_interval", "1"]);
    TensorBoard::spawn(&mut project.command(&all))
}

#[test]
fn experiments_are_one_table_and_their_best_runs_another() {
    let project = project();
    let mut board = start(&project, &[]);
    let groups = board.wait_for("all rows of both", |board| {
        let groups = session_groups(board, &["STATUS_SUCCESS"]);
        let whole = groups.values().filter(|group| metric(group, "validation", "epoch_accuracy").is_some());
        (whole.count() == 6).then_some(groups)
    });
    let sizes: Vec<usize> =
        groups.values().map(|group| group["sessions"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes, [2; 6], "seeds are together and experiments apart");
    assert_eq!(groups["high/x-3"]["hparams"], json!({"experiment": "high", "x": 3.0}));
    let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({"experimentName": ""}));
    assert_eq!(experiment["hparamInfos"].as_array().map(Vec::len), Some(2), "{experiment}");
    let texts = board.get_json("/data/plugin/text/tags", &[]);
    for tag in ["leaderboard/high", "leaderboard/low"] {
        assert!(texts["."].as_array().is_some_and(|tags| tags.contains(&json!(tag))), "{texts}");
    }
    // What each run has beside its row: here the bands over the seeds, in the runs of the first.
    let tags = board.get_json("/data/plugin/scalars/tags", &[]);
    for experiment in ["high", "low"] {
        let band = &tags[format!("{experiment}/x-2-seed-1")]["seeds/validation/epoch_accuracy/mean"];
        assert!(!band.is_null(), "{tags}");
    }
    let bands = ["accuracy", "loss"]
        .map(|metric| format!("validation/epoch_{metric}: mean over the seeds, lowest to highest"));
    assert_eq!(charts(&board), [&bands[0], &bands[1], "the whole grid"]);
    drop(board);

    let mut board = start(&project, &["low", "--top", "2"]);
    let groups = board.wait_for("the best two", |board| {
        let groups = session_groups(board, &["STATUS_SUCCESS"]);
        groups
            .values()
            .all(|group| metric(group, "", "rank").is_some())
            .then_some(groups)
            .filter(|of| of.len() == 2)
    });
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["x-3-seed-1", "x-3-seed-2"]);
    assert_eq!(metric(&groups["x-3-seed-2"], "", "rank"), Some(1.0));
    assert_eq!(charts(&board), ["the whole grid"]);
}

/// The headings of Custom Scalars.
fn charts(board: &TensorBoard) -> Vec<String> {
    let layout = board.get_json("/data/plugin/custom_scalars/layout", &[]);
    let categories = layout["category"].as_array().cloned().unwrap_or_default();
    categories.iter().filter_map(|category| category["title"].as_str()).map(str::to_owned).collect()
}

#[test]
fn one_experiment_is_its_own_folder_and_a_missing_program_is_told() {
    let project = project();
    let ran = project.run(&["tensorboard", "high", "--dry-run", "--port", "7007"]).expect(0);
    let expected = ".venv/bin/tensorboard --logdir runs/high --reload_interval 5";
    assert!(ran.stdout.contains(expected) && ran.stdout.contains("--port 7007"), "{}", ran.stdout);
    let nowhere = project
        .command(&["tensorboard", "high"])
        .env("VIRTUAL_ENV", "/nowhere")
        .env("PATH", "/nowhere")
        .output();
    let ran = crate::support::Ran::from(nowhere.expect("start gridboard")).expect(1);
    assert!(ran.stderr.contains("pip install tensorboard"), "{}", ran.stderr);
    project.run(&["tensorboard", "hihg"]).expect(2);
}

#[test]
fn a_sweep_that_has_just_begun_is_told_where_its_runs_will_be_ticked() {
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    let values: Vec<String> = (10..50).map(|value| value.to_string()).collect();
    let project = Project::with_spec(&format!(
        "experiment: begun\nmodel: {{family: command, run: [sh, -c, '{} 0.{{x}}; sleep 600']}}\n\
         grid: {{x: [{}]}}\nschedule: {{devices: 'cpu:1'}}\n",
        crate::support::trainer().replace(',', ""),
        values.join(", ")
    ))
    .env("VIRTUAL_ENV", environment.to_string_lossy());
    let mut sweep = project.start(&["run", "spec.yaml"]);
    crate::support::wait_until("a run is there", || project.path("runs/begun/x-10/train").exists());
    let port =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
    let port = port.to_string();
    let arguments = ["tensorboard", "begun", "--port", &port, "--", "--host", "127.0.0.1"];
    let mut board = TensorBoard::spawn(&mut project.command(&arguments));
    board.wait_for("the addresses", |board| {
        let said = board.log();
        ["#text&runSelectionState=", "#custom_scalars&runSelectionState="]
            .iter()
            .all(|page| said.contains(&format!("http://localhost:{port}/{page}")))
            .then_some(())
    });
    crate::support::signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("its end").code(), Some(130));
}

/// A program that logs as PyTorch's `add_hparams` does: into a folder of its own, which begins with records of its table and its
/// row.
const ADDS_HPARAMS: &str = "import os, struct, sys, time
sys.path.insert(0, 'TESTS')
from trainer import Writer, field, record
run_dir = os.environ['GRIDBOARD_RUN_DIR']
Writer(run_dir).scalar('Loss/val', 0, float(sys.argv[1]))
own = Writer(run_dir + '/1764.5')
def hparams(tag, content):
    plugin = field(1, field(1, b'hparams') + field(2, content))
    summary = field(1, field(1, tag) + field(9, plugin))
    own.file.write(record(struct.pack('<Bd', 9, time.time()) + field(5, summary)))
metric = field(5, field(1, field(2, b'hparam/loss')))
hparams(b'_hparams_/experiment', field(2, field(4, field(1, b'lr') + bytes([32, 3])) + metric))
hparams(b'_hparams_/session_start_info', field(3, b''))
own.scalar('hparam/loss', 0, 0.25)
";

#[test]
fn records_of_a_program_do_not_spoil_the_table() {
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv");
    let project = Project::with_spec(
        "
experiment: adds
model: {family: command, run: [python3, adds.py, '0.{x}']}
grid: {x: [1, 2, 3]}
rank: {by: Loss/val}
schedule: {devices: 'cpu:2'}
",
    )
    .env("VIRTUAL_ENV", environment.to_string_lossy());
    project
        .write("adds.py", &ADDS_HPARAMS.replace("TESTS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")));
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("each of 3 runs writes HParams records of its own"), "{}", ran.stderr);
    for fast in ["--load_fast=true", "--load_fast=false"] {
        let mut all = vec!["tensorboard", "adds", "--port", "0", "--", "--host", "127.0.0.1"];
        all.extend(["--reload_interval", "1", fast]);
        let mut board = TensorBoard::spawn(&mut project.command(&all));
        let groups = board.wait_for("the rows with their ranks", |board| {
            let groups = session_groups(board, &["STATUS_SUCCESS", "STATUS_UNKNOWN"]);
            let ranked = groups.values().filter(|group| metric(group, "", "rank").is_some()).count();
            (ranked == 3).then_some(groups)
        });
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["x-1", "x-2", "x-3"]);
        assert_eq!(metric(&groups["x-1"], "", "Loss/val").map(|loss| loss as f32), Some(0.1));
        let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({"experimentName": ""}));
        let infos = experiment["hparamInfos"].as_array().expect("columns");
        let names: Vec<_> = infos.iter().filter_map(|info| info["name"].as_str()).collect();
        assert_eq!(names, ["x"], "{experiment}");
        // Its metrics are there, and the pages of the sweep's own run.
        let tags = board.get_json("/data/plugin/scalars/tags", &[]);
        assert!(!tags["x-2/1764.5"]["hparam/loss"].is_null(), "{tags}");
        let texts = board.get_json("/data/plugin/text/tags", &[]);
        assert_eq!(texts["."].as_array().map(Vec::len), Some(3), "{texts}");
    }
}
