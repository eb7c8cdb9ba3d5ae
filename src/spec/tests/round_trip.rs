//! An experiment as YAML and as JSON comes back as itself; two experiments differ in the words of the spec.

use std::collections::HashSet;

use proptest::{prelude::*, sample::subsequence};

use super::{
    parameter::{Default as ParameterDefault, Kind, Parameter, parameters},
    *,
};

fn value_of(row: &Parameter) -> BoxedStrategy<Value> {
    match row.kind {
        Kind::Int { min, max } => prop_oneof![min..=max, Just(min), Just(max)].prop_map(Value::Int).boxed(),
        Kind::Float { above, max } => {
            prop_oneof![Just(max), Just(1e-300), above + 1e-9..max, 1e-9..1e-3].prop_map(Value::Float).boxed()
        }
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Choice(words) => {
            prop::sample::select(words).prop_map(|word| Value::Text(word.to_owned())).boxed()
        }
        Kind::Path => "/no-such-root/[a-z \"'#:é]{1,8}x".prop_map(Value::Text).boxed(),
    }
}

/// Any text that may be a value, those that look like something else above all.
fn text() -> impl Strategy<Value = String> {
    let words = [
        "", "null", "~", "yes", "1", "1.0", "0x1", ".nan", "-", "- a", "a: b", "#", "true", "{a}", "&a", "'",
    ];
    prop_oneof![
        any::<String>().prop_filter("no NUL", |text| !text.contains('\0')),
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::Float),
        text().prop_map(Value::Text),
    ]
}

/// At least one value, none repeated, whatever its type.
fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    let key = |value: &Value| match value.as_f64() {
        Some(number) => (number + 0.0).to_string(),
        None => serde_json::to_string(value).expect("a value is JSON"),
    };
    values.into_iter().filter(|value| seen.insert(key(value))).collect()
}

type Trainer = (Option<Family>, Vec<String>, Parameters, Vec<Grid>);

fn built_in() -> BoxedStrategy<Trainer> {
    let rows = parameters(Family::GridCnn);
    let values: Vec<_> =
        rows.iter().map(|row| prop::collection::vec(value_of(row), 1..4).prop_map(distinct)).collect();
    (values, subsequence((0..rows.len()).collect::<Vec<_>>(), 0..4).prop_shuffle(), any::<bool>())
        .prop_map(move |(values, swept, twice)| {
            let mut fixed = Parameters::new();
            for (index, row) in rows.iter().enumerate() {
                let absent = row.default == ParameterDefault::Absent && values[index].len() == 1;
                // In a union whose second grid has no axes, everything needs a fixed value.
                if (twice || !swept.contains(&index)) && !absent {
                    fixed.insert(row.name.to_owned(), values[index][0].clone());
                }
            }
            let axes: Vec<Axis> = swept
                .iter()
                .map(|&index| Axis {
                    name: rows[index].name.to_owned(),
                    values: values[index].clone(),
                    range: None,
                })
                .collect();
            let mut grids = vec![Grid { axes }];
            if twice {
                grids.push(Grid { axes: Vec::new() });
            }
            (Some(Family::GridCnn), Vec::new(), fixed, grids)
        })
        .boxed()
}

/// Baselines, as the fixed family or as an axis, beside grid CNNs in a grid of their own.
fn baselines() -> BoxedStrategy<Trainer> {
    let baselines = subsequence(Family::BUILT_IN[1..].to_vec(), 1..=4).prop_shuffle();
    let rate = prop::option::of(1e-6..1.0);
    (baselines, prop::option::of(Just(Family::GridCnn)), any::<bool>(), rate)
        .prop_map(|(baselines, beside, fixes, rate)| {
            let words = |families: &[Family]| Axis {
                name: FAMILY_AXIS.to_owned(),
                values: families.iter().map(|family| Value::Text(family.as_str().to_owned())).collect(),
                range: None,
            };
            let axis = |name: &str, value| Axis { name: name.to_owned(), values: vec![value], range: None };
            let mut fixed = Parameters::from([
                ("epochs".to_owned(), Value::Int(3)),
                ("batch_size".to_owned(), Value::Int(32)),
                ("learning_rate".to_owned(), Value::Float(0.001)),
                ("shuffle".to_owned(), Value::Bool(true)),
            ]);
            let mut family = None;
            let mut axes = Vec::new();
            match baselines.as_slice() {
                [one] if fixes => family = Some(*one),
                several => axes.push(words(several)),
            }
            if let Some(rate) = rate {
                let freeze = Value::Text("backbone".to_owned());
                axes.push(axis("freeze", freeze));
                axes.push(axis("initial_weights", Value::Text("/no-such-root/w.pth".to_owned())));
                // Not beside a frozen backbone, but it may be another grid's.
                if beside.is_none() {
                    axes.retain(|axis| axis.name != "freeze");
                    fixed.insert("backbone_learning_rate".to_owned(), Value::Float(rate));
                }
            }
            let mut grids = vec![Grid { axes }];
            if let Some(beside) = beside {
                let mut axes = vec![words(&[beside])];
                axes.extend(
                    ["conv_layers", "layer_size", "dense_layers"].map(|name| axis(name, Value::Int(1))),
                );
                grids.push(Grid { axes });
            }
            (family, Vec::new(), fixed, grids)
        })
        .boxed()
}

fn command() -> BoxedStrategy<Trainer> {
    let names = "[a-h](_[a-z]){0,2}";
    let axes =
        prop::collection::btree_map(names, prop::collection::vec(any_value(), 1..5).prop_map(distinct), 0..4);
    let fixed = prop::collection::btree_map("[i-m]{1,3}", any_value(), 0..3);
    let arguments = prop::collection::vec(text().prop_map(|text| text.replace(['{', '}'], "")), 0..4);
    (axes, fixed, arguments)
        .prop_map(|(axes, fixed, arguments)| {
            let mut command = vec!["python".to_owned()];
            command.extend(arguments);
            command.extend(axes.keys().chain(fixed.keys()).map(|name| format!("--{name}={{{name}}}")));
            let axes = axes.into_iter().map(|(name, values)| Axis { name, values, range: None }).collect();
            (Some(Family::Command), command, fixed, vec![Grid { axes }])
        })
        .boxed()
}

fn dataset() -> impl Strategy<Value = Dataset> {
    let classes = prop::collection::hash_set("[a-z:# '\"-]{0,5}[a-z]", 2..5)
        .prop_map(|names| names.into_iter().map(|name| name.trim().to_owned()).collect::<HashSet<_>>())
        .prop_filter("two classes", |names| names.len() >= 2);
    let source = prop_oneof![
        "/no-such-root/[a-z \\\\]{0,8}x".prop_map(|path| Source::Images(path.into())),
        (prop::collection::vec(1..1000_u32, 5), 0.0..=1.0, 0..=i64::MAX as u64)
            .prop_map(|(images, difficulty, seed)| Source::Phantom(Phantom { images, difficulty, seed })),
    ];
    let blur = prop::option::of(
        (0..100_u32, 0.001..10.0).prop_map(|(half, sigma)| Blur { kernel: 2 * half + 1, sigma }),
    );
    let group_by = prop::option::of(prop::sample::select(vec!["^(p\\d+)_", "x", "a|b", "\u{e9}+: #"]));
    let test = prop::option::of(prop_oneof![
        (0.001..0.999).prop_map(TestSet::Share),
        "/no-such-root/[a-z0-9.]{0,8}x".prop_map(|path| TestSet::Folder(path.into())),
    ]);
    let settings = (1..=4096_u32, 0.001..0.999, any::<bool>(), 0..99_u64, any::<bool>(), test);
    (classes, source, blur, group_by, settings).prop_map(|(classes, mut source, blur, group_by, settings)| {
        let (image_size, validation_split, stratify, split_seed, skip, mut test) = settings;
        if let Source::Phantom(phantom) = &mut source {
            phantom.images.truncate(classes.len());
            test = test.filter(|test| matches!(test, TestSet::Share(_)));
        }
        Dataset {
            source,
            classes: classes.into_iter().collect(),
            image_size,
            blur,
            test,
            validation_split,
            stratify,
            split_seed,
            group_by: group_by.map(str::to_owned),
            on_error: if skip { OnError::Skip } else { OnError::Fail },
        }
    })
}

fn experiment() -> impl Strategy<Value = Experiment> {
    let trainer = prop_oneof![built_in(), baselines(), command()];
    let goal = || prop::sample::select(vec![Goal::Maximize, Goal::Minimize]);
    let then = prop::option::of(goal().prop_map(|goal| Metric { tag: "validation/f1".to_owned(), goal }));
    let by = goal().prop_map(|goal| Metric { tag: "validation/epoch_loss".to_owned(), goal });
    let seeds = prop::collection::hash_set(0..=i64::MAX as u64, 1..4);
    let schedule = (
        prop::sample::select(vec!["auto", "cpu:2", "cuda:0,2"]),
        prop::option::of(1..9_u32),
        (1_u64 << 20)..=u64::MAX,
        0..200_000_u64,
    );
    let checkpoint = prop_oneof![
        Just(Checkpoint::Auto),
        Just(Checkpoint::Never),
        (0..9000_u64).prop_map(|seconds| Checkpoint::Every(SpecDuration::seconds(seconds))),
    ];
    let every = || prop::option::of(1..99_u32);
    let logging = (every(), every(), any::<bool>())
        .prop_map(|(histograms, pr_curves, batch_curves)| Logging { histograms, pr_curves, batch_curves });
    let keep = (checkpoint, prop::option::of(0..99_u32), logging)
        .prop_map(|(checkpoint, best, logging)| Keep { checkpoint, best, logging });
    ("[a-z][a-zA-Z0-9_-]{0,9}x", dataset(), trainer, seeds, (by, then, 1..20_u32, keep), schedule).prop_map(
        |(
            name,
            dataset,
            (family, command, fixed, grids),
            seeds,
            (by, then, top, keep),
            (devices, runs_per_device, log_limit, grace),
        )| {
            // TF32 on a processor is a mistake of the spec.
            let tf32 = Value::Text("tf32".to_owned());
            let axes = grids.iter().flat_map(|grid: &Grid| &grid.axes);
            let is_swept = axes.into_iter().any(|axis| axis.values.contains(&tf32));
            let no_processor = fixed.values().any(|value| *value == tf32) || is_swept;
            let devices = if no_processor && devices == "cpu:2" { "cuda" } else { devices };
            let keep = if command.is_empty() { keep } else { Keep::default() };
            Experiment {
                name,
                dataset: Some(dataset),
                family,
                env: if command.is_empty() { BTreeMap::new() } else { env() },
                cwd: None,
                command,
                fixed,
                grids,
                search: None,
                exclude: Vec::new(),
                limit: crate::spec::Limit::default(),
                stop: None,
                budget: crate::spec::Budget::default(),
                launcher: launcher(grace),
                reuse: None,
                seeds: seeds.into_iter().collect(),
                keep,
                rank: RankRule { by, then, top },
                schedule: Schedule {
                    devices: devices.to_owned(),
                    runs_per_device,
                    log_limit,
                    grace: SpecDuration::seconds(grace),
                    time_per_run: Some(SpecDuration::seconds(grace)).filter(|_| grace % 2 == 0),
                    stall_timeout: Some(SpecDuration::seconds(grace + 1)).filter(|_| grace % 3 == 0),
                    stop_after: u32::try_from(grace % 5).unwrap(),
                },
                retry: Retry {
                    attempts: 1 + u32::try_from(grace % 7).unwrap(),
                    exit_codes: (1..=i32::try_from(grace % 4).unwrap()).collect(),
                    pause: SpecDuration::seconds(grace % 5),
                },
                notify: notify(grace),
            }
        },
    )
}

/// Nobody, or some of those who can be told.
fn notify(number: u64) -> Notify {
    let targets = NotifyBy::ALL.into_iter().take(usize::try_from(number % 5).unwrap());
    let notify = Notify {
        targets: targets.map(|by| (by, format!("${}_URL", by.as_str()))).collect(),
        command: if number.is_multiple_of(2) {
            vec!["tell".to_owned(), "a b".to_owned()]
        } else {
            Vec::new()
        },
        on: NotifyOn::ALL[..1 + usize::try_from(number % 4).unwrap()].to_vec(),
    };
    if notify.is_default() { Notify::default() } else { notify }
}

/// A text, one that YAML would take for a number, and a variable of the caller's.
fn env() -> BTreeMap<String, String> {
    [("PLAIN", "a b: c"), ("NUMBER", "007"), ("HF_TOKEN", "$HF_TOKEN"), ("PRICE", "$$5")]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into()
}

proptest! {
    #[test]
    fn yaml_and_json_give_the_experiment_back(experiment in experiment()) {
        let yaml = to_yaml(&experiment);
        let parsed = parse(&yaml, Path::new("/elsewhere/experiment.yaml"), &Overrides::default());
        let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        prop_assert_eq!(&parsed, &experiment, "{}", yaml);
        prop_assert_eq!(difference(&experiment, &parsed), Vec::<String>::new());
        let json = serde_json::to_string(&experiment).expect("an experiment is JSON");
        prop_assert_eq!(&serde_json::from_str::<Experiment>(&json).expect("and back"), &experiment);
        let faults = schema::faults(&yaml);
        prop_assert!(faults.is_empty(), "{:?}\n{}", faults, yaml);
    }
}

#[test]
fn yaml_reads_like_a_spec() {
    let experiment = accept(
        "experiment: e
dataset: {images: /no-such-root/x-rays, classes: [normal, 'on'], group_by: '^(\\d+)'}
model: {family: grid_cnn, conv_layers: 1}
train: {epochs: 1, learning_rate: 1}
grid: [{layer_size: [8, 16], dense_layers: [0]}, {layer_size: [32], dense_layers: [0]}]
rank: {by: {tag: validation/f1, goal: minimize}, then: null}
",
    );
    assert_eq!(
        to_yaml(&experiment),
        r#"experiment: e
dataset:
  images: /no-such-root/x-rays
  classes: [normal, "on"]
  image_size: 224
  validation_split: 0.3
  stratify: true
  split_seed: 0
  group_by: "^(\\d+)"
  on_error: fail
model:
  family: grid_cnn
  conv_layers: 1
train:
  batch_size: 32
  epochs: 1
  learning_rate: 1.0
  shuffle: true
grid:
  - {layer_size: [8, 16], dense_layers: [0]}
  - {layer_size: [32], dense_layers: [0]}
seeds: [0]
rank:
  by:
    tag: validation/f1
    goal: minimize
  then: null
  top: 10
schedule:
  devices: auto
  runs_per_device: auto
  log_limit: "64MiB"
  grace: "30s"
  time_per_run: null
  stall_timeout: null
  stop_after: 3
retry:
  attempts: 3
  exit_codes: [75]
  pause: "1s"
"#
    );
}

#[test]
fn differences_are_told_in_the_words_of_the_spec() {
    let old = accept(&format!("{WHOLE}\ngrid: {{batch_size: [16, 32], shuffle: [true, false]}}\n"));
    let mut new = old.clone();
    new.rank.top = 3;
    new.schedule.devices = "cpu:1".to_owned();
    new.retry.attempts = 1;
    new.keep = Keep {
        checkpoint: Checkpoint::Never,
        best: Some(3),
        logging: Logging { histograms: Some(2), pr_curves: Some(1), batch_curves: false },
    };
    assert_eq!(difference(&old, &new), Vec::<String>::new());
    let mut more = old.clone();
    more.seeds.insert(0, 7);
    assert_eq!(difference(&old, &more), ["seeds: [0] -> [7, 0]"]);
    // Where the images lie is no difference.
    let [here, mut moved] = ["/here", "/elsewhere"].map(|path| {
        let mut of = old.clone();
        of.dataset.as_mut().expect("a dataset").source = Source::Images(path.into());
        of.cwd = Some(path.into());
        of
    });
    assert_eq!(difference(&here, &moved), Vec::<String>::new());
    assert!(shares_surroundings(&here, &moved));
    moved.dataset.as_mut().expect("a dataset").image_size = 64;
    assert!(!shares_surroundings(&here, &moved));
    new.grids[0].axes.reverse();
    assert_eq!(
        difference(&old, &new),
        ["grid: order of the axes: batch_size, shuffle -> shuffle, batch_size"]
    );
    let dataset = new.dataset.as_mut().expect("a dataset");
    dataset.image_size = 64;
    dataset.blur = Some(Blur { kernel: 5, sigma: 1.0 });
    new.grids[0].axes.remove(0);
    new.grids[0].axes[0].values.push(Value::Int(64));
    new.fixed.insert("shuffle".to_owned(), Value::Bool(true));
    assert_eq!(
        difference(&old, &new),
        [
            "dataset.image_size: 224 -> 64",
            "grid.batch_size: [16, 32] -> [16, 32, 64]",
            "grid.shuffle: [true, false] -> (not set)",
            "dataset.blur.kernel: (not set) -> 5",
            "dataset.blur.sigma: (not set) -> 1.0",
            "train.shuffle: (not set) -> true",
        ]
    );
}

/// A cluster, or none, by a number.
fn launcher(number: u64) -> Option<crate::spec::SlurmPlan> {
    let text = |text: &str, of: u64| Some(text.to_owned()).filter(|_| number.is_multiple_of(of));
    let plan = crate::spec::SlurmPlan {
        partition: text("gpu,cpu", 2),
        account: text("lab-7", 3),
        gpus: u32::try_from(number % 9).unwrap(),
        cpus: 1 + u32::try_from(number % 128).unwrap(),
        memory: Some((1 + number) << 20).filter(|_| number.is_multiple_of(5)),
        time: Some(SpecDuration::seconds(60 + number)).filter(|_| number.is_multiple_of(7)),
        at_once: 1 + u32::try_from(number % 1000).unwrap(),
        setup: text("module load cuda/12.4 # \"x\"", 2).into_iter().collect(),
        check: !number.is_multiple_of(11),
        options: text("a100&nvlink", 3).map(|value| ("constraint".to_owned(), value)).into_iter().collect(),
    };
    (!number.is_multiple_of(4)).then_some(plan)
}
