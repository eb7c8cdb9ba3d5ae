//! Connections to the runs database that cannot write: a few, lent to one request at a time.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::store::{Reader, StoreError};

/// So many requests read at a time; the others wait.
const MOST: usize = 3;
/// After that a connection is opened anew, so that a database that was replaced, or a sweep that was killed, is seen.
const FRESH: Duration = Duration::from_secs(5);

/// The connections.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    runs_dir: PathBuf,
    turns: Arc<Semaphore>,
    resting: Arc<Mutex<Vec<(Reader, Instant)>>>,
}

/// A connection that is lent: it comes back by itself.
pub(super) struct Lent {
    /// There until it is dropped.
    reader: Option<Reader>,
    opened: Instant,
    resting: Arc<Mutex<Vec<(Reader, Instant)>>>,
    _turn: OwnedSemaphorePermit,
}

impl Lent {
    /// The connection.
    pub(super) fn reader(&mut self) -> &mut Reader {
        self.reader.as_mut().expect("a connection that is lent has not come back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).push((reader, self.opened));
        }
    }
}

impl Readers {
    pub(super) fn new(runs_dir: &Path) -> Self {
        Self { runs_dir: runs_dir.to_owned(), turns: Arc::new(Semaphore::new(MOST)), resting: Arc::default() }
    }

    /// The runs directory.
    pub(super) fn runs_dir(&self) -> &Path {
        &self.runs_dir
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub(super) async fn open(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.runs_dir).await
    }

    /// Lends a connection, which waits for its turn.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub(super) async fn lend(&self) -> Result<Lent, Problem> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Problem::busy("the server is about to end"))?;
        let rested = self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (reader, opened) = match rested {
            Some((reader, opened)) if opened.elapsed() < FRESH => (reader, opened),
            _ => (self.open().await?, Instant::now()),
        };
        Ok(Lent { reader: Some(reader), opened, resting: Arc::clone(&self.resting), _turn: turn })
    }
}
