//! One home: of each external crate, and of each name of a file that the program writes.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Modules, Outside, top};

/// Crates that any module may use: they are of the language that all of them speak.
const ANYWHERE: [&str; 4] = ["blake3", "serde", "serde_json", "thiserror"];

/// Each other crate with the modules of the first level that may name it.
pub(super) const HOMES: &[(&str, &[&str])] = &[
    ("ab_glyph", &["figure"]),
    ("anstream", &["launch"]),
    ("axum", &["serve"]),
    ("base64", &["cli", "figure"]),
    ("clap", &["cli", "report", "worker"]),
    ("clap_complete", &["cli"]),
    ("crc32c", &["tfevents"]),
    ("crc32fast", &["search"]),
    ("csv", &["base"]),
    ("epaint_default_fonts", &["figure"]),
    ("futures_core", &["serve", "store"]),
    ("gethostname", &["base"]),
    ("image", &["corpus", "figure", "predict"]),
    ("indicatif", &["cli"]),
    ("libc", &["kernels", "launch", "worker"]),
    ("libm", &["search"]),
    ("maud", &["report"]),
    ("memmap2", &["corpus"]),
    ("nix", &["base", "launch", "worker"]),
    ("nvml_wrapper", &["device"]),
    ("plotters", &["figure"]),
    ("prost", &["tfevents"]),
    ("rand_chacha", &["corpus", "search", "worker"]),
    ("rayon", &["corpus", "import", "index", "predict", "store"]),
    ("regex", &["base", "corpus", "spec"]),
    ("rustix", &["launch"]),
    ("safetensors", &["worker"]),
    ("serde_saphyr", &["spec"]),
    ("signal_hook", &["base"]),
    ("sqlx", &["store"]),
    ("sqlx_macros", &["store"]),
    ("strsim", &["spec"]),
    ("tch", &["worker"]),
    ("tempfile", &["base", "cli", "corpus", "launch", "store"]),
    ("terminal_size", &["cli", "sweep"]),
    ("tokio", &["base", "cli", "launch", "serve", "store", "sweep"]),
    ("unicode_width", &["report"]),
    ("ureq", &["sweep"]),
    ("zip", &["worker"]),
    ("zune_jpeg", &["corpus"]),
];

/// Crates that are linked and not named: torch-sys tells the build script where libtorch is.
const UNNAMED: [&str; 1] = ["torch_sys"];

/// The names of `[dependencies]` in Cargo.toml, as code has them.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let entries = lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(['=', '.']));
    entries.map(|(name, _)| name.trim().replace('-', "_")).collect()
}

/// Strangers that use a crate, homes that do not, dependencies without a home, homes of no dependency.
pub(super) fn crates(dependencies: &[String], homes: &[(&str, &[&str])], modules: &Modules) -> Vec<String> {
    let mut found = Vec::new();
    for name in dependencies {
        if !homes.iter().any(|(housed, _)| housed == name)
            && !ANYWHERE.contains(&name.as_str())
            && !UNNAMED.contains(&name.as_str())
        {
            found.push(format!("`{name}` of Cargo.toml has no home"));
        }
    }
    let outside = modules.outside();
    for (place, (name, home)) in homes.iter().enumerate() {
        if homes[..place].iter().any(|(before, _)| before == name) {
            found.push(format!("`{name}` has two homes"));
        }
        if !dependencies.iter().any(|dependency| dependency == name) {
            found.push(format!("`{name}` has a home and is not in Cargo.toml"));
        }
        let users: Vec<_> = outside.iter().filter(|outside| outside.path[0] == *name).collect();
        for module in home.iter().filter(|module| !users.iter().any(|user| top(&user.file) == **module)) {
            found.push(format!("`{name}` has a home in `{module}`, which does not use it"));
        }
        // The first of each file is enough.
        let mut told = BTreeSet::new();
        let stranger = |user: &&&Outside| !home.contains(&top(&user.file).as_str());
        for user in users.iter().filter(stranger).filter(|user| told.insert(&user.file)) {
            let path = user.path.join("::");
            found.push(format!("{}:{}: `{path}`: `{name}` belongs to {home:?}", user.file, user.line));
        }
    }
    found
}

/// The endings of the files that the program writes or reads.
const ENDINGS: [&str; 10] =
    [".csv", ".db", ".html", ".json", ".lock", ".log", ".npy", ".safetensors", ".toml", ".yaml"];

/// Names that stand in two files for two things.
const TWICE: [(&str, [&str; 2]); 1] =
    // Tab. 1 of an experiment, and the head of a folder of the cache.
    [("corpus.json", ["src/corpus/manifest.rs", "src/run/experiment_folder.rs"])];

/// The names of files in a literal, which may be a path, and the variable of the environment that it is.
pub(super) fn names(literal: &str) -> impl Iterator<Item = &str> {
    literal.split('/').map(|part| part.strip_suffix(".part").unwrap_or(part)).filter(|part| {
        let word = part.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        let file = ENDINGS.iter().any(|ending| part.ends_with(ending)) && !part.contains("..");
        let variable = part.strip_prefix("GRIDBOARD_").is_some_and(|rest| !rest.is_empty());
        word && (file || variable)
    })
}

/// Names of files and variables that stand in several sources.
pub(super) fn files(modules: &Modules) -> Vec<String> {
    let mut places: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (file, line, literal) in modules.literals() {
        for name in names(literal) {
            places.entry(name).or_default().entry(file).or_insert(line);
        }
    }
    let excused = |name: &str, files: &BTreeSet<&str>| {
        TWICE.iter().any(|(twice, homes)| *twice == name && *files == homes.iter().copied().collect())
    };
    places
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !excused(name, &files.keys().copied().collect()))
        .map(|(name, files)| {
            let files: Vec<String> = files.into_iter().map(|(file, line)| format!("{file}:{line}")).collect();
            format!("`{name}` stands in {}", files.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sources::made_up;
    use super::*;

    fn with(text: &str) -> Modules {
        Modules::read(&made_up(&[
            ("src/lib.rs", "mod store; mod cli;"),
            ("src/store/mod.rs", "use sqlx::{Row, query}; const FILE: &str = \"gridboard.db\";"),
            ("src/cli/mod.rs", text),
        ]))
    }

    fn strangers(text: &str) -> Vec<String> {
        crates(&["sqlx".to_owned()], &[("sqlx", &["store"])], &with(text))
    }

    #[test]
    fn a_stranger_that_uses_a_crate_is_found() {
        for text in [
            "use {std::fs, sqlx::Row};",
            "use sqlx as database;",
            "fn f() { sqlx::query(\"\"); }",
            "fn f() { vec![::sqlx::query(\"\")]; }",
            "#[derive(sqlx::FromRow)] struct S;",
            "#[sqlx::test] fn f() {}",
        ] {
            let found = strangers(text);
            assert!(
                found.iter().any(|line| line.contains("src/cli/mod.rs:1") && line.contains("belongs to")),
                "{text}: {found:?}"
            );
        }
        let text = "mod sqlx { pub fn query() {} } fn f(sqlx: u8) { self::sqlx::query(); } \
                    #[cfg(test)] use sqlx::Row;";
        assert_eq!(strangers(text), [""; 0], "a module of that name, a variable, a test");
    }

    #[test]
    fn a_crate_with_two_homes_is_found() {
        let twice = [("sqlx", &["store"][..]), ("sqlx", &["store"])];
        assert_eq!(crates(&["sqlx".to_owned()], &twice, &with("")), ["`sqlx` has two homes"]);
    }

    #[test]
    fn a_crate_without_a_home_and_a_home_without_a_user_are_found() {
        let manifest = "\
[dependencies]
sqlx = \"1\"
new-crate = { version = \"1\" }

[dev-dependencies]
syn = \"3\"
";
        let dependencies = dependencies(manifest);
        assert_eq!(dependencies, ["sqlx", "new_crate"]);
        assert_eq!(
            crates(&dependencies, &[("sqlx", &["store", "cli"]), ("old", &[])], &with("")),
            [
                "`new_crate` of Cargo.toml has no home",
                "`sqlx` has a home in `cli`, which does not use it",
                "`old` has a home and is not in Cargo.toml",
            ]
        );
    }

    #[test]
    fn a_name_in_two_files_is_found() {
        for text in [
            "fn f() { dir.join(\"gridboard.db\"); }",
            "fn f() { write!(out, \"runs/gridboard.db\"); }",
            "const F: &str = concat!(\"gridboard.db.part\");",
        ] {
            assert_eq!(
                files(&with(text)),
                ["`gridboard.db` stands in src/cli/mod.rs:1, src/store/mod.rs:1"],
                "{text}"
            );
        }
        for text in [
            "/// `gridboard.db`\nfn f() { g(\"no gridboard.db here\") }",
            "#[cfg(test)] mod tests { const F: &str = \"gridboard.db\"; }",
        ] {
            assert_eq!(files(&with(text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn variables_are_names_too() {
        assert_eq!(names("GRIDBOARD_RUN_DIR").count(), 1);
        assert_eq!(names("runs/.lock").collect::<Vec<_>>(), [".lock"]);
        assert_eq!(names("cannot read run.json").count(), 0);
    }
}
