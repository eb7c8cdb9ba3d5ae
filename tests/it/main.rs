//! Drives the real program as a user would: specs in, exit codes, tables, files and rows out.

mod architecture;
mod command_trainer;
mod comparing;
mod corpus;
mod curves;
mod database;
mod devices;
mod earlier_runs;
mod interrupt;
mod libtorch;
mod linking;
mod one_state;
#[cfg(feature = "torch")]
mod predict;
mod reporting;
mod rerun;
mod secrets;
mod setup;
mod spec_and_plan;
mod support;
mod tensorboard;
#[cfg(feature = "torch")]
mod training;
