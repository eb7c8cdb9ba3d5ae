//! What the live page reads of an experiment is what the leaderboard has, also before the ranks are kept.

use super::super::Sight;
use crate::store::testing::{Bench, point, small};

#[tokio::test]
async fn the_page_has_the_ranks_and_values_of_the_leaderboard() {
    let mut bench = Bench::new().await;
    let spec = small("tab3");
    let (experiment, keys) = bench.sweep(&spec).await;
    for (key, accuracy) in keys.iter().zip([0.5, 0.75, f32::NAN]) {
        bench.complete(*key, accuracy, 0.25).await;
    }
    // No ranks are kept yet.
    let columns = bench.store.metric_columns(experiment, &spec.rank).await.unwrap();
    assert_eq!(columns[0].tag, spec.rank.by.tag);
    let rows = bench.store.overview(experiment, &spec.rank, &columns).await.unwrap();
    let board = bench.store.leaderboard(experiment).await.unwrap();
    assert_eq!(rows.len(), keys.len());
    let mut ranked = 0;
    for row in &rows {
        let expected = board.rows.iter().find(|known| known.key.get() == row.id).unwrap();
        assert_eq!(row.rank, expected.rank.map(i64::from), "{}", row.name);
        assert_eq!(row.metrics[0], expected.by.filter(|by| !by.is_nan()), "{}", row.name);
        assert_eq!(row.step, expected.step, "{}", row.name);
        ranked += usize::from(row.rank.is_some());
    }
    assert_eq!(ranked, 2);
}

#[tokio::test]
async fn points_after_a_step_and_growth_follow_the_curves() {
    let mut bench = Bench::new().await;
    let (experiment, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    bench.start(run, 1).await.unwrap();
    assert!(bench.store.growth(experiment).await.unwrap().is_empty());
    let points: Vec<_> = (0..3).map(|step| point("a", step, step as f32)).collect();
    bench.store.append_scalars(run, &points).await.unwrap();
    let before = bench.store.growth(experiment).await.unwrap();
    assert_eq!(before.len(), 1);
    let after = |step: i64| Sight { steps: step + 1..=i64::MAX, most: 600 };
    assert_eq!(bench.store.drawn(run, "a", &after(0)).await.unwrap(), [(1, 1.0), (2, 2.0)]);
    assert_eq!(bench.store.drawn(run, "a", &after(-1)).await.unwrap().len(), 3);
    assert!(bench.store.drawn(run, "b", &after(-1)).await.unwrap().is_empty());
    bench.store.append_scalars(run, &[point("b", 0, f32::NAN)]).await.unwrap();
    assert_ne!(bench.store.growth(experiment).await.unwrap(), before);
    assert!(bench.store.drawn(run, "b", &after(-1)).await.unwrap()[0].1.is_nan());
}
