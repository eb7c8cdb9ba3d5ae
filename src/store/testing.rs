//! What the store's tests share: a store in a directory of its own, specs, runs and points.

use std::path::Path;

use tempfile::TempDir;

use crate::{
    event::{Scalar, tags},
    run::{
        Evidence, ExperimentDir, ExperimentLock, Failure, FailureKind, Phases, RunIndex, RunSpec, RunState,
        Spent, Used,
    },
    spec::{
        Axis, Dataset, Experiment, Family, Grid, Keep, Metric, OnError, Parameters, RankRule, Schedule,
        Source, Value,
    },
};

use super::{ExperimentKey, NewAttempt, QueryResult, Reader, RunKey, SqlValue, Store, StoreError};

/// What an attempt of this peak memory has used.
pub(crate) fn peak(bytes: u64) -> Used {
    let spent = |seconds| Spent { seconds, core_seconds: 2.0 * seconds };
    let phases = Phases { training: spent(40.0), validation: spent(5.5) };
    Used {
        peak_memory: Some(bytes),
        peak_device_memory: Some(2 * bytes),
        core_seconds: Some(99.25),
        phases: Some(phases),
    }
}

/// A store in a directory that goes with it, and the locks of a sweep of each of its experiments.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    pub(crate) store: Store,
    pub(crate) locks: Vec<ExperimentLock>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).await.unwrap();
        Self { directory, store, locks: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// An experiment with its whole grid, that is being swept.
    pub(crate) async fn sweep(&mut self, spec: &Experiment) -> (ExperimentKey, Vec<RunKey>) {
        let dir = ExperimentDir::new(self.path(), &spec.name);
        std::fs::create_dir_all(dir.path()).unwrap();
        self.locks.push(dir.take_lock().unwrap().expect("nobody else sweeps it"));
        let key = self.store.create_experiment(spec, Some("corpus"), 1000.0).await.unwrap();
        self.store.insert_runs(key, runs(spec)).await.unwrap();
        let keys = self.store.runs(Some(key)).await.unwrap().into_iter().map(|run| run.key).collect();
        (key, keys)
    }

    pub(crate) async fn start(&mut self, run: RunKey, attempt: u32) -> Result<(), StoreError> {
        self.store.start_attempt(run, new_attempt(attempt)).await
    }

    /// A whole attempt with these values at epoch 0 and 1: the last ones count.
    pub(crate) async fn complete(&mut self, run: RunKey, accuracy: f32, loss: f32) {
        self.start(run, 1).await.unwrap();
        let points = [
            point(tags::TRAIN_ACCURACY, 0, 0.25),
            point(tags::TRAIN_ACCURACY, 1, accuracy),
            point(tags::TRAIN_LOSS, 1, loss),
            point(tags::VALIDATION_ACCURACY, 0, 1.0),
            point(tags::VALIDATION_ACCURACY, 1, accuracy),
            point(tags::VALIDATION_LOSS, 1, loss),
        ];
        self.store.append_scalars(run, &points).await.unwrap();
        self.store.finish_attempt(run, 1, RunState::Completed, None, 1060.5, peak(1 << 20)).await.unwrap();
    }

    /// A whole attempt that fails.
    pub(crate) async fn fail(&mut self, run: RunKey, attempt: u32) {
        self.start(run, attempt).await.unwrap();
        let failure = failure();
        self.store
            .finish_attempt(run, attempt, RunState::Failed, Some(&failure), 1061.0, Used::default())
            .await
            .unwrap();
    }

    /// A query over a connection of its own, read-only, as `gridboard sql` makes it.
    pub(crate) async fn sql(&self, sql: &str) -> QueryResult {
        let mut reader = Reader::open(self.path()).await.unwrap();
        reader.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same, every row as text with `|` between the columns.
    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let cells = |row: Vec<SqlValue>| row.iter().map(SqlValue::to_string).collect::<Vec<_>>().join("|");
        self.sql(sql).await.rows.into_iter().map(cells).collect()
    }
}

pub(crate) fn new_attempt(attempt: u32) -> NewAttempt<'static> {
    NewAttempt {
        attempt,
        pid: 4711,
        pid_start: Some(99),
        boot_id: Some("boot"),
        slot: "cpu/0",
        device: "cpu",
        threads: 2,
        host: "box",
        time: 1001.0,
        resumed: None,
    }
}

pub(crate) fn failure() -> Failure {
    let evidence = Evidence { exit_code: Some(3), ..Evidence::default() };
    Failure {
        kind: FailureKind::Exit,
        reason: "status 3".to_owned(),
        log_tail: "Traceback\nboom".to_owned(),
        evidence,
    }
}

pub(crate) fn point(tag: &str, step: i64, value: f32) -> Scalar {
    #[expect(clippy::cast_precision_loss, reason = "small steps")]
    let wall_time = 1000.5 + step as f64;
    Scalar { tag: tag.to_owned(), step, value, wall_time }
}

/// A spec with these axes over whole numbers.
pub(crate) fn spec(name: &str, axes: &[(&str, &[i64])]) -> Experiment {
    let axis = |&(name, values): &(&str, &[i64])| Axis {
        name: name.to_owned(),
        values: values.iter().map(|&value| Value::Int(value)).collect(),
        range: None,
    };
    Experiment {
        name: name.to_owned(),
        dataset: Some(Dataset {
            source: Source::Images("images".into()),
            classes: vec!["normal".to_owned(), "covid".to_owned()],
            image_size: 32,
            blur: None,
            test: None,
            validation_split: 0.3,
            stratify: true,
            split_seed: 0,
            group_by: None,
            on_error: OnError::Fail,
        }),
        family: Some(Family::GridCnn),
        command: Vec::new(),
        env: std::collections::BTreeMap::new(),
        cwd: None,
        fixed: Parameters::from([
            ("epochs".to_owned(), Value::Int(5)),
            ("learning_rate".to_owned(), Value::Float(0.001)),
        ]),
        grids: vec![Grid { axes: axes.iter().map(axis).collect() }],
        search: None,
        exclude: Vec::new(),
        limit: crate::spec::Limit::default(),
        stop: None,
        budget: crate::spec::Budget::default(),
        launcher: None,
        reuse: None,
        seeds: vec![0],
        rank: RankRule {
            by: Metric::by_tag(tags::VALIDATION_ACCURACY),
            then: Some(Metric::by_tag(tags::VALIDATION_LOSS)),
            top: 10,
        },
        keep: Keep::default(),
        schedule: Schedule::default(),
        retry: crate::spec::Retry::default(),
        notify: crate::spec::Notify::default(),
    }
}

/// The paper's grid, cut down.
pub(crate) fn small(name: &str) -> Experiment {
    spec(name, &[("conv_layers", &[1, 2]), ("layer_size", &[32, 64])])
}

/// Every grid point once with each seed, named after its values.
pub(crate) fn runs(spec: &Experiment) -> Vec<RunSpec> {
    let mut points: Vec<Vec<(String, Value)>> = Vec::new();
    for grid in &spec.grids {
        let mut product: Vec<Vec<(String, Value)>> = vec![Vec::new()];
        for axis in &grid.axes {
            let extend = |point: &Vec<(String, Value)>| {
                let point = point.clone();
                axis.values.iter().map(move |value| {
                    let mut point = point.clone();
                    point.push((axis.name.clone(), value.clone()));
                    point
                })
            };
            product = product.iter().flat_map(extend).collect();
        }
        points.extend(product);
    }
    let mut runs = Vec::new();
    for axes in points {
        for &seed in &spec.seeds {
            let words: Vec<String> = axes.iter().map(|(name, value)| format!("{name}-{value}")).collect();
            let mut parameters = spec.fixed.clone();
            parameters.extend(axes.iter().cloned());
            runs.push(RunSpec {
                index: RunIndex::new(runs.len() as u64),
                name: format!("{}-seed-{seed}", words.join("-")),
                id: blake3::hash(format!("{words:?} {seed}").as_bytes()).to_hex()[..16].to_owned(),
                family: Family::GridCnn,
                axes: axes.clone(),
                parameters,
                seed,
            });
        }
    }
    runs
}
