//! What the reports say.

use super::*;
use crate::{
    report::{
        About,
        document::Block,
        html,
        input::samples::{about, input},
        paper::NOT_STATED,
        table::{Cell, Table},
    },
    run::{RunIndex, RunKey},
    spec::{Axis, Experiment, Grid, Overrides, Value, load},
};

fn shipped(name: &str) -> Experiment {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(name);
    load(&path, &Overrides::default()).expect("a shipped spec")
}

fn table<'a>(document: &'a Document, stem: &str) -> &'a Table {
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    blocks
        .filter_map(|block| match block {
            Block::Table { stem: known, table } => (known == stem).then_some(table),
            _ => None,
        })
        .next()
        .unwrap_or_else(|| panic!("no table `{stem}`"))
}

fn stems(document: &Document) -> Vec<&str> {
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    blocks
        .filter_map(|block| match block {
            Block::Table { stem, .. } | Block::Figure { stem, .. } => Some(stem.as_str()),
            _ => None,
        })
        .collect()
}

/// Every table of the reports of the tests, with names that LaTeX and Markdown know.
pub(in crate::report) fn all_tables() -> Vec<Table> {
    let mut hostile = input(4);
    for row in &mut hostile.leaderboard.rows {
        row.run = format!("{}_100%&#{{x}}$~^\\-with-a-long-name", row.run);
    }
    let documents = [
        experiment(&input(4)).unwrap(),
        experiment(&analysis()).unwrap(),
        experiment(&hostile).unwrap(),
        suite("paper", &[&analysis(), &input(3)], &[]).unwrap(),
    ];
    let blocks =
        documents.into_iter().flat_map(|document| document.sections).flat_map(|section| section.blocks);
    let table = |block| match block {
        Block::Table { table, .. } => Some(table),
        _ => None,
    };
    blocks.filter_map(table).collect()
}

#[test]
fn every_further_metric_has_a_figure_of_its_name() {
    let further = FIGURES.iter().filter(|stem| stem.starts_with("metric_curves_")).count();
    // The metric that ranks has one too.
    assert_eq!(further, 1 + crate::rank::MOST_FURTHER);
}

fn ids(document: &Document) -> Vec<&str> {
    document.sections.iter().map(|section| section.id.as_str()).collect()
}

/// The analysis sweep with two of its sizes at two numbers of epochs.
fn analysis() -> ReportInput {
    let mut input = input(4);
    input.about = About { spec: shipped("fig8_layer_sizes.yaml"), ..about() };
    input.leaderboard.experiment = "fig8".to_owned();
    input.leaderboard.axes = vec!["layer_size".to_owned(), "epochs".to_owned()];
    input.leaderboard.rows.truncate(4);
    for (row, (size, epochs)) in input.leaderboard.rows.iter_mut().zip([(16, 5), (16, 30), (64, 5), (64, 30)])
    {
        row.axes = vec![Some(Value::Int(size)), Some(Value::Int(epochs))];
        row.train_accuracy = Some(size as f64 / 1000.0 + epochs as f64 / 100.0);
    }
    input
}

#[test]
fn a_report_of_tab3_has_the_answer_first_and_says_what_the_paper_states() {
    let document = experiment(&input(3)).unwrap();
    assert_eq!(ids(&document), ["best", "glance", "corpus", "layers", "grid", "reproduction", "caveats"]);
    let loading = table(&document, "corpus");
    let stated: Vec<String> = loading.rows.iter().map(|row| format!("{:?}", row[2])).collect();
    assert!(
        stated[0].contains("1,575 images") && stated[1].contains("559 images of 342 patients"),
        "{stated:?}"
    );
    assert!(stated[3].contains("1,494 train + 640 validation"), "{stated:?}");
    let glance = table(&document, "glance");
    let best = glance.rows.iter().find(|row| row[0] == Cell::from("which network that is")).unwrap();
    assert_eq!(best[2], Cell::from(NOT_STATED));
    let layers = table(&document, "layers");
    assert!(layers.notes[0].starts_with("394,593 parameters"), "{:?}", layers.notes);
    let page = html::page(&document);
    assert!(page.contains(".738") && page.contains("doi:10.32604/csse.2022.016949"));
}

#[test]
fn phantoms_stand_beside_no_paper() {
    let mut input = input(3);
    input.about.spec = shipped("quickstart.yaml");
    let document = experiment(&input).unwrap();
    assert_eq!(table(&document, "corpus").columns.len(), 2);
    let page = html::page(&document);
    assert!(!page.contains("Basalamah") && !page.contains("342 patients"));
    assert!(page.contains("synthetic phantoms"));
}

#[test]
fn fig8_shows_the_longest_training_of_each_size_beside_the_paper() {
    let document = experiment(&analysis()).unwrap();
    let sizes = table(&document, "layer_sizes");
    let names: Vec<&str> = sizes.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "layer_size",
            "paper_train_accuracy",
            "train_accuracy_5",
            "train_accuracy_30",
            "validation_accuracy"
        ]
    );
    assert_eq!(sizes.rows.len(), 2);
    assert_eq!(sizes.rows[0][..2], [Cell::Int(16), Cell::Float(0.94)]);
    let train: Vec<f64> = sizes.rows[1]
        .iter()
        .filter_map(|cell| match cell {
            Cell::Float(value) => Some(*value),
            _ => None,
        })
        .collect();
    assert!((train[0] - 0.95).abs() < 1e-12 && (train[1] - 0.114).abs() < 1e-12, "{train:?}");
    assert!((train[2] - 0.364).abs() < 1e-12, "{train:?}");
    assert!(stems(&document).contains(&"accuracy_curves"));
}

#[test]
fn a_size_that_was_not_trained_as_long_has_no_bar_beside_the_others() {
    let mut input = analysis();
    // The longest run of size 64 did not end.
    input.leaderboard.rows[3].rank = None;
    let document = experiment(&input).unwrap();
    let sizes = table(&document, "layer_sizes");
    assert_eq!(sizes.rows[1][4], Cell::Empty, "validation after 30 epochs");
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let bars = blocks
        .filter_map(|block| match block {
            Block::Figure { stem, figure, .. } => (stem == "accuracy_bars").then_some(&figure.svg),
            _ => None,
        })
        .next()
        .unwrap();
    assert!(bars.contains("after 30 epochs"));
    assert_eq!(bars.matches("unknown").count(), 2, "training and validation of size 64");
}

#[test]
fn architectures_have_the_papers_accuracies() {
    let mut input = input(3);
    let families = ["vgg16", "vgg19", "grid_cnn"];
    let axis = Axis {
        name: "family".to_owned(),
        values: families.map(|name| Value::Text(name.to_owned())).to_vec(),
        range: None,
    };
    input.about.spec.grids = vec![Grid { axes: vec![axis] }];
    input.leaderboard.axes = vec!["family".to_owned()];
    input.leaderboard.rows.truncate(3);
    for (index, (row, family)) in input.leaderboard.rows.iter_mut().zip(families).enumerate() {
        row.index = RunIndex::new(index as u64);
        row.key = RunKey::new(index as i64);
        row.axes = vec![Some(Value::Text(family.to_owned()))];
        input.about.runs[index].family = family.to_owned();
    }
    input.about.runs[0].last.insert("validation/recall".to_owned(), 0.25);
    let document = experiment(&input).unwrap();
    let table = table(&document, "architectures");
    let column = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap();
    let cells = |name: &str| table.rows.iter().map(|row| row[column(name)].clone()).collect::<Vec<_>>();
    assert_eq!(cells("architecture"), ["VGG-16", "VGG-19", "optimised CNN"].map(Cell::from));
    assert_eq!(cells("paper_accuracy"), [0.96, 0.72, 0.97].map(Cell::Float));
    assert_eq!(cells("recall"), [Cell::Float(0.25), Cell::Empty, Cell::Empty]);
}

#[test]
fn a_suite_has_each_corpus_once_and_every_stem_once() {
    let (tab3, fig8) = (input(3), analysis());
    let document = suite("paper", &[&fig8, &tab3], &["tab4".to_owned()]).unwrap();
    let ids = ids(&document);
    assert_eq!(ids.iter().filter(|id| id.ends_with("-corpus")).count(), 1, "{ids:?}");
    let place =
        |id: &str| ids.iter().position(|known| *known == id).unwrap_or_else(|| panic!("{id}: {ids:?}"));
    assert!(place("fig8-analysis") < place("tab3-grid") && place("fig8-best") < place("fig8-analysis"));
    assert!(place("tab3-best") < place("fig8-best"), "the paper's top ten is that of the grid");
    assert!(document.lead.contains(&"tab4: not run yet.".to_owned()));
    let mut stems = stems(&document);
    let all = stems.len();
    stems.sort_unstable();
    stems.dedup();
    assert_eq!(stems.len(), all);
}

#[test]
fn hostile_names_and_reasons_stay_text() {
    let mut input = input(2);
    for row in &mut input.leaderboard.rows {
        row.run = format!("<img src=x onerror=alert({})>", row.index.get());
        row.reason = row.reason.is_some().then(|| "</td><script>alert(1)</script>".to_owned());
    }
    input.confusion.clear();
    let page = html::page(&experiment(&input).unwrap());
    assert!(page.contains("&lt;img src=x") && page.contains("&lt;/td&gt;&lt;script"), "shown as text");
    assert!(!page.contains("<img") && page.matches("<script").count() == 1);
}
