//! Tests of the files of a report.

use std::{collections::BTreeMap, fs};

use super::*;
use crate::{
    metrics::ConfusionMatrix,
    report::{
        About,
        input::samples::{about, input},
        text::tests::parse_csv,
    },
};

/// Every file below a folder, by its path there.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn the_files_of_a_report() {
    let root = tempfile::tempdir().unwrap();
    let written = write(&root.path().join("report"), &input(3)).unwrap();
    let files = tree(root.path());
    insta::assert_snapshot!(files.keys().cloned().collect::<Vec<_>>().join("\n"), @r##"
        1-conv-32-nodes-0-dense/confusion_matrix.png
        1-conv-32-nodes-0-dense/confusion_matrix.svg
        2-conv-32-nodes-0-dense/confusion_matrix.png
        2-conv-32-nodes-0-dense/confusion_matrix.svg
        3-conv-32-nodes-0-dense/confusion_matrix.png
        3-conv-32-nodes-0-dense/confusion_matrix.svg
        report/accuracy_bars.png
        report/accuracy_bars.svg
        report/accuracy_curves.png
        report/accuracy_curves.svg
        report/by_conv_layers.csv
        report/by_conv_layers.json
        report/by_conv_layers.md
        report/by_conv_layers.tex
        report/corpus.csv
        report/corpus.json
        report/corpus.md
        report/corpus.tex
        report/corpus_counts.png
        report/corpus_counts.svg
        report/glance.csv
        report/glance.json
        report/glance.md
        report/glance.tex
        report/layers.csv
        report/layers.json
        report/layers.md
        report/layers.tex
        report/leaderboard.csv
        report/loss_curves.png
        report/loss_curves.svg
        report/pr_curves.png
        report/pr_curves.svg
        report/report.html
        report/reproduction.csv
        report/reproduction.json
        report/reproduction.md
        report/reproduction.tex
        report/roc_curves.png
        report/roc_curves.svg
        report/runs.csv
        report/runs.json
        report/runs.md
        report/runs.tex
        report/top_ten.csv
        report/top_ten.json
        report/top_ten.md
        report/top_ten.tex
        report/top_ten_confusion.png
        report/top_ten_confusion.svg
        report/unranked.csv
        report/unranked.json
        report/unranked.md
        report/unranked.tex
        "##);
    let mut names: Vec<String> = written
        .iter()
        .map(|path| path.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, files.keys().cloned().collect::<Vec<_>>());
    assert!(files.iter().all(|(name, bytes)| match name.rsplit('.').next() {
        Some("png") => bytes.starts_with(b"\x89PNG"),
        Some("svg") => bytes.starts_with(b"<svg") && bytes.ends_with(b"</svg>\n"),
        _ => !bytes.is_empty(),
    }));
}

#[test]
fn the_same_input_gives_the_same_bytes_over_what_was_there() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&one.path().join("report"), &input(2)).unwrap();
    write(&two.path().join("report"), &input(2)).unwrap();
    write(&two.path().join("report"), &input(2)).unwrap();
    assert_eq!(tree(one.path()), tree(two.path()));
}

#[test]
fn csv_and_json_of_the_top_ten_agree_with_the_leaderboard_to_the_last_digit() {
    let root = tempfile::tempdir().unwrap();
    let input = input(12);
    write(&root.path().join("report"), &input).unwrap();
    let read = |name: &str| fs::read_to_string(root.path().join("report").join(name)).unwrap();
    let csv = parse_csv(&read("top_ten.csv")).unwrap();
    let text = read("top_ten.json");
    let json: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&text).unwrap();
    assert_eq!((csv.len(), json.len()), (11, 10));
    let column = csv[0].iter().position(|name| name == "validation_accuracy").unwrap();
    for ((row, record), object) in input.leaderboard.rows.iter().zip(&csv[1..]).zip(&json) {
        assert_eq!(record[column].parse::<f64>().ok(), row.validation_accuracy);
        // serde_json reads floats a digit off, so the text itself is searched.
        let exact = format!("\"validation_accuracy\": {:?}", row.validation_accuracy.unwrap());
        assert!(text.contains(&exact), "{exact} in {text}");
        assert_eq!(object["run"].as_str(), Some(row.run.as_str()));
        assert_eq!(record[1], row.run);
    }
    let all = parse_csv(&read("leaderboard.csv")).unwrap();
    assert_eq!(all.len(), input.leaderboard.rows.len() + 1);
}

#[test]
fn without_ranked_runs_there_are_empty_tables_and_no_figures_of_an_earlier_report() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("report");
    write(&dir, &input(1)).unwrap();
    assert!(dir.join("accuracy_bars.png").exists());
    let nothing = ReportInput {
        confusion: Vec::new(),
        curves: Vec::new(),
        predictions: Vec::new(),
        about: About { loading: None, runs: Vec::new(), layers: Vec::new(), ..about() },
        ..input(0)
    };
    let written = write(&dir, &nothing).unwrap();
    assert!(written.iter().all(|path| path.extension().is_some_and(|extension| extension != "png")));
    for name in page::FIGURES {
        assert!(
            !dir.join(name).with_extension("png").exists() && !dir.join(name).with_extension("svg").exists()
        );
    }
    let csv = fs::read_to_string(dir.join("top_ten.csv")).unwrap();
    assert!(csv.starts_with("rank,run,dense_layers,conv_layers,layer_size,train_accuracy,"), "{csv}");
    assert_eq!(csv.lines().count(), 1);
}

#[test]
fn hundreds_of_runs_at_the_top_still_fit_on_their_pages() {
    let mut input = input(300);
    input.leaderboard.rule.top = 300;
    for (index, row) in input.leaderboard.rows.iter_mut().enumerate() {
        row.run = format!("run-{index}");
    }
    let runs = input.leaderboard.rows.iter().map(|row| row.run.clone());
    input.confusion = runs.map(|run| (run, ConfusionMatrix::new(2))).collect();
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("report"), &input).unwrap();
    let svg = |name: &str| fs::read_to_string(root.path().join("report").join(name)).unwrap();
    let sheet = svg("top_ten_confusion.svg");
    assert!(sheet.contains("#30 run-29") && !sheet.contains("#31 run-30"));
    assert!(svg("accuracy_bars.svg").contains("best 60 of 300 runs"));
}

#[test]
fn a_run_name_that_leaves_the_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for name in ["../escape", "/etc", "a/b", "", ".."] {
        let mut input = input(1);
        input.confusion[0].0 = name.to_owned();
        let error = write(&root.path().join("exp/report"), &input).unwrap_err();
        assert!(matches!(error, ReportError::RunName { .. }), "{error}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = write(&file.join("report"), &input(1)).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot create folder `{}`", file.join("report").display()));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn several_seeds_make_the_grid_points_the_top_ten_and_keep_the_runs_beside_them() {
    let root = tempfile::tempdir().unwrap();
    let mut input = input(9);
    input.leaderboard.seeds = vec![0, 1, 2];
    for row in &mut input.leaderboard.rows {
        row.seed = row.index.get() % 3;
        row.run = format!("point-{}-seed-{}", row.index.get() / 3, row.seed);
    }
    (input.confusion, input.curves) = (Vec::new(), Vec::new());
    write(&root.path().join("report"), &input).unwrap();
    let read =
        |name: &str| parse_csv(&fs::read_to_string(root.path().join("report").join(name)).unwrap()).unwrap();
    assert_eq!(read("top_ten.csv")[1][..2], ["1", "point-0"]);
    assert_eq!(read("top_ten_runs.csv")[1][..2], ["1", "point-0-seed-0"]);
    assert_eq!(read("grid_points.csv").len(), 4, "the point of unranked runs has no mean");
}
