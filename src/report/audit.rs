//! What was found when the images of a corpus were checked, as tables.
//!
//! Called by `gridboard corpus` and by the page of the report: both show the same. What the numbers are is the audit's.

use std::collections::BTreeMap;

use super::{Cell, Column, Table};
use crate::{
    base::human,
    corpus::audit::{Audit, Likeness, Member, Pair, Spread},
};

/// Most groups, files and pairs that a table for people names.
const SHOWN: usize = 20;

/// The classes: counts, parts, and what their files are. Tab. 1 and Fig. 2 of the paper are made of it.
#[must_use]
pub(crate) fn class_table(audit: &Audit) -> Table {
    let mut columns = vec![Column::text("class"), Column::number("images")];
    if audit.is_split {
        columns.extend(["train", "validation", "test"].map(Column::number));
    }
    columns.extend(["formats", "colours"].map(Column::text));
    columns.push(Column::text("width").heading("width (min / median / max)"));
    columns.push(Column::text("height").heading("height (min / median / max)"));
    columns.push(Column::number("mean").heading("mean gray").decimals(1));
    columns.push(Column::number("contrast").decimals(1));
    columns.push(Column::number("bytes"));
    let rows = audit
        .classes
        .iter()
        .map(|class| {
            let mut row = vec![Cell::from(&class.class), Cell::from(class.images)];
            if audit.is_split {
                row.extend([class.train, class.validation, class.test].map(Cell::from));
            }
            row.extend([words(&class.formats), words(&class.colours)].map(Cell::from));
            row.extend([class.width, class.height].map(spread));
            row.extend([class.mean, class.contrast].map(|spread| Cell::from(spread.map(|s| s.median))));
            row.push(Cell::from(class.bytes));
            row
        })
        .collect();
    let notes = vec![format!(
        "{} images; mean and contrast are medians of the images at {} pixels",
        human::grouped(audit.images),
        audit.image_size
    )];
    Table { title: Some("Classes (Tab. 1, Fig. 2)".to_owned()), columns, rows, notes }
}

/// `jpeg 540, png 19`; the count is left out where there is one word.
fn words(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    match counts.as_slice() {
        [(word, _)] => (*word).clone(),
        counts => counts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", "),
    }
}

fn spread(spread: Option<Spread>) -> Cell {
    spread.map_or(Cell::Empty, |Spread { min, median, max }| Cell::from(format!("{min} / {median} / {max}")))
}

/// Pairs of images of one picture, counted.
fn duplicate_table(audit: &Audit) -> Table {
    let mut columns = vec![
        Column::text("pairs"),
        Column::number("all"),
        Column::number("across_classes").heading("across classes"),
    ];
    if audit.is_split {
        columns.push(Column::number("across_split").heading("across the split"));
    }
    let rows = Likeness::ALL
        .iter()
        .map(|&likeness| {
            let counts = audit.duplicates.count(likeness).map(Cell::from);
            let shown = if audit.is_split { 3 } else { 2 };
            std::iter::once(Cell::from(likeness.as_str())).chain(counts.into_iter().take(shown)).collect()
        })
        .collect();
    Table { title: Some("Duplicates".to_owned()), columns, rows, notes: Vec::new() }
}

/// The pairs themselves, the most harmful first; all of them, or the first so many.
#[must_use]
pub(crate) fn pair_table(audit: &Audit, most: Option<usize>) -> Table {
    let side = |name: &str| {
        ["", "_class", "_part"].map(|what| {
            Column::text(format!("{name}{what}")).heading(format!("{name}{}", what.replace('_', " ")))
        })
    };
    let mut columns = vec![Column::text("likeness")];
    columns.extend(side("first"));
    columns.extend(side("second"));
    columns.push(Column::number("distance").heading("bits apart"));
    columns.push(Column::number("detail").decimals(3));
    let member = |member: &Member| {
        let part = member.part.map_or(Cell::Empty, |part| Cell::from(part.as_str()));
        [Cell::from(&member.file), Cell::from(&member.class), part]
    };
    let pairs = &audit.duplicates.pairs;
    let shown = most.unwrap_or(pairs.len()).min(pairs.len());
    let row = |pair: &Pair| {
        let mut row = vec![Cell::from(pair.likeness.as_str())];
        row.extend(member(&pair.first));
        row.extend(member(&pair.second));
        row.extend([Cell::from(u64::from(pair.distance)), Cell::Float(pair.detail)]);
        row
    };
    let rows = pairs[..shown].iter().map(row).collect();
    let notes = (shown < pairs.len()).then(|| format!("{shown} of {} pairs; --pairs has all", pairs.len()));
    Table { title: Some("Pairs".to_owned()), columns, rows, notes: notes.into_iter().collect() }
}

/// How well file properties predict the class.
fn shortcut_table(audit: &Audit) -> Table {
    let columns = vec![
        Column::text("property"),
        Column::number("auc").heading("AUC").decimals(3),
        Column::number("standard_error").heading("standard error").decimals(3),
        Column::text("warning"),
    ];
    let rows = audit
        .shortcuts
        .iter()
        .map(|shortcut| {
            let warning = if shortcut.is_high { "tells the class" } else { "" };
            vec![
                Cell::from(&shortcut.feature),
                Cell::from(shortcut.auc),
                Cell::from(shortcut.standard_error),
                Cell::from(warning),
            ]
        })
        .collect();
    let notes = vec![
        "logistic regression, 5-fold cross-validation; 0.5 is chance, and a network can use whatever is above it"
            .to_owned(),
    ];
    Table {
        title: Some("Shortcut check: can file properties predict the class?".to_owned()),
        columns,
        rows,
        notes,
    }
}

/// Groups in several parts of the split; none where no pattern names groups.
fn group_table(audit: &Audit) -> Option<Table> {
    let groups = audit.groups.as_ref()?;
    let mut columns = vec![Column::text("group")];
    columns.extend(["train", "validation", "test"].map(Column::number));
    let rows = groups
        .across_parts
        .iter()
        .take(SHOWN)
        .map(|group| {
            let counts = [group.train, group.validation, group.test].map(Cell::from);
            std::iter::once(Cell::from(&group.group)).chain(counts).collect()
        })
        .collect();
    let note = format!(
        "`{}` names {} groups of {} images: {} in several parts of the split, {} in several classes",
        groups.pattern,
        human::grouped(groups.groups),
        human::grouped(groups.images),
        groups.across_parts.len(),
        groups.across_classes
    );
    Some(Table { title: Some("Groups across the split".to_owned()), columns, rows, notes: vec![note] })
}

/// Files that cannot be read; none where all can.
fn unreadable_table(audit: &Audit) -> Option<Table> {
    let bad = &audit.unreadable;
    let rows =
        bad.iter().take(SHOWN).map(|bad| vec![Cell::from(&bad.file), Cell::from(&bad.reason)]).collect();
    let columns = vec![Column::text("file"), Column::text("reason")];
    let more = bad.len().saturating_sub(SHOWN);
    let notes = (more > 0).then(|| format!("and {more} more")).into_iter().collect();
    (!bad.is_empty()).then(|| Table { title: Some("Unreadable".to_owned()), columns, rows, notes })
}

/// What to worry about, with counts; says so where it is nothing.
fn warning_table(audit: &Audit) -> Table {
    let columns = vec![Column::number("count"), Column::text("warning")];
    let rows = audit
        .warnings
        .iter()
        .map(|warning| vec![Cell::from(warning.count), Cell::from(&warning.message)])
        .collect();
    let nothing = audit.warnings.is_empty().then(|| "none of what was looked for".to_owned());
    Table { title: Some("Warnings".to_owned()), columns, rows, notes: nothing.into_iter().collect() }
}

/// All tables for people, in the order they are read, each with a word for the name of its file; the pairs only as far as
/// they fit a page.
#[must_use]
pub(crate) fn audit_tables(audit: &Audit) -> Vec<(&'static str, Table)> {
    let pairs = (!audit.duplicates.pairs.is_empty()).then(|| pair_table(audit, Some(SHOWN)));
    [
        ("classes", Some(class_table(audit))),
        ("unreadable", unreadable_table(audit)),
        ("duplicates", Some(duplicate_table(audit))),
        ("pairs", pairs),
        ("groups", group_table(audit)),
        ("shortcuts", Some(shortcut_table(audit))),
        ("warnings", Some(warning_table(audit))),
    ]
    .into_iter()
    .filter_map(|(stem, table)| Some((stem, table?)))
    .collect()
}
