//! Metrics below folders that are made anew for each run, further metrics, two classes, and what changes nothing: the same in
//! SQL, in the head of the leaderboard and in the whole of it.

use super::super::{testing::*, *};
use crate::{
    metrics::ConfusionMatrix,
    rank::Standing,
    run::{RunState, Used},
    spec::{Experiment, Family, Metric},
};

/// A program of the user's, ranked by a metric alone.
fn own(by: &str, seeds: &[u64], axes: &[(&str, &[i64])]) -> Experiment {
    let mut spec = spec("own", axes);
    spec.dataset = None;
    spec.family = Some(Family::Command);
    spec.command = vec!["train".to_owned(), "{lr}".to_owned()];
    spec.seeds = seeds.to_vec();
    spec.rank.by = Metric::by_tag(by);
    spec
}

impl Bench {
    /// A completed run with these last values.
    async fn log(&mut self, run: RunKey, values: &[(&str, f32)]) {
        self.start(run, 1).await.unwrap();
        let points: Vec<_> =
            values.iter().flat_map(|(tag, value)| [point(tag, 0, 0.5), point(tag, 3, *value)]).collect();
        self.store.append_scalars(run, &points).await.unwrap();
        self.store.finish_attempt(run, 1, RunState::Completed, None, 2.0, Used::default()).await.unwrap();
    }

    /// The metric that ranks, as the view, the head and the whole leaderboard have it, by rank.
    async fn by(
        &mut self,
        key: ExperimentKey,
        column: &str,
    ) -> (Vec<String>, Vec<Option<f64>>, Vec<Option<f64>>) {
        self.store.set_ranks(key).await.unwrap();
        let view = self.lines(&format!("select \"{column}\" from own order by rank")).await;
        let head = self.store.leaderboard_head(key, 10, 10).await.unwrap();
        let whole = self.store.leaderboard(key).await.unwrap();
        assert_eq!(head.rows, whole.rows);
        let of = |board: &crate::rank::Leaderboard| {
            board.rows.iter().filter(|row| row.rank.is_some()).map(|row| row.by).collect::<Vec<_>>()
        };
        (view, of(&head), of(&whole))
    }
}

#[tokio::test]
async fn a_metric_below_a_folder_of_its_run_is_the_same_everywhere() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&own("eval/loss", &[0], &[("lr", &[1, 2, 3, 4])])).await;
    bench.log(keys[0], &[("2026-11-27/eval/loss", 0.5), ("2026-11-27/train/loss", 0.1)]).await;
    bench.log(keys[1], &[("2026-11-28/eval/loss", 0.25)]).await;
    bench.log(keys[2], &[("eval/loss", 0.75), ("2026-11-29/eval/loss", 0.0)]).await;
    bench.log(keys[3], &[("a1/eval/loss", 0.5), ("b2/eval/loss", 0.5)]).await;
    let (view, head, whole) = bench.by(key, "eval/loss").await;
    assert_eq!(view, ["0.25", "0.5", "0.75"]);
    assert_eq!((&head, &whole), (&vec![Some(0.25), Some(0.5), Some(0.75)], &head));
    assert_eq!(
        bench.lines("select reason from leaderboard where rank is null").await,
        ["2 series of the run end in eval/loss: a1/eval/loss, b2/eval/loss; name one of them in `rank.by`"]
    );
    assert_eq!(
        bench.store.series(keys[0]).await.unwrap().into_iter().collect::<Vec<_>>(),
        [("eval/loss".to_owned(), "2026-11-27/eval/loss".to_owned())]
    );
    assert_eq!(bench.store.leaderboard(key).await.unwrap().rows[0].best.unwrap().value, 0.25);
    // One that writes the metric itself has no need of another series.
    bench.store.append_scalars(keys[1], &[point("eval/loss", 4, 1.0)]).await.unwrap();
    assert_eq!(bench.by(key, "eval/loss").await.0, ["0.5", "0.75", "1.0"]);
    assert!(bench.store.series(keys[1]).await.unwrap().is_empty());
    // What is run again has no series of its earlier attempt.
    bench.store.owe_again(key, &[keys[0]]).await.unwrap();
    assert!(bench.store.series(keys[0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn keras_below_a_dated_folder_has_its_standard_columns() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&own("validation/epoch_accuracy", &[0], &[("lr", &[1])])).await;
    bench
        .log(keys[0], &[("20261127/validation/epoch_accuracy", 0.75), ("20261127/train/epoch_loss", 0.5)])
        .await;
    // The part of the data is in the tag, not in the folder.
    let (view, head, _) = bench.by(key, "validation_accuracy").await;
    assert_eq!((view, head), (vec!["0.75".to_owned()], vec![Some(0.75)]));
    assert_eq!(bench.lines("select validation_accuracy, train_loss from leaderboard").await, ["0.75|0.5"]);
}

#[tokio::test]
async fn the_tags_that_were_written_are_named() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&own("val_acc", &[0], &[("lr", &[1])])).await;
    bench.log(keys[0], &[("validation/val_acc", 0.75)]).await;
    bench.store.set_ranks(key).await.unwrap();
    let reason = "val_acc was never written; did you mean validation/val_acc?; written: validation/val_acc";
    assert_eq!(bench.lines("select reason from leaderboard").await, [reason]);
    for board in [
        bench.store.leaderboard(key).await.unwrap(),
        bench.store.leaderboard_head(key, 10, 10).await.unwrap(),
    ] {
        assert_eq!(board.rows[0].reason.as_deref(), Some(reason));
    }
    // A star says which one is meant.
    let mut spec = own("*/val_acc", &[0], &[("lr", &[1])]);
    spec.rank.then = None;
    bench.store.update_experiment(key, &spec, Some("corpus"), &[]).await.unwrap();
    let (view, head, _) = bench.by(key, "*/val_acc").await;
    assert_eq!((view, head), (vec!["0.75".to_owned()], vec![Some(0.75)]));
}

#[tokio::test]
async fn further_metrics_are_those_that_the_best_run_has() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&own("Loss/val", &[0], &[("lr", &[1, 2])])).await;
    let of = |loss| {
        [("Loss/val", loss), ("Loss/train", 0.5), ("Accuracy/val", 0.25), ("seconds", 9.0), ("lr", 1.0)]
    };
    bench.log(keys[0], &of(0.5)).await;
    bench.log(keys[1], &of(0.25)[..2]).await;
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(
        (board.metrics, board.rows[0].others.clone()),
        (vec!["Loss/train".to_owned()], vec![Some(0.5)])
    );
    bench
        .store
        .update_experiment(
            key,
            &Experiment {
                rank: crate::spec::RankRule {
                    by: Metric { goal: crate::spec::Goal::Maximize, ..Metric::by_tag("Loss/val") },
                    ..board.rule
                },
                ..own("Loss/val", &[0], &[("lr", &[1, 2])])
            },
            Some("corpus"),
            &[],
        )
        .await
        .unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.metrics, ["Accuracy/val", "Loss/train"]);
    assert_eq!(board.rows[1].others, [None, Some(0.5)]);
}

#[tokio::test]
async fn further_metrics_are_called_without_the_folder_of_their_run() {
    let lr: [(&str, &[i64]); 1] = [("lr", &[1, 2])];
    for by in ["Loss/val", "logs/version_*/Loss/val"] {
        let mut bench = Bench::new().await;
        let (key, keys) = bench.sweep(&own(by, &[0], &lr)).await;
        bench.log(keys[0], &[("logs/version_3/Loss/val", 0.5), ("logs/version_3/Accuracy/val", 0.25)]).await;
        bench.log(keys[1], &[("logs/version_1/Loss/val", 0.75), ("logs/version_1/Accuracy/val", 0.5)]).await;
        bench.store.set_ranks(key).await.unwrap();
        let board = bench.store.leaderboard(key).await.unwrap();
        let expected = if by == "Loss/val" { "Accuracy/val" } else { "logs/Accuracy/val" };
        assert_eq!(board.metrics, [expected]);
        assert_eq!(board.rows.iter().map(|row| row.others[0]).collect::<Vec<_>>(), [Some(0.25), Some(0.5)]);
    }
}

#[tokio::test]
async fn folders_that_tell_metrics_apart_stay_in_their_names() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&own("Loss/val", &[0], &[("lr", &[1, 2])])).await;
    for (run, loss) in keys.iter().zip([0.5, 0.75]) {
        bench.log(*run, &[("Loss/val", loss), ("fold1/acc", 0.25), ("fold2/acc", 0.5)]).await;
    }
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.metrics, ["fold1/acc", "fold2/acc"]);
    assert_eq!(board.rows[1].others, [Some(0.25), Some(0.5)]);
}

#[tokio::test]
async fn two_classes_have_sensitivity_specificity_and_auc() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&spec("own", &[("validation_auc", &[1, 2, 3])])).await;
    let classes = ["normal", "covid"].map(str::to_owned);
    for &run in &keys[..2] {
        bench.complete(run, 0.5, 0.5).await;
    }
    // 6 normal, of which 3 are found; 2 with covid, of which 1 is.
    let matrix = ConfusionMatrix::from_counts(vec![3, 3, 1, 1]).unwrap();
    bench.store.put_confusion(keys[0], &matrix, &classes, (None, Some(0.625))).await.unwrap();
    // No image is of the positive class.
    let matrix = ConfusionMatrix::from_counts(vec![4, 4, 0, 0]).unwrap();
    bench.store.put_confusion(keys[1], &matrix, &classes, (None, None)).await.unwrap();
    bench.store.set_ranks(key).await.unwrap();
    let sql = "select validation_sensitivity, validation_specificity, validation_auc from";
    let expected = ["0.5|0.5|0.625", "|0.5|"];
    assert_eq!(bench.lines(&format!("{sql} leaderboard where rank > 0 order by rank")).await, expected);
    assert_eq!(bench.lines(&format!("{sql} own order by rank")).await, expected);
    assert_eq!(bench.lines("select validation_auc_axis from own order by rank").await, ["1", "2"]);
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(board.rows[0].diagnosis.auc, Some(0.625));
    assert_eq!(board.rows[0].diagnosis.constant, Some(0.75));
    assert_eq!(board.notes[0], "constant answer: 0.750 (2 runs do no better)");
    // Three classes have none of the three.
    let matrix = ConfusionMatrix::from_counts(vec![1; 9]).unwrap();
    let classes = ["a", "b", "c"].map(str::to_owned);
    bench.store.put_confusion(keys[0], &matrix, &classes, (None, Some(0.5))).await.unwrap();
    assert_eq!(bench.lines(&format!("{sql} own where rank = 1")).await, ["||"]);
    assert_eq!(bench.lines(&format!("{sql} leaderboard where rank = 1")).await, ["||"]);
}

#[tokio::test]
async fn seeds_and_axes_that_change_nothing_are_told() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&own("val/acc", &[0, 1], &[("lr", &[1, 2]), ("dropout", &[0, 5])])).await;
    for (place, &run) in keys.iter().enumerate() {
        // By the learning rate alone; no two runs take equally long.
        let value = if place < 4 { 0.5 } else { 0.25 };
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let seconds = place as f32;
        bench.log(run, &[("val/acc", value), ("time/epoch", seconds)]).await;
    }
    bench.store.set_ranks(key).await.unwrap();
    let board = bench.store.leaderboard(key).await.unwrap();
    assert_eq!(
        board.notes,
        [
            "the seeds change nothing: at all 4 grid points runs with different seeds have identical results, bit by bit; the \
             command has no {seed}, and the program seems not to look for it in its environment",
            "`dropout` changes nothing: runs that differ in it alone have identical results, bit by bit; the command has no \
             {dropout}, and the program seems not to look for it in its environment",
        ]
    );
    bench.store.keep_statistics(key, &board, None).await.unwrap();
    assert_eq!(bench.store.leaderboard_head(key, 1, 1).await.unwrap().notes, board.notes);
    // One run that differs is enough.
    bench.store.append_scalars(keys[7], &[point("val/acc", 9, 0.75)]).await.unwrap();
    assert_eq!(bench.store.leaderboard(key).await.unwrap().notes, [""; 0]);
}

#[tokio::test]
async fn there_is_no_test_of_accuracies_where_another_metric_ranks() {
    let mut bench = Bench::new().await;
    let mut spec = spec("own", &[("size", &[1, 2])]);
    spec.rank.by = Metric::by_tag("validation/epoch_loss");
    spec.rank.then = None;
    let (key, keys) = bench.sweep(&spec).await;
    let rows: Vec<crate::predictions::Prediction> = (0..9)
        .map(|image| crate::predictions::Prediction {
            image: format!("{image}"),
            label: image % 2,
            predicted: 1,
            probabilities: vec![0.5, 0.5],
        })
        .collect();
    let hits = crate::predictions::Hits::from_predictions(&rows).unwrap();
    let matrix = crate::predictions::confusion(&rows, 2);
    let classes = ["normal", "covid"].map(str::to_owned);
    for (&run, loss) in keys.iter().zip([0.5, 0.9]) {
        bench.complete(run, 0.5, loss).await;
        bench.store.put_confusion(run, &matrix, &classes, (Some(&hits), None)).await.unwrap();
    }
    bench.store.set_ranks(key).await.unwrap();
    let standings = |board: crate::rank::Leaderboard| -> Vec<Standing> {
        board.rows.into_iter().map(|row| row.standing).collect()
    };
    assert_eq!(
        standings(bench.store.leaderboard(key).await.unwrap()),
        [Standing::Best, Standing::OtherMetric]
    );
    spec.rank.by = Metric::by_tag("validation/epoch_accuracy");
    bench.store.update_experiment(key, &spec, Some("corpus"), &[]).await.unwrap();
    let tested = standings(bench.store.leaderboard(key).await.unwrap());
    assert!(matches!(tested[1], Standing::Tested { p, .. } if p == 1.0), "{tested:?}");
}
