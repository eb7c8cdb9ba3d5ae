//! Experiments that nobody has run: their folders as a sweep leaves them, with any names and any number of points, and a database
//! that is made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use gridboard::{
    base::files::Durability,
    grid,
    run::{AttemptEnding, AttemptEvent, AttemptStart, ExperimentDir, LedgerFile, RunDir, RunState, Used},
    spec::{self, Overrides},
    tfevents::EventWriter,
};

use crate::support::Project;

/// Makes the experiment of a spec with all its runs completed. `name` may call the run of a place otherwise than the grid does,
/// `fill` writes what it leaves.
pub(super) fn completed(
    yaml: &str,
    name: impl Fn(usize) -> Option<String>,
    fill: impl Fn(usize, &RunDir),
) -> Project {
    let project = Project::new();
    let spec = spec::parse(yaml, Path::new("spec.yaml"), &Overrides::default()).expect("a good spec");
    let experiment = ExperimentDir::new(&project.path("runs"), &spec.name);
    let mut names = BTreeMap::new();
    for (place, mut run) in grid::runs(&spec).enumerate() {
        if let Some(other) = name(place) {
            names.insert(run.id.clone(), other.clone());
            run.name = other;
        }
        let folder = experiment.run(&run.name);
        fs::create_dir_all(folder.path()).expect("a folder");
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
        fill(place, &folder);
    }
    let file =
        LedgerFile { created: 1.7e9, fingerprint: None, spec, names, without: BTreeSet::new(), import: None };
    file.write(&experiment).expect("a record");
    project.run(&["index", "--rebuild"]).expect(0);
    project
}

/// Writes a curve.
pub(super) fn curve(folder: &RunDir, tag: &str, points: impl IntoIterator<Item = (i64, f32)>) {
    let mut writer = EventWriter::create(folder.path()).expect("an event file");
    for (step, value) in points {
        writer.scalar(tag, step, value, 1.7e9).expect("a point");
    }
    writer.finish().expect("a whole file");
}
