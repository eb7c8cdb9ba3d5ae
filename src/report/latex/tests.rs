//! Whether pdflatex takes the tables, and whether they fit. Where it is not installed, that is said.

use std::process::Command;

use super::*;
use crate::report::{Cell, Column, Format, leaderboard, page::tests::all_tables};

const HOSTILE: &str = "a_b 50 % & #1 $x {y} ~ ^ \\ <|> \"q\" `r' --- [z] *";

/// A document with these tables, one a page; what pdflatex says of it, or `None` where there is none.
fn compiled(tables: &[Table]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("\\documentclass{article}\n\\usepackage{graphicx}\n\\begin{document}\n");
    for table in tables {
        text += &table.render(Format::Latex, None);
        text += "\\clearpage\n";
    }
    text += "\\end{document}\n";
    std::fs::write(folder.path().join("tables.tex"), text).unwrap();
    let output = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "tables.tex"])
        .current_dir(folder.path())
        .env("max_print_line", "1000")
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    Some(said)
}

fn check(tables: &[Table]) {
    let Some(said) = compiled(tables) else {
        return println!("skipped: there is no pdflatex");
    };
    let wide: Vec<&str> = said.lines().filter(|line| line.starts_with("Overfull \\hbox")).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn every_table_of_the_reports_fits_an_article() {
    let tables = all_tables();
    assert!(tables.len() > 8, "{}", tables.len());
    check(&tables);
}

#[test]
fn hostile_and_long_texts_fit_an_article() {
    let long = format!("{HOSTILE} /a/path/{}/of-a-run_with_a_name.png", "x".repeat(200));
    let table = Table {
        title: Some(long.clone()),
        columns: vec![
            Column::text("run"),
            Column::number(HOSTILE).decimals(4),
            Column::text("reason"),
            Column::text("file"),
        ],
        rows: vec![
            vec![Cell::from(HOSTILE), Cell::Float(0.5), Cell::from(long.as_str()), Cell::from(long.as_str())],
            vec![Cell::from("[x]"), Cell::Float(0.25), Cell::from("*"), Cell::Empty],
        ],
        notes: vec![long],
    };
    let columns: Vec<Column> = (0..30).map(|place| Column::number(format!("value_{place}"))).collect();
    let row = (0..30).map(|place| Cell::Float(f64::from(place) / 7.0)).collect();
    let wide = Table { columns, rows: vec![row], ..Table::default() };
    check(&[table, wide]);
}

#[test]
fn what_a_line_has_no_room_for_is_named() {
    let board = leaderboard::tests::leaderboard(5);
    let text = leaderboard::leaderboard_table(&board, None).render(Format::Latex, None);
    assert!(text.contains("no room for dense\\_layers"), "{text}");
    assert!(text.contains("\\shortstack[r]{train\\\\acc.}"), "{text}");
}
