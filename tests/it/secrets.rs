//! No secret lands in what Gridboard writes.

use std::{fs, path::Path};

use crate::support::Project;

/// Made up, and put together here so that no scanner takes this file for a leak.
fn token() -> String {
    "hf_".to_owned() + &"a1B2c3D4e5".repeat(4)[..34]
}

/// Files below a folder that hold a text, anywhere.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path).expect("read").windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn the_environment_hands_a_secret_on_and_nobody_writes_it_down() {
    let token = token();
    let project = Project::with_spec(
        "experiment: x\nmodel: {family: command, run: [sh, program.sh], env: {HF_TOKEN: $MY_TOKEN, MODE: fast}}\n",
    )
    .env("MY_TOKEN", token.as_str())
    .env("CUDA_API_TOKEN", "0123456789abcdef")
    .env("MKL_PROXY", "https://ada:pass1word@example.org");
    project.write(
        "program.sh",
        "test \"$HF_TOKEN\" = \"$MY_TOKEN\" && test $MODE = fast && test -n \"$CUDA_API_TOKEN\"\n",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(project.sql("select state from runs")[0]["state"], "completed");
    for secret in [token.as_str(), "0123456789abcdef", "pass1word"] {
        assert_eq!(holding(&project.path("runs"), secret), Vec::<String>::new());
    }
    assert!(project.read("runs/x/experiment.yaml").contains("HF_TOKEN: \"$MY_TOKEN\""));
    let project = project.env("MY_TOKEN", "");
    project.run(&["run", "spec.yaml"]).expect(0);
}

#[test]
fn a_secret_in_a_spec_is_refused_with_the_cure() {
    let token = token();
    let project = Project::with_spec(&format!(
        "experiment: x\nmodel: {{family: command, run: [python3, t.py, --token, {token}]}}\n"
    ));
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(
        ran.stderr.contains("`model.env: {NAME: $NAME}`") && !ran.stderr.contains(&token),
        "{}",
        ran.stderr
    );
    assert!(!project.path("runs").exists());
    let project = Project::with_spec(
        "experiment: x\nmodel: {family: command, run: ['true'], env: {A: $GRIDBOARD_IS_NOT_THERE}}\n",
    );
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(ran.stderr.contains("no variable `GRIDBOARD_IS_NOT_THERE`"), "{}", ran.stderr);
    assert!(!project.path("runs").exists());
}
