//! The part of `gridboard doctor` that looks at the runs database and at the disk of the runs directory.

use std::path::Path;

use super::runtime;
use crate::{
    base::{
        disk::{free_bytes, may_write, network},
        error::with_causes,
        human,
    },
    store::{self, Examination},
};

/// What was found, and what is wrong with it.
#[derive(Default)]
pub(super) struct Database {
    /// Item and value.
    pub(super) found: Vec<(&'static str, String)>,
    pub(super) problems: Vec<String>,
}

/// Less room than this on the disk of the runs directory is a problem: a sweep writes event files, weights and the database.
const LEAST_ROOM: u64 = 1_000_000_000;

/// Looks at the database of a runs directory, and at the disk that it lies on. Reads all of it.
pub(super) fn look(runs_dir: &Path) -> Database {
    let mut findings = Database::default();
    let path = runs_dir.join(store::FILE_NAME);
    match runtime().map(|runtime| runtime.block_on(store::examine(runs_dir))) {
        Err(error) => findings.problems.push(error.to_string()),
        Ok(Err(error)) => findings.problems.push(with_causes(&error)),
        Ok(Ok(None)) => findings.found.push(("runs database", format!("{} (not there yet)", path.display()))),
        Ok(Ok(Some(found))) => {
            let Examination { size, owner, mode, ref path, .. } = found;
            let shown = path.display();
            let schema = match found.schema {
                None => "no tables yet".to_owned(),
                Some(version) if version < found.known => {
                    format!("schema {version}, brought to {} by the next command that writes", found.known)
                }
                Some(version) => format!("schema {version}"),
            };
            let text = format!("{shown}: {schema}, {}, mode {mode:o}, owner {owner}", human::bytes(size));
            findings.found.push(("runs database", text));
            if let Some(problem) = found.problem {
                findings.problems.push(format!("`{shown}` is damaged: {problem}"));
            }
            if let Some(kind) = network(path) {
                findings.problems.push(store::on_network(path, kind));
            }
            for place in [path.as_path(), runs_dir] {
                if !may_write(place) {
                    findings.problems.push(format!("`{}` cannot be written by this user", place.display()));
                }
            }
        }
    }
    // Where it is not there yet, its parent is where it will be.
    let there = runs_dir.ancestors().find(|folder| folder.is_dir()).unwrap_or_else(|| Path::new("."));
    match free_bytes(there) {
        Err(error) => findings.problems.push(format!("the disk of `{}`: {error}", there.display())),
        Ok(free) => {
            findings.found.push(("room for runs", human::bytes(free)));
            if free < LEAST_ROOM {
                let (free, there) = (human::bytes(free), there.display());
                findings.problems.push(format!("only {free} are left on the disk of `{there}`"));
            }
        }
    }
    findings
}
