//! The invariants of ARCHITECTURE.md that can be read off the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    assert!(found.len() > 50, "{} sources", found.len());
    let relative = |path: &PathBuf| path.strip_prefix(root).expect("below the root").display().to_string();
    found.iter().map(|path| (relative(path), fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// The code of a file without its comments, which may name anything.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether a line has a name that is not the end of a longer one, as `tch::` is of `dispatch::`.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[test]
fn each_external_crate_has_one_home() {
    let sources = all();
    for (name, home) in [
        ("sqlx::", "src/store/"),
        ("tch::", "src/worker/"),
        ("plotters", "src/figure/"),
        ("serde_saphyr", "src/spec/"),
        ("nvml_wrapper", "src/device/"),
        ("prost::", "src/tfevents/"),
        ("comfy_table", "src/report/"),
    ] {
        let users: Vec<&str> = sources
            .iter()
            .filter(|(_, text)| code(text).any(|line| names(line, name)))
            .map(|(path, _)| path.as_str())
            .collect();
        assert!(!users.is_empty(), "nobody uses {name}: is the name right?");
        let strangers: Vec<&&str> = users.iter().filter(|path| !path.starts_with(home)).collect();
        assert!(strangers.is_empty(), "{name} belongs to {home}, not to {strangers:?}");
    }
}

#[test]
fn nobody_imports_upwards() {
    // Each folder with the ones above it, which it must not name.
    let above = [
        ("src/spec/", &["grid", "corpus", "device", "store", "sweep", "cli", "launch", "report"][..]),
        ("src/schedule/", &["device", "launch", "follow", "store", "report", "sweep", "cli"]),
        ("src/rank/", &["store", "report", "sweep", "cli", "launch"]),
        ("src/tfevents/", &["store", "report", "sweep", "cli", "launch", "follow"]),
        ("src/corpus/", &["store", "report", "sweep", "cli", "launch"]),
        ("src/store/", &["report", "sweep", "cli", "launch"]),
        ("src/launch/", &["store", "report", "sweep", "cli"]),
        ("src/report/", &["store", "sweep", "cli", "launch", "predict"]),
        ("src/predict/", &["store", "sweep", "cli"]),
        ("src/sweep/", &["cli"]),
    ];
    let sources = all();
    for (folder, forbidden) in above {
        // Unit tests may look around.
        let inside: Vec<_> =
            sources.iter().filter(|(path, _)| path.starts_with(folder) && !path.contains("/tests")).collect();
        assert!(!inside.is_empty(), "{folder}");
        for (path, text) in inside {
            for module in forbidden {
                let name = format!("crate::{module}");
                let offence = code(text).find(|line| line.contains(&name));
                assert!(offence.is_none(), "{path} imports upwards: {}", offence.unwrap_or_default().trim());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> =
        all().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "files without a head: {silent:?}");
}
