//! What the machine does for each run: in the run's own event file, in the database, and nowhere among its results.

use serde_json::{Value, json};

use super::TensorBoard;
use crate::{devices::fake_nvml, support::Project};

/// A program that computes for five seconds in a child of its own.
const PROGRAM: &str = "import os, subprocess, sys, time
sys.path.insert(0, 'TESTS')
from trainer import Writer
subprocess.run([sys.executable, '-c', 'import time\\nend = time.time() + 5\\nwhile time.time() < end: pass'])
Writer(os.environ['GRIDBOARD_RUN_DIR']).scalar('loss', 0, 0.5)
";

#[test]
fn processor_and_gpu_are_read_while_a_run_computes_and_are_no_results() {
    let project = Project::with_spec(
        "
experiment: busy
model: {family: command, run: [python3, busy.py]}
grid: {x: [1]}
rank: {by: loss}
",
    );
    project.write("busy.py", &PROGRAM.replace("TESTS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")));
    let folder = fake_nvml(&project);
    let project =
        project.env("LD_LIBRARY_PATH", folder.to_str().expect("UTF-8")).env("GRIDBOARD_FAKE_GPUS", "1");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(!ran.stdout.contains("system/"), "no column of results: {}", ran.stdout);

    let rows =
        project.sql("select tag, step, value from history where tag like 'system/%' order by tag, step");
    let values = |tag: &str| -> Vec<f64> {
        rows.iter().filter(|row| row["tag"] == tag).filter_map(|row| row["value"].as_f64()).collect()
    };
    let cores = values("system/processor_cores");
    assert!((2..=3).contains(&cores.len()), "every two seconds: {rows:?}");
    assert!(cores.iter().all(|cores| (0.05..1.5).contains(cores)), "one child computes: {cores:?}");
    assert!(values("system/memory_mib").iter().all(|memory| *memory > 5.0));
    assert_eq!(values("system/gpu_utilization_percent"), vec![50.0; cores.len()]);
    assert_eq!(values("system/gpu_power_watts"), vec![100.0; cores.len()]);
    let energy = values("system/gpu_energy_joules");
    assert_eq!(energy, [0.0, 25.0, 50.0][..cores.len()]);

    for fast in [true, false] {
        let mut board = TensorBoard::start_as(&project.path("runs/busy"), fast);
        let runs = board.wait_for("both runs", |board| {
            let runs = board.get_json("/data/runs", &[]);
            (runs.as_array()?.len() == 2).then_some(runs)
        });
        assert!([json!([".", "x-1"]), json!(["x-1", "."])].contains(&runs), "none is added: {runs}");
        let points = board
            .get_json("/data/plugin/scalars/scalars", &[("run", "x-1"), ("tag", "system/processor_cores")]);
        let shown: Vec<f64> =
            points.as_array().expect("points").iter().filter_map(|point| point[2].as_f64()).collect();
        assert_eq!(shown, cores, "the database has the same numbers");
    }
    // Another attempt begins them anew, and a table of metrics has none of them.
    let top: Vec<Value> = project.run(&["top", "--format", "json"]).expect(0).json();
    let columns = top[0].as_object().expect("a row");
    assert!(columns.keys().all(|column| !column.starts_with("system")), "{columns:?}");
}
