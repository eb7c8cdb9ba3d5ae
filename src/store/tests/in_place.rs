//! A database whose file is taken away while it is in use, and calls whose answers were lost.

use std::fs;

use super::super::{testing::*, *};
use crate::run::{RunState, Used};

fn file(bench: &Bench) -> std::path::PathBuf {
    bench.path().join(FILE_NAME)
}

fn is_lost(error: &StoreError, how: &str) -> bool {
    error.is_loss() && error.to_string().contains(how)
}

#[tokio::test]
async fn a_deleted_database_is_written_anew_and_said() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.5, 0.5).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(connection::beside(&file(&bench), suffix));
    }
    bench.complete(keys[1], 0.75, 0.5).await;
    bench.store.set_ranks(key).await.unwrap();
    // For everybody, with what was there before.
    assert_eq!(
        bench.lines("select rank, validation_accuracy from tab3 order by rank").await,
        ["1|0.75", "2|0.5"]
    );
    let Bench { directory, store, .. } = bench;
    let error = store.leave().await.unwrap_err();
    assert!(is_lost(&error, "was deleted while it was in use, and was written anew"), "{error}");
    let mut reader = Reader::open(directory.path()).await.unwrap();
    assert_eq!(reader.query("select count(*) from history").await.unwrap().rows, [[SqlValue::Integer(12)]]);
    let litter = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(litter.filter(|name| name.to_string_lossy().starts_with('.')).count() == 0);
}

#[tokio::test]
async fn another_writer_goes_over_to_the_database_that_was_written_anew() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    let mut other = Store::open(bench.path()).await.unwrap();
    fs::remove_file(file(&bench)).unwrap();
    bench.complete(keys[0], 0.5, 0.5).await;
    other.be_in_place().await.unwrap();
    assert_eq!(other.run(keys[0]).await.unwrap().state, RunState::Completed);
    other.set_ranks(key).await.unwrap();
    assert_eq!(bench.lines("select count(*) from tab3").await, ["1"]);
    assert!(is_lost(&other.leave().await.unwrap_err(), "deleted while it was in use, and was written anew"));
}

#[tokio::test]
async fn what_is_malformed_since_it_was_emptied_is_said_to_be_emptied() {
    let malformed = || StoreError::Sqlite { action: "append", message: "malformed".into(), code: Some(11) };
    let mut bench = Bench::new().await;
    bench.sweep(&small("tab3")).await;
    assert!(bench.store.cause_of(malformed()).await.to_string().contains("malformed"), "it is in its place");
    fs::write(file(&bench), "").unwrap();
    let busy = StoreError::Sqlite { action: "append", message: "locked".into(), code: Some(5) };
    assert!(bench.store.cause_of(busy).await.to_string().contains("locked"), "that is no loss");
    let error = bench.store.cause_of(malformed()).await;
    assert!(is_lost(&error, "was emptied"), "{error}");
}

#[tokio::test]
async fn nothing_is_written_to_another_database_or_past_an_emptied_one() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let elsewhere = Bench::new().await;
    let Bench { directory, store, .. } = elsewhere;
    store.close().await.unwrap();
    let kept = bench.path().join("kept");
    fs::rename(file(&bench), &kept).unwrap();
    fs::copy(directory.path().join(FILE_NAME), file(&bench)).unwrap();
    let error = bench.start(keys[0], 1).await.unwrap_err();
    assert!(is_lost(&error, "was replaced by another file while it was in use"), "{error}");
    assert!(!error.to_string().contains("anew") && error.hint().is_some());

    fs::write(file(&bench), "").unwrap();
    let error = bench.start(keys[0], 1).await.unwrap_err();
    assert!(is_lost(&error, "was emptied while it was in use"), "{error}");
    assert!(is_lost(&bench.store.reconnect().await.unwrap_err(), "emptied"));
    fs::remove_file(file(&bench)).unwrap();
    fs::create_dir(file(&bench)).unwrap();
    assert!(is_lost(&bench.start(keys[0], 1).await.unwrap_err(), "replaced"));
}

#[tokio::test]
async fn a_damaged_database_is_said_when_it_is_left() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.5, 0.5).await;
    let Bench { directory, store, .. } = bench;
    store.close().await.unwrap();
    let path = directory.path().join(FILE_NAME);
    let mut store = Store::open(directory.path()).await.unwrap();
    // A table, not the texts of the views, without which nothing is opened at all.
    let sql = "SELECT (rootpage - 1) * page_size, page_size FROM sqlite_master, pragma_page_size WHERE name = '_scalar'";
    let place = store.query(sql).await.unwrap().rows.remove(0);
    let [SqlValue::Integer(from), SqlValue::Integer(size)] = place[..] else { panic!("{place:?}") };
    let (from, size) = (usize::try_from(from).unwrap(), usize::try_from(size).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[from..from + size].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = store.leave().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }) && error.is_loss(), "{error}");
}

#[tokio::test]
async fn a_connection_may_be_made_anew() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.start(keys[0], 1).await.unwrap();
    bench.store.append_scalars(keys[0], &[point("a", 0, 1.0)]).await.unwrap();
    bench.store.reconnect().await.unwrap();
    bench.store.append_scalars(keys[0], &[point("a", 1, 2.0), point("b", 0, 3.0)]).await.unwrap();
    assert_eq!(bench.lines("select tag, step from history order by 1, 2").await, ["a|0", "a|1", "b|0"]);
    bench.store.set_ranks(key).await.unwrap();
    let Bench { directory: _kept, store, .. } = bench;
    store.leave().await.unwrap();
}

#[tokio::test]
async fn what_was_committed_may_be_asked_for_again() {
    let mut bench = Bench::new().await;
    let spec = small("tab3");
    let key = bench.store.create_experiment(&spec, None, 7.0).await.unwrap();
    assert_eq!(bench.store.create_experiment(&spec, None, 7.0).await.unwrap(), key);
    let other = bench.store.create_experiment(&spec, None, 8.0).await.unwrap_err();
    assert!(matches!(other, StoreError::ExperimentExists { .. }));
    bench.store.insert_runs(key, runs(&spec)).await.unwrap();
    assert_eq!(bench.store.insert_runs(key, runs(&spec)).await.unwrap(), 0);
    let run = bench.store.runs(Some(key)).await.unwrap()[0].key;
    for _ in 0..2 {
        bench.start(run, 1).await.unwrap();
    }
    let points = [point("a", 0, 1.0), point("a", 1, 2.0)];
    for _ in 0..2 {
        bench.store.append_scalars(run, &points).await.unwrap();
    }
    let another = NewAttempt { pid: 1, ..new_attempt(1) };
    assert!(matches!(bench.store.start_attempt(run, another).await, Err(StoreError::NotStartable { .. })));
    for _ in 0..2 {
        bench.store.finish_attempt(run, 1, RunState::Completed, None, 9.0, Used::default()).await.unwrap();
    }
    let later = bench.store.finish_attempt(run, 1, RunState::Completed, None, 10.0, Used::default()).await;
    assert!(matches!(later, Err(StoreError::NotRunning { .. })));
    let failed =
        bench.store.finish_attempt(run, 1, RunState::Failed, Some(&failure()), 9.0, Used::default()).await;
    assert!(matches!(failed, Err(StoreError::NotRunning { .. })));
    assert_eq!(bench.lines("select count(*) from attempts").await, ["1"]);
    assert_eq!(bench.lines("select count(*) from history").await, ["2"]);
}
