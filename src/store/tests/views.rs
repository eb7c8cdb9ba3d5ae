//! The views that every database has, by SQL text, and how they are searched.

use sqlx::{ConnectOptions as _, Connection as _};

use super::super::{connection::options, testing::*, *};
use crate::event::tags;

#[tokio::test]
async fn the_columns_are_the_documented_ones() {
    let bench = Bench::new().await;
    let head = include_str!("../mod.rs");
    let mut views = 0;
    for line in head.lines().filter_map(|line| line.strip_prefix("//! | `")) {
        let (view, rest) = line.split_once('`').unwrap();
        let documented: Vec<&str> = rest.rsplit('|').nth(1).unwrap().split(',').map(str::trim).collect();
        let answer = bench.sql(&format!("select * from {view}")).await;
        assert_eq!(answer.columns, documented, "{view}");
        assert!(answer.rows.is_empty());
        views += 1;
    }
    let made = bench.lines("select count(*) from sqlite_master where type = 'view'").await;
    assert_eq!(made, [views.to_string()]);
}

#[tokio::test]
async fn every_view_name_is_reserved() {
    let mut bench = Bench::new().await;
    for view in bench.lines("select name from sqlite_master where type = 'view'").await {
        let error = bench.store.create_experiment(&small(&view), None, 1.0).await.unwrap_err();
        assert!(matches!(error, StoreError::ReservedName { .. }), "{view}: {error}");
    }
    let tables = bench.lines("select name from sqlite_master where type = 'table'").await;
    assert!(tables.iter().all(|table| table.starts_with('_')), "{tables:?}");
}

#[tokio::test]
async fn runs_attempts_and_experiments() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    bench.fail(keys[0], 1).await;
    bench.fail(keys[0], 2).await;
    bench.complete(keys[1], 0.5, 0.5).await;
    bench.store.set_predictions(keys[1], Some("tab3/second/predictions.csv")).await.unwrap();
    bench.start(keys[2], 1).await.unwrap();
    assert_eq!(
        bench
            .lines("select run, state, seed, attempts, seconds, device, failure, reason, directory, predictions from runs order by position")
            .await,
        [
            "conv_layers-1-layer_size-32-seed-0|failed|0|2|60.0|cpu|exit|status 3|tab3/conv_layers-1-layer_size-32-seed-0|",
            "conv_layers-1-layer_size-64-seed-0|completed|0|1|59.5|cpu|||tab3/conv_layers-1-layer_size-64-seed-0|tab3/second/predictions.csv",
            "conv_layers-2-layer_size-32-seed-0|running|0|1||cpu|||tab3/conv_layers-2-layer_size-32-seed-0|",
            "conv_layers-2-layer_size-64-seed-0|pending|0|0|||||tab3/conv_layers-2-layer_size-64-seed-0|",
        ]
    );
    assert_eq!(
        bench
            .lines("select json_extract(parameters, '$.layer_size'), json_extract(parameters, '$.learning_rate') from runs where position = 1")
            .await,
        ["64|0.001"]
    );
    assert_eq!(
        bench
            .lines("select attempt, state, pid, failure, log_tail from attempts where failure is not null")
            .await,
        ["1|failed|4711|exit|Traceback\nboom", "2|failed|4711|exit|Traceback\nboom"]
    );
    assert_eq!(
        bench
            .lines(
                "select experiment, runs, pending, running, completed, failed, fingerprint from experiments"
            )
            .await,
        ["tab3|4|1|1|1|1|corpus"]
    );
}

#[tokio::test]
async fn experiments_do_not_mix() {
    let mut bench = Bench::new().await;
    let (one, first) = bench.sweep(&small("one")).await;
    let (two, second) = bench.sweep(&small("two")).await;
    bench.complete(first[0], 0.25, 0.5).await;
    bench.complete(second[0], 0.75, 0.5).await;
    bench.store.set_ranks(one).await.unwrap();
    bench.store.set_ranks(two).await.unwrap();
    assert_eq!(bench.lines("select rank, validation_accuracy from one").await, ["1|0.25"]);
    assert_eq!(bench.lines("select rank, validation_accuracy from two").await, ["1|0.75"]);
    assert_eq!(bench.store.leaderboard(one).await.unwrap().rows.len(), 4);
    assert_eq!(
        bench
            .lines("select experiment, value from history where step = 1 and tag = 'validation/epoch_accuracy' order by 1")
            .await,
        ["one|0.25", "two|0.75"]
    );
}

/// A query for one curve must not read the others: with 20 million points that is the difference between a millisecond
/// and minutes.
#[tokio::test]
async fn curves_and_last_values_are_searched_not_scanned() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.5, 0.5).await;
    let history = |filter: &str| format!("select * from history {filter}");
    let loss = tags::VALIDATION_LOSS;
    let plans = [
        history(&format!("where experiment = 'tab3' and run = 'x' and tag = '{loss}'")),
        history("where experiment = 'tab3' and run = 'x' order by step"),
        history("where run = 'x'"),
        history(&format!("where tag = '{loss}'")),
        history("where experiment = 'tab3'"),
        "select run, max(step) from history group by run".to_owned(),
        "select * from leaderboard where experiment = 'tab3'".to_owned(),
        "select * from tab3 order by rank limit 10".to_owned(),
    ];
    for query in plans {
        let plan = bench.sql(&format!("explain query plan {query}")).await;
        let steps: Vec<String> = plan.rows.iter().map(|row| row[3].to_string()).collect();
        let points: Vec<&String> =
            steps.iter().filter(|step| step.split(' ').nth(1).is_some_and(|table| table == "s")).collect();
        let curve = "SEARCH s USING PRIMARY KEY (run_id=? AND tag_id=?)";
        assert!(points.iter().all(|step| *step == curve), "{query}: {steps:#?}");
        assert_eq!(points.len(), usize::from(query.contains("history")), "{query}: {steps:#?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN _latest")), "{query}: {steps:#?}");
    }
    // When a run was last heard of is asked of the last point of each curve.
    let plan = bench.sql("explain query plan select last_point, last_point_age from runs").await;
    let steps: Vec<String> = plan.rows.iter().map(|row| row[3].to_string()).collect();
    let points = steps.iter().filter(|step| step.split(' ').nth(1) == Some("s"));
    let whole = points.map(|step| step.ends_with("(run_id=? AND tag_id=? AND step=?)")).collect::<Vec<_>>();
    assert_eq!(whole, [true, true], "{steps:#?}");
}

#[tokio::test]
async fn errors_of_queries_are_said_once() {
    let mut bench = Bench::new().await;
    let mut ask = async |sql: &str| bench.store.query(sql).await.unwrap_err().to_string();
    assert_eq!(ask("select * from nowhere").await, "cannot answer the query: no such table: nowhere");
    assert_eq!(ask("select frm").await, "cannot answer the query: no such column: frm");
    assert_eq!(ask("select (").await, "cannot answer the query: incomplete input");
    assert_eq!(ask(" ").await, "the query is empty");
    let answer = bench.store.query("select 1 as a, 'x' as b, x'00ff' as a, 1.5, null").await.unwrap();
    assert_eq!(answer.columns, ["a", "b", "a", "1.5", "null"]);
    assert_eq!(
        answer.rows,
        [[
            SqlValue::Integer(1),
            SqlValue::Text("x".to_owned()),
            SqlValue::Blob(vec![0, 255]),
            SqlValue::Real(1.5),
            SqlValue::Null
        ]]
    );
    let answer = bench.store.query("select run, state from runs where run = 'x' -- none").await.unwrap();
    assert_eq!((answer.columns, answer.rows), (vec!["run".to_owned(), "state".to_owned()], vec![]));
    let answer = bench.store.query("pragma user_version").await.unwrap();
    assert_eq!(answer.rows, [[SqlValue::Integer(schema::VERSION.into())]]);
}

/// Names are reserved by later versions too: an experiment that has one of them keeps its view, and its database opens.
#[tokio::test]
async fn an_experiment_that_has_a_views_name_keeps_its_own() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    bench.complete(keys[0], 0.9, 0.1).await;
    bench.store.set_ranks(key).await.unwrap();
    let Bench { directory, store, .. } = bench;
    // As a version that did not reserve it has left it.
    let old = "DROP VIEW decisions; DROP VIEW tab3; UPDATE _experiment SET name = 'decisions';
               UPDATE _meta SET value = 'other' WHERE name = 'views'";
    store.close().await.unwrap();
    let mut connection = options(&directory.path().join(FILE_NAME)).connect().await.unwrap();
    sqlx::raw_sql(old).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    for _ in 0..2 {
        // First by who may not write, then by who renews them.
        let mut reader = Reader::open(directory.path()).await.unwrap();
        let rows = reader.query("select run, rank from decisions").await;
        assert_eq!(rows.map(|answer| answer.rows.len()).ok(), Some(1));
        reader.close().await.unwrap();
        Store::open(directory.path()).await.unwrap().close().await.unwrap();
    }
}
