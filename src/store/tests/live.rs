//! What a run is after its orchestrator has died, by whatever is asked, and from wherever.

use sqlx::raw_sql;

use super::super::{testing::*, *};
use crate::run::{RunState, Used};

/// A run that an orchestrator has begun and one that has failed, and the orchestrator dead.
async fn cut_off() -> (Bench, ExperimentKey, RunKey) {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.fail(keys[1], 1).await;
    bench.complete(keys[2], 0.5, 0.5).await;
    bench.start(keys[0], 1).await.unwrap();
    assert_eq!(states(&mut Reader::open(bench.path()).await.unwrap(), key, keys[0]).await, RUNNING);
    bench.locks.clear();
    (bench, key, keys[0])
}

const RUNNING: [&str; 7] =
    ["running", "running", "running|is being run", "1|1|1|1||", "running", "running", "is being run"];
const OWED: [&str; 7] = [
    "pending",
    "lost",
    "pending|not run yet",
    "2|0|1|1|lost|its sweep was killed",
    "pending",
    "lost",
    "not run yet",
];

/// What the views and the methods say of a run, and of its experiment.
async fn states(reader: &mut Reader, key: ExperimentKey, run: RunKey) -> Vec<String> {
    let mut said = Vec::new();
    let first = reader.query("select rank from leaderboard where state = 'completed'").await.unwrap();
    // Nobody has ranked it while the sweep was alive.
    let ranked = reader.run(run).await.unwrap().state == RunState::Pending;
    assert_eq!(first.rows, [[if ranked { SqlValue::Integer(1) } else { SqlValue::Null }]]);
    for sql in [
        "select state from runs where position = 0",
        "select state from attempts where run = (select run from runs where position = 0)",
        "select state, reason from leaderboard where run = (select run from runs where position = 0)",
        "select pending, e.running, e.completed, e.failed, r.failure, r.reason
         from experiments e join runs r on r.position = 0",
    ] {
        let rows = reader.query(sql).await.unwrap().rows;
        let cells: Vec<String> = rows[0].iter().map(SqlValue::to_string).collect();
        said.push(cells.join("|"));
    }
    said.push(reader.run(run).await.unwrap().state.to_string());
    said.push(reader.attempts(run).await.unwrap()[0].state.to_string());
    let whole = reader.leaderboard(key).await.unwrap();
    let row = whole.rows.into_iter().find(|row| row.key == run).unwrap();
    assert_eq!(row.state, reader.run(run).await.unwrap().state);
    let head = reader.leaderboard_head(key, 10, 10).await.unwrap();
    assert_eq!(head.rows.iter().find(|row| row.key == run).unwrap().reason, row.reason);
    assert_eq!(reader.leaderboard_row(key, run).await.unwrap().unwrap().reason, row.reason);
    said.push(row.reason.unwrap());
    said
}

#[tokio::test]
async fn who_looks_after_a_crash_takes_the_runs_back() {
    let (mut bench, key, run) = cut_off().await;
    assert_eq!(states(&mut Reader::open(bench.path()).await.unwrap(), key, run).await, OWED);
    // For everybody, whoever opened the database before.
    assert_eq!(states(&mut bench.store, key, run).await, OWED);
}

#[tokio::test]
async fn who_opens_to_write_takes_them_back_too() {
    let (bench, key, run) = cut_off().await;
    let mut other = Store::open(bench.path()).await.unwrap();
    assert_eq!(states(&mut other, key, run).await, OWED);
    let orphans = other.reset_orphans(key).await.unwrap();
    assert_eq!(
        (orphans.len(), orphans[0].run, orphans[0].attempt),
        (1, run, 1),
        "and the next sweep hears of it"
    );
}

#[tokio::test]
async fn who_cannot_write_sees_the_same() {
    let (mut bench, key, run) = cut_off().await;
    raw_sql("BEGIN IMMEDIATE").execute(&mut bench.store.connection).await.unwrap();
    let mut reader = Reader::open(bench.path()).await.unwrap();
    assert_eq!(states(&mut reader, key, run).await, OWED);
    let error = reader.query("with x as (select 1) delete from _tag").await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "the connection stays one that only reads: {error}");
    raw_sql("ROLLBACK").execute(&mut bench.store.connection).await.unwrap();
    assert_eq!(bench.store.run(run).await.unwrap().state, RunState::Running, "nothing was written");
}

#[tokio::test]
async fn views_of_another_program_are_hidden_where_they_cannot_be_renewed() {
    let mut bench = Bench::new().await;
    bench.sweep(&small("tab3")).await;
    let other = "UPDATE _meta SET value = 'other'; DROP VIEW runs; CREATE VIEW runs AS SELECT 1 AS old; BEGIN IMMEDIATE";
    raw_sql(other).execute(&mut bench.store.connection).await.unwrap();
    let mut reader = Reader::open(bench.path()).await.unwrap();
    assert_eq!(reader.query("select count(run) from runs").await.unwrap().rows, [[SqlValue::Integer(4)]]);
    assert_eq!(reader.query("select count(*) from tab3").await.unwrap().rows, [[SqlValue::Integer(0)]]);
    raw_sql("ROLLBACK").execute(&mut bench.store.connection).await.unwrap();
}

#[tokio::test]
async fn a_paused_run_of_a_dead_sweep_is_owed() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    bench.start(keys[0], 1).await.unwrap();
    bench.store.finish_attempt(keys[0], 1, RunState::Paused, None, 2.0, Used::default()).await.unwrap();
    let said = "select r.state, a.state from runs r join attempts a on a.run = r.run";
    assert_eq!(bench.lines(said).await, ["paused|interrupted"]);
    bench.locks.clear();
    // Nobody may write: what is seen is right nevertheless.
    raw_sql("BEGIN IMMEDIATE").execute(&mut bench.store.connection).await.unwrap();
    assert_eq!(bench.lines(said).await, ["pending|interrupted"]);
    raw_sql("ROLLBACK").execute(&mut bench.store.connection).await.unwrap();
    assert_eq!(bench.lines(said).await, ["pending|interrupted"]);
    assert_eq!(bench.store.run(keys[0]).await.unwrap().state, RunState::Pending, "and it is written");
}

#[test]
fn a_lock_that_nobody_holds_says_enough_where_it_is_carried() {
    use super::super::live::is_dead;
    // On this machine, or where no other one writes; else only of a copy.
    for (here, shared, copied, dead) in [
        (true, true, false, true),
        (true, false, false, true),
        (false, false, false, true),
        (false, true, true, true),
        (false, true, false, false),
    ] {
        assert_eq!(is_dead(here, shared, copied), dead, "{here} {shared} {copied}");
    }
}
