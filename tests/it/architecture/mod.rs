//! The invariants of ARCHITECTURE.md that can be read off the sources. Each rule is a file, with tests of its
//! own on sources made up for them; here they are held against the project.
//!
//! The sources are parsed, so that grouped and renamed imports, `super::`, names that are passed on and paths
//! in code and in macros are all seen. Unit tests are left out: they may look around.

mod circles;
mod code_map;
mod heads;
mod homes;
mod layers;
mod modules;
mod parse;
mod purity;
mod sources;

use std::{collections::BTreeSet, fs, sync::OnceLock};

use layers::Layers;
use modules::Modules;
pub(crate) use sources::{root, text};

/// Folders that still have a circle between files, to be opened; the list gets no longer.
const CIRCLES: &[&str] = &[];

/// Files longer than [`heads::LONGEST`] lines, to be divided; the list gets no longer.
const TOO_LONG: &[&str] = &["src/corpus/split.rs"];

fn project() -> &'static Modules {
    static PROJECT: OnceLock<Modules> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let modules = Modules::read(&sources::below("src"));
        assert!(modules.files().len() > 200, "only {} sources were read", modules.files().len());
        modules
    })
}

fn architecture() -> String {
    sources::text("ARCHITECTURE.md")
}

/// Fails with what a rule found, a line each.
fn none(found: &[String]) {
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_module_has_its_line() {
    let tops = project().files().into_iter().map(modules::top).filter(|top| !top.is_empty()).collect();
    none(&Layers::read(&architecture()).misfits(&tops));
}

#[test]
fn nobody_imports_upwards() {
    none(&Layers::read(&architecture()).broken(&project().crossings()));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    none(&circles::between_files(&project().imports(), CIRCLES));
}

#[test]
fn every_external_crate_has_a_home() {
    let dependencies = homes::dependencies(&sources::text("Cargo.toml"));
    none(&homes::crates(&dependencies, homes::HOMES, project()));
}

#[test]
fn every_name_of_a_file_stands_in_one_source() {
    none(&homes::files(project()));
}

#[test]
fn what_decides_names_nothing_of_the_outside() {
    for folder in purity::PURE {
        assert!(project().files().iter().any(|file| file.starts_with(folder)), "{folder} has no files");
    }
    let dependencies = homes::dependencies(&sources::text("Cargo.toml"));
    none(&purity::broken(&dependencies, &project().outside(), &project().imports()));
}

#[test]
fn every_file_says_what_it_is_for() {
    none(&heads::silent(
        &[sources::below("src"), sources::below("tests"), sources::below("benches")].concat(),
    ));
}

#[test]
fn no_file_is_too_long() {
    none(&heads::long(&sources::below("src"), TOO_LONG));
}

#[test]
fn the_code_map_is_of_what_is_there() {
    let entries = fs::read_dir(sources::root().join("src")).expect("src");
    let first_level: BTreeSet<String> = entries
        .map(|entry| {
            let entry = entry.expect("an entry of src");
            let slash = if entry.path().is_dir() { "/" } else { "" };
            format!("{}{slash}", entry.file_name().to_str().expect("a name in UTF-8"))
        })
        .collect();
    none(&code_map::misfits(&architecture(), &first_level, |path| sources::root().join(path).exists()));
}

#[test]
fn the_list_of_files_on_disk_is_of_what_is_written() {
    let literals = project().literals().map(|(file, _, literal)| (file, literal));
    let homes = ["src/run/folder.rs", "src/run/experiment_folder.rs"];
    none(&code_map::on_disk(&architecture(), literals, &homes));
}
