//! The log of a run: its end, and what has grown behind a byte of it.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    problem::Problem,
    run::{Found, Of, find},
    site::Site,
};

/// So much of the end of a log is shown at first, and sent at once, bytes.
const LOG_BYTES: u64 = 64 << 10;

/// A piece of a log.
#[derive(Debug, Serialize)]
pub(super) struct LogPiece {
    /// The byte that it begins with.
    pub(super) begins: u64,
    /// What is no UTF-8 is replaced.
    pub(super) text: String,
    /// The byte after it.
    pub(super) end: u64,
}

/// The end of a log, or what follows a byte of it; where the log is shorter than that, it is another one. `None` where there is
/// none. A character that is cut off at the end waits for its rest.
pub(super) fn log_piece(path: &Path, from: Option<u64>) -> Option<LogPiece> {
    let mut file = File::open(path).ok()?;
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let length = metadata.len();
    let last = length.saturating_sub(LOG_BYTES);
    let begins = from.filter(|from| *from <= length).unwrap_or(last).max(last);
    file.seek(SeekFrom::Start(begins)).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes).ok()?;
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(LogPiece { begins, text, end: begins + bytes.len() as u64 })
}

/// `GET /api/run/log`: the end of a run's log.
///
/// # Errors
/// Where there is no such run.
pub(super) async fn log(State(site): State<Site>, Query(of): Query<Of>) -> Result<Json<Value>, Problem> {
    let Found { dir, .. } = find(&site, &of.experiment, &of.run).await?;
    let piece = log_piece(&dir.log(), None);
    Ok(Json(json!(piece.unwrap_or(LogPiece { begins: 0, text: String::new(), end: 0 }))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_on_from_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(log_piece(&path, None).is_none());
        fs::write(&path, "one\n\u{e4}").unwrap();
        let first = log_piece(&path, None).unwrap();
        assert_eq!((first.begins, first.text.as_str(), first.end), (0, "one\n\u{e4}", 6));
        let rest = log_piece(&path, Some(4)).unwrap();
        assert_eq!((rest.begins, rest.text.as_str(), rest.end), (4, "\u{e4}", 6));
        // Half of a letter waits.
        fs::write(&path, b"one\n\xc3").unwrap();
        let half = log_piece(&path, Some(4)).unwrap();
        assert_eq!((half.text.as_str(), half.end), ("", 4));
        // Another log in its place is shown from its beginning.
        assert_eq!(log_piece(&path, Some(400)).unwrap().begins, 0);
        fs::write(&path, "x".repeat(100_000)).unwrap();
        let end = log_piece(&path, None).unwrap();
        assert_eq!((end.begins, end.text.len()), (100_000 - 65_536, 65_536));
    }
}
