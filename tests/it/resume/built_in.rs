//! The built-in trainers, cut off in every way.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Child,
    time::{Duration, Instant},
};

use gridboard::{
    follow::read_run,
    run::{RunDir, TrainingState},
};
use nix::sys::signal::Signal;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde_json::{Value, json};

use crate::{
    support::{Project, alive, signal, wait_until},
    tensorboard::TensorBoard,
};

/// Two networks, the second with the widths of the first at other places.
const SPEC: &str = "
experiment: cut
dataset: {phantom: {images: [40, 30]}, image_size: 24}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 1}
train: {epochs: {epochs}, batch_size: 8, checkpoint: {checkpoint}}
grid: {layer_size: [8, 9]}
schedule: {devices: 'cpu:2'}
";

const RUNS: [&str; 2] = ["1-conv-8-nodes-1-dense", "1-conv-9-nodes-1-dense"];

fn project(epochs: u32, checkpoint: &str) -> Project {
    Project::with_spec(&SPEC.replace("{epochs}", &epochs.to_string()).replace("{checkpoint}", checkpoint))
}

fn folder(project: &Project, run: &str) -> PathBuf {
    project.path(&format!("runs/cut/{run}"))
}

/// What must be the same however often a sweep was cut off: the files of each run, and its curves by tag, as they are on disk
/// and as SQL has them.
#[derive(Debug, PartialEq)]
struct Left {
    files: Vec<Vec<u8>>,
    curves: BTreeMap<String, Vec<(i64, u32)>>,
    sql: Vec<Value>,
    leaderboard: String,
}

fn left(project: &Project) -> Left {
    let measures = "train/images_per_second";
    let mut files = Vec::new();
    let mut curves: BTreeMap<String, Vec<(i64, u32)>> = BTreeMap::new();
    for run in RUNS {
        let dir = folder(project, run);
        for name in [RunDir::CHECKPOINT, RunDir::BEST, RunDir::PREDICTIONS] {
            files.push(fs::read(dir.join(name)).unwrap_or_else(|error| panic!("{run}/{name}: {error}")));
        }
        let poll = read_run(&dir);
        assert!(poll.problems.is_empty(), "{run}: {:?}", poll.problems);
        for point in poll.scalars.into_iter().filter(|point| point.tag != measures) {
            let curve = curves.entry(format!("{run}/{}", point.tag)).or_default();
            curve.push((point.step, point.value.to_bits()));
        }
        assert!(!dir.join(RunDir::STATE).exists(), "{run}: a run that has completed needs no state");
    }
    for (tag, curve) in &curves {
        assert!(curve.iter().map(|point| point.0).eq(0..curve.len() as i64), "{tag}: {curve:?}");
    }
    let query = format!(
        "select run, tag, step, value from history where tag <> '{measures}' and tag not like 'system/%' order by 1, 2, 3"
    );
    let leaderboard = project.read("runs/cut/report/leaderboard.csv");
    Left { files, curves, sql: project.sql(&query), leaderboard }
}

fn assert_same(cut: &Left, whole: &Left) {
    assert_eq!(cut.curves, whole.curves);
    assert_eq!(cut.sql, whole.sql);
    assert_eq!(cut.leaderboard, whole.leaderboard);
    assert!(cut.files == whole.files, "weights and predictions are the same bytes");
}

/// Epochs of a run that its curves have whole.
fn epochs_done(project: &Project, run: &str) -> u32 {
    let poll = read_run(&folder(project, run));
    let last =
        poll.scalars.iter().filter(|point| point.tag == "validation/auc").map(|point| point.step).max();
    last.map_or(0, |step| u32::try_from(step + 1).expect("few epochs"))
}

/// The next epoch of the state of a run; 0 without one.
fn kept(project: &Project, run: &str) -> u32 {
    let state = TrainingState::read(&RunDir::new(&folder(project, run))).expect("a whole state, or none");
    state.map_or(0, |state| state.epoch)
}

/// The processes of live attempts.
fn workers(project: &Project) -> Vec<i64> {
    let rows = project.run(&["sql", "--format", "json", "select pid from attempts where state = 'running'"]);
    if rows.code != Some(0) {
        return Vec::new();
    }
    rows.json().iter().filter_map(|row| row["pid"].as_i64()).filter(|pid| alive(*pid)).collect()
}

fn kill(pid: i64) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    // It may have ended meanwhile.
    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
}

#[test]
fn an_interrupted_sweep_goes_on_with_the_same_bits() {
    let (whole, cut) = (project(12, "0s"), project(12, "1h"));
    whole.run(&["run", "spec.yaml"]).expect(0);
    let mut sweep = cut.start(&["run", "spec.yaml"]);
    wait_until("epochs are done", || RUNS.iter().all(|run| epochs_done(&cut, run) >= 2));
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130), "{}", cut.read("err.log"));
    let states: Vec<u32> = RUNS.iter().map(|run| kept(&cut, run)).collect();
    for (run, state) in RUNS.iter().zip(&states) {
        // Asked for in its epoch, it was finished, and no state was due.
        assert!(*state >= 3 || *state == 0 && epochs_done(&cut, run) == 12, "{run}: {states:?}");
        assert!(*state == 0 || epochs_done(&cut, run) == *state, "{run}: {states:?}");
    }
    let again = cut.run(&["run", "spec.yaml"]).expect(0);
    let rows = cut.sql("select run, resumed_from from attempts where attempt = 2 order by run");
    for row in &rows {
        let run = row["run"].as_str().expect("a name");
        let state = states[RUNS.iter().position(|name| *name == run).expect("a run")];
        assert_eq!(row["resumed_from"], state, "{rows:?}");
        assert!(again.stderr.contains(&format!("goes on at epoch {state}")), "{}", again.stderr);
        let log = cut.read(&format!("runs/cut/{run}/worker.log"));
        assert!(log.contains(&format!("goes on at epoch {state} of 12, with the same bits")), "{log}");
    }
    assert!(!rows.is_empty(), "a run was cut off");
    assert_eq!(
        cut.sql("select resumed_from from attempts where attempt = 1")[0]["resumed_from"],
        Value::Null
    );
    assert_same(&left(&cut), &left(&whole));
    for run in RUNS {
        let name = format!("cut/{run}");
        let said = cut.run(&["rerun", &name, "--check", "--format", "json"]).expect(0).stdout;
        let answer: Value = serde_json::from_str(&said).expect("an object");
        assert_eq!(answer["verdict"], "identical", "{answer:#}");
    }
}

/// The steps of a curve as TensorBoard has it.
fn steps(board: &TensorBoard, run: &str, tag: &str) -> Vec<i64> {
    let tags = board.get_json("/data/plugin/scalars/tags", &[]);
    if tags[run][tag].is_null() {
        return Vec::new();
    }
    let answer = board.get_json("/data/plugin/scalars/scalars", &[("run", run), ("tag", tag)]);
    answer
        .as_array()
        .map_or_else(Vec::new, |points| points.iter().filter_map(|point| point[1].as_i64()).collect())
}

/// Curves that are ahead of the state when the run goes on, while both of TensorBoard's loaders look on, and anew.
#[test]
fn tensorboard_shows_no_gap_no_repetition_and_no_tangle() {
    let project = project(300, "1h");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("an epoch is done", || epochs_done(&project, RUNS[0]) >= 1);
    signal(&sweep, Signal::SIGINT);
    sweep.wait().expect("the sweep ends");
    let state = kept(&project, RUNS[0]);
    assert!((1..300).contains(&state), "{state}");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("the curves are ahead", || epochs_done(&project, RUNS[0]) >= state + 2);
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("the sweep is reaped");
    assert_eq!(kept(&project, RUNS[0]), state);
    let ahead = epochs_done(&project, RUNS[0]);
    let (epochs, batches) = (format!("{}/validation", RUNS[0]), format!("{}/batch", RUNS[0]));
    let mut boards = [true, false].map(|fast| TensorBoard::start_as(&project.path("runs/cut"), fast));
    for board in &mut boards {
        board.wait_for("the curves that are ahead", |board| {
            (steps(board, &epochs, "auc").len() as u32 >= ahead).then_some(())
        });
    }
    project.write("spec.yaml", &project.read("spec.yaml").replace("checkpoint: 1h", "checkpoint: 0s"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("it is beyond", || kept(&project, RUNS[0]) > ahead);
    signal(&sweep, Signal::SIGINT);
    sweep.wait().expect("the sweep ends");
    let n = i64::from(epochs_done(&project, RUNS[0]));
    let resumed = project.sql("select resumed_from from runs order by run")[0]["resumed_from"].clone();
    assert_eq!(resumed, state);
    let later = [true, false].map(|fast| TensorBoard::start_as(&project.path("runs/cut"), fast));
    let names = ["fast, live", "Python, live", "fast", "Python"];
    for (name, mut board) in names.into_iter().zip(boards.into_iter().chain(later)) {
        for (run, tag, n) in [(&epochs, "auc", n), (&epochs, "epoch_loss", n), (&batches, "loss", 7 * n)] {
            let expected: Vec<i64> = (0..n).collect();
            board.wait_for(&format!("{n} steps of {run}/{tag}"), |board| {
                let found = steps(board, run, tag);
                println!("{name}: {run}/{tag}: {found:?}");
                (found == expected).then_some(())
            });
        }
    }
    let rows = project.sql("select count(*) as n, max(step) as last from history where tag = 'batch/loss' and run = '1-conv-8-nodes-1-dense'");
    assert_eq!(json!(rows), json!([{"n": 7 * n, "last": 7 * n - 1}]));
}

#[test]
fn a_state_that_is_not_the_runs_is_refused_in_a_sentence() {
    let (whole, cut) = (project(6, "0s"), project(6, "0s"));
    whole.run(&["run", "spec.yaml"]).expect(0);
    let mut sweep = cut.start(&["run", "spec.yaml"]);
    wait_until("there are states", || RUNS.iter().all(|run| kept(&cut, run) >= 1));
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("the sweep is reaped");
    // The sweep finds one out, the trainer the other.
    let path = folder(&cut, RUNS[0]).join(RunDir::STATE);
    let bytes = fs::read(&path).expect("a state");
    fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut it off");
    let path = folder(&cut, RUNS[1]).join(RunDir::STATE);
    let mut bytes = fs::read(&path).expect("a state");
    let last = bytes.len() - 1;
    bytes[last - 64] ^= 1;
    fs::write(&path, bytes).expect("change it");
    let again = cut.run(&["run", "spec.yaml"]).expect(0);
    let refused = "1-conv-8-nodes-1-dense: the training state is not used, since `";
    assert!(again.stderr.contains(refused), "{}", again.stderr);
    assert!(
        again.stderr.contains("1-conv-9-nodes-1-dense: its training state could not be used"),
        "{}",
        again.stderr
    );
    let log = cut.read("runs/cut/1-conv-9-nodes-1-dense/worker.log");
    assert!(log.contains("is damaged: its content is not what was written: the run starts anew"), "{log}");
    let resumed = cut.sql("select distinct resumed_from from attempts");
    assert_eq!(json!(resumed), json!([{"resumed_from": null}]));
    assert_same(&left(&cut), &left(&whole));
}

/// The kernel kills a trainer; its sweep tries it again.
#[test]
fn a_trainer_that_is_killed_once_completes_in_the_same_sweep_with_the_same_bits() {
    let (whole, cut) = (project(60, "0s"), project(60, "0s"));
    whole.run(&["run", "spec.yaml"]).expect(0);
    let mut sweep = cut.start(&["run", "spec.yaml"]);
    wait_until("there are states", || RUNS.iter().all(|run| kept(&cut, run) >= 1));
    workers(&cut).into_iter().for_each(kill);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(0), "{}", cut.read("err.log"));
    let rows = cut.sql(
        "select run, state, failure, evidence ->> 'signal' as signal, resumed_from is not null as resumed
         from attempts where attempt = 1 and state = 'failed' or attempt = 2 order by run, attempt",
    );
    assert!(rows.len() >= 2 && rows.len().is_multiple_of(2), "{rows:?}");
    for pair in rows.chunks(2) {
        let of = |state, failure: Option<&str>, signal: Option<i32>, resumed| json!({"run": pair[0]["run"], "state": state, "failure": failure, "signal": signal, "resumed": resumed});
        assert_eq!(
            json!(pair),
            json!([of("failed", Some("signal"), Some(9), 0), of("completed", None, None, 1)])
        );
    }
    assert_same(&left(&cut), &left(&whole));
}

/// Kills worker, orchestrator or both at random moments, resumes until all is done, and compares with what nobody disturbed.
fn kill_at_random(seed: u64, kills: u32) {
    let epochs = 60;
    let (whole, cut) = (project(epochs, "0s"), project(epochs, "0s"));
    // Each kill is to end a sweep.
    cut.write("spec.yaml", &format!("{}\nretry: {{attempts: 1}}\n", cut.read("spec.yaml")));
    whole.run(&["run", "spec.yaml"]).expect(0);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut done = 0;
    for kill_number in 0..kills {
        let mut sweep = cut.start(&["run", "spec.yaml"]);
        let begun = Instant::now();
        wait_until("a run is alive, or all is done", || {
            !workers(&cut).is_empty() || sweep.try_wait().expect("the sweep").is_some()
        });
        let moment = begun.elapsed() + Duration::from_millis(u64::from(random.next_u32() % 700));
        wait_until("the moment comes", || begun.elapsed() >= moment);
        let target = random.next_u32() % 3;
        let live = workers(&cut);
        if target != 1 {
            live.iter().copied().for_each(kill);
        }
        if target != 0 {
            signal_if_alive(&mut sweep);
        }
        let code = sweep.wait().expect("the sweep is reaped").code();
        // Those of its processes that are left have at most moments.
        wait_until("nothing is left", || live.iter().all(|pid| !alive(*pid)));
        for run in RUNS {
            let (curves, state) = (epochs_done(&cut, run), kept(&cut, run));
            let is_over = folder(&cut, run).join("outcome.json").exists();
            assert!(
                is_over || state + 1 >= curves,
                "seed {seed}, kill {kill_number} of {target} ({code:?}): {run} has {curves} epochs, its state {state}: \
                 more than the epoch that was cut is lost"
            );
        }
        done += 1;
        let owed = cut.sql("select count(*) as n from runs where state <> 'completed'");
        if owed[0]["n"] == 0 {
            break;
        }
    }
    assert!(done >= 2, "seed {seed}: it was over after {done} kills");
    let mut last = cut.run(&["run", "spec.yaml"]);
    if last.code != Some(0) {
        last = cut.run(&["run", "spec.yaml"]);
    }
    last.expect(0);
    assert_same(&left(&cut), &left(&whole));
}

fn signal_if_alive(sweep: &mut Child) {
    if sweep.try_wait().expect("the sweep").is_none() {
        signal(sweep, Signal::SIGKILL);
    }
}

#[test]
fn six_kills_at_random_moments_change_no_bit() {
    kill_at_random(1, 6);
}

/// `make test-long`.
#[test]
#[ignore = "takes minutes"]
fn sixty_kills_at_random_moments_change_no_bit() {
    for seed in 100..110 {
        kill_at_random(seed, 6);
    }
}
