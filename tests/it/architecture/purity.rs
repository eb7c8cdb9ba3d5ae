//! Decide purely, act at the edge: the folders that decide name nothing of the world outside.

use std::collections::BTreeSet;

use super::modules::{Import, Outside};

/// The folders whose answers depend on nothing but their input.
pub(super) const PURE: [&str; 4] = ["src/rank/", "src/schedule/", "src/search/", "src/stats/"];

/// What they may name of the standard library; a clock, file, process, thread or environment is not among it.
const STANDARD: [&str; 11] =
    ["cmp", "collections", "convert", "f64", "fmt", "iter", "mem", "num", "ops", "str", "time::Duration"];

/// The crates that they may name: types, and functions of their arguments.
const CRATES: [&str; 5] = ["crc32fast", "libm", "rand_chacha", "serde", "thiserror"];

/// Macros that speak to the outside.
const MACROS: [&str; 7] = ["dbg!", "env!", "eprint!", "eprintln!", "print!", "println!", "thread_local!"];

/// What of the ground floor has no clock, no file and no process.
const PURE_BASE: [&str; 2] = ["src/base/error.rs", "src/base/human.rs"];

/// What pure files name of the world outside.
pub(super) fn broken(dependencies: &[String], outside: &[Outside], imports: &[Import]) -> Vec<String> {
    let pure = |file: &str| PURE.iter().any(|folder| file.starts_with(folder));
    let mut found = BTreeSet::new();
    for Outside { file, line, path } in outside.iter().filter(|outside| pure(&outside.file)) {
        let (first, rest) = path.split_first().expect("a path has a segment");
        let allowed = match first.as_str() {
            "async" | "await" => false,
            "std" | "core" | "alloc" => {
                let rest = rest.join("::");
                STANDARD.iter().any(|name| rest == *name || rest.starts_with(&format!("{name}::")))
            }
            name if name.ends_with('!') => !MACROS.contains(&name),
            name => CRATES.contains(&name) || !dependencies.iter().any(|dependency| dependency == name),
        };
        if !allowed {
            found.insert(format!("{file}:{line}: a pure file names `{}`", path.join("::")));
        }
    }
    for Import { file, line, path, defined_in } in imports.iter().filter(|import| pure(&import.file)) {
        if defined_in.starts_with("src/base/") && !PURE_BASE.contains(&defined_in.as_str()) {
            found.insert(format!("{file}:{line}: a pure file names `{path}` of {defined_in}"));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{modules::Modules, sources::made_up};
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let sources = made_up(&[
            ("src/lib.rs", "mod base; mod schedule; mod launch;"),
            ("src/base/mod.rs", "pub mod clock; pub mod human;"),
            ("src/base/clock.rs", "pub fn now() -> f64 { 0.0 }"),
            ("src/base/human.rs", "pub fn plural() {}"),
            ("src/schedule/mod.rs", if path == "schedule" { text } else { "" }),
            ("src/launch/mod.rs", if path == "launch" { text } else { "" }),
        ]);
        let modules = Modules::read(&sources);
        broken(&["tokio", "rand", "serde"].map(str::to_owned), &modules.outside(), &modules.imports())
    }

    #[test]
    fn the_outside_is_found_however_it_is_named() {
        for text in [
            "use std::{collections::BTreeMap, time::{Duration, Instant}};",
            "use std::time::SystemTime as Clock;",
            "use std::time; fn f() { time::Instant::now(); }",
            "use std::time::*;",
            "fn f() { std::fs::read(\"a\"); }",
            "fn f() { assert!(std::process::id() > 1); }",
            "use std as s; fn f() { s::thread::yield_now(); }",
            "fn f() { ::std::env::var(\"A\"); }",
            "use rand::Rng;",
            "fn f() -> tokio::sync::Notify { todo!() }",
            "async fn f() {}",
            "fn f() { g().await }",
            "fn f() { println!(\"\") }",
            "use crate::base::clock::now;",
            "use crate::base::clock; fn f() { clock::now(); }",
        ] {
            assert!(!found("schedule", text).is_empty(), "{text}");
            assert_eq!(found("launch", text), [""; 0], "{text}");
        }
        assert_eq!(
            found("schedule", "\nuse std::{cmp::Ordering, time::Instant};"),
            ["src/schedule/mod.rs:2: a pure file names `std::time::Instant`"]
        );
    }

    #[test]
    fn words_and_durations_are_pure() {
        let text = "
            //! Not one Instant of std::fs.
            use std::{cmp::Reverse, collections::*, time::Duration};
            use serde::Serialize;
            use crate::base::human::plural;
            fn f(file: u8) -> &'static str { let process = file; \"tokio::spawn\" }
            #[cfg(test)] mod tests { use std::fs; }
        ";
        assert_eq!(found("schedule", text), [""; 0]);
    }
}
