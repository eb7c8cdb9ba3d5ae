//! The modules of the crates in `src/`, and what a path means in each of them.
//!
//! There are three crates: the library (`src/lib.rs`), `gridboard` (`src/main.rs`) and the worker
//! (`src/worker/main.rs`). A path is followed through every `use`, grouped, renamed, passed on or with a
//! star, to the file that defines the item. What cannot be found in a module is taken to be defined there, by
//! a macro.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    parse::{self, EXTERN, Mention, Name, Way},
    sources::Source,
};

const LIBRARY: &str = "gridboard";

/// The modules, which are not only in tests.
pub(super) struct Modules(Vec<Module>);

struct Module {
    file: String,
    /// The module of the library's first level that it is part of; empty for `lib.rs`.
    top: String,
    root: usize,
    parent: Option<usize>,
    names: BTreeMap<String, Vec<Binding>>,
    globs: Vec<Vec<String>>,
    mentions: Vec<Mention>,
    literals: Vec<(usize, String)>,
}

#[derive(Clone)]
enum Binding {
    Said(Name),
    Child(usize),
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// An item and the module that defines it.
    Item(usize, String),
    Module(usize),
    /// A path of another crate.
    Outside(Vec<String>),
}

/// A file that names an item of another file.
pub(super) struct Import {
    pub(super) file: String,
    pub(super) line: usize,
    /// As it is written.
    pub(super) path: String,
    /// Where the item is defined.
    pub(super) defined_in: String,
}

/// A module of the first level that names another.
pub(super) struct Crossing {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) path: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// A file that names something of another crate.
pub(super) struct Outside {
    pub(super) file: String,
    pub(super) line: usize,
    /// In full, whatever `use` it came by.
    pub(super) path: Vec<String>,
}

impl Modules {
    /// Reads the sources, from the roots on.
    ///
    /// # Panics
    ///
    /// If a source is not Rust, or a module has no file.
    pub(super) fn read(sources: &[Source]) -> Self {
        let texts: BTreeMap<&str, &str> =
            sources.iter().map(|source| (source.path.as_str(), source.text.as_str())).collect();
        let mut modules = Self(Vec::new());
        for root in ["src/lib.rs", "src/main.rs", "src/worker/main.rs"] {
            if let Some(text) = texts.get(root) {
                let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
                let root_id = modules.0.len();
                let place = Place { file: root, folder: folder.to_owned(), root: root_id, parent: None };
                modules.add(place, parse::module(root, text), &texts);
            }
        }
        modules
    }

    fn add(&mut self, place: Place<'_>, parsed: parse::Module, texts: &BTreeMap<&str, &str>) -> usize {
        let id = self.0.len();
        let mut names: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
        for (name, meaning) in parsed.names {
            names.entry(name).or_default().push(Binding::Said(meaning));
        }
        self.0.push(Module {
            file: place.file.to_owned(),
            top: top(place.file),
            root: place.root,
            parent: place.parent,
            names,
            globs: parsed.globs,
            mentions: parsed.mentions,
            literals: parsed.literals,
        });
        for (name, inline) in parsed.children {
            let folder = format!("{}/{name}", place.folder);
            let within = |file| Place { file, folder: folder.clone(), root: place.root, parent: Some(id) };
            let child = match inline {
                Some(module) => self.add(within(place.file), module, texts),
                None => {
                    let (file, text) = [format!("{folder}.rs"), format!("{folder}/mod.rs")]
                        .iter()
                        .find_map(|file| texts.get_key_value(file.as_str()))
                        .unwrap_or_else(|| panic!("{}: `mod {name}` has no file", place.file));
                    self.add(within(file), parse::module(file, text), texts)
                }
            };
            self.0[id].names.entry(name).or_default().push(Binding::Child(child));
        }
        id
    }

    /// The files, each once.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.0.iter().map(|module| module.file.as_str()).collect()
    }

    /// String literals that are not in tests: file, line, text.
    pub(super) fn literals(&self) -> impl Iterator<Item = (&str, usize, &str)> {
        self.0.iter().flat_map(|module| {
            module.literals.iter().map(|(line, text)| (module.file.as_str(), *line, text.as_str()))
        })
    }

    /// Which file names items of which other. Passing a name on is none; neither is `mod`.
    pub(super) fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        for (id, module) in self.0.iter().enumerate() {
            for mention in module.mentions.iter().filter(|mention| mention.way != Way::PassOn) {
                for target in self.resolve(id, &mention.path).targets {
                    if let Target::Item(home, _) = target
                        && self.0[home].file != module.file
                    {
                        found.push(Import {
                            file: module.file.clone(),
                            line: mention.line,
                            path: mention.path.join("::"),
                            defined_in: self.0[home].file.clone(),
                        });
                    }
                }
            }
        }
        found
    }

    /// Which module of the first level names which other, by the way as well as at its end, and passing on as
    /// well.
    pub(super) fn crossings(&self) -> Vec<Crossing> {
        let mut found = Vec::new();
        for (id, module) in self.0.iter().enumerate().filter(|(_, module)| !module.top.is_empty()) {
            for mention in &module.mentions {
                let tops: BTreeSet<&str> = self
                    .resolve(id, &mention.path)
                    .passed
                    .iter()
                    .map(|&passed| self.0[passed].top.as_str())
                    .collect();
                for top in tops.into_iter().filter(|top| !top.is_empty() && *top != module.top) {
                    found.push(Crossing {
                        file: module.file.clone(),
                        line: mention.line,
                        path: mention.path.join("::"),
                        from: module.top.clone(),
                        to: top.to_owned(),
                    });
                }
            }
        }
        found
    }

    /// What is named of other crates, `async`, `await`, and macros as `println!`.
    pub(super) fn outside(&self) -> Vec<Outside> {
        let mut found = Vec::new();
        for (id, module) in self.0.iter().enumerate() {
            for mention in &module.mentions {
                for target in self.resolve(id, &mention.path).targets {
                    if let Target::Outside(path) = target
                        && (path.len() > 1 || mention.way != Way::Code || is_language(&path))
                    {
                        found.push(Outside { file: module.file.clone(), line: mention.line, path });
                    }
                }
            }
        }
        found
    }

    fn resolve(&self, module: usize, path: &[String]) -> Resolver<'_> {
        let mut resolver =
            Resolver { modules: self, busy: Vec::new(), passed: BTreeSet::new(), targets: BTreeSet::new() };
        let targets = resolver.path(module, path);
        resolver.targets = targets.into_iter().collect();
        resolver
    }
}

struct Place<'a> {
    file: &'a str,
    /// Where the files of its children are.
    folder: String,
    root: usize,
    parent: Option<usize>,
}

/// One path on its way.
struct Resolver<'a> {
    modules: &'a Modules,
    /// The names that are being looked up, so that `use serde_json;` does not find itself.
    busy: Vec<(usize, String)>,
    passed: BTreeSet<usize>,
    targets: BTreeSet<Target>,
}

impl Resolver<'_> {
    fn path(&mut self, module: usize, path: &[String]) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return vec![Target::Module(module)];
        };
        let starts = match first.as_str() {
            "crate" => vec![Target::Module(self.modules.0[module].root)],
            "self" => vec![Target::Module(module)],
            "super" => self.modules.0[module].parent.map(Target::Module).into_iter().collect(),
            EXTERN => return vec![Target::Outside(rest.to_vec())],
            name => self.lookup(module, name),
        };
        if starts.is_empty() {
            // The worker and `gridboard` name the library as a crate.
            if first == LIBRARY && self.modules.0.first().is_some_and(|root| root.top.is_empty()) {
                return self.go_on(Target::Module(0), rest);
            }
            return vec![Target::Outside(path.to_vec())];
        }
        let modules = starts.iter().any(|start| matches!(start, Target::Module(_)));
        starts
            .into_iter()
            // Of a function and a module of one name, only the module has something inside.
            .filter(|start| rest.is_empty() || !modules || matches!(start, Target::Module(_)))
            .flat_map(|start| self.go_on(start, rest))
            .collect()
    }

    fn go_on(&mut self, start: Target, rest: &[String]) -> Vec<Target> {
        match &start {
            Target::Module(module) | Target::Item(module, _) => {
                self.passed.insert(*module);
            }
            Target::Outside(_) => {}
        }
        let Some((next, after)) = rest.split_first() else {
            return vec![start];
        };
        match start {
            Target::Outside(mut path) => {
                path.extend_from_slice(rest);
                vec![Target::Outside(path)]
            }
            // A variant, or what an `impl` has.
            Target::Item(..) => vec![start],
            Target::Module(module) if next == "super" => {
                let parent = self.modules.0[module].parent.map(Target::Module);
                parent.into_iter().flat_map(|parent| self.go_on(parent, after)).collect()
            }
            Target::Module(module) => {
                let mut found = self.lookup(module, next);
                if !after.is_empty() && found.iter().any(|target| matches!(target, Target::Module(_))) {
                    found.retain(|target| matches!(target, Target::Module(_)));
                }
                if found.is_empty() {
                    found.push(Target::Item(module, next.clone()));
                }
                found.into_iter().flat_map(|target| self.go_on(target, after)).collect()
            }
        }
    }

    fn lookup(&mut self, module: usize, name: &str) -> Vec<Target> {
        let key = (module, name.to_owned());
        if self.busy.contains(&key) {
            return Vec::new();
        }
        self.busy.push(key);
        let modules = self.modules;
        let mut found = Vec::new();
        for binding in modules.0[module].names.get(name).into_iter().flatten() {
            match binding {
                Binding::Child(child) => found.push(Target::Module(*child)),
                Binding::Said(Name::Item) => found.push(Target::Item(module, name.to_owned())),
                Binding::Said(Name::Use(path)) => found.extend(self.path(module, path)),
            }
        }
        if found.is_empty() {
            for glob in &modules.0[module].globs {
                for target in self.path(module, glob) {
                    if let Target::Module(inner) = target {
                        found.extend(self.lookup(inner, name));
                    }
                }
            }
        }
        self.busy.pop();
        found
    }
}

/// Not a variable or a name of the prelude, which a path of one segment in code can be.
fn is_language(path: &[String]) -> bool {
    path.iter().any(|word| word == "async" || word == "await" || word.ends_with('!'))
}

/// The module of the first level that a file is part of.
pub(super) fn top(file: &str) -> String {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    let first = inside.split('/').next().unwrap_or(inside);
    let name = first.strip_suffix(".rs").unwrap_or(first);
    if name == "lib" { String::new() } else { name.to_owned() }
}
