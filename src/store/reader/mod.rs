//! The reader's side of the store: a connection that cannot write, for listings, reports and `gridboard sql`, also while a
//! sweep writes.
//!
//! How one is opened, so that it sees what is right, is in `opening`.

mod attempts;
mod confusion;
mod curves;
mod decisions;
#[cfg(feature = "page")]
mod drawn;
mod evidence;
mod experiments;
mod head;
mod leaderboard;
mod others;
#[cfg(feature = "page")]
mod overview;
mod points;
mod query;
mod question;
mod raw;
mod runs;

use std::path::PathBuf;

use sqlx::{Connection, SqliteConnection};

pub use attempts::{AttemptRecord, AttemptState};
pub use curves::{Curve, Point};
#[cfg(feature = "page")]
pub(crate) use drawn::{Drawn, Sight};
pub use experiments::ExperimentRecord;
#[cfg(feature = "page")]
pub(crate) use overview::{MetricColumn, OverviewRun};
pub use query::{Answer, QueryResult, SqlValue};
pub(crate) use raw::RawValidation;
pub use runs::{RunRecord, Untaken};

use super::error::{StoreError, sqlite};

/// The runs database as it is read: one connection, on a thread of its own.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: SqliteConnection,
    /// The runs directory.
    pub(super) directory: PathBuf,
    /// The database.
    pub(super) file: PathBuf,
}

impl Reader {
    /// The database's file.
    #[must_use]
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// If SQLite fails to close.
    pub async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(sqlite("close the runs database"))
    }
}
