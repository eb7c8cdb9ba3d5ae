//! TensorBoard event files: what a trainer writes, what the follower reads, what TensorBoard shows.
//!
//! `record` frames messages with checksums, `message` is the wire schema, `writer` and `hparams` make event files, and
//! `reader` takes the scalars out of them over `wire` and `scalars`. The trainer and the sweep write; `follow` reads.
//! Which file lies where, and which tags a run has, is theirs to say.
//!
//! The format is TensorFlow's (`tensorflow/core/util/event.proto`, `core/lib/io/record_writer.cc`). What TensorBoard's
//! loaders make of it was read from their sources and tried with version 2.21; comments name it where it decides.

mod graph;
mod histogram;
pub mod hparams;
mod layout;
pub mod message;
mod pr_curve;
mod reader;
mod record;
mod scalars;
mod wire;
mod writer;

pub use graph::GraphNode;
pub use histogram::Histogram;
pub use layout::{Category, Chart, Margin};
pub use reader::EventReader;
pub use record::{Corruption, RecordError, RecordReader};
pub use scalars::{ScalarRef, ScalarTags, Told};
pub use writer::{EventWriter, WriteError};

/// Appends an event that no writer of ours makes: its time need not be one.
#[cfg(test)]
pub(crate) fn append_for_tests(bytes: &mut Vec<u8>, step: i64, wall_time: f64, value: message::SummaryValue) {
    let what = Some(message::What::Summary(value.into()));
    record::append(bytes, &message::Event { wall_time, step, what });
}

#[cfg(test)]
mod tests;
