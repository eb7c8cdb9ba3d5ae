//! Runs as a sweep leaves them, without having been run: what `gridboard index --rebuild`, `verify` and `import` are timed on.
//!
//!     cargo bench --bench index -- DIR 10000 2000 2     # 10,000 runs of 2 curves with 1,000 points each
//!     time gridboard --runs-dir DIR/runs index --rebuild
//!
//! Makes `DIR/runs/scale/`, a folder for each run with its event file, `attempts.jsonl` and `run.json`'s place taken by
//! `ledger.json`. Without arguments a few runs in a temporary folder, so that it is seen to work.

#![expect(clippy::print_stderr, reason = "a measuring program")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use gridboard::{
    base::files::Durability,
    grid,
    run::{AttemptEnding, AttemptEvent, AttemptStart, ExperimentDir, LedgerFile, RunState, Used},
    spec::{self, Overrides},
    tfevents::EventWriter,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |place: usize, default: i64| {
        arguments.get(place).map_or(default, |word| word.parse().expect("a whole number"))
    };
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = arguments.first().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let (runs, points, curves) = (number(1, 20), number(2, 200), number(3, 2));
    write(&dir, runs, points / curves, curves);
    eprintln!("{runs} runs with {points} points each in {}", dir.join("runs/scale").display());
}

fn write(dir: &Path, runs: i64, steps: i64, curves: i64) {
    let values: Vec<String> = (0..runs).map(|value| value.to_string()).collect();
    let text = format!(
        "experiment: scale\nmodel: {{family: command, run: [\"true\", '{{x}}']}}\ngrid: {{x: [{}]}}\nrank: {{by: loss/0}}\n",
        values.join(", ")
    );
    let spec = spec::parse(&text, Path::new("spec.yaml"), &Overrides::default()).expect("a good spec");
    let experiment = ExperimentDir::new(&dir.join("runs"), "scale");
    for run in grid::runs(&spec) {
        let folder = experiment.run(&run.name);
        fs::create_dir_all(folder.path()).expect("a folder");
        let mut writer = EventWriter::create(folder.path()).expect("an event file");
        for step in 0..steps {
            for curve in 0..curves {
                #[expect(clippy::cast_precision_loss, reason = "a curve")]
                let (value, time) = ((run.index.get() as f32 + 1.0) / (step + 1) as f32, 1.7e9 + step as f64);
                writer.scalar(&format!("loss/{curve}"), step, value, time).expect("a point");
            }
        }
        writer.finish().expect("a whole file");
        let start = AttemptStart {
            attempt: 1,
            pid: Some(1),
            pid_start: None,
            boot_id: None,
            slot: Some("cpu/0".to_owned()),
            device: Some("cpu".to_owned()),
            threads: Some(1),
            host: Some("box".to_owned()),
            job: None,
            started: 1.7e9,
            resumed_from: None,
        };
        let end = AttemptEnding {
            attempt: 1,
            state: RunState::Completed,
            finished: 1.7e9 + 60.0,
            failure: None,
            used: Used::default(),
        };
        folder.log_attempt(&AttemptEvent::Started(start), Durability::Written).expect("a line");
        folder.log_attempt(&AttemptEvent::Ended(end), Durability::Written).expect("a line");
    }
    let file = LedgerFile {
        created: 1.7e9,
        fingerprint: None,
        spec,
        names: BTreeMap::new(),
        without: BTreeSet::new(),
        import: None,
    };
    file.write(&experiment).expect("a record");
}
