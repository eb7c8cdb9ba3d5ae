//! Reports: tables from one row model, and the files of `runs/<experiment>/report/`.
//!
//! Called by the commands that print tables and by the end of a sweep. Everything is made from values that the store
//! and `rank` hand over; only `files` touches the disk, and no part of it knows SQL. `page` decides what a report says,
//! `document` holds it, `html` makes one file of it, `paper` knows what the paper states.

mod about;
mod audit;
mod columns;
mod comparison;
pub mod curves;
mod document;
pub mod files;
mod grid_points;
mod html;
mod input;
mod layers;
pub mod leaderboard;
mod page;
pub mod paper;
mod render;
mod rows;
pub mod table;
mod terminal;
mod test_set;
mod text;

pub use about::{About, RunFacts};
pub use audit::{audit_tables, class_table, pair_table};
pub use comparison::Sides;
pub use curves::ScoredRun;
pub use files::ReportError;
pub use grid_points::{grid_point_table, top_table};
pub use input::{ReportInput, RunCurves};
pub use layers::{layers_table, totals};
pub use leaderboard::{full_table, leaderboard_table, unranked_table};
pub use page::loading_table;
pub use render::Format;
pub use rows::RowWriter;
pub use table::{Align, Cell, Column, Readers, Table};
pub use test_set::{TEST_SENTENCE, TestResult, test_table};
