//! Tests of the table formats.

use proptest::prelude::*;

use super::*;
use crate::report::{Cell, Column, text::tests::parse_csv};

fn sample() -> Table {
    Table {
        title: Some("two_runs: 100 % of them".to_owned()),
        columns: vec![
            Column::number("rank"),
            Column::text("run"),
            Column::number("learning_rate").heading("learning rate"),
            Column::number("validation_accuracy").heading("validation accuracy").decimals(4),
            Column::text("ok"),
        ],
        rows: vec![
            vec![
                Cell::Int(1),
                Cell::from("a|b_c"),
                Cell::Float(0.001),
                Cell::Float(f64::from(0.953_125_f32)),
                Cell::Bool(true),
            ],
            vec![Cell::Int(2), Cell::from("d, \"e\"\nf"), Cell::Float(1e-7), Cell::Float(1.0 / 3.0)],
            vec![Cell::Empty, Cell::from(""), Cell::Empty, Cell::Float(f64::NAN), Cell::Bool(false)],
        ],
        notes: vec!["a note".to_owned()],
    }
}

#[test]
fn terminal() {
    insta::assert_snapshot!(sample().render(Format::Table, None), @r##"
    two_runs: 100 % of them
    ─────────────────────────────────────────────
     rank  run       learning  validation  ok
                         rate    accuracy
    ─────────────────────────────────────────────
        1  a|b_c        0.001      0.9531  true
        2  d, "e" f      1e-7      0.3333  -
        -                   -         NaN  false
    ─────────────────────────────────────────────
    a note
    "##);
}

#[test]
fn csv() {
    insta::assert_snapshot!(sample().render(Format::Csv, None), @r##"
    rank,run,learning_rate,validation_accuracy,ok
    1,a|b_c,0.001,0.953125,true
    2,"d, ""e""
    f",1e-7,0.3333333333333333,
    ,"",,NaN,false
    "##);
}

#[test]
fn json() {
    insta::assert_snapshot!(sample().render(Format::Json, None), @r##"
    [
      {
        "rank": 1,
        "run": "a|b_c",
        "learning_rate": 0.001,
        "validation_accuracy": 0.953125,
        "ok": true
      },
      {
        "rank": 2,
        "run": "d, \"e\"\nf",
        "learning_rate": 1e-7,
        "validation_accuracy": 0.3333333333333333,
        "ok": null
      },
      {
        "rank": null,
        "run": "",
        "learning_rate": null,
        "validation_accuracy": null,
        "ok": false
      }
    ]
    "##);
}

#[test]
fn for_markdown() {
    insta::assert_snapshot!(sample().render(Format::Markdown, None), @r##"
    two_runs: 100 % of them

    | rank | run | learning rate | validation accuracy | ok |
    | ---: | :--- | ---: | ---: | :--- |
    | 1 | a\|b_c | 0.001 | 0.9531 | true |
    | 2 | d, "e" f | 1e-7 | 0.3333 | - |
    | - |  | - | NaN | false |

    a note
    "##);
}

#[test]
fn for_latex() {
    insta::assert_snapshot!(sample().render(Format::Latex, None), @r"
    % \usepackage{graphicx}, and booktabs for finer rules
    \providecommand{\toprule}{\hline}\providecommand{\midrule}{\hline}\providecommand{\bottomrule}{\hline}
    \begin{table}
      \centering\footnotesize\sloppy\setlength{\tabcolsep}{3pt}
      \caption{two\_runs: 100 \% of them}
      \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
      \begin{tabular}{@{}rlrrl@{}}
        \toprule
        rank & run & \shortstack[r]{learning\\rate} & \shortstack[r]{validation\\accuracy} & ok \tabularnewline
        \midrule
        1 & a\textbar{}b\_c & 0.001 & 0.9531 & true \tabularnewline
        2 & d, \symbol{34}e\symbol{34} f & 1e-7 & 0.3333 & -- \tabularnewline
        -- &  & -- & NaN & false \tabularnewline
        \bottomrule
      \end{tabular}}
      \par\smallskip\raggedright a note
    \end{table}
    ");
}

#[test]
fn a_table_without_rows_has_its_columns_in_every_format() {
    let table = Table { rows: Vec::new(), ..sample() };
    assert_eq!(table.render(Format::Csv, None), "rank,run,learning_rate,validation_accuracy,ok\n");
    assert_eq!(table.render(Format::Json, None), "[]\n");
    for format in [Format::Table, Format::Markdown, Format::Latex] {
        assert!(table.render(format, Some(80)).contains("rank"), "{format:?}");
    }
}

#[test]
fn a_row_that_begins_with_a_bracket_is_no_argument_for_latex() {
    let rows = ["[3, 5]", "*", "plain"].map(|text| vec![Cell::from(text), Cell::Int(1)]);
    let columns = vec![Column::text("[name]"), Column::number("n")];
    let table = Table { columns, rows: rows.to_vec(), ..Table::default() };
    let text = table.render(Format::Latex, None);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(
        lines.contains(&"{}[name] & n \\tabularnewline") && lines.contains(&"{}[3, 5] & 1 \\tabularnewline"),
        "{text}"
    );
    assert!(
        lines.contains(&"{}* & 1 \\tabularnewline") && lines.contains(&"plain & 1 \\tabularnewline"),
        "{text}"
    );
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just(Cell::Empty),
        any::<String>().prop_map(Cell::Text),
        any::<i64>().prop_map(Cell::Int),
        any::<f64>().prop_map(Cell::Float),
        any::<bool>().prop_map(Cell::Bool),
    ]
}

fn any_table() -> impl Strategy<Value = Table> {
    (1..6usize).prop_flat_map(|width| {
        let cells = prop::collection::vec(any_cell(), width);
        prop::collection::vec(cells, 0..6).prop_map(move |rows| Table {
            columns: (0..width).map(|n| Column::text(format!("column_{n}"))).collect(),
            rows,
            ..Table::default()
        })
    })
}

proptest! {
    #[test]
    fn csv_round_trips(table in any_table()) {
        let records = parse_csv(&table.render(Format::Csv, None)).unwrap();
        prop_assert_eq!(records.len(), table.rows.len() + 1);
        for (row, record) in table.rows.iter().zip(&records[1..]) {
            prop_assert_eq!(record.len(), table.columns.len());
            for (cell, field) in row.iter().zip(record) {
                match cell {
                    Cell::Empty => prop_assert_eq!(field, ""),
                    Cell::Int(number) => prop_assert_eq!(field.parse::<i64>().unwrap(), *number),
                    Cell::Bool(value) => prop_assert_eq!(field.parse::<bool>().unwrap(), *value),
                    Cell::Float(number) if number.is_nan() => prop_assert_eq!(field, "NaN"),
                    Cell::Float(number) => {
                        prop_assert_eq!(field.parse::<f64>().unwrap().to_bits(), number.to_bits());
                    }
                    Cell::Text(text) => {
                        let harmless = crate::base::text::harmless(text);
                        prop_assert_eq!(field, &crate::base::csv::without_formula(&harmless));
                    }
                    Cell::Json(_) => {}
                }
            }
        }
    }

    #[test]
    fn json_round_trips(table in any_table()) {
        let rows: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&table.render(Format::Json, None)).unwrap();
        prop_assert_eq!(rows.len(), table.rows.len());
        for (row, object) in table.rows.iter().zip(&rows) {
            prop_assert_eq!(object.len(), table.columns.len());
            for (cell, value) in row.iter().zip(object.values()) {
                match cell {
                    Cell::Text(text) => prop_assert_eq!(value.as_str(), Some(text.as_str())),
                    Cell::Int(number) => prop_assert_eq!(value.as_i64(), Some(*number)),
                    Cell::Float(number) if number.is_finite() => {
                        // serde_json writes floats exactly and reads them a digit off: its text is compared.
                        prop_assert_eq!(json_cell(cell).to_string().parse::<f64>().unwrap(), *number);
                        prop_assert!(value.is_f64());
                    }
                    Cell::Bool(flag) => prop_assert_eq!(value.as_bool(), Some(*flag)),
                    Cell::Float(number) if number.is_infinite() => {
                        prop_assert_eq!(value.as_str(), Some(if *number > 0.0 { "Infinity" } else { "-Infinity" }));
                    }
                    _ => prop_assert!(value.is_null()),
                }
            }
        }
    }

    #[test]
    fn lines_of_people_hold_one_row_each_and_no_control_character(table in any_table()) {
        for (format, extra) in [(Format::Table, 4), (Format::Markdown, 2)] {
            let text = table.render(format, None);
            prop_assert_eq!(text.lines().count(), table.rows.len() + extra, "{}", text);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
        let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        for line in table.render(Format::Markdown, None).lines() {
            prop_assert_eq!(bars(line), table.columns.len() + 1, "{}", line);
        }
    }
}
