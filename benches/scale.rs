//! A runs database of many runs and many points: how fast it is written, how large it is, how fast it is asked.
//!
//!     cargo bench --bench scale                          # 200 runs x 2,000 points, in a temporary folder
//!     cargo bench --bench scale -- DIR 10000 2000        # 20 million points, kept in DIR
//!
//! Prints a JSON object to stdout. With DIR the database stays there, so that `gridboard --runs-dir DIR top` and its
//! like can be timed on it; a database that is there is not made again, only asked. Not statistics, one pass:
//! `scripts/bench.sh` repeats what is short.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program")]

#[path = "common/mod.rs"]
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use gridboard::{
    event::Scalar,
    follow::RunFollower,
    run::RunState,
    store::{FILE_NAME, Reader, RunKey, Store},
    tfevents::EventWriter,
};
use serde_json::{Map, Value, json};

/// Points of one commit: about a tick of a quick trainer.
const BATCH_STEPS: i64 = 200;
/// Asked so often; the median counts.
const REPEATS: usize = 15;
/// Live runs of the follower's measurement, and how often each is asked a second.
const LIVE: usize = 100;
const POLLS_PER_SECOND: f64 = 4.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |place: usize, default: i64| {
        arguments.get(place).map_or(default, |word| word.parse().expect("a whole number"))
    };
    let (runs, points) = (number(1, 200), number(2, 2_000));
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = arguments.first().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut facts = Map::new();
    if !dir.join(FILE_NAME).exists() {
        facts.extend(runtime.block_on(write(&dir, runs, points)));
    }
    facts.extend(runtime.block_on(ask(&dir)));
    facts.extend(follow(temporary.path()));
    println!("{:#}", Value::Object(facts));
}

/// Seconds and what came out.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let answer = work();
    (begun.elapsed().as_secs_f64(), answer)
}

/// The whole way of every run through the store, as the sweep goes it: start, points by the tick, end.
async fn write(dir: &Path, runs: i64, points: i64) -> Map<String, Value> {
    let spec = common::experiment("scale", runs);
    let mut store = Store::open(dir).await.expect("a new database");
    let begun = Instant::now();
    let (key, keys) = common::ledger(&mut store, &spec).await;
    let ledger = begun.elapsed().as_secs_f64();
    let steps = points / i64::try_from(common::TAGS.len()).expect("a few tags");
    let (mut ingest, mut attempts, mut written) = (0.0, 0.0, 0_u64);
    for (place, run) in keys.iter().enumerate() {
        let batches: Vec<Vec<Scalar>> = (0..steps)
            .step_by(usize::try_from(BATCH_STEPS).expect("positive"))
            .map(|from| common::points(place as u64, from, (from + BATCH_STEPS).min(steps)))
            .collect();
        let begun = Instant::now();
        common::complete(&mut store, *run, &batches[0]).await;
        attempts += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        for batch in &batches[1..] {
            store.append_scalars(*run, batch).await.expect("room on the disk");
        }
        ingest += begun.elapsed().as_secs_f64();
        written += batches[1..].iter().map(|batch| batch.len() as u64).sum::<u64>();
        if place % 1_000 == 999 {
            eprintln!("scale: {} of {} runs", place + 1, keys.len());
        }
    }
    let begun = Instant::now();
    store.set_ranks(key).await.expect("ranks");
    let first_ranks = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    store.set_ranks(key).await.expect("ranks");
    let same_ranks = begun.elapsed().as_secs_f64();
    store.close().await.expect("the log is folded in");
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let (rate, all) = (written as f64 / ingest, (steps * runs * common::TAGS.len() as i64) as f64);
    #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
    let bytes = fs::metadata(dir.join(FILE_NAME)).expect("the database").len() as f64;
    Map::from_iter([
        ("scalars".to_owned(), json!(all)),
        ("ledger_s".to_owned(), json!(ledger)),
        ("ingest_scalars_per_s".to_owned(), json!(rate)),
        ("attempts_with_first_batch_s".to_owned(), json!(attempts)),
        ("first_ranks_s".to_owned(), json!(first_ranks)),
        ("same_ranks_s".to_owned(), json!(same_ranks)),
        ("database_bytes".to_owned(), json!(bytes)),
        ("bytes_per_scalar".to_owned(), json!(bytes / all)),
    ])
}

/// Median milliseconds of the questions that the program's commands ask, each over a connection of its own.
async fn ask(dir: &Path) -> Map<String, Value> {
    let mut store = Reader::open(dir).await.expect("a database");
    let record = store.experiments().await.expect("experiments").pop().expect("an experiment");
    let runs = store.runs(Some(record.key)).await.expect("runs");
    assert!(runs.iter().all(|run| run.state == RunState::Completed), "every run was completed");
    let run: RunKey = runs[runs.len() / 2].key;
    let name = runs[runs.len() / 2].spec.name.clone();
    store.close().await.expect("closing");
    let mut medians = Map::new();
    for question in ["head", "last_points", "history", "sql_history", "sql_top", "leaderboard"] {
        let mut times = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            let begun = Instant::now();
            let mut store = Reader::open(dir).await.expect("a database");
            let answers = match question {
                "head" => store.leaderboard_head(record.key, 10, 50).await.expect("a head").rows.len(),
                "last_points" => store.last_points(run).await.expect("points").len(),
                "history" => store.history(run, &[]).await.expect("curves").len(),
                "sql_history" => {
                    let sql = format!("select * from history where run = '{name}'");
                    store.query(&sql).await.expect("an answer").rows.len()
                }
                "sql_top" => {
                    let sql = format!("select * from {} order by rank limit 10", record.name);
                    store.query(&sql).await.expect("an answer").rows.len()
                }
                _ => store.leaderboard(record.key).await.expect("a leaderboard").rows.len(),
            };
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            assert!(answers > 0, "{question} has an answer");
        }
        times.sort_by(f64::total_cmp);
        medians.insert(format!("{question}_ms"), json!(times[REPEATS / 2]));
    }
    medians
}

/// Share of a core that following takes with many live runs, where every run logs a batch and an epoch's worth of points
/// between two polls, and where none does.
fn follow(dir: &Path) -> Map<String, Value> {
    let mut runs: Vec<(RunFollower, EventWriter, EventWriter)> = (0..LIVE)
        .map(|run| {
            let dir = dir.join(format!("run-{run}"));
            let create = |sub_run| EventWriter::create_at(&dir.join(sub_run), 1.0).expect("a new file");
            (RunFollower::new(&dir), create("train"), create("validation"))
        })
        .collect();
    let (mut busy, mut idle, mut points) = (Vec::new(), Vec::new(), 0);
    for poll in 0..20 {
        for (_, train, validation) in &mut runs {
            for (writer, tags) in
                [(train, ["batch_loss", "epoch_loss"]), (validation, ["epoch_accuracy", "epoch_loss"])]
            {
                for tag in tags {
                    writer.scalar(tag, poll, 0.5, 2.0).expect("room on the disk");
                }
                writer.flush().expect("room on the disk");
            }
        }
        let mut poll_all =
            || runs.iter_mut().map(|(follower, ..)| follower.poll().scalars.len()).sum::<usize>();
        let (seconds, new) = timed(&mut poll_all);
        busy.push(seconds);
        points += new;
        idle.push(timed(poll_all).0);
    }
    assert_eq!(points, 20 * 4 * LIVE, "every point is read once");
    let share = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        json!(seconds[seconds.len() / 2] * POLLS_PER_SECOND * 100.0)
    };
    Map::from_iter([
        ("follow_100_busy_percent_of_a_core".to_owned(), share(busy)),
        ("follow_100_idle_percent_of_a_core".to_owned(), share(idle)),
    ])
}
