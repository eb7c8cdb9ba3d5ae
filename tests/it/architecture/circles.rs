//! No circle: neither between files nor, in [`super::layers`], between modules of one line.
//!
//! A file imports another by naming an item that is defined there, however it came by the name. What a file
//! names of the files below it is none: `audit/mod.rs` has the types that the parts of an audit share, and
//! puts the parts together.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::Import;

/// The circles between files, each with its files and imports, but for those inside of an excused folder; and
/// excuses that are not needed any more.
pub(super) fn between_files(imports: &[Import], excused: &[&str]) -> Vec<String> {
    let imports: Vec<&Import> =
        imports.iter().filter(|import| !is_below(&import.defined_in, &import.file)).collect();
    let found = circles(imports.iter().map(|import| (import.file.as_str(), import.defined_in.as_str())));
    let inside = |circle: &BTreeSet<&str>, folder: &str| circle.iter().all(|file| file.starts_with(folder));
    let unneeded = excused.iter().filter(|folder| !found.iter().any(|circle| inside(circle, folder)));
    let unneeded = unneeded.map(|folder| format!("{folder} has no circle and needs no excuse"));
    let bad = found.iter().filter(|circle| !excused.iter().any(|folder| inside(circle, folder)));
    bad.map(|circle| told(circle, &imports)).chain(unneeded).collect()
}

/// The files of a circle, and one import of each file of it from each other.
fn told(circle: &BTreeSet<&str>, imports: &[&Import]) -> String {
    let mut edges = BTreeMap::new();
    for import in imports {
        if circle.contains(import.file.as_str()) && circle.contains(import.defined_in.as_str()) {
            edges.entry((&import.file, &import.defined_in)).or_insert(import);
        }
    }
    let files: Vec<&str> = circle.iter().copied().collect();
    let edges = edges.into_values().map(|Import { file, line, path, defined_in }| {
        format!("\n    {file}:{line}: `{path}` is of {defined_in}")
    });
    files.join(", ") + &edges.collect::<String>()
}

/// Whether a file is of a module inside of the other file's module.
fn is_below(file: &str, above: &str) -> bool {
    let stem = above.strip_suffix(".rs").unwrap_or(above);
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "main" | "lib")) => folder,
        _ => stem,
    };
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The sets of more than one node that all reach each other.
pub(super) fn circles<'a>(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<BTreeSet<&'a str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&node| (node, reach(&next, node))).collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (&node, reaches) in &reached {
        let back = |other: &&str| reached.get(other).is_some_and(|reaches| reaches.contains(node));
        let circle: BTreeSet<&str> = reaches.iter().copied().filter(back).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn reach<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = next.get(start).into_iter().flatten().copied().collect();
    while let Some(node) = waiting.pop() {
        if reached.insert(node) {
            waiting.extend(next.get(node).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::super::{modules::Modules, sources::made_up};
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        between_files(&Modules::read(&made_up(files)).imports(), &[])
    }

    #[test]
    fn three_files_in_a_circle_are_found_with_their_imports() {
        let found = found(&[
            ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
            ("src/a.rs", "use crate::{b::{self, B}, d::D};\npub struct A;"),
            ("src/b.rs", "pub struct B;\nfn f() -> crate::c::C { todo!() }"),
            ("src/c.rs", "pub enum C { One }\nfn f() { assert!(super::a::A == 1) }"),
            ("src/d.rs", "pub struct D;"),
        ]);
        assert_eq!(
            found,
            ["src/a.rs, src/b.rs, src/c.rs\
              \n    src/a.rs:1: `crate::b::B` is of src/b.rs\
              \n    src/b.rs:2: `crate::c::C` is of src/c.rs\
              \n    src/c.rs:2: `super::a::A` is of src/a.rs"]
        );
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        // `b` passes on what `c` has, under another name and with a star; only `c` and `a` import each other.
        let found = found(&[
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "use crate::b::{Named, Starred};\npub struct A;"),
            ("src/b.rs", "pub use crate::c::C as Named; pub use super::c::*;"),
            ("src/c.rs", "pub struct C; pub struct Starred; use crate::a::A;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("src/a.rs, src/c.rs\n"), "{found:?}");
    }

    #[test]
    fn a_parent_puts_its_parts_together() {
        let found = found(&[
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod part; pub struct Shared; fn f() { part::work(Shared) }"),
            ("src/a/part.rs", "use super::Shared; pub fn work(_: Shared) {}"),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn parts_of_a_parent_are_no_exception() {
        let found = found(&[
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod one; mod two; use one::One;"),
            ("src/a/one.rs", "pub struct One; fn f() { super::two::Two }"),
            ("src/a/two.rs", "pub struct Two; use super::One;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn an_excuse_is_of_one_folder_and_as_long_as_its_circle() {
        let circle = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod one; mod two;"),
            ("src/a/one.rs", "pub struct One; use super::two::Two;"),
            ("src/a/two.rs", "pub struct Two; use super::one::One;"),
            ("src/b.rs", ""),
        ];
        let imports = Modules::read(&made_up(&circle)).imports();
        assert_eq!(between_files(&imports, &["src/a/"]), [""; 0]);
        assert_eq!(
            between_files(&imports, &["src/a/", "src/b"]),
            ["src/b has no circle and needs no excuse"]
        );
        assert_eq!(between_files(&imports, &["src/a/one"]).len(), 2, "half of it is outside");
    }
}
