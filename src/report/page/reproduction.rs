//! What somebody needs to make the results again: spec, versions, seeds, devices, images, time.

use std::collections::BTreeSet;

use crate::{
    base::human,
    report::{
        document::{Block, Section},
        input::ReportInput,
        table::{Cell, Column, Table},
    },
    spec,
};

/// The section.
pub(super) fn section(input: &ReportInput) -> Section {
    let about = &input.about;
    let mut section = Section::new("reproduction", "How it was made");
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |item: &str, value: Option<String>| {
        // What an experiment has none of, such as images or libtorch, is no row.
        rows.extend(value.map(|value| vec![Cell::from(item), Cell::from(value)]));
    };
    let distinct = |read: &dyn Fn(&crate::report::RunFacts) -> Option<String>| {
        let values: BTreeSet<String> = about.runs.iter().filter_map(read).collect();
        (!values.is_empty()).then(|| values.into_iter().collect::<Vec<_>>().join(", "))
    };
    let seeds: Vec<String> = about.spec.seeds.iter().map(ToString::to_string).collect();
    row("seeds", Some(seeds.join(", ")));
    row("content id of images and split", about.fingerprint.clone());
    row("Gridboard", distinct(&|facts| facts.version.clone()));
    row("git commit", distinct(&|facts| facts.commit.clone()));
    row("compiler", distinct(&|facts| facts.compiler.clone()));
    row("libtorch", distinct(&|facts| facts.libtorch.clone()));
    row("processor", distinct(&|facts| facts.processor.clone()));
    row("instructions", distinct(&|facts| facts.instructions.clone()));
    row("device", distinct(&|facts| facts.device.clone()));
    row("threads of a run", distinct(&|facts| facts.threads.map(|threads| threads.to_string())));
    row("machine", distinct(&|facts| facts.host.clone()));
    let seconds: Vec<f64> = about.runs.iter().filter_map(|facts| facts.seconds).collect();
    let total = (!seconds.is_empty()).then(|| human::seconds(seconds.iter().sum()));
    row("time of all runs, added up", total);
    row("from the first start to the last end", about.elapsed().map(human::seconds));
    let memory = about.runs.iter().filter_map(|facts| facts.peak_memory).max();
    row("largest peak memory of a run", memory.map(human::bytes));
    section.table(
        "reproduction",
        Table {
            title: Some(format!("{}: how it was made", input.leaderboard.experiment)),
            columns: vec![Column::text("item"), Column::text("value")],
            rows,
            notes: Vec::new(),
        },
    );
    section.blocks.push(Block::Listing {
        title: "The spec, with every default".to_owned(),
        text: spec::to_yaml(&about.spec),
    });
    section
}
