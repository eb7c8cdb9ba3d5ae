//! Suites: several experiments as one spec.

use super::*;
use crate::spec::suite::Spec;

/// A folder with the specs `a.yaml` and `b.yaml` and the suite of this text.
fn folder(suite: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("a.yaml", &WHOLE.replace("experiment: e", "experiment: a"));
    write("b.yaml", &WHOLE.replace("experiment: e", "experiment: b"));
    write("suite.yaml", suite);
    folder
}

fn read(suite: &str, set: &[&str]) -> Result<Spec, SpecError> {
    let folder = folder(suite);
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    load_any(&folder.path().join("suite.yaml"), &Overrides { set, ..Overrides::default() })
}

/// The message without the folder.
fn refused(suite: &str, set: &[&str]) -> String {
    let folder = folder(suite);
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    let path = folder.path().join("suite.yaml");
    let error = load_any(&path, &Overrides { set, ..Overrides::default() }).expect_err("a problem");
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn the_members_are_read_in_order_with_the_overrides_of_suite_and_command_line() {
    let suite = "suite: both\nexperiments: [b.yaml, a.yaml]\nset: [train.epochs=2, dataset.image_size=20]";
    let Ok(Spec::Suite(suite)) = read(suite, &["train.epochs=3"]) else { panic!("a suite") };
    assert_eq!(suite.name, "both");
    let names: Vec<&str> = suite.experiments.iter().map(|experiment| experiment.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    for experiment in &suite.experiments {
        assert_eq!(experiment.fixed.get("epochs"), Some(&Value::Int(3)), "the command line comes last");
        assert_eq!(experiment.dataset.as_ref().map(|dataset| dataset.image_size), Some(20));
    }
}

#[test]
fn one_experiment_is_no_suite() {
    assert!(matches!(read(WHOLE, &[]), Ok(Spec::Experiment(experiment)) if experiment.name == "e"));
}

#[test]
fn mistakes_of_the_suite_have_line_and_column() {
    for (text, problem) in [
        ("suite: s", "line 1, column 1: `experiments` is missing; it is the list of the experiments' specs"),
        ("experiments: [a.yaml]", "line 1, column 1: `suite` is missing; it is the name of the suite"),
        (
            "suite: s\nexperiments: []",
            "line 2, column 14: `experiments` must be a list of 1 to 100 specs, not of 0",
        ),
        ("suite: s\nexperiments: a.yaml", "line 2, column 14: `experiments` must be a list, not `a.yaml`"),
        (
            "suite: s\nexperiments: [a.yaml, 3]",
            "line 2, column 23: each of `experiments` must be the path of a spec, not `3`",
        ),
        ("suite: s\nexperiments: [a.yaml, ./a.yaml]", "line 2, column 23: `experiments` repeats `./a.yaml`"),
        (
            "suite: s\nexperiments: [a.yaml]\nset: [epochs]",
            "line 3, column 7: each of `set` must be a text `KEY.PATH=VALUE`, not `epochs`",
        ),
        (
            "suite: s\nexperiment: [a.yaml]",
            "line 2, column 1: unknown key `experiment`; did you mean `experiments`? known: suite, experiments, set",
        ),
    ] {
        let message = refused(text, &[]);
        assert!(message.starts_with("spec `suite.yaml` has "), "{message}");
        assert!(message.lines().any(|line| line.trim() == problem), "{problem}\n{message}");
    }
    let name = refused("suite: 'a b'\nexperiments: [a.yaml]", &[]);
    assert!(name.contains("line 1, column 8: the name `a b` must start with a letter"), "{name}");
}

#[test]
fn mistakes_of_every_member_are_told_together() {
    let message = refused("suite: s\nexperiments: [a.yaml, none.yaml, b.yaml]", &["train.epochs=0"]);
    for part in ["spec `a.yaml` has 1 problem", "cannot read spec `none.yaml`", "spec `b.yaml` has 1 problem"]
    {
        assert!(message.contains(part), "{part}\n{message}");
    }
}

#[test]
fn two_members_of_one_name_are_refused() {
    let message = refused("suite: s\nexperiments: [a.yaml, b.yaml]", &["experiment=same"]);
    assert!(
        message.contains("line 2, column 23") && message.contains("is an experiment named `same`"),
        "{message}"
    );
}

#[test]
fn the_shipped_suite_and_its_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let path = folder.join("paper.yaml");
    let Ok(Spec::Suite(suite)) = load_any(&path, &Overrides::default()) else { panic!("a suite") };
    assert_eq!(suite.name, "paper");
    assert!(suite.experiments.iter().any(|experiment| experiment.name == "tab3"));
    let text = std::fs::read_to_string(&path).expect("text");
    let check = |text: &str| super::schema::faults_of(&suite_schema(), text);
    assert_eq!(check(&text), Vec::<String>::new());
    assert_eq!(check("suite: a b\nexperiments: [x]\nset: [y]"), ["/suite: pattern", "/set/0: pattern"]);

    let shipped =
        std::fs::read_to_string(folder.join("suite.schema.json")).expect("experiments/suite.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&suite_schema()).expect("JSON"));
    assert!(shipped == made, "write it again: gridboard schema suite > experiments/suite.schema.json");
}
