//! README.md and `docs/` are of the program that is there: its commands, keys, views and specs, and no link leads nowhere.

mod commands;
mod links;

use std::fs;

use serde_json::Value;

use super::architecture::{root, text};
use crate::support::Project;

/// README.md and the other pages, from the root of the repository, in order.
fn pages() -> Vec<String> {
    let mut found: Vec<String> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        .into_iter()
        .chain(["experiments/RESULTS.md", "runs/README.md", "benches/RESULTS.md", "benches/PROFILE.md"])
        .filter(|page| root().join(page).exists())
        .map(str::to_owned)
        .collect();
    for folder in ["docs", "docs/design"] {
        let names = fs::read_dir(root().join(folder)).expect("the folder of the pages");
        let names = names.map(|entry| entry.expect("a page").file_name().into_string().expect("UTF-8"));
        found.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    found.sort();
    found
}

/// The blocks of a page between a line with three backticks and `language`, and one with three backticks.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while lines.any(|line| line == format!("```{language}")) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        found.push(block.join("\n"));
    }
    found
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let readme = text("README.md");
    for page in pages().iter().filter(|page| page.starts_with("docs/")) {
        assert!(readme.contains(&format!("]({page})")), "README.md has no link to {page}");
    }
}

#[test]
fn every_key_of_a_spec_is_explained() {
    let schema: Value = serde_json::from_str(&text("experiments/spec.schema.json")).expect("the schema");
    let mut keys = Vec::new();
    collect("", &schema, &mut keys);
    assert!(keys.iter().any(|key| key == "dataset.blur.sigma") && keys.len() > 20, "{keys:?}");
    let table: String =
        text("docs/spec.md").lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>().join("\n");
    // The parameters of `train` depend on the family: they are the next test's.
    for key in keys.into_iter().filter(|key| key != "train") {
        assert!(table.contains(&format!("`{key}`")), "docs/spec.md has no row for `{key}`");
    }
}

/// The dotted paths of the keys that hold a value: a key with keys of its own stands for them.
fn collect(path: &str, schema: &Value, keys: &mut Vec<String>) {
    let inner = schema["properties"].as_object();
    if inner.is_none() && !path.is_empty() {
        keys.push(path.to_owned());
    }
    for (name, value) in inner.into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(&path, value, keys);
    }
}

#[test]
fn every_parameter_is_explained() {
    let answer = Project::new().run(&["schema"]).expect(0).stdout;
    let schema: Value = serde_json::from_str(&answer).expect("the schema");
    let table = text("docs/spec.md");
    let mut seen = 0;
    for section in ["model", "train"] {
        for name in parameters(&schema, section) {
            assert!(table.contains(&format!("`{section}.{name}`")), "docs/spec.md has no `{section}.{name}`");
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} parameters were found in the schema");
}

/// The names that a section may have for any family.
fn parameters(schema: &Value, section: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![schema];
    while let Some(value) = waiting.pop() {
        if let Some(names) = value["properties"][section]["properties"].as_object() {
            found.extend(names.keys().cloned());
        }
        match value {
            Value::Object(map) => waiting.extend(map.values()),
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
    found
}

#[test]
fn the_views_are_explained_with_their_columns() {
    let database = text("docs/database.md");
    let project = Project::with_spec(
        "experiment: docs\nmodel: {family: command, run: [\"true\"]}\nrank: {by: validation/epoch_accuracy}\n",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    let views = project.sql("select name from sqlite_master where type = 'view' and name <> 'docs'");
    assert!(views.len() > 6, "{views:?}");
    for view in views {
        let name = view["name"].as_str().expect("a name");
        let row = database.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/database.md has no row for `{name}`"));
        let documented: Vec<&str> =
            row.split('|').nth(3).expect("columns").split(',').map(str::trim).collect();
        let rows = project.sql(&format!("select name from pragma_table_info('{name}')"));
        let columns: Vec<&str> = rows.iter().map(|row| row["name"].as_str().expect("a name")).collect();
        assert_eq!(columns, documented, "`{name}` in docs/database.md");
    }
}

#[test]
fn the_specs_in_the_pages_can_be_planned() {
    let mut planned = 0;
    for page in pages() {
        for spec in blocks(&text(&page), "yaml").iter().filter(|block| block.starts_with("experiment:")) {
            let project = Project::new();
            project.write("spec.yaml", spec);
            let mut arguments = vec!["plan", "spec.yaml"];
            if spec.contains("images:") {
                arguments.extend([
                    "--set",
                    "dataset.images=null",
                    "--set",
                    "dataset.phantom={images: [30, 20]}",
                ]);
            }
            let ran = project.run(&arguments);
            assert_eq!(ran.code, Some(0), "a spec of {page}:\n{spec}\n{}", ran.stderr);
            planned += 1;
        }
    }
    assert!(planned >= 4, "only {planned} specs were found");
}
