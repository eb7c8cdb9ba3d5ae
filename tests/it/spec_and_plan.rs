//! Specs, plans and the commands that run nothing.

use std::{path::Path, process::Command};

use crate::support::Project;

const FIVE_MISTAKES: &str = "experiment: wrong
dataset:
  phantom: {images: [20, 20]}
  image_sise: 32
model: {family: grid_cnn}
train: {epochs: 0}
grid:
  dense_layers: [0, 0]
  conv_layers: []
  layer_size: [a]
";

#[test]
fn five_mistakes_are_five_messages_with_line_and_column() {
    let project = Project::with_spec(FIVE_MISTAKES);
    for command in ["run", "plan"] {
        let ran = project.run(&[command, "spec.yaml"]).expect(2);
        let problems: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("line ")).collect();
        assert_eq!(problems.len(), 5, "{}", ran.stderr);
        for (problem, (place, word)) in problems.iter().zip([
            ("line 4, column 3", "`image_size`"),
            ("line 6, column 17", "epochs"),
            ("line 8, column 21", "repeats"),
            ("line 9, column 3", "no values"),
            ("line 10, column 16", "layer_size"),
        ]) {
            assert!(problem.contains(place) && problem.contains(word), "{place}, {word}: {problem}");
        }
    }
    assert!(!project.path("runs").exists(), "nothing was run");
}

#[test]
fn a_plan_refuses_devices_that_no_run_could_have() {
    let project = Project::with_spec(
        "experiment: e\nmodel: {family: command, run: ['true']}\nschedule:\n  devices: cuda:x\n",
    );
    let ran = project.run(&["plan", "spec.yaml"]).expect(2);
    assert!(ran.stderr.contains("line 4, column 12: `schedule.devices`: `cuda:x`"), "{}", ran.stderr);
    let ran = project.run(&["plan", "spec.yaml", "--devices", "gpu"]).expect(2);
    assert!(ran.stderr.contains("--devices gpu: `schedule.devices`: `gpu` names"), "{}", ran.stderr);
}

#[test]
fn every_shipped_experiment_can_be_planned() {
    let project = Project::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder experiments") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let rows =
                project.run(&["plan", path.to_str().expect("UTF-8"), "--format", "json"]).expect(0).json();
            let least = match path.file_stem().and_then(|stem| stem.to_str()) {
                Some("tab4_architectures") => 5,
                // The points of a search that are known before it begins.
                Some("tpe_learning_rate") => 10,
                _ => 27,
            };
            assert!(rows.len() >= least, "{}: {} runs", path.display(), rows.len());
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} specs");
}

#[test]
fn the_plan_has_the_papers_parameter_counts() {
    let project = Project::new();
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/tab3.yaml");
    let rows = project.run(&["plan", spec, "--format", "json"]).expect(0).json();
    assert_eq!(rows.len(), 27);
    let of = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("run {name}"));
    assert_eq!(of("3-conv-32-nodes-0-dense")["parameters"], 40_449);
    assert_eq!(of("1-conv-128-nodes-2-dense")["parameters"], 201_885_313);
    assert_eq!(of("2-conv-64-nodes-1-dense")["axes"]["layer_size"], 64);
    assert!(of("2-conv-64-nodes-1-dense")["flops_per_image"].as_u64().expect("a count") > 1_000_000);
}

#[test]
fn the_plan_has_the_memory_of_what_would_train() {
    let project = Project::new();
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/tab3.yaml");
    let memory = |kernels: &str| {
        let kernels = format!("train.kernels={kernels}");
        let plan = ["plan", spec, "--format", "json", "--devices", "cpu:2", "--set", &kernels];
        let rows = project.run(&plan).expect(0).json();
        rows.iter().map(|row| row["memory_bytes"].as_u64().expect("bytes")).collect::<Vec<_>>()
    };
    // Our own kernels keep no second copy of anything.
    let (own, libtorch) = (memory("auto"), memory("plain"));
    assert!(own.iter().zip(&libtorch).all(|(own, libtorch)| own < libtorch), "{own:?} {libtorch:?}");
}

#[test]
fn impossible_models_are_found_before_anything_runs() {
    let project = Project::with_spec(
        "
experiment: small
dataset: {phantom: {images: [20, 20]}, image_size: 16}
model: {family: grid_cnn, dense_layers: 0, layer_size: 4}
train: {epochs: 1}
grid: {conv_layers: [1, 2, 4]}
",
    );
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(
        ran.stderr.contains("4-conv-4-nodes-0-dense") && ran.stderr.contains("conv2d_3"),
        "{}",
        ran.stderr
    );
    assert!(!project.path("runs/gridboard.db").exists(), "nothing was run");
}

#[test]
fn a_billion_points_and_an_alias_bomb_are_refused_at_once() {
    let axis = format!("[{}]", (0..1000).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    let project = Project::with_spec(&format!(
        "experiment: big\nmodel: {{family: command, run: ['true']}}\ngrid: {{a: {axis}, b: {axis}, c: {axis}}}\n"
    ));
    let ran = project.run(&["plan", "spec.yaml"]).expect(2);
    assert!(ran.stderr.contains("1000000000") || ran.stderr.contains("1,000,000,000"), "{}", ran.stderr);

    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let one = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![one; 10].join(","));
    }
    let project = Project::with_spec(&bomb);
    project.run(&["plan", "spec.yaml"]).expect(2);
}

#[test]
fn the_orchestrator_does_not_load_libtorch() {
    let linked = |program: &str| {
        let output = Command::new("ldd").arg(program).output().expect("start ldd");
        String::from_utf8(output.stdout).expect("UTF-8").contains("libtorch")
    };
    assert!(!linked(env!("CARGO_BIN_EXE_gridboard")));
    #[cfg(feature = "torch")]
    assert!(linked(env!("CARGO_BIN_EXE_gridboard-worker")));
}

#[test]
fn commands_without_runs_say_what_is_missing() {
    let project = Project::new();
    for arguments in [&["top"][..], &["runs"], &["show", "x"], &["sql", "select 1"], &["report", "x"]] {
        let ran = project.run(arguments);
        assert_ne!(ran.code, Some(0), "{arguments:?}");
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains("runs"),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains("\nhint: "), "{arguments:?}: {}", ran.stderr);
        assert!(!project.path("runs").exists(), "{arguments:?} creates nothing");
    }
    let missing = project.run(&["run", "nowhere.yaml"]).expect(2);
    assert!(missing.stderr.contains("nowhere.yaml"), "{}", missing.stderr);
}

#[test]
fn schema_completions_and_doctor_answer() {
    let project = Project::new();
    let schema: serde_json::Value =
        serde_json::from_str(&project.run(&["schema"]).expect(0).stdout).expect("the schema is JSON");
    assert!(schema["properties"]["dataset"].is_object());
    assert!(project.run(&["completions", "bash"]).expect(0).stdout.contains("gridboard"));
    let doctor = project.run(&["doctor"]);
    assert!(doctor.stdout.contains("cores"), "{}{}", doctor.stdout, doctor.stderr);
}

/// Weights are known to the byte before anything is trained.
#[cfg(feature = "torch")]
#[test]
fn a_sweep_whose_weights_do_not_fit_onto_the_disk_is_refused() {
    let seeds = (0..4000).map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ");
    let project = Project::with_spec(&format!(
        "experiment: large
dataset: {{phantom: {{images: [6, 6], difficulty: 0.3, seed: 0}}, classes: [a, b], image_size: 224}}
model: {{family: grid_cnn, dense_layers: 2, conv_layers: 1, layer_size: 128}}
train: {{epochs: 1, batch_size: 2}}
seeds: [{seeds}]
"
    ));
    let refused = project.run(&["run", "spec.yaml"]).expect(1);
    assert!(refused.stderr.contains("the runs that are owed take about 6.5 TB and "), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was started") && refused.stderr.contains("--runs-dir"));
    let begun = project.sql("select count(*) as n from attempts");
    assert_eq!(begun[0]["n"], 0);
    // What plan says takes it.
    let plan = project.run(&["plan", "spec.yaml"]).expect(0);
    assert!(plan.stdout.contains("of weights"), "{}", plan.stdout);
}

#[test]
fn a_spec_that_is_not_there_names_those_that_are() {
    let project = Project::new();
    let hint = |path: &str| {
        let refused = project.run(&["plan", path]).expect(2).stderr;
        assert!(refused.contains(&format!("cannot read spec `{path}`")), "{refused}");
        refused
    };
    assert!(hint("tab3.yaml").contains("a spec is a YAML file"));
    project.write("tab3.yaml", "experiment: e\n");
    project.write("other.yaml", "experiment: e\n");
    assert!(hint("tab33.yaml").contains("did you mean `tab3.yaml`?"));
    assert!(hint("tab3.yml").contains("did you mean `tab3.yaml`?"));
    assert!(hint("nothing-like-it.yaml").contains("there: other.yaml, tab3.yaml"));
    assert!(hint("nowhere/tab3.yaml").contains("a spec is a YAML file"));
}

#[test]
fn a_plan_shows_what_is_asked_of_slurm_where_there_is_none() {
    let project = Project::with_spec(
        "experiment: e\n\
         dataset: {phantom: {images: [20, 20]}, image_size: 32}\n\
         model: {family: grid_cnn, conv_layers: 2}\n\
         train: {epochs: 1}\n\
         grid: {dense_layers: [0, 1], layer_size: [16, 64]}\n\
         launcher: {slurm: {account: lab, cpus: 2, at_once: 3, options: {exclusive: true}}}\n",
    )
    .env("PATH", "/nowhere")
    .env("COLUMNS", "80");
    let shown = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    let table = shown.split("Submission of e").nth(1).expect("a table of the submission");
    for part in ["lab", "given", "the site's default", "--exclusive", "Slurm is not reached", "4 jobs"] {
        assert!(table.contains(part), "{part}\n{shown}");
    }
    assert!(table.contains("estimate and a quarter") && table.contains("no --time"), "{shown}");
    let widest = shown.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{shown}");
    let ran = project.run(&["plan", "spec.yaml", "--format", "json"]).expect(0);
    assert!(ran.stderr.contains("`scontrol` cannot be started"), "{}", ran.stderr);
    let rows = ran.json();
    let first = &rows[0]["submission"];
    assert_eq!((&first["memory_from"], &first["time_from"]), (&"estimate".into(), &"site".into()));
    // A quarter more than the estimate, and what libraries take, in steps.
    let estimate = rows[0]["memory_bytes"].as_u64().expect("an estimate");
    let asked = first["memory_bytes"].as_u64().expect("a size");
    assert!(asked >= estimate / 4 * 5 && asked < estimate / 4 * 5 + (513 << 20), "{asked} for {estimate}");
    let in_first = rows.iter().filter(|row| !row["submission"]["first_array"].is_null());
    assert_eq!(in_first.count(), 3, "as many as may be in Slurm at once");
    let printed = project.run(&["plan", "spec.yaml", "--script"]).expect(0);
    assert!(printed.stdout.starts_with("#!/bin/bash\n#SBATCH --job-name=gridboard-e-SUBMISSION\n"));
    assert!(printed.stderr.contains("1 run more follows as those end"), "{}", printed.stderr);

    let here = project.run(&["plan", "spec.yaml", "--launcher", "local", "--script"]).expect(2);
    assert!(here.stderr.contains("there is no script") && here.stderr.contains("--launcher slurm"));
    let rows =
        project.run(&["plan", "spec.yaml", "--launcher", "local", "--format", "json"]).expect(0).json();
    assert!(rows[0]["submission"].is_null());
}
