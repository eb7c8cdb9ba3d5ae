//! The runs database under readers of other programs that do not wait for locks, as the `sqlite3` shell does not.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _,
    sqlite::{SqliteConnectOptions, SqliteConnection},
};

use crate::support::{Project, wait_until};

/// One run that writes much and ends as soon as the test has its reader at work.
const WAITS: &str = "
experiment: waits-{round}
model: {family: command, run: [sh, -c, 'python3 \"$0\" 0.5 500; touch \"$GRIDBOARD_RUN_DIR/written\"; until test -e go-{round}; do sleep 0.01; done', TRAINER]}
grid: {x: [1]}
schedule: {devices: 'cpu:1'}
";

/// Opens, asks, closes, again and again; answers with the number of questions, or with the first error.
async fn ask(database: &Path, done: &AtomicBool, asked: &AtomicBool) -> Result<u32, sqlx::Error> {
    let mut questions = 0;
    // Some more after the last writer's end: its log is left to this reader.
    let mut after = 0;
    while after < 20 {
        after += u32::from(done.load(Ordering::Relaxed));
        let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::ZERO);
        let mut connection: SqliteConnection = options.disable_statement_logging().connect().await?;
        sqlx::query("SELECT count(*) FROM history").fetch_one(&mut connection).await?;
        connection.close().await?;
        questions += 1;
        asked.store(true, Ordering::Relaxed);
    }
    Ok(questions)
}

#[test]
fn the_end_of_a_sweep_locks_no_reader_out() {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    let project = Project::new();
    for round in 0..5 {
        let spec = WAITS.replace("{round}", &round.to_string()).replace("TRAINER", trainer);
        project.write("spec.yaml", &spec);
        let written = project.path(&format!("runs/waits-{round}/x-1/written"));
        let mut sweep = project.start(&["run", "spec.yaml"]);
        wait_until("the run has written its points", || {
            written.exists() || sweep.try_wait().is_ok_and(|end| end.is_some())
        });
        let database = project.path("runs/gridboard.db");
        let (done, asked) = (AtomicBool::new(false), AtomicBool::new(false));
        let questions = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on(ask(&database, &done, &asked))
            });
            wait_until("the reader is at work", || asked.load(Ordering::Relaxed) || reader.is_finished());
            project.write(&format!("go-{round}"), "");
            let status = sweep.wait().expect("the sweep ends");
            done.store(true, Ordering::Relaxed);
            assert_eq!(status.code(), Some(0), "{}", project.read("err.log"));
            reader.join().expect("the reader ends")
        });
        match questions {
            Ok(questions) => assert!(questions > 20, "questions in round {round}: {questions}"),
            Err(error) => panic!("a reader was refused in round {round}: {error}"),
        }
    }
}

/// Holds the write lock of a runs database until the file `release` is there.
const HOLD: &str = "
import os, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute('begin immediate')
open('held', 'w').close()
while not os.path.exists('release'):
    time.sleep(0.01)
connection.execute('rollback')
";

#[test]
fn a_locked_database_stops_no_run_and_loses_nothing() {
    let project = Project::with_spec(
        "
experiment: e
model: {family: command, run: [sh, -c, 'touch started; until test -e go; do sleep 0.02; done']}
grid: {x: [1, 2, 3]}
schedule: {devices: 'cpu:1'}
",
    );
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("a run is alive", || {
        project.path("started").exists() && project.sql("select 1 as n from attempts").len() == 1
    });
    let mut holder = std::process::Command::new("python3")
        .args(["-c", HOLD, "runs/gridboard.db"])
        .current_dir(project.path(""))
        .spawn()
        .expect("start python3");
    wait_until("the database is locked", || project.path("held").exists());
    project.write("go", "");
    wait_until("the trouble is told", || project.read("err.log").contains("it is tried again"));
    wait_until("all three runs are over", || project.read("err.log").contains("x-3 completed"));
    project.write("release", "");
    assert!(holder.wait().expect("the holder ends").success());
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(0), "{}", project.read("err.log"));
    let words = project.read("err.log");
    assert_eq!(words.matches("it is tried again").count(), 1, "{words}");
    assert!(words.contains("nothing was lost"), "{words}");
    let rows = project.sql("select count(*) as n from runs where state = 'completed'");
    assert_eq!(rows[0]["n"], 3);
}

#[test]
fn a_folder_that_takes_nothing_fails_its_run_and_no_other() {
    // Where its outcome belongs there is a folder; where its session belongs there is one.
    let spoil = "case $x in 1) mkdir -p outcome.json/x;; 2) f=$(ls *.session); rm $f; mkdir -p $f/x;; esac";
    let project = Project::with_spec(&format!(
        "
experiment: e
model: {{family: command, run: [sh, -c, 'x={{x}}; cd \"$GRIDBOARD_RUN_DIR\"; until ls *.session; do :; done; {spoil}']}}
grid: {{x: [1, 2, 3]}}
"
    ));
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    let rows = project.sql("select run, state from runs order by run");
    let states: Vec<&str> = rows.iter().filter_map(|row| row["state"].as_str()).collect();
    assert_eq!(states, ["failed", "failed", "completed"], "{}", ran.stderr);
}
