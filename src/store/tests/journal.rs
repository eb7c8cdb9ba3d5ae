//! A database that cannot be in WAL mode.

use super::super::{connection::set_journal, testing::*, *};
use crate::run::RunState;

/// As on a file system of a network; on this machine's own disk the next one who opens it puts it into WAL mode again.
#[tokio::test]
async fn a_database_with_a_rollback_journal_is_read_and_written() {
    let mut bench = Bench::new().await;
    set_journal(&mut bench.store.connection, "delete").await;
    let mode = "PRAGMA journal_mode";
    assert_eq!(bench.lines(mode).await, ["delete"]);
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.9, 0.1).await;
    let mut reader = Reader::open(bench.path()).await.unwrap();
    assert_eq!(reader.runs(Some(key)).await.unwrap()[0].state, RunState::Completed);
    reader.close().await.unwrap();
    let Bench { directory, store, .. } = bench;
    store.leave().await.unwrap();
    assert!(!directory.path().join("gridboard.db-wal").exists());
    Store::open(directory.path()).await.unwrap().close().await.unwrap();
    let mut reader = Reader::open(directory.path()).await.unwrap();
    assert_eq!(reader.query(mode).await.unwrap().rows, [[SqlValue::Text("wal".to_owned())]]);
}
