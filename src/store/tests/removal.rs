//! Runs and experiments that are taken out: nothing of them stays that a later run of the same key could be given.

use super::super::{testing::*, *};
use crate::{
    metrics::ConfusionMatrix,
    run::{Action, Decided, RunState, Used},
    spec::Metric,
};

impl Bench {
    /// Rows of a run by table, of every table that has any of runs.
    async fn rows_of(&mut self, run: RunKey) -> Vec<(String, i64)> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.name = 'run_id' ORDER BY m.name",
        )
        .fetch_all(&mut self.store.connection)
        .await
        .unwrap();
        let mut rows = Vec::new();
        for table in tables {
            let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE run_id = ?1"));
            let count = sqlx::query_scalar(sql).bind(run).fetch_one(&mut self.store.connection);
            let count = count.await.unwrap();
            rows.push((table, count));
        }
        rows
    }

    /// A completed run of which every table has something.
    async fn fill(&mut self, run: RunKey, loss: f32) {
        let classes = ["normal", "covid"].map(str::to_owned);
        self.start(run, 1).await.unwrap();
        let reason = "epoch 1: 1st of 2, best 1 goes on".to_owned();
        let decided = Decided { epochs: 1, action: Action::GoesOn, reason };
        // The same once more changes nothing.
        for _ in 0..2 {
            self.store.note_decision(run, 1, &decided).await.unwrap();
        }
        assert_eq!(self.store.decisions(run).await.unwrap(), [(1, decided)]);
        self.store.append_scalars(run, &[point("2026-11-27/eval/loss", 3, loss)]).await.unwrap();
        let long: Vec<_> = (0..3_100).map(|step| point("batch/loss", step, loss)).collect();
        self.store.append_scalars(run, &long).await.unwrap();
        let matrix = ConfusionMatrix::from_counts(vec![3, 1, 1, 3]).unwrap();
        self.store.put_confusion(run, &matrix, &classes, (None, None)).await.unwrap();
        self.store.finish_attempt(run, 1, RunState::Completed, None, 2.0, Used::default()).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_of_a_removed_run_stays() {
    let mut bench = Bench::new().await;
    let mut spec = small("mine");
    (spec.rank.by, spec.rank.then) = (Metric::by_tag("eval/loss"), None);
    let (key, keys) = bench.sweep(&spec).await;
    for (run, loss) in keys.iter().zip([0.25, 0.5]) {
        bench.fill(*run, loss).await;
    }
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    bench.store.keep_statistics(key, &board, None).await.unwrap();
    let before = bench.rows_of(keys[0]).await;
    assert!(before.len() >= 9 && before.iter().all(|(_, rows)| *rows > 0), "{before:?}");
    let other: Vec<_> = bench.rows_of(keys[1]).await;
    bench.store.remove_runs(key, &[keys[0]]).await.unwrap();
    let after = bench.rows_of(keys[0]).await;
    assert!(after.iter().all(|(_, rows)| *rows == 0), "{after:?}");
    // The others stay, are ranked anew, and their tests against what was the best are forgotten.
    let stays: Vec<_> = other
        .into_iter()
        .map(|(table, rows)| if table == "_statistic" { (table, 0) } else { (table, rows) })
        .collect();
    assert_eq!(bench.rows_of(keys[1]).await, stays);
    assert_eq!(bench.lines("select rank, \"eval/loss\" from mine").await, ["1|0.5"]);
    bench.store.remove_runs(key, &[keys[0]]).await.unwrap();

    bench.store.remove_experiment(key).await.unwrap();
    for run in keys {
        let after = bench.rows_of(run).await;
        assert!(after.iter().all(|(_, rows)| *rows == 0), "{after:?}");
    }
    for table in ["_experiment", "_run", "_grid_point", "_note", "sqlite_master where name = 'mine'"] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut bench.store.connection).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
    bench.store.remove_experiment(key).await.unwrap();
}
