//! `launcher`: what a spec says of a cluster, and what the command line and the user's file add.

use super::*;

fn with(launcher: &str) -> String {
    format!("{WHOLE}\nlauncher: {launcher}")
}

fn slurm(text: &str, overrides: &Overrides) -> Option<SlurmPlan> {
    parse(text, Path::new("/specs/e.yaml"), overrides).unwrap_or_else(|error| panic!("{error}")).launcher
}

fn flag(launcher: &str) -> Overrides {
    Overrides { launcher: Some(launcher.to_owned()), ..Overrides::default() }
}

#[test]
fn without_a_word_this_machine_executes_the_runs() {
    assert_eq!(accept(WHOLE).launcher, None);
    assert_eq!(accept(&with("local")).launcher, None);
    assert_eq!(accept(&with("slurm")).launcher, Some(SlurmPlan::default()));
    assert_eq!(accept(&with("{slurm: }")).launcher, Some(SlurmPlan::default()));
}

#[test]
fn a_cluster_is_described_whole() {
    let text = "{slurm: {partition: gpu, account: lab, gpus: 1, cpus: 8, memory: 32GiB, time: 4h, at_once: 16, check: false, \
                setup: [module load cuda/12.4], options: {qos: normal, --constraint: a100, exclusive: true, nice: 100}}}";
    let plan = accept(&with(text)).launcher.unwrap();
    assert_eq!((plan.partition.as_deref(), plan.account.as_deref()), (Some("gpu"), Some("lab")));
    assert_eq!((plan.gpus, plan.cpus, plan.memory, plan.at_once), (1, 8, Some(32 << 30), 16));
    assert_eq!(plan.time.map(|time| time.to_string()).as_deref(), Some("4h"));
    assert_eq!(plan.setup, ["module load cuda/12.4"]);
    assert!(!plan.check && SlurmPlan::default().check);
    let options: Vec<(&str, &str)> =
        plan.options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(options, [("constraint", "a100"), ("exclusive", ""), ("nice", "100"), ("qos", "normal")]);
}

#[test]
fn what_no_cluster_is_is_told() {
    let check = |launcher: &str, expected: &str| {
        let found = problems(&with(launcher)).join("\n");
        assert!(found.contains(expected), "{found}");
    };
    check("pbs", "`launcher` must be `local`, `slurm` or `{slurm: {..}}`");
    check("{pbs: {}}", "unknown key `launcher.pbs`");
    check("{slurm: {gpu: 1}}", "unknown key `launcher.slurm.gpu`; did you mean `gpus`?");
    check("{slurm: {memory: 32G}}", "a size from 1MiB on, as `900MiB` or `32GiB`");
    check("{slurm: {time: 30s}}", "from one minute on");
    check("{slurm: {partition: a b}}", "text without spaces");
    check("{slurm: {check: maybe}}", "`launcher.slurm.check` must be `true` or `false`");
    check("{slurm: {options: {job-name: x}}}", "`--job-name` is Gridboard's own");
    check("{slurm: {options: {mem: 3G}}}", "`--mem` is `launcher.slurm.memory`");
    check("{slurm: {setup: [export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH]}}", "looks like");
}

#[test]
fn the_command_line_says_it_for_once() {
    let described = with("{slurm: {gpus: 2}}");
    assert_eq!(slurm(&described, &flag("local")), None);
    assert_eq!(slurm(&described, &flag("slurm")).unwrap().gpus, 2);
    assert_eq!(slurm(WHOLE, &flag("slurm")), Some(SlurmPlan::default()));
}

#[test]
fn the_users_file_says_what_the_spec_does_not() {
    let file = "launcher: {slurm: {partition: gpu, gpus: 1, options: {qos: long, nice: 5}}}";
    let config = |launcher: Option<&str>| Overrides {
        config: Some(("config.yaml".to_owned(), file.to_owned())),
        launcher: launcher.map(str::to_owned),
        ..Overrides::default()
    };
    assert_eq!(slurm(WHOLE, &config(None)), None, "it names a cluster, and does not ask for it");
    let plan = slurm(WHOLE, &config(Some("slurm"))).unwrap();
    assert_eq!((plan.partition.as_deref(), plan.gpus, plan.options.len()), (Some("gpu"), 1, 2));
    let plan = slurm(&with("{slurm: {gpus: 0, options: {qos: short}}}"), &config(None)).unwrap();
    assert_eq!(
        (plan.partition.as_deref(), plan.gpus, plan.options["qos"].as_str()),
        (Some("gpu"), 0, "short")
    );
    assert_eq!(plan.options["nice"], "5");
    let wrong = Overrides {
        config: Some(("config.yaml".to_owned(), "launcher: {slurm: {gpu: 1}}".to_owned())),
        ..flag("slurm")
    };
    let found = problems_with(WHOLE, &wrong).join("\n");
    assert!(found.starts_with("config.yaml: unknown key `launcher.slurm.gpu`"), "{found}");
}

#[test]
fn another_launcher_is_no_other_spec() {
    let (here, there) = (accept(WHOLE), accept(&with("{slurm: {gpus: 4, cpus: 7}}")));
    assert!(difference(&here, &there).is_empty());
    let runs = |experiment: &Experiment| {
        crate::grid::runs(experiment).map(|run| (run.id.clone(), run.name.clone())).collect::<Vec<_>>()
    };
    assert_eq!(runs(&here), runs(&there));
}
