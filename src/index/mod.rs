//! The runs database against the folders: made anew from them, and compared with them. The files are the truth, SQL is their
//! index.
//!
//! `folders` says what the folders tell of experiments and runs; `rebuild` makes a database of it, `verify` holds it against the
//! one that is there. `points` has those that a search has suggested, `record` keeps what the folders would not tell else, `salvage` what an older version has kept in the
//! database alone. Called by `gridboard index` and `gridboard verify`; the record is kept by whoever changes the ledger.

mod folders;
mod points;
mod read_ahead;
mod rebuild;
mod record;
mod salvage;
mod verify;

pub(crate) use folders::{FoundRun, run as read_run, runs};
pub(crate) use points::{append_point, read_points, write_points};
pub(crate) use read_ahead::read_ahead;
pub(crate) use rebuild::IndexError;
pub(crate) use rebuild::{Rebuilt, rebuild};
pub(crate) use record::RecordError;
pub(crate) use record::keep_record;
pub(crate) use verify::{Difference, Side, Verified, verify};
