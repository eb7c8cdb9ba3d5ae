//! The texts of the sweep's own run that do not change while it lasts: the spec, and where the results come from. Markdown.

use std::fmt::Write;

use crate::{
    base::program::{host, version},
    grid,
    run::Provenance,
    schedule::Slot,
    spec,
    sweep::Preparation,
};

/// The texts of a sweep.
pub(in crate::sweep) struct Pages {
    spec: String,
    provenance: String,
    n_runs: usize,
}

impl Pages {
    pub(super) fn new(ready: &Preparation) -> Self {
        let experiment = &ready.experiment;
        let yaml = spec::to_yaml(experiment);
        // Of a search that learns no run may be there yet; the first one is like the others in this.
        let first = ready.runs.get(0).cloned().or_else(|| grid::first_runs(experiment).into_iter().next());
        let provenance =
            first.map(|run| provenance(&ready.surroundings.provenance_of(experiment, &run, Slot::CPU)));
        Self {
            spec: format!("```yaml\n{}\n```", yaml.trim_end().replace("```", "` ` `")),
            provenance: provenance.unwrap_or_default(),
            n_runs: ready.runs.len(),
        }
    }

    pub(super) fn add(&mut self, runs: usize) {
        self.n_runs += runs;
    }

    pub(super) fn n_runs(&self) -> usize {
        self.n_runs
    }

    /// Tag and text of each.
    pub(super) fn texts(&self) -> [(&'static str, &str); 2] {
        [("spec", &self.spec), ("provenance", &self.provenance)]
    }
}

/// A table of what is known; what is not has no row.
fn provenance(provenance: &Provenance) -> String {
    let git = provenance.git.as_ref().map(|git| {
        let dirty = if git.dirty.is_some() { ", with changes that are not committed" } else { "" };
        format!("`{}`{dirty}", git.commit)
    });
    let known = |text: &str| Some(text.to_owned());
    let rows = [
        ("Gridboard", known(version())),
        ("commit of the project", git),
        ("machine", known(host())),
        ("processor", provenance.processor.clone()),
        ("instructions", provenance.instructions.clone()),
        ("compiler", known(&provenance.rustc)),
        ("tch", provenance.tch.clone()),
    ];
    let mut table = "| what | value |\n|---|---|\n".to_owned();
    let environment =
        provenance.environment.iter().map(|(name, value)| (name.as_str(), Some(format!("`{value}`"))));
    for (what, value) in rows.into_iter().chain(environment) {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| {what} | {} |", value.replace('|', "\\|").replace('\n', " "));
        }
    }
    table
}
