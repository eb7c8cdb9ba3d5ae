//! The chunks of long curves: the same whoever writes the points, and what is drawn of them.

use super::super::{chunks, testing::*, *};
use crate::event::Scalar;

fn value(step: i64) -> f32 {
    match step {
        70_000 => 9.0,
        70_001 => -9.0,
        step if step % 1_000 == 7 => f32::NAN,
        step => (step as f32 / 5_000.0).sin(),
    }
}

fn points(tag: &str, steps: std::ops::Range<i64>) -> Vec<Scalar> {
    steps.map(|step| point(tag, step, value(step))).collect()
}

impl Bench {
    /// The chunks of a curve, which have to be those of its points.
    async fn chunks_of(&mut self, run: RunKey, tag: &str) -> Vec<Vec<Chunk>> {
        let kept = self.store.raw_chunks(run).await.unwrap().remove(tag).unwrap_or_default();
        let rows = self.store.raw_curves(run).await.unwrap().remove(tag).unwrap_or_default();
        let rows: Vec<_> = rows.iter().map(|row| (row.step, row.value)).collect();
        assert_eq!(chunks::problem(&rows, &kept), None);
        kept
    }
}

#[tokio::test]
async fn chunks_follow_a_live_curve() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    bench.start(run, 1).await.unwrap();
    for from in (0..3_000).step_by(500) {
        bench.store.append_scalars(run, &points("a", from..from + 500)).await.unwrap();
    }
    assert!(bench.chunks_of(run, "a").await.is_empty(), "it is not long");
    for from in (3_000..40_000).step_by(370) {
        bench.store.append_scalars(run, &points("a", from..from + 370)).await.unwrap();
        bench.store.append_scalars(run, &points("b", from / 50..from / 50 + 5)).await.unwrap();
    }
    let kept = bench.chunks_of(run, "a").await;
    assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>().len(), 4);
    assert!(bench.chunks_of(run, "b").await.is_empty());
    // A trainer takes points back and goes on; another process follows it then.
    bench.store.cut_curves(run, &[crate::event::Cut { tag: "a".to_owned(), from: 20_000 }]).await.unwrap();
    assert_eq!(bench.chunks_of(run, "a").await[0].len(), 20_000 / 64);
    bench.store.append_scalars(run, &points("a", 20_000..20_600)).await.unwrap();
    bench.chunks_of(run, "a").await;
    let mut other = Store::open(bench.directory.path()).await.unwrap();
    other.append_scalars(run, &points("a", 20_600..30_000)).await.unwrap();
    // Points in the middle of what is there: replaced, and between others.
    other.append_scalars(run, &[point("a", 1_000, 77.0)]).await.unwrap();
    other.close().await.unwrap();
    let kept = bench.chunks_of(run, "a").await;
    assert_eq!(kept[0][1_000 / 64].greatest, Some((1_000, 77.0)));
    bench.store.clear_curves(run).await.unwrap();
    assert!(bench.chunks_of(run, "a").await.is_empty());
}

#[tokio::test]
async fn a_load_and_an_upgrade_make_the_chunks_of_a_live_curve() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let (live, loaded) = (keys[0], keys[1]);
    bench.start(live, 1).await.unwrap();
    let all = [points("a", 0..100_000), points("b", 0..3_000)].concat();
    bench.store.append_scalars(live, &all).await.unwrap();
    let (mut bulk, mut binder) = bench.store.bulk().await.unwrap();
    bulk.curves(binder.bind(&[(loaded, all)])).await.unwrap();
    bulk.commit().await.unwrap();
    let kept = bench.chunks_of(live, "a").await;
    assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [1562, 195, 24, 3]);
    assert_eq!(bench.chunks_of(loaded, "a").await, kept);
    // As a database from before there were any.
    let forget = "DELETE FROM _chunk; INSERT INTO _meta (name, value) VALUES ('without_chunks', '1')";
    sqlx::raw_sql(forget).execute(&mut bench.store.connection).await.unwrap();
    let Bench { directory, store, locks } = bench;
    store.close().await.unwrap();
    let store = Store::open(directory.path()).await.unwrap();
    let mut bench = Bench { directory, store, locks };
    for run in [live, loaded] {
        assert_eq!(bench.chunks_of(run, "a").await, kept);
        assert!(bench.chunks_of(run, "b").await.is_empty());
    }
}

#[cfg(feature = "page")]
#[tokio::test]
async fn a_long_curve_is_drawn_from_its_chunks_and_finer_when_closer() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    bench.start(run, 1).await.unwrap();
    bench.store.append_scalars(run, &points("a", 0..100_000)).await.unwrap();
    let sight = |steps: std::ops::RangeInclusive<i64>, most| Sight { steps, most };
    let all = sight(i64::MIN..=i64::MAX, 3_000);
    let drawn = bench.store.drawn(run, "a", &all).await.unwrap();
    assert!(drawn.len() <= 3_000 && drawn.len() > 1_500, "{}", drawn.len());
    assert!(drawn.contains(&(70_000, 9.0)) && drawn.contains(&(70_001, -9.0)), "spikes of one point");
    assert_eq!((drawn[0], drawn[drawn.len() - 1].0), ((0, f64::from(value(0))), 99_999));
    assert!(drawn.iter().all(|(step, drawn)| *drawn == f64::from(value(*step))));
    // Whatever is in sight, and however much of it: what the points themselves would show.
    for (from, to) in [(0, 99_999), (12_345, 98_765), (69_990, 70_010), (99_000, 200_000), (1, 64), (-5, -1)]
    {
        for most in [50, 400, 3_000] {
            let drawn = bench.store.drawn(run, "a", &sight(from..=to, most)).await.unwrap();
            let within: Vec<(i64, f64)> =
                (from.max(0)..=to.min(99_999)).map(|step| (step, f64::from(value(step)))).collect();
            let of = |points: &[(i64, f64)]| {
                let values = || points.iter().map(|(_, value)| *value).filter(|value| !value.is_nan());
                let ends = points.first().zip(points.last()).map(|(first, last)| (first.0, last.0));
                (ends, values().reduce(f64::min), values().reduce(f64::max))
            };
            assert_eq!(of(&drawn), of(&within), "{from} to {to} in {most}");
            assert!(drawn.len() <= most && drawn.len() >= within.len().min(most / 4), "{}", drawn.len());
            if within.len() <= most {
                assert_eq!(drawn.len(), within.len(), "all of them");
            }
        }
    }
    // Without its chunks it is the same curve.
    sqlx::raw_sql("DELETE FROM _chunk").execute(&mut bench.store.connection).await.unwrap();
    let whole = bench.store.drawn(run, "a", &all).await.unwrap();
    assert!(whole.contains(&(70_000, 9.0)) && whole.contains(&(70_001, -9.0)) && whole.len() <= 3_000);
    assert_eq!(bench.store.all_drawn(run, &all).await.unwrap()[0].points, whole);
    assert_eq!(bench.store.drawn(run, "nothing", &all).await.unwrap(), []);
}
