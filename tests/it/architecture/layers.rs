//! Nobody imports upwards, in the order that ARCHITECTURE.md states.

use std::collections::{BTreeMap, BTreeSet};

use super::{circles::circles, modules::Crossing};

/// The line of ARCHITECTURE.md before the order.
const BEFORE: &str = "Who may import whom";

/// The modules of the first level, the highest line first.
pub(super) struct Layers(Vec<Vec<String>>);

impl Layers {
    /// Reads the indented lines after "Who may import whom".
    pub(super) fn read(architecture: &str) -> Self {
        let section = architecture.lines().skip_while(|line| !line.starts_with(BEFORE));
        let section = section.take_while(|line| !line.starts_with("## "));
        let block =
            section.skip_while(|line| !line.starts_with("    ")).take_while(|line| line.starts_with("    "));
        let words = |line: &str| line.split(',').map(|word| word.trim().to_owned()).collect();
        Self(block.map(words).collect())
    }

    fn rank(&self, module: &str) -> Option<usize> {
        self.0.iter().position(|line| line.iter().any(|name| name == module))
    }

    /// Modules without a place, places without a module, and modules with two places.
    pub(super) fn misfits(&self, modules: &BTreeSet<String>) -> Vec<String> {
        let homeless = modules.iter().filter(|module| self.rank(module).is_none());
        let mut found: Vec<String> =
            homeless.map(|module| format!("`{module}` has no line under \"{BEFORE}\"")).collect();
        let mut seen = BTreeSet::new();
        for name in self.0.iter().flatten() {
            if !modules.contains(name) {
                found.push(format!("\"{BEFORE}\" has `{name}`, which is no module of src/"));
            }
            if !seen.insert(name) {
                found.push(format!("\"{BEFORE}\" has `{name}` twice"));
            }
        }
        found
    }

    /// What is imported from a higher line, or in a circle on one line.
    pub(super) fn broken(&self, crossings: &[Crossing]) -> Vec<String> {
        let beside = |crossing: &&Crossing| self.rank(&crossing.from) == self.rank(&crossing.to);
        let rounds = circles(
            crossings.iter().filter(beside).map(|crossing| (crossing.from.as_str(), crossing.to.as_str())),
        );
        // The first of each file is enough.
        let mut found = BTreeMap::new();
        for crossing in crossings {
            let Crossing { file, line, path, from, to } = crossing;
            let together =
                |round: &BTreeSet<&str>| round.contains(from.as_str()) && round.contains(to.as_str());
            // A module without a line is told of as a misfit.
            let (Some(rank), Some(other)) = (self.rank(from), self.rank(to)) else { continue };
            let fault = if rank > other {
                format!("`{from}` imports upwards from `{to}`")
            } else if beside(&crossing) && rounds.iter().any(together) {
                format!("`{from}` and `{to}` import each other, perhaps by others of their line")
            } else {
                continue;
            };
            found.entry((file, to)).or_insert_with(|| format!("{file}:{line}: `{path}`: {fault}"));
        }
        found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{modules::Modules, sources::made_up};
    use super::*;

    const ORDER: &str = "\
Who may import whom, downwards:

    cli
    sweep, follow
    run, spec

Rest.
    nothing
";

    fn broken(files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("src/lib.rs", "mod cli; mod sweep; mod follow; mod run; mod spec;")];
        for name in ["cli", "sweep", "follow", "run", "spec"] {
            let path = ["src/cli.rs", "src/sweep.rs", "src/follow.rs", "src/run.rs", "src/spec.rs"]
                .into_iter()
                .find(|path| path.contains(name))
                .expect("a path");
            let text =
                files.iter().find(|(file, _)| *file == path).map_or("pub struct Own;", |(_, text)| text);
            all.push((path, text));
        }
        Layers::read(ORDER).broken(&Modules::read(&made_up(&all)).crossings())
    }

    #[test]
    fn downwards_and_beside_is_allowed() {
        let found = broken(&[
            ("src/sweep.rs", "use crate::{follow::Own, run::Own as Run}; pub use crate::spec::Own as Spec;"),
            ("src/cli.rs", "fn f() { crate::spec::Own; }"),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn an_import_upwards_is_found_however_it_is_written() {
        for text in [
            "use crate::{run::Own, cli::Own as Cli};",
            "use crate::cli;",
            "use super::cli::Own;",
            "pub(crate) use crate::{\n    cli::*,\n};",
            "fn f() -> crate::cli::Own { todo!() }",
            "fn f() { println!(\"{}\", crate::cli::Own) }",
            "fn f() { use crate as all; all::cli::Own; }",
            "#[derive(crate::cli::Own)] struct S;",
            "mod inner { use super::super::cli::Own; }",
        ] {
            let found = broken(&[("src/sweep.rs", text)]);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains("`sweep` imports upwards from `cli`"), "{text}: {found:?}");
        }
    }

    #[test]
    fn by_way_of_another_module_is_upwards_as_well() {
        let found = broken(&[
            ("src/spec.rs", "pub use crate::cli::Own as Passed;"),
            ("src/run.rs", "use crate::spec::Passed;"),
        ]);
        assert_eq!(
            found,
            [
                "src/run.rs:1: `crate::spec::Passed`: `run` imports upwards from `cli`",
                "src/spec.rs:1: `crate::cli::Own`: `spec` imports upwards from `cli`",
            ]
        );
    }

    #[test]
    fn unit_tests_may_look_around() {
        let text = "#[cfg(test)] mod tests { use crate::cli::Own; } #[cfg(test)] use crate::cli::Own;";
        assert_eq!(broken(&[("src/run.rs", text)]), [""; 0]);
    }

    #[test]
    fn two_of_one_line_do_not_import_each_other() {
        let found =
            broken(&[("src/run.rs", "use crate::spec::Own;"), ("src/spec.rs", "use crate::run::Own;")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`run` and `spec` import each other"), "{found:?}");
    }

    #[test]
    fn the_worker_names_the_library_by_its_name() {
        let sources = made_up(&[
            ("src/lib.rs", "pub mod cli;"),
            ("src/cli.rs", "pub struct Own;"),
            ("src/worker/main.rs", "mod train;"),
            ("src/worker/train.rs", "use gridboard::cli::Own;"),
        ]);
        let layers = Layers::read("Who may import whom\n\n    cli\n    worker\n");
        let found = layers.broken(&Modules::read(&sources).crossings());
        assert_eq!(
            found,
            ["src/worker/train.rs:1: `gridboard::cli::Own`: `worker` imports upwards from `cli`"]
        );
    }

    #[test]
    fn every_module_has_one_place() {
        let modules = ["cli", "sweep", "follow", "spec", "new"].map(str::to_owned).into();
        assert_eq!(
            Layers::read(ORDER).misfits(&modules),
            [
                "`new` has no line under \"Who may import whom\"",
                "\"Who may import whom\" has `run`, which is no module of src/",
            ]
        );
    }
}
