//! What can stop a report.

use crate::{base::files::FileError, report::ReportError, store::StoreError};

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The runs database could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that the report is made of could not be read or kept.
    #[error(transparent)]
    File(#[from] FileError),
    /// A signal came before it was made.
    #[error("interrupted")]
    Interrupted,
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl PublishError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::File(_) | Self::Report(_) | Self::Interrupted => None,
        }
    }
}
