//! Drives the real program as a user would: specs in, exit codes, tables, files and rows out.

mod architecture;
mod children;
mod command_trainer;
mod comparing;
mod control;
mod corpus;
mod curves;
mod database;
mod devices;
mod docs;
mod earlier_runs;
mod import;
mod importance;
mod index;
mod interrupt;
mod iterating;
mod leases;
mod libtorch;
mod linking;
mod lost_database;
mod mutated;
mod notify;
mod one_state;
mod others_files;
mod own_metrics;
mod placed_database;
#[cfg(feature = "torch")]
mod predict;
mod programs;
mod reporting;
mod rerun;
mod resume;
mod reuse;
mod searching;
mod secrets;
#[cfg(feature = "page")]
mod serve;
mod setup;
mod slurm;
mod spec_and_plan;
mod sql;
mod stopping;
mod support;
mod tensorboard;
mod trace;
#[cfg(feature = "torch")]
mod training;
mod widths;
