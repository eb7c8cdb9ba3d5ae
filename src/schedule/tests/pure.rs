//! The scan of the source.

/// Decide purely: the scheduler and the ranking name no clock, file, process, thread, randomness or async runtime.
#[test]
fn the_pure_folders_name_nothing_of_the_outside() {
    let words = [
        "Instant",
        "SystemTime",
        "clock",
        "fs",
        "File",
        "process",
        "thread",
        "net",
        "env",
        "io",
        "tokio",
        "rand",
        "async",
        "await",
        "sqlx",
        "tch",
    ];
    let mut files = 0;
    for folder in ["schedule", "rank"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        for entry in std::fs::read_dir(&folder).expect("the folder of a pure module") {
            let path = entry.expect("an entry").path();
            if path.is_dir() || path.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source file");
            let code = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                // Texts for people may use any word.
                let line = line.split("//").next().unwrap_or_default();
                let line: String = line.split('"').step_by(2).collect();
                let mut names = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                if let Some(word) = names.find(|name| words.contains(name)) {
                    panic!("{}:{}: a pure module names `{word}`", path.display(), number + 1);
                }
            }
            files += 1;
        }
    }
    assert!(files >= 8, "only {files} files were scanned");
}
