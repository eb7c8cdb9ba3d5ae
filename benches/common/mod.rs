//! What the benches of the store share: an experiment, its ledger, and points of curves.

use gridboard::{
    event::{Scalar, tags},
    grid,
    run::{RunState, Used},
    spec::{Axis, Experiment, Family, Grid, Keep, Metric, Parameters, RankRule, Schedule, Value},
    store::{ExperimentKey, NewAttempt, RunKey, Store},
};

/// The tags that a run logs in these benches: those that rank, and losses of batches, which are the bulk.
pub(crate) const TAGS: [&str; 5] = [
    tags::TRAIN_ACCURACY,
    tags::TRAIN_LOSS,
    tags::VALIDATION_ACCURACY,
    tags::VALIDATION_LOSS,
    tags::BATCH_LOSS,
];

/// An experiment of `runs` runs, a multiple of 10.
pub(crate) fn experiment(name: &str, runs: i64) -> Experiment {
    let axis = |name: &str, count: i64| Axis {
        name: name.to_owned(),
        values: (0..count).map(Value::Int).collect(),
        range: None,
    };
    Experiment {
        name: name.to_owned(),
        dataset: None,
        family: Some(Family::Command),
        command: vec!["/bin/true".to_owned()],
        env: std::collections::BTreeMap::new(),
        cwd: None,
        fixed: Parameters::new(),
        grids: vec![Grid { axes: vec![axis("x", 10), axis("y", runs / 10)] }],
        seeds: vec![0],
        rank: RankRule {
            by: Metric::by_tag(tags::VALIDATION_ACCURACY),
            then: Some(Metric::by_tag(tags::VALIDATION_LOSS)),
            top: 10,
        },
        keep: Keep::default(),
        schedule: Schedule { devices: "cpu:2".to_owned(), ..Schedule::default() },
        retry: gridboard::spec::Retry::default(),
        launcher: None,
        reuse: None,
        notify: Default::default(),
        exclude: Default::default(),
        limit: Default::default(),
        search: Default::default(),
        stop: None,
        budget: Default::default(),
    }
}

/// The experiment in the database, with every run of its grid.
pub(crate) async fn ledger(store: &mut Store, spec: &Experiment) -> (ExperimentKey, Vec<RunKey>) {
    let key = store.create_experiment(spec, None, 1_800_000_000.0).await.expect("a new experiment");
    store.insert_runs(key, grid::runs(spec)).await.expect("a new ledger");
    let runs = store.runs(Some(key)).await.expect("the ledger");
    (key, runs.into_iter().map(|run| run.key).collect())
}

/// The points of a run at the steps from `from` to below `to`, a value per tag, in the order of a trainer's log.
pub(crate) fn points(run: u64, from: i64, to: i64) -> Vec<Scalar> {
    let at = |step: i64| {
        TAGS.iter().zip(0_u64..).map(move |(tag, place)| {
            let mixed =
                (run * 31 + place * 7 + step.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            #[expect(clippy::cast_precision_loss, reason = "24 bits, and steps below 2^53")]
            let (value, seconds) = (mixed as f32 / 16_777_216.0, step as f64);
            Scalar { tag: (*tag).to_owned(), step, value, wall_time: 1_800_000_000.25 + seconds }
        })
    };
    (from..to).flat_map(at).collect()
}

/// One attempt of a run from start to end.
pub(crate) async fn complete(store: &mut Store, run: RunKey, points: &[Scalar]) {
    let new = NewAttempt {
        attempt: 1,
        pid: 4711,
        pid_start: None,
        boot_id: None,
        slot: "cpu/0",
        device: "cpu",
        threads: 1,
        host: "bench",
        time: 1_800_000_000.0,
        resumed: None,
    };
    store.start_attempt(run, new).await.expect("a pending run");
    store.append_scalars(run, points).await.expect("room on the disk");
    store
        .finish_attempt(run, 1, RunState::Completed, None, 1_800_000_060.0, Used::default())
        .await
        .expect("a running run");
}
