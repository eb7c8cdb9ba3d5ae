//! Intervals, tests, best epochs and grid points in SQL, and what becomes of an older database.

use std::path::Path;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, raw_sql};

use super::super::{connection::options, testing::*, *};
use crate::{
    metrics::ConfusionMatrix,
    predictions::{Hits, Prediction, confusion},
    rank::{Best, Standing},
    spec::{Experiment, Goal},
};

const CLASSES: [&str; 2] = ["normal", "covid"];

fn classes() -> Vec<String> {
    CLASSES.map(str::to_owned).to_vec()
}

/// Predictions of 100 images of which the first `right` are right.
fn predictions(right: usize) -> Vec<Prediction> {
    let one = |image: usize| Prediction {
        image: format!("image-{image:03}"),
        label: image % 2,
        predicted: if image < right { image % 2 } else { 1 - image % 2 },
        probabilities: vec![0.5, 0.5],
    };
    (0..100).map(one).collect()
}

impl Bench {
    /// Completes a run and takes its predictions.
    async fn predict(&mut self, run: RunKey, right: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a hundred images")]
        self.complete(run, right as f32 / 100.0, 0.5).await;
        let list = predictions(right);
        let hits = Hits::from_predictions(&list).unwrap();
        self.store.put_confusion(run, &confusion(&list, 2), &classes(), (Some(&hits), None)).await.unwrap();
    }
}

/// Two grid points with two seeds each.
fn seeded() -> Experiment {
    Experiment { seeds: vec![0, 1], ..spec("seeded", &[("size", &[8, 16])]) }
}

#[tokio::test]
async fn sql_has_what_the_leaderboard_has() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&spec("tab3", &[("size", &[1, 2, 3, 4])])).await;
    for (run, right) in [(0, 80), (1, 90), (2, 86)] {
        bench.predict(keys[run], right).await;
    }
    bench.complete(keys[3], 0.5, 0.5).await;
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.rows[0].standing, Standing::Best);
    // 2 / 2^4 and 2 / 2^10.
    assert_eq!((board.rows[1].standing.p(), board.rows[2].standing.p()), (Some(0.125), Some(2.0 / 1024.0)));
    assert_eq!(board.rows[3].standing, Standing::NoPredictions);
    // Epoch 0 had 1.0.
    assert_eq!(board.rows[0].best, Some(Best { step: 0, value: 1.0 }));
    assert_eq!(bench.store.leaderboard_head(key, 2, 0).await.unwrap().rows, board.rows[..2]);

    let columns = "validation_accuracy_low, validation_accuracy_high, validation_images, best_epoch, best_value, mcnemar_p, against_best";
    let sql = format!("select {columns} from leaderboard order by rank");
    let before = bench.sql(&sql).await;
    assert!(
        before.rows.iter().all(|row| row[3..].iter().all(|value| *value == SqlValue::Null)),
        "{before:?}"
    );
    bench.store.keep_statistics(key, &board, None).await.unwrap();
    let answer = bench.sql(&sql).await;
    let real = |value: Option<f64>| value.map_or(SqlValue::Null, SqlValue::Real);
    for (row, answer) in board.rows.iter().zip(answer.rows) {
        let interval = row.tally.and_then(|tally| tally.interval());
        assert_eq!(answer[0], real(interval.map(|interval| interval.low)));
        assert_eq!(answer[1], real(interval.map(|interval| interval.high)));
        let images = row.tally.map_or(SqlValue::Null, |_| SqlValue::Integer(100));
        assert_eq!(answer[2], images);
        assert_eq!(answer[3..5], [SqlValue::Integer(0), SqlValue::Real(1.0)]);
        assert_eq!(answer[5], real(row.standing.p()));
        assert_eq!(answer[6], SqlValue::Text(row.standing.words().unwrap().to_owned()));
    }
    let own = bench.lines("select run, mcnemar_p, best_epoch from tab3 limit 2").await;
    assert_eq!(own, ["size-2-seed-0||0", "size-3-seed-0|0.125|0"]);
}

#[tokio::test]
async fn a_test_against_a_run_that_is_no_longer_the_best_is_not_shown() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&spec("tab3", &[("size", &[1, 2, 3])])).await;
    bench.predict(keys[0], 80).await;
    bench.predict(keys[1], 82).await;
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    bench.store.keep_statistics(key, &board, None).await.unwrap();
    let columns = "coalesce(mcnemar_p, 'unknown')";
    let tests = format!(
        "select {columns}, coalesce(against_best, 'unknown') from leaderboard where run = 'size-1-seed-0'"
    );
    let own = format!("select {columns} from tab3 where run = 'size-1-seed-0'");
    assert_eq!(bench.lines(&tests).await, ["0.5|not distinguishable"]);
    assert_eq!(bench.lines(&own).await, ["0.5"]);
    bench.predict(keys[2], 95).await;
    bench.store.set_ranks(key).await.unwrap();
    assert_eq!(bench.lines(&tests).await, ["unknown|unknown"]);
    assert_eq!(bench.lines(&own).await, ["unknown"]);
    // Another rule has other best epochs.
    let mut spec = bench.store.experiment("tab3").await.unwrap().unwrap().spec;
    spec.rank.by.goal = Goal::Minimize;
    bench.store.update_experiment(key, &spec, Some("corpus"), &[]).await.unwrap();
    assert_eq!(bench.lines("select count(best_epoch) from leaderboard").await, ["0"]);
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.rows[0].best.map(|best| best.step), Some(1));
}

#[tokio::test]
async fn grid_points_are_there_until_another_run_ends() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&seeded()).await;
    for (run, right) in [(0, 80), (1, 90), (2, 86)] {
        bench.predict(keys[run], right).await;
    }
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    bench.store.keep_statistics(key, &board, None).await.unwrap();
    let sql = "select rank, grid_point, seeds, seeds_wanted, round(validation_accuracy_mean, 6), round(validation_accuracy_deviation, 6), mcnemar_p, axis_values from grid_points";
    assert_eq!(
        bench.lines(sql).await,
        // Against seed 0: 86 and 80 right, 2 / 2^6.
        ["1|size-16|1|2|0.86|||[16]", "2|size-8|2|2|0.85|0.070711|0.03125|[8]"]
    );
    bench.predict(keys[3], 70).await;
    assert_eq!(bench.lines(sql).await, Vec::<String>::new());
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    bench.store.keep_statistics(key, &board, None).await.unwrap();
    assert_eq!(bench.lines("select rank, grid_point from grid_points").await, ["1|size-8", "2|size-16"]);
}

/// A database of version 1 with one completed run, its confusion matrix, and no bits.
async fn old_database(directory: &Path) {
    let mut old = options(&directory.join(FILE_NAME)).create_if_missing(true).connect().await.unwrap();
    raw_sql(schema::MIGRATIONS[0]).execute(&mut old).await.unwrap();
    let spec = serde_json::to_string(&spec("tab3", &[("size", &[8])])).unwrap().replace('\'', "''");
    let rows = format!(
        "PRAGMA application_id = {}; PRAGMA user_version = 1;
         INSERT INTO _experiment VALUES (1, 'tab3', '{spec}', '[\"size\"]', NULL, 1.0);
         INSERT INTO _run VALUES (1, 1, 0, 'size-8', 'abcd', '[8]', '{{}}', 0, 'completed', 1, 'tab3/size-8/predictions.csv');
         INSERT INTO _tag VALUES (1, 'validation/epoch_accuracy');
         INSERT INTO _latest VALUES (1, 1, 4, 0.75);
         INSERT INTO _scalar VALUES (1, 1, 3, 0.875, 1.0), (1, 1, 4, 0.75, 2.0);
         INSERT INTO _class_metric VALUES (1, 0, 'normal', 60, 1, 1, 1), (1, 1, 'covid', 20, 1, 1, 1);
         INSERT INTO _confusion VALUES (1, 0, 0, 45), (1, 0, 1, 15), (1, 1, 0, 5), (1, 1, 1, 15);
         INSERT INTO _ranking VALUES (1, 1, NULL);",
        0x4752_4944
    );
    raw_sql(AssertSqlSafe(rows)).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_by_whoever_opens_it() {
    for reading in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        old_database(directory.path()).await;
        let mut writer: Option<Store> = None;
        let mut reader: Option<Reader> = None;
        let store: &mut Reader = if reading {
            reader.insert(Reader::open(directory.path()).await.unwrap())
        } else {
            writer.insert(Store::open(directory.path()).await.unwrap())
        };
        let key = store.experiment("tab3").await.unwrap().unwrap().key;
        let board = store.leaderboard(key).await.unwrap();
        let row = &board.rows[0];
        let tally = row.tally.unwrap();
        assert_eq!((tally.images, tally.correct, row.hits.is_none()), (80, 60, true));
        assert_eq!(row.best, Some(Best { step: 3, value: 0.875 }));
        let answer = store.query("select validation_accuracy_low, mcnemar_p from leaderboard").await.unwrap();
        assert_eq!(answer.rows, [[SqlValue::Real(tally.interval().unwrap().low), SqlValue::Null]]);
        let untaken = store.untaken_predictions(key).await.unwrap();
        assert_eq!(untaken.len(), 1);
        assert_eq!(
            (untaken[0].name.as_str(), untaken[0].predictions.as_str()),
            ("size-8", "tab3/size-8/predictions.csv")
        );
        if let Some(mut store) = writer {
            let hits = Hits::from_predictions(&predictions(60)).unwrap();
            let matrix = ConfusionMatrix::from_counts(vec![45, 15, 5, 15]).unwrap();
            store.put_confusion(untaken[0].run, &matrix, &classes(), (Some(&hits), None)).await.unwrap();
            assert_eq!(store.untaken_predictions(key).await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn an_older_database_that_cannot_be_written_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    old_database(directory.path()).await;
    let path = directory.path().join(FILE_NAME);
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o444);
    if std::fs::OpenOptions::new().append(true).open(&path).is_ok() {
        // Root writes anything; then the database is brought up to date, which is tested above.
        return;
    }
    let error = Reader::open(directory.path()).await.unwrap_err();
    mode(0o644);
    assert!(error.to_string().contains("has schema version 1"), "{error}");
    assert!(error.hint().unwrap().contains("may be written"));
}
