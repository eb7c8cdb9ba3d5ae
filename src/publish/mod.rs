//! What a report needs: collected from the runs database and the runs' folders, kept, handed to `report`, which writes it.
//!
//! Called at the end of a sweep and by `gridboard report`. The sweep also reads an ended attempt's predictions here, and
//! `gridboard corpus` keeps its findings here. Trains nothing; of the test images each run is asked once.

mod audit;
mod collect;
mod error;
pub(crate) mod hardware;
mod predictions;
mod run_details;
mod test_set;

pub(crate) use audit::keep_audit;
pub(crate) use collect::{Finished, report, report_suite};
pub(crate) use error::PublishError;
pub(crate) use predictions::{Answers, checked_predictions};
