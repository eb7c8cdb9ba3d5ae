//! Gridboard: a YAML grid of training runs, scheduled onto the machine's devices, tracked in TensorBoard event files
//! and SQLite, and ranked.
//!
//! The modules in reading order, which is the way of the data (see ARCHITECTURE.md).

pub mod base;

pub mod tags;

pub mod spec;

pub mod grid;

pub mod model;

pub mod kernels;

pub mod run;

pub mod event;

pub mod metrics;

pub mod stats;

pub mod predictions;

pub mod corpus;

pub mod tfevents;

pub mod follow;

mod device;

pub mod schedule;

pub mod search;

pub mod launch;

pub mod store;

pub mod rank;

pub mod figure;

mod report;

mod predict;

mod publish;

mod index;

mod sweep;

mod rerun;

mod import;

#[cfg(feature = "page")]
mod serve;

pub mod cli;
