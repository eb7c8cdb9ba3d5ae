//! Errors that pass by themselves, for a writer that can wait: the sweep's ledger.

use super::error::StoreError;

/// SQLite's primary result codes of a state that ends without us: <https://www.sqlite.org/rescode.html>. BUSY and LOCKED: somebody
/// else writes; NOMEM, IOERR, FULL, CANTOPEN: memory, disk, room and descriptors come back; READONLY: a file system that is
/// mounted again; PROTOCOL: a race for the log that was lost too often.
const PASSING: [u32; 8] = [5, 6, 7, 8, 10, 13, 14, 15];
/// SQLITE_READONLY_DBMOVED: the file that was opened is not the database any more.
const MOVED: u32 = 1032;

impl StoreError {
    /// Whether the same call may succeed later, with nothing done about it but by others.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Sqlite { code: Some(code), .. } => *code != MOVED && PASSING.contains(&(code & 0xff)),
            Self::CreateDirectory { source, .. }
            | Self::CreateDatabase { source, .. }
            | Self::Look { source, .. }
            | Self::Note { source, .. }
            | Self::Sync { source, .. } => crate::base::error::is_shortage(source),
            _ => false,
        }
    }

    /// Whether somebody else holds a lock.
    #[must_use]
    pub fn is_lock(&self) -> bool {
        self.is_sqlite(5) || self.is_sqlite(6)
    }
}
