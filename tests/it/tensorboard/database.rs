//! Everything that TensorBoard shows of a sweep against the database, with both of its loaders: one run, the grid of the paper
//! with three seeds, and a sweep that was killed in the middle of its runs and resumed.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    TensorBoard,
    sweeps::{LOADERS, metric, session_groups},
};
use crate::support::{Project, signal, wait_until};

/// The tabs that a sweep of any program fills.
const TABS: [&str; 4] = ["scalars", "hparams", "text", "custom_scalars"];

/// Asserts, once all is loaded, that the rows of HParams with their statuses, metrics and ranks, and every curve with its steps,
/// are those of the database, and that no tab is empty.
#[track_caller]
fn assert_shows_the_database(board: &mut TensorBoard, project: &Project) {
    let database = Database::read(project);
    let mut last = Vec::new();
    board.wait_for("what the database has", |board| {
        let differences = database.differences(board);
        let is_new = differences != last;
        if is_new && !differences.is_empty() {
            eprintln!("{} differences, the first: {}", differences.len(), differences[0]);
        }
        last = differences;
        last.is_empty().then_some(())
    });
    let plugins = board.get_json("/data/plugins_listing", &[]);
    for tab in TABS {
        assert_eq!(plugins[tab]["enabled"], true, "{tab}: {plugins}");
    }
}

type Curve = Vec<(i64, f64)>;

struct Database {
    /// State, and the place of its row, by run.
    runs: BTreeMap<String, (String, Option<f64>)>,
    /// By run and tag.
    curves: BTreeMap<(String, String), Curve>,
}

impl Database {
    fn read(project: &Project) -> Self {
        let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let seeds = project.sql("select count(distinct seed) as n from runs");
        let several = seeds[0]["n"].as_i64() > Some(1);
        // With several seeds the rows are grid points.
        let query = if several {
            "select r.run, r.state, p.rank from runs r left join grid_points p \
             on r.run = p.grid_point or r.run like p.grid_point || '-seed-%'"
        } else {
            "select r.run, r.state, l.rank from runs r left join leaderboard l using (run)"
        };
        let rows = project.sql(query);
        let runs = rows.iter().map(|row| (text(row, "run"), (text(row, "state"), row["rank"].as_f64())));
        let mut curves: BTreeMap<(String, String), Curve> = BTreeMap::new();
        for row in project.sql("select run, tag, step, value from history order by run, tag, step") {
            let point = (row["step"].as_i64().expect("a step"), row["value"].as_f64().expect("a value"));
            curves.entry((text(&row, "run"), text(&row, "tag"))).or_default().push(point);
        }
        let read = Self { runs: runs.collect(), curves };
        assert_eq!(rows.len(), read.runs.len(), "each run once: {rows:?}");
        read
    }

    fn differences(&self, board: &TensorBoard) -> Vec<String> {
        let mut differences = Vec::new();
        self.compare_rows(board, &mut differences);
        self.compare_curves(board, &mut differences);
        differences
    }

    fn compare_rows(&self, board: &TensorBoard, differences: &mut Vec<String>) {
        let statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"];
        let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({"experimentName": ""}));
        let columns: Vec<(String, String)> = experiment["metricInfos"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|column| {
                let part = |name: &str| column["name"][name].as_str().unwrap_or_default().to_owned();
                (part("group"), part("tag"))
            })
            .collect();
        let mut seen = 0;
        for (name, group) in session_groups(board, &statuses) {
            let sessions = group["sessions"].as_array().cloned().unwrap_or_default();
            for session in &sessions {
                seen += 1;
                let run = session["name"].as_str().unwrap_or_default();
                let Some((state, rank)) = self.runs.get(run) else {
                    differences.push(format!("row {run} is no run"));
                    continue;
                };
                let status = match state.as_str() {
                    "completed" => "STATUS_SUCCESS",
                    "failed" => "STATUS_FAILURE",
                    _ => "STATUS_UNKNOWN",
                };
                if session["status"] != status {
                    differences.push(format!("{run}: {} and {state}", session["status"]));
                }
                for (folder, tag) in &columns {
                    let full = if folder.is_empty() { tag.clone() } else { format!("{folder}/{tag}") };
                    let expected = match tag.as_str() {
                        "rank" => *rank,
                        _ => self
                            .curves
                            .get(&(run.to_owned(), full))
                            .and_then(|curve| curve.last())
                            .map(|last| last.1),
                    };
                    let shown = metric(session, folder, tag);
                    if shown != expected {
                        differences.push(format!("{run}, {folder}/{tag}: {shown:?} and {expected:?}"));
                    }
                }
            }
            for (folder, tag) in &columns {
                let values: Vec<f64> =
                    sessions.iter().filter_map(|session| metric(session, folder, tag)).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                if !values.is_empty()
                    && metric(&group, folder, tag).is_none_or(|shown| (shown - mean).abs() > 1e-6)
                {
                    differences.push(format!("{name}, {folder}/{tag}: {group}"));
                }
            }
        }
        if seen != self.runs.len() || columns.len() < 3 {
            differences.push(format!("{seen} rows of {}, columns {columns:?}", self.runs.len()));
        }
    }

    fn compare_curves(&self, board: &TensorBoard, differences: &mut Vec<String>) {
        let tags = board.get_json("/data/plugin/scalars/tags", &[]);
        for ((run, full), curve) in &self.curves {
            // The file of a sub-run, or of the run with slashes in its tags.
            let places =
                full.rmatch_indices('/').map(|(at, _)| (format!("{run}/{}", &full[..at]), &full[at + 1..]));
            let mut places = places.chain([(run.clone(), full.as_str())]);
            let Some((series, tag)) = places.find(|(series, tag)| !tags[series.as_str()][*tag].is_null())
            else {
                differences.push(format!("{run} has no {full}"));
                continue;
            };
            let shown = board.get_json("/data/plugin/scalars/scalars", &[("run", &series), ("tag", tag)]);
            let shown: Curve = shown
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|point| Some((point[1].as_i64()?, point[2].as_f64()?)))
                .collect();
            if shown != *curve {
                differences.push(format!("{run}, {full}: {shown:?} and {curve:?}"));
            }
        }
    }
}

#[test]
fn a_single_run_fills_its_tabs() {
    let project = Project::with_spec(
        "
experiment: single
model: {family: command, run: [{trainer}, '0.{x}', '3']}
grid: {x: [7]}
schedule: {devices: 'cpu:1'}
",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/single"), fast);
        assert_shows_the_database(&mut board, &project);
        let layout = board.get_json("/data/plugin/custom_scalars/layout", &[]);
        let categories = layout["category"].as_array().expect("categories");
        assert!(
            categories.len() == 1 && categories[0]["title"] == "the whole grid",
            "no bands of one seed: {layout}"
        );
    }
}

#[test]
fn twenty_seven_grid_points_with_three_seeds_are_rows_with_bands() {
    let project = Project::with_spec(
        "
experiment: paper
model: {family: command, run: [{trainer}, '0.{dense_layers}{conv_layers}{seed}{layer_size}', '3']}
grid: {dense_layers: [0, 1, 2], conv_layers: [1, 2, 3], layer_size: [32, 64, 128]}
seeds: [0, 1, 2]
schedule: {devices: 'cpu:4'}
",
    );
    project.run(&["run", "spec.yaml", "--quiet"]).expect(0);
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/paper"), fast);
        assert_shows_the_database(&mut board, &project);
        let groups = session_groups(&board, &["STATUS_SUCCESS"]);
        assert_eq!(groups.len(), 27);
        let ranks: Vec<f64> = groups.values().filter_map(|group| metric(group, "", "rank")).collect();
        assert_eq!(ranks.iter().sum::<f64>(), f64::from(27 * 28 / 2), "each rank once: {ranks:?}");
        // The band of a grid point is in one of its runs, so that each has a colour of its own.
        let tags = board.get_json("/data/plugin/scalars/tags", &[]);
        let banded = |tags: &Value| !tags["seeds/validation/epoch_loss/low"].is_null();
        assert_eq!(tags.as_object().expect("runs").values().filter(|tags| banded(tags)).count(), 27);
    }
}

#[test]
fn a_sweep_that_was_killed_and_resumed_has_every_step_once() {
    let paced = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/paced_trainer.py");
    let project = Project::with_spec(&format!(
        "
experiment: killed
model: {{family: command, run: [python3, {paced}, '0.{{x}}', '8', '0.2']}}
grid: {{x: [5, 6, 7, 8]}}
schedule: {{devices: 'cpu:2'}}
"
    ));
    std::fs::create_dir_all(project.path("runs/killed")).expect("the folder");
    let mut watching = TensorBoard::start(&project.path("runs/killed"));
    let epochs = |run: &str| {
        std::fs::read_to_string(project.path(&format!("runs/killed/{run}/epochs"))).unwrap_or_default()
    };
    for (run, epoch) in [("x-5", "2"), ("x-7", "4")] {
        let mut sweep = project.start(&["run", "spec.yaml"]);
        wait_until("a run is in its middle", || epochs(run).lines().any(|line| line == epoch));
        signal(&sweep, Signal::SIGKILL);
        sweep.wait().expect("the end of the sweep");
        let rows = board_statuses(&mut watching);
        assert!(rows.values().any(|status| status == "STATUS_UNKNOWN"), "it was in its middle: {rows:?}");
    }
    project.run(&["run", "spec.yaml"]).expect(0);
    let resumed = project.sql("select count(*) as n from attempts where resumed_from > 0");
    assert!(resumed[0]["n"].as_i64() >= Some(2), "{resumed:?}");
    let steps = project.sql(
        "select run, tag, count(*) as n, max(step) as last from history where tag not like 'system/%' group by 1, 2",
    );
    assert_eq!(steps.len(), 4 * 4);
    assert!(steps.iter().all(|curve| curve["n"] == 8 && curve["last"] == 7), "{steps:?}");
    // The one that has seen it all, and those that look afterwards.
    assert_shows_the_database(&mut watching, &project);
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/killed"), fast);
        assert_shows_the_database(&mut board, &project);
    }
}

/// The statuses of all rows, once there is one.
fn board_statuses(board: &mut TensorBoard) -> BTreeMap<String, Value> {
    board.wait_for("a row", |board| {
        let groups = session_groups(board, &["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE"]);
        let status = |(name, group): (String, Value)| (name, group["sessions"][0]["status"].clone());
        (!groups.is_empty()).then(|| groups.into_iter().map(status).collect())
    })
}
