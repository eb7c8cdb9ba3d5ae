//! Reports: tables from one row model, and the files of `runs/<experiment>/report/`.
//!
//! Called by the commands that print tables and by the end of a sweep. Everything is made from values that the store
//! and `rank` hand over; only `files` touches the disk, and no part of it knows SQL. `page` decides what a report says,
//! `document` holds it, `html` makes one file of it, `paper` knows what the paper states.

mod about;
mod audit;
mod columns;
mod comparison;
pub(crate) mod curves;
mod document;
pub(crate) mod files;
mod grid_points;
mod html;
mod importance;
mod input;
mod latex;
mod layers;
pub(crate) mod leaderboard;
mod page;
pub(crate) mod paper;
mod render;
mod rows;
pub(crate) mod table;
mod terminal;
mod test_set;
mod text;
mod trace;

pub(crate) use about::{About, RunFacts};
pub(crate) use audit::{audit_tables, class_table, pair_table};
pub(crate) use comparison::{MetricSides, Sides};
pub(crate) use files::ReportError;
pub(crate) use grid_points::top_table;
pub(crate) use importance::{contour_plot, importance_table, interaction_table, slice_plot};
pub(crate) use input::{ReportInput, RunCurves};
pub(crate) use layers::{layers_table, totals};
pub(crate) use leaderboard::{leaderboard_table, unranked_table};
pub(crate) use page::loading_table;
pub(crate) use render::Format;
pub(crate) use rows::RowWriter;
pub(crate) use table::{Cell, Column, Table};
pub(crate) use test_set::{TestResult, test_table};
pub(crate) use text::{break_words, display_width};
pub(crate) use trace::{TracedAttempt, idle_table, lanes, trace};
