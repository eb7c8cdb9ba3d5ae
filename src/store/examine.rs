//! The database as `gridboard doctor` looks at it: which it is, whether it holds together, and whether it can be written.
//!
//! Reads only, whatever it finds; puts nothing right.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use sqlx::Connection as _;

use super::{
    connection::{Lying, connect, look, options},
    error::{StoreError, sqlite},
    place,
    schema::{self, Found, VERSION},
};

/// What was found of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// Version of its schema; `None` where it has no tables yet.
    pub schema: Option<u32>,
    /// Version that this program reads and writes.
    pub known: u32,
    /// Size, bytes.
    pub size: u64,
    /// What SQLite finds wrong with it, reading it through.
    pub problem: Option<String>,
    /// User id of its owner.
    pub owner: u32,
    /// Permissions, as in `ls -l` but octal.
    pub mode: u32,
    /// The file.
    pub path: PathBuf,
}

/// Examines the database of a runs directory; `None` where there is none. Reads all of it.
///
/// # Errors
/// Where it is no database of ours, or cannot be read.
pub async fn examine(runs_dir: &Path) -> Result<Option<Examination>, StoreError> {
    let place = place::find(runs_dir)?;
    let path = place.file.clone();
    if look(&path)? == Lying::Missing {
        return match place.nothing(runs_dir) {
            StoreError::NoDatabase { .. } => Ok(None),
            error => Err(error),
        };
    }
    let file = fs::metadata(&path).map_err(|source| StoreError::Look { path: path.clone(), source })?;
    let mut found = Examination {
        schema: None,
        known: VERSION,
        size: file.len(),
        problem: None,
        owner: file.uid(),
        mode: file.permissions().mode() & 0o7777,
        path: path.clone(),
    };
    if file.len() == 0 {
        return Ok(Some(found));
    }
    let mut connection = connect(&options(&path).read_only(true), &path).await?;
    if let Found::Version(version) = schema::inspect(&mut connection, &path).await? {
        found.schema = Some(version);
    }
    found.problem = schema::problem(&mut connection).await?;
    connection.close().await.map_err(sqlite("close the runs database"))?;
    Ok(Some(found))
}
