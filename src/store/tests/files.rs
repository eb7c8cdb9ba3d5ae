//! Opening, refusing and sharing the database file.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use sqlx::{ConnectOptions as _, Connection as _, raw_sql};

use super::super::{connection::options, testing::*, *};
use crate::run::RunState;

async fn refusal(path: &Path) -> String {
    let write = Store::open(path).await.unwrap_err();
    let read = Reader::open(path).await.unwrap_err();
    assert_eq!(write.to_string(), read.to_string());
    assert!(write.hint().is_some());
    write.to_string()
}

#[tokio::test]
async fn a_missing_database_is_an_error_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no/such");
    let error = Reader::open(&path).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no runs database in `{}`", path.display()));
    assert!(error.hint().unwrap().contains("gridboard run SPEC"));
    assert!(!path.exists());
    // An orchestrator that was killed while it made the file left an empty one.
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join(FILE_NAME), "").unwrap();
    assert!(matches!(Reader::open(&path).await, Err(StoreError::NoDatabase { .. })));
    Store::open(&path).await.unwrap();
    Reader::open(&path).await.unwrap();
}

#[tokio::test]
async fn an_impossible_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("runs")).await.unwrap_err();
    assert!(matches!(&error, StoreError::CreateDirectory { .. }), "{error}");
}

#[tokio::test]
async fn opening_again_finds_everything() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.9, 0.1).await;
    let Bench { directory, store, .. } = bench;
    store.close().await.unwrap();
    for _ in 0..2 {
        let mut store = Store::open(directory.path()).await.unwrap();
        let records = store.runs(Some(key)).await.unwrap();
        assert_eq!((records.len(), records[0].state), (4, RunState::Completed));
        assert_eq!(store.history(keys[0], &[]).await.unwrap().len(), 4);
        store.close().await.unwrap();
    }
    assert!(!directory.path().join("gridboard.db-wal").exists(), "the last one to close folds the log in");
}

/// How it looks to readers of other processes is in the integration tests.
#[tokio::test]
async fn one_who_leaves_empties_the_log_and_removes_nothing() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.9, 0.1).await;
    let Bench { directory, store, .. } = bench;
    let log = directory.path().join("gridboard.db-wal");
    assert!(log.metadata().unwrap().len() > 0);
    store.leave().await.unwrap();
    assert_eq!(log.metadata().unwrap().len(), 0);
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(directory.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
    let mut store = Store::open(copy.path()).await.unwrap();
    assert_eq!(store.runs(Some(key)).await.unwrap()[0].state, RunState::Completed);
    assert_eq!(store.history(keys[0], &[]).await.unwrap().len(), 4);
}

#[tokio::test]
async fn one_who_leaves_does_not_wait_long_for_a_reader() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let mut reader = Reader::open(bench.path()).await.unwrap();
    raw_sql("BEGIN; SELECT count(*) FROM _scalar").execute(&mut reader.connection).await.unwrap();
    bench.complete(keys[0], 0.9, 0.1).await;
    let Bench { directory, store, .. } = bench;
    store.leave().await.unwrap();
    let seen = reader.query("select count(*) from history").await.unwrap();
    assert_eq!(seen.rows, [[SqlValue::Integer(0)]]);
    let mut other = Reader::open(directory.path()).await.unwrap();
    assert_eq!(other.query("select count(*) from attempts").await.unwrap().rows, [[SqlValue::Integer(1)]]);
}

#[tokio::test]
async fn other_files_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let message = format!("`{}` is not a Gridboard database", path.display());

    std::fs::write(&path, "just a text, longer than a hundred bytes ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(refusal(directory.path()).await, message);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::remove_file(&path).unwrap();
    let mut foreign = options(&path).create_if_missing(true).connect().await.unwrap();
    raw_sql("CREATE TABLE bookmarks (url TEXT)").execute(&mut foreign).await.unwrap();
    foreign.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(refusal(directory.path()).await, message);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Bench { directory, mut store, .. } = Bench::new().await;
    let newer = schema::VERSION + 1;
    let pragma = format!("PRAGMA user_version = {newer}");
    raw_sql(sqlx::AssertSqlSafe(pragma)).execute(&mut store.connection).await.unwrap();
    store.close().await.unwrap();
    let message = refusal(directory.path()).await;
    let end = format!("has schema version {newer}, this Gridboard reads up to {}", schema::VERSION);
    assert!(message.ends_with(&end), "{message}");
}

/// A database of version 0.1.0, with a run that it has completed.
#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_and_keeps_its_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let mut old = options(&path).create_if_missing(true).connect().await.unwrap();
    let stamp = format!("PRAGMA application_id = {}; PRAGMA user_version = 1", schema::APPLICATION_ID);
    let spec = serde_json::to_string(&small("tab3")).unwrap();
    let rows = format!(
        "INSERT INTO _experiment (name, spec, axes, created) VALUES ('tab3', '{spec}', '[\"a\"]', 1000.0);
         INSERT INTO _run (experiment_id, position, name, content_id, axis_values, parameters, seed, state, attempts)
         VALUES (1, 0, 'one', '0123', '[1]', '{{}}', 0, 'completed', 1);
         INSERT INTO _attempt (run_id, attempt, state, pid, slot, device, host, started, finished, peak_memory)
         VALUES (1, 1, 'completed', 7, 'cpu/0', 'cpu', 'box', 1001.0, 1002.5, 4096);"
    );
    for sql in [schema::MIGRATIONS[0].to_owned(), stamp, rows] {
        raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();

    let mut store = Store::open(directory.path()).await.unwrap();
    let run = store.runs(None).await.unwrap().remove(0);
    assert_eq!((run.seconds(), run.used.peak_memory, run.used.core_seconds), (Some(1.5), Some(4096), None));
    let attempt = store.attempts(run.key).await.unwrap().remove(0);
    assert_eq!((attempt.threads, attempt.used.phases), (None, None));
    let answer = store.query("select run, core_seconds from attempts").await.unwrap();
    assert_eq!(answer.rows, [[SqlValue::Text("one".to_owned()), SqlValue::Null]]);
}

/// A database of schema 8, with an attempt of every kind and everything that refers to a run.
#[tokio::test]
async fn tables_that_are_made_anew_keep_what_refers_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let mut old = options(&path).create_if_missing(true).connect().await.unwrap();
    for sql in &schema::MIGRATIONS[..8] {
        raw_sql(*sql).execute(&mut old).await.unwrap();
    }
    let spec = serde_json::to_string(&small("tab3")).unwrap();
    let rows = format!(
        "PRAGMA application_id = {}; PRAGMA user_version = 8;
         INSERT INTO _experiment (name, spec, axes, created) VALUES ('tab3', '{spec}', '[\"a\"]', 1000.0);
         INSERT INTO _run (experiment_id, position, name, content_id, axis_values, parameters, seed, state, attempts)
         VALUES (1, 0, 'one', '01', '[1]', '{{}}', 0, 'completed', 3), (1, 1, 'two', '02', '[2]', '{{}}', 0, 'failed', 1),
                (1, 2, 'three', '03', '[3]', '{{}}', 0, 'pending', 1), (1, 3, 'four', '04', '[4]', '{{}}', 0, 'pending', 0);
         INSERT INTO _attempt (run_id, attempt, state, pid, slot, device, host, started, finished, failure, reason,
                               evidence, threads, training_seconds)
         VALUES (1, 1, 'interrupted', 7, 'cpu/0', 'cpu', 'box', 1.0, 2.0, NULL, NULL, NULL, 2, 0.5),
                (1, 2, 'interrupted', 8, 'cpu/0', 'cpu', 'box', 3.0, NULL, NULL, NULL, NULL, 2, NULL),
                (1, 3, 'completed', 9, 'cpu/0', 'cpu', 'box', 4.0, 5.0, NULL, NULL, NULL, 2, 0.75),
                (2, 1, 'failed', 9, 'cpu/0', 'cpu', 'box', 4.0, 5.0, 'exit', 'status 3', '{{\"exit_code\":3}}', 2, NULL),
                (3, 1, 'failed', 9, 'cpu/0', 'cpu', 'box', 4.0, 5.0, 'lost', 'supervisor', NULL, 2, NULL);
         INSERT INTO _tag VALUES (1, 'eval/loss');
         INSERT INTO _scalar VALUES (1, 1, 4, 0.75, 4.5);
         INSERT INTO _latest VALUES (1, 1, 4, 0.75);
         INSERT INTO _note VALUES (1, 0, 'a note', 1);
         INSERT INTO _class_metric VALUES (1, 0, 'normal', 60, 1, 1, 1);
         INSERT INTO _statistic (run_id, first_id) VALUES (1, 1);
         CREATE VIEW mine AS SELECT name FROM _run ORDER BY id",
        schema::APPLICATION_ID
    );
    raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut old).await.unwrap();
    old.close().await.unwrap();

    let mut store = Store::open(directory.path()).await.unwrap();
    let mut lines = async |sql: &str| {
        let answer = store.query(sql).await.unwrap();
        let cells = |row: Vec<SqlValue>| row.iter().map(SqlValue::to_string).collect::<Vec<_>>().join("|");
        answer.rows.into_iter().map(cells).collect::<Vec<String>>()
    };
    assert_eq!(
        lines("select run, attempt, state, finished, failure, reason, pid, pid_start, training_seconds from attempts").await,
        [
            "one|1|interrupted|2.0|||7||0.5",
            "one|2|lost||lost|its sweep was killed|8||",
            "one|3|completed|5.0|||9||0.75",
            "two|1|failed|5.0|exit|status 3|9||",
            "three|1|lost|5.0|lost|supervisor|9||",
        ]
    );
    assert_eq!(
        lines("select run, state, attempts, last_point, last_point_age, tags, note, archived, evidence from runs").await,
        [
            "one|completed|3|4.5||[]||0|",
            "two|failed|1|||[]||0|{\"exit_code\":3}",
            "three|pending|1|||[]||0|",
            "four|pending|0|||[]||0|",
        ]
    );
    let counts = "select runs, pending, running, paused, completed, reused, failed, cancelled, stopped from experiments";
    assert_eq!(lines(counts).await, ["4|2|0|0|1|0|1|0|0"]);
    for table in ["_scalar", "_latest", "_note", "_class_metric", "_statistic"] {
        assert_eq!(lines(&format!("select count(*) from {table}")).await, ["1"], "{table}");
    }
    assert_eq!(lines("select * from mine").await, ["one", "two", "three", "four"], "a user's own view stays");
    assert_eq!(lines("select * from pragma_foreign_key_check").await, [""; 0]);
    assert_eq!(lines("select foreign_keys from pragma_foreign_keys").await, ["1"]);
    // What refers to a run still does, and the checks are the new ones.
    let refused = async |store: &mut Store, sql: &'static str| {
        raw_sql(sql).execute(&mut store.connection).await.is_err()
    };
    assert!(refused(&mut store, "INSERT INTO _class_metric VALUES (99, 0, 'x', 1, 1, 1, 1)").await);
    assert!(refused(&mut store, "UPDATE _run SET state = 'odd' WHERE id = 1").await);
    assert!(refused(&mut store, "UPDATE _run SET state = 'running' WHERE id = 4").await);
    assert!(refused(&mut store, "UPDATE _attempt SET state = 'lost' WHERE run_id = 2").await);
    assert!(!refused(&mut store, "UPDATE _run SET state = 'cancelled' WHERE id = 4").await);
}

/// Every run is in one state, and the counts add up, whichever those are.
#[tokio::test]
async fn the_counts_of_an_experiment_add_up() {
    let mut bench = Bench::new().await;
    let values: Vec<i64> = (1..=8).collect();
    let (_, keys) = bench.sweep(&spec("all", &[("a", &values)])).await;
    for (key, state) in keys.iter().zip(RunState::ALL) {
        let sql = format!("UPDATE _run SET attempts = 1, state = '{state}' WHERE id = {}", key.get());
        raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut bench.store.connection).await.unwrap();
    }
    let counts: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
    let sql = format!("select runs, {}, {} from experiments", counts.join(" + "), counts.join(", "));
    assert_eq!(bench.lines(&sql).await, ["8|8|1|1|1|1|1|1|1|1"]);
    let reasons = bench.lines("select run, reason from leaderboard where rank is null order by run").await;
    assert!(
        reasons.iter().all(|line| !line.ends_with('|') || ["a-4", "a-5", "a-6"].contains(&&line[..3])),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let mut bench = Bench::new().await;
    let (key, _) = bench.sweep(&small("tab3")).await;
    let mut reader = Reader::open(bench.path()).await.unwrap();
    for sql in [
        "with x as (select 1) delete from _run",
        "with x as (select 1) update _run set state = 'completed'",
        "with x as (select 1) insert into _tag (name) values ('x')",
    ] {
        let error = reader.query(sql).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot answer the query: attempt to write a readonly database");
    }
    // Even with the inner lock off.
    raw_sql("PRAGMA query_only = OFF").execute(&mut reader.connection).await.unwrap();
    assert!(reader.query("with x as (select 1) delete from _run").await.is_err());
    let error = reader.query("drop table _run").await.unwrap_err();
    assert_eq!(error.to_string(), "only queries that read are answered, not `drop`");
    let error = reader.query("pragma journal_mode = delete").await.unwrap_err();
    assert_eq!(error.to_string(), "only queries that read are answered, not `pragma journal_mode = ...`");
    for sql in ["pragma journal_mode", "pragma table_info(runs)", "pragma main.index_list('_run')"] {
        assert!(!reader.query(sql).await.unwrap().rows.is_empty(), "{sql}");
    }
    assert_eq!(bench.store.runs(Some(key)).await.unwrap().len(), 4);
}

#[tokio::test]
async fn many_orchestrators_may_open_a_new_database_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path: Arc<Path> = directory.path().into();
    let threads: Vec<_> = (0..8)
        .map(|index| {
            let path = Arc::clone(&path);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut store = Store::open(&path).await.unwrap();
                    let spec = small(&format!("e{index}"));
                    let key = store.create_experiment(&spec, None, 1.0).await.unwrap();
                    assert_eq!(store.insert_runs(key, runs(&spec)).await.unwrap(), 4);
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut store = Store::open(directory.path()).await.unwrap();
    assert_eq!(store.experiments().await.unwrap().len(), 8);
    assert_eq!(store.runs(None).await.unwrap().len(), 32);
}

/// Somebody else's finished sweep. Root may write anywhere, so this proves more for other users.
#[cfg(unix)]
#[tokio::test]
async fn a_database_in_a_read_only_directory_can_be_read() {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let mut bench = Bench::new().await;
    bench.sweep(&small("tab3")).await;
    let Bench { directory, store, .. } = bench;
    store.close().await.unwrap();
    let protect = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
    protect(0o555);
    let answer = async {
        let mut reader = Reader::open(directory.path()).await?;
        let answer = reader.query("select runs from experiments").await?;
        reader.close().await.map(|()| answer)
    }
    .await;
    protect(0o755);
    assert_eq!(answer.unwrap().rows, [[SqlValue::Integer(4)]]);
}

/// The worst neighbour: a shell that holds a read transaction open, and others that come and go.
#[tokio::test]
async fn queries_from_outside_never_fail_and_never_block() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    let path: Arc<Path> = bench.path().into();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|index| {
            let (path, done) = (Arc::clone(&path), Arc::clone(&done));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let (mut count, mut last) = (0_u32, 0);
                    while !done.load(Ordering::Relaxed) || count == 0 {
                        let mut reader = Reader::open(&path).await.unwrap();
                        let sql = "select count(*), (select count(*) from leaderboard) from history";
                        let answer = reader.query(sql).await.unwrap();
                        let SqlValue::Integer(points) = answer.rows[0][0] else { panic!("{answer:?}") };
                        assert!(points >= last && points % 1000 == 0, "half a batch: {points}");
                        last = points;
                        count += 1;
                        if index == 0 {
                            reader.close().await.unwrap();
                        }
                    }
                    count
                })
            })
        })
        .collect();
    // A transaction that stays open from before the first point sees the same to its end.
    let mut sleeper = Reader::open(bench.path()).await.unwrap();
    raw_sql("BEGIN; SELECT count(*) FROM _scalar").execute(&mut sleeper.connection).await.unwrap();
    for batch in 0..100 {
        let tag = if batch % 2 == 0 { "train/batch_loss" } else { "train/batch_accuracy" };
        let points: Vec<_> = (0..1000).map(|step| point(tag, batch / 2 * 1000 + step, 0.5)).collect();
        bench.store.append_scalars(keys[0], &points).await.unwrap();
        bench.store.set_ranks(key).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        let queries = reader.join().unwrap();
        println!("{queries} queries");
    }
    let seen = sleeper.query("select count(*) from history").await.unwrap();
    assert_eq!(seen.rows, [[SqlValue::Integer(0)]]);
    assert_eq!(bench.lines("select count(*) from history").await, ["100000"]);
}

/// The same through the shell that users have, where they have it.
#[tokio::test]
async fn the_sqlite3_shell_reads_the_views_while_a_sweep_writes() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    for (place, &run) in keys.iter().enumerate() {
        bench.complete(run, [0.5, 0.75, 0.25, 1.0][place], 0.5).await;
    }
    bench.store.set_ranks(key).await.unwrap();
    let file = bench.path().join(FILE_NAME);
    let output = std::process::Command::new("sqlite3")
        .arg(&file)
        .arg("select rank, run, conv_layers, layer_size, validation_accuracy from tab3 order by rank limit 2")
        .output();
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: there is no sqlite3");
        }
        output => {
            let output = output.unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                "1|conv_layers-2-layer_size-64-seed-0|2|64|1.0\n2|conv_layers-1-layer_size-64-seed-0|1|64|0.75\n"
            );
        }
    }
    bench.store.append_scalars(keys[0], &[point("a", 0, 1.0)]).await.unwrap();
}

#[tokio::test]
async fn views_of_another_program_are_renewed_by_whoever_may_write() {
    let mut bench = Bench::new().await;
    bench.sweep(&small("tab3")).await;
    let other = "UPDATE _meta SET value = 'other' WHERE name = 'views';
                 DROP VIEW runs; CREATE VIEW runs AS SELECT 1 AS old;
                 DROP VIEW tab3; CREATE VIEW mine AS SELECT 2 AS two";
    raw_sql(other).execute(&mut bench.store.connection).await.unwrap();
    assert_eq!(bench.lines("select count(*), count(run) from runs").await, ["4|4"]);
    assert_eq!(bench.lines("select count(*) from tab3").await, ["0"]);
    assert_eq!(bench.lines("select * from mine").await, ["2"], "a user's own view stays");
    // In the file, not for the reader alone.
    assert_eq!(
        bench.store.query("select count(run) from runs").await.unwrap().rows,
        [[SqlValue::Integer(4)]]
    );
}
