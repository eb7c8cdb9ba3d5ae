//! Curves, confusion matrices and leaderboards.

use proptest::prelude::*;

use super::super::{testing::*, *};
use crate::{
    event::{Cut, Resumed, tags},
    metrics::ConfusionMatrix,
    rank::Leaderboard,
    run::{RunState, Used},
    spec::{Grid, Metric, Value},
};

#[tokio::test]
async fn values_come_back_as_the_widened_f32() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let values =
        [0.1, f32::MIN_POSITIVE, -0.0, 1e-45, f32::MAX, f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 3.0];
    let points: Vec<_> = (0..).zip(values).map(|(step, value)| point("x/y", step, value)).collect();
    bench.store.append_scalars(keys[0], &points).await.unwrap();
    let curves = bench.store.history(keys[0], &["x/y"]).await.unwrap();
    let bits = |value: f64| if value.is_nan() { 1 } else { value.to_bits() };
    let stored: Vec<u64> = curves[0].points.iter().map(|point| bits(point.value)).collect();
    // SQLite keeps a whole number in a REAL column as an integer, and so loses the sign of a zero.
    let expected: Vec<u64> =
        values.iter().map(|&value| bits(if value == 0.0 { 0.0 } else { f64::from(value) })).collect();
    assert_eq!(stored, expected);
    assert_eq!(curves[0].points[4].wall_time, 1004.5);
    let answer = bench.sql("select step, value from history order by step").await;
    for (row, value) in answer.rows.iter().zip(values) {
        let expected = if value.is_nan() { SqlValue::Null } else { SqlValue::Real(f64::from(value)) };
        assert_eq!(row[1], expected);
    }
}

#[tokio::test]
async fn the_last_value_is_that_of_the_highest_step() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    let batches: [&[(i64, f32)]; 4] =
        [&[(1, 0.1), (0, 0.0), (2, 0.2)], &[(1, 0.9)], &[(2, 0.3), (2, 0.4)], &[(-5, 7.0)]];
    let mut latest = Vec::new();
    for batch in batches {
        let points: Vec<_> = batch.iter().map(|&(step, value)| point("a", step, value)).collect();
        bench.store.append_scalars(run, &points).await.unwrap();
        latest.extend(bench.lines("select step || ':' || round(value, 3) from _latest").await);
    }
    assert_eq!(latest, ["2:0.2", "2:0.2", "2:0.4", "2:0.4"]);
    assert_eq!(
        bench.lines("select step || ':' || round(value, 3) from history order by step").await,
        ["-5:7.0", "0:0.0", "1:0.9", "2:0.4"]
    );
    bench.store.append_scalars(run, &[point("a", 3, f32::NAN)]).await.unwrap();
    assert_eq!(bench.lines("select step, value is null from _latest").await, ["3|1"]);
    bench.store.append_scalars(run, &[]).await.unwrap();
    let mut odd = point("b", 0, 1.0);
    odd.wall_time = f64::NAN;
    bench.store.append_scalars(run, &[odd]).await.unwrap();
    let curves = bench.store.history(run, &[]).await.unwrap();
    assert_eq!(curves.iter().map(|curve| curve.tag.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(curves[1].points[0].wall_time.is_nan());
    let last = bench.store.last_points(run).await.unwrap();
    let shown = |(tag, point): &(String, Point)| format!("{tag} {} {}", point.step, point.value);
    assert_eq!(last.iter().map(shown).collect::<Vec<_>>(), ["a 3 NaN", "b 0 1"]);
    assert_eq!(last[0].1.wall_time, 1003.5);
}

#[tokio::test]
async fn what_a_trainer_takes_back_is_gone_with_its_last_point() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    let points: Vec<_> =
        (0..4).flat_map(|step| ["a", "b"].map(|tag| point(tag, step, step as f32))).collect();
    for key in &keys[..2] {
        bench.store.append_scalars(*key, &points).await.unwrap();
    }
    let cut = |tag: &str, from| Cut { tag: tag.to_owned(), from };
    // Twice, as after an answer that was lost; of a tag that nobody knows.
    for _ in 0..2 {
        bench.store.cut_curves(run, &[cut("a", 2), cut("b", i64::MIN), cut("c", 0)]).await.unwrap();
        let shown = "select run_id || ' ' || tag_id || ' ' || step || ' ' || value from _latest order by 1";
        assert_eq!(bench.lines(shown).await, ["1 1 1 1.0", "2 1 3 3.0", "2 2 3 3.0"]);
        assert_eq!(bench.lines("select count(*) from _scalar").await, ["10"]);
    }
    bench.store.append_scalars(run, &[point("b", 0, 9.0)]).await.unwrap();
    assert_eq!(bench.store.last_points(run).await.unwrap().len(), 2);
    bench.store.clear_curves(run).await.unwrap();
    assert!(bench.store.history(run, &[]).await.unwrap().is_empty());
    assert_eq!(bench.lines("select count(*) from _scalar").await, ["8"]);
}

/// What an attempt goes on with stays, what is behind it goes, in the transaction of its start.
#[tokio::test]
async fn an_attempt_that_goes_on_keeps_the_points_before_it() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let (run, epochs, batches) = (keys[0], "train/epoch_loss", tags::BATCH_LOSS);
    bench.store.start_attempt(run, new_attempt(1)).await.unwrap();
    let all =
        (0..4).map(|step| point(epochs, step, 0.5)).chain((0..20).map(|step| point(batches, step, 0.5)));
    bench.store.append_scalars(run, &all.collect::<Vec<_>>()).await.unwrap();
    bench.store.finish_attempt(run, 1, RunState::Pending, None, 3.0, Used::default()).await.unwrap();
    let classes = ["normal", "covid"].map(str::to_owned);
    bench.store.put_confusion(run, &ConfusionMatrix::new(2), &classes, (None, None)).await.unwrap();
    bench.store.set_predictions(run, Some("tab3/x/predictions.csv")).await.unwrap();
    let resumed = Some(Resumed { epoch: 2, batch: 10 });
    let second = NewAttempt { resumed, ..new_attempt(2) };
    bench.store.start_attempt(run, second).await.unwrap();
    // Answers are of the end of a training, and none goes on with them.
    assert_eq!(bench.store.confusion(run).await.unwrap(), None);
    assert_eq!(bench.store.run(run).await.unwrap().predictions, None);
    let last = "select t.name || ' ' || l.step from _latest l join _tag t on t.id = l.tag_id order by 1";
    assert_eq!(bench.lines(last).await, ["batch/loss 9", "train/epoch_loss 1"]);
    assert_eq!(bench.lines("select count(*) from _scalar").await, ["12"]);
    let shown = "select coalesce(resumed_from, '-') from attempts order by attempt";
    assert_eq!(bench.lines(shown).await, ["-", "2"]);
    assert_eq!(bench.lines("select resumed_from from runs where attempts = 2").await, ["2"]);
    let of = |attempts: Vec<AttemptRecord>| attempts.iter().map(|one| one.resumed_from).collect::<Vec<_>>();
    assert_eq!(of(bench.store.attempts(run).await.unwrap()), [None, Some(2)]);
    // It waited for its turn in a cluster.
    bench.store.note_begun(run, 2, ("n1", "41_3"), 3.5).await.unwrap();
    let places = "select coalesce(host, '-'), coalesce(job, '-') from attempts order by attempt";
    assert_eq!(bench.lines(places).await, ["box|-", "n1|41_3"]);
    assert_eq!(bench.lines("select job from runs where attempts = 2").await, ["41_3"]);
    assert_eq!(bench.store.run(run).await.unwrap().job.as_deref(), Some("41_3"));
    // It began anew after all.
    bench.store.note_resumed(run, 2, None).await.unwrap();
    assert_eq!(bench.lines(shown).await, ["-", "-"]);
    bench.store.finish_attempt(run, 2, RunState::Pending, None, 4.0, Used::default()).await.unwrap();
    bench.store.start_attempt(run, new_attempt(3)).await.unwrap();
    assert_eq!(bench.lines("select count(*) from _scalar").await, ["0"]);
}

#[tokio::test]
async fn a_problem_is_kept_with_its_attempt_and_shown_everywhere() {
    let mut bench = Bench::new().await;
    let (experiment, keys) = bench.sweep(&small("tab3")).await;
    bench.store.start_attempt(keys[0], new_attempt(1)).await.unwrap();
    bench.store.note_problem(keys[0], 1, "half a file").await.unwrap();
    let used = Used::default();
    bench.store.finish_attempt(keys[0], 1, RunState::Failed, Some(&failure()), 3.0, used).await.unwrap();
    let problems = "select coalesce(problem, '-') from runs union all select problem from attempts";
    assert!(bench.lines(problems).await.contains(&"half a file".to_owned()));
    assert_eq!(bench.store.attempts(keys[0]).await.unwrap()[0].problem.as_deref(), Some("half a file"));
    let row = |board: Leaderboard| board.rows.into_iter().find(|row| row.key == keys[0]).unwrap().problem;
    assert_eq!(row(bench.store.leaderboard(experiment).await.unwrap()).as_deref(), Some("half a file"));
    bench.store.set_ranks(experiment).await.unwrap();
    let head = bench.store.leaderboard_head(experiment, 9, 9).await.unwrap();
    assert_eq!(row(head).as_deref(), Some("half a file"));
    // The next attempt has none.
    bench.store.start_attempt(keys[0], new_attempt(2)).await.unwrap();
    assert_eq!(bench.store.runs(Some(experiment)).await.unwrap()[0].problem, None);
}

/// The store against a map: tag and step to the last value written.
#[test]
fn curves_equal_a_map_of_the_last_points() {
    let batch = prop::collection::vec((0..3_usize, -3..40_i64, -2..2_i16), 0..700);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(12), |(batches in prop::collection::vec(batch, 1..4))| {
        runtime.block_on(async {
            let mut bench = Bench::new().await;
            let (_, keys) = bench.sweep(&small("tab3")).await;
            let mut model = std::collections::BTreeMap::new();
            for batch in &batches {
                let tag = |index: usize| format!("tag-{index}");
                let points: Vec<_> =
                    batch.iter().map(|&(index, step, value)| point(&tag(index), step, f32::from(value))).collect();
                bench.store.append_scalars(keys[1], &points).await.unwrap();
                for &(index, step, value) in batch {
                    model.insert((tag(index), step), f64::from(value));
                }
            }
            let curves = bench.store.history(keys[1], &[]).await.unwrap();
            let stored: Vec<_> = curves
                .iter()
                .flat_map(|curve| curve.points.iter().map(|point| ((curve.tag.clone(), point.step), point.value)))
                .collect();
            let latest: Vec<_> = curves.iter().map(|curve| curve.points.last().unwrap().value.to_string()).collect();
            prop_assert_eq!(stored, model.into_iter().collect::<Vec<_>>());
            let kept = bench
                .lines("select printf('%d', value) from _latest l join _tag t on t.id = l.tag_id order by t.name")
                .await;
            prop_assert_eq!(kept, latest);
            Ok(())
        })?;
    });
}

#[tokio::test]
async fn confusion_matrices_come_back_with_their_class_metrics() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let classes = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let mut matrix = ConfusionMatrix::new(3);
    for (truth, predicted, images) in [(0, 0, 3), (0, 1, 1), (1, 1, 2), (1, 0, 2)] {
        for _ in 0..images {
            matrix.add(truth, predicted);
        }
    }
    assert_eq!(bench.store.confusion(keys[0]).await.unwrap(), None);
    bench.store.put_confusion(keys[0], &ConfusionMatrix::new(3), &classes, (None, None)).await.unwrap();
    bench.store.put_confusion(keys[0], &matrix, &classes, (None, None)).await.unwrap();
    assert_eq!(bench.store.confusion(keys[0]).await.unwrap(), Some(matrix.clone()));
    // Precision, recall and F1 as scikit-learn gives them; class c has no images and no predictions, so nothing is known of it.
    assert_eq!(
        bench
            .lines("select class, support, precision, recall, round(f1, 6) from class_metrics order by class_index")
            .await,
        ["a|4|0.6|0.75|0.666667", "b|4|0.6666666666666666|0.5|0.571429", "c|0|||"]
    );
    assert_eq!(
        bench.lines("select true_class, predicted_class, images from confusion where images > 1").await,
        ["a|a|3", "b|a|2", "b|b|2"]
    );
    let error = bench.store.put_confusion(keys[0], &matrix, &classes[..2], (None, None)).await.unwrap_err();
    assert_eq!(error.to_string(), "a confusion matrix of 3 classes came with 2 class names");
}

#[tokio::test]
async fn leaderboard_and_views_agree() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&spec("tab3", &[("size", &[1, 2, 3, 4, 5, 6, 7])])).await;
    bench.complete(keys[0], 0.7, 0.3).await;
    bench.complete(keys[1], 0.7, 0.2).await;
    bench.complete(keys[2], f32::NAN, 0.1).await;
    bench.fail(keys[3], 1).await;
    bench.complete(keys[4], 0.9, f32::NAN).await;
    bench.start(keys[5], 1).await.unwrap();
    bench.store.append_scalars(keys[5], &[point(tags::VALIDATION_ACCURACY, 0, 1.0)]).await.unwrap();
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!((board.axes.clone(), board.classes.len()), (vec!["size".to_owned()], 2));
    let row = &board.rows[1];
    assert_eq!((row.by, row.then, row.step), (Some(f64::from(0.7_f32)), Some(f64::from(0.2_f32)), Some(1)));
    assert_eq!(row.axes, [Some(Value::Int(2))]);
    assert!(board.rows[0].validation_loss.is_some_and(f64::is_nan));

    let show = |value: Option<f64>| value.filter(|value| !value.is_nan()).map(|value| format!("{value:?}"));
    let expected: Vec<String> = board
        .rows
        .iter()
        .map(|row| {
            [
                row.rank.map(|rank| rank.to_string()),
                Some(row.run.clone()),
                Some(row.state.to_string()),
                show(row.train_accuracy),
                show(row.train_loss),
                show(row.validation_accuracy),
                show(row.validation_loss),
                row.reason.clone(),
            ]
            .map(Option::unwrap_or_default)
            .join("|")
        })
        .collect();
    let columns = "rank, run, state, train_accuracy, train_loss, validation_accuracy, validation_loss";
    assert_eq!(bench.lines(&format!("select {columns}, reason from leaderboard")).await, expected);
    assert_eq!(
        expected.iter().map(|row| row.rsplit('|').next().unwrap()).collect::<Vec<_>>(),
        ["", "", "", "validation/epoch_accuracy is NaN", "status 3", "is being run", "not run yet"]
    );
    let ranked: Vec<String> = expected[..3].iter().map(|row| row.trim_end_matches('|').to_owned()).collect();
    let top: Vec<String> = bench
        .lines(&format!("select {columns} from tab3 order by rank limit 10"))
        .await
        .into_iter()
        .map(|row| row.trim_end_matches('|').to_owned())
        .collect();
    assert_eq!(top, ranked);
}

#[tokio::test]
async fn the_head_is_that_of_the_whole_leaderboard() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&spec("tab3", &[("size", &[1, 2, 3, 4, 5, 6, 7, 8])])).await;
    let (_, others) = bench.sweep(&spec("other", &[("size", &[1, 2])])).await;
    bench.complete(others[0], 0.99, 0.3).await;
    for (place, accuracy) in [(0, 0.5), (1, 0.75), (2, f32::INFINITY), (4, 0.25), (5, 0.625)] {
        bench.complete(keys[place], accuracy, 0.5).await;
    }
    bench.fail(keys[3], 1).await;
    bench.start(keys[6], 1).await.unwrap();
    let whole = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(bench.store.leaderboard_head(key, 2, 1).await.unwrap(), whole, "no ranks were kept yet");

    bench.store.set_ranks(key).await.unwrap();
    let head = bench.store.leaderboard_head(key, 2, 3).await.unwrap();
    assert_eq!(head.rows, [&whole.rows[..2], &whole.rows[4..7]].concat());
    assert_eq!((head.omitted.ranked, head.omitted.unranked), (2, 1));
    let all = bench.store.leaderboard_head(key, 100, 100).await.unwrap();
    assert_eq!(all, whole);
    // A run that has ended since then is not left out.
    bench.store.finish_attempt(keys[6], 1, RunState::Completed, None, 2.0, Used::default()).await.unwrap();
    let whole = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(bench.store.leaderboard_head(key, 2, 3).await.unwrap(), whole);
}

#[tokio::test]
async fn ranks_move_when_a_better_run_ends() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&spec("tab3", &[("size", &[1, 2, 3])])).await;
    let mut tops = Vec::new();
    for (place, accuracy) in [(2, 0.5), (0, 0.25), (1, 0.75)] {
        bench.complete(keys[place], accuracy, 0.5).await;
        bench.store.set_ranks(key).await.unwrap();
        tops.push(bench.lines("select size from tab3 order by rank").await.join(" "));
    }
    assert_eq!(tops, ["3", "3 1", "2 3 1"]);
    // The rule may change; the ranks follow.
    let mut spec = bench.store.experiment("tab3").await.unwrap().unwrap().spec;
    spec.rank.by.goal = crate::spec::Goal::Minimize;
    bench.store.update_experiment(key, &spec, Some("corpus"), &[]).await.unwrap();
    assert_eq!(bench.lines("select rank, size from tab3").await, ["1|1", "2|3", "3|2"]);
    assert_eq!(bench.store.experiment("tab3").await.unwrap().unwrap().spec, spec);
}

/// A union: the first grid sweeps what the second leaves at its fixed value.
#[tokio::test]
async fn an_axis_of_another_grid_shows_the_value_that_the_run_has() {
    let mut bench = Bench::new().await;
    let mut spec = spec("union", &[("epochs", &[1, 2])]);
    spec.grids.push(Grid { axes: spec.grids[0].axes.clone() });
    spec.grids[1].axes[0].name = "width".to_owned();
    spec.grids[1].axes[0].values = vec![Value::Int(8)];
    let (key, keys) = bench.sweep(&spec).await;
    for (&run, accuracy) in keys.iter().zip([0.9, 0.8, 0.7]) {
        bench.complete(run, accuracy, 0.5).await;
    }
    bench.store.set_ranks(key).await.unwrap();
    assert_eq!(bench.lines("select rank, epochs, width from \"union\"").await, ["1|1|", "2|2|", "3|5|8"]);
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.rows[0].axes, [Some(Value::Int(1)), None]);
    assert_eq!(board.rows[2].axes, [Some(Value::Int(5)), Some(Value::Int(8))]);
    let record = bench.store.run(keys[2]).await.unwrap();
    let axes = [("epochs", 5), ("width", 8)].map(|(name, value)| (name.to_owned(), Value::Int(value)));
    assert_eq!(record.spec.axes, axes);
}

#[tokio::test]
async fn other_metrics_and_unions_have_their_columns() {
    let mut bench = Bench::new().await;
    let mut spec = spec("odd-1", &[("rank", &[1, 2])]);
    spec.grids.push(Grid { axes: spec.grids[0].axes.clone() });
    spec.grids[1].axes[0].name = "it's \"x\"".to_owned();
    spec.grids[1].axes[0].values =
        vec![Value::Text("a\"b".to_owned()), Value::Bool(true), Value::Float(0.001)];
    spec.rank.by = Metric::by_tag("eval/o'score");
    spec.rank.then = None;
    let (key, keys) = bench.sweep(&spec).await;
    for (place, &run) in keys.iter().enumerate() {
        bench.start(run, 1).await.unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let value = place as f32;
        bench.store.append_scalars(run, &[point("eval/o'score", 4, value)]).await.unwrap();
        bench.store.finish_attempt(run, 1, RunState::Completed, None, 2.0, Used::default()).await.unwrap();
    }
    bench.store.set_ranks(key).await.unwrap();
    let answer = bench.sql(r#"select * from "odd-1""#).await;
    assert_eq!(
        answer.columns,
        [
            "rank",
            "run",
            "rank_axis",
            "it's \"x\"",
            "seed",
            "state",
            "train_accuracy",
            "train_loss",
            "validation_accuracy",
            "validation_loss",
            "eval/o'score",
            "validation_accuracy_low",
            "validation_accuracy_high",
            "validation_sensitivity",
            "validation_specificity",
            "validation_auc",
            "best_epoch",
            "best_value",
            "mcnemar_p"
        ]
    );
    assert_eq!(
        bench.lines(r#"select rank, rank_axis, "it's ""x""", "eval/o'score" from "odd-1""#).await,
        ["1||0.001|4.0", "2||1|3.0", "3||a\"b|2.0", "4|2||1.0", "5|1||0.0"]
    );
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.rows[0].axes, [None, Some(Value::Float(0.001))]);
    assert_eq!(board.rows[0].step, Some(4));
}
