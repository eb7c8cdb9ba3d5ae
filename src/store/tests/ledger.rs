//! The ledger's states, and what may follow what.

use super::super::{testing::*, *};
use crate::run::{RunState, Used};

#[tokio::test]
async fn a_grid_comes_back_as_it_went_in() {
    let mut bench = Bench::new().await;
    let mut spec = small("tab3");
    spec.seeds = vec![0, 7];
    let (key, _) = bench.sweep(&spec).await;
    let records = bench.store.runs(Some(key)).await.unwrap();
    let stored: Vec<_> = records.iter().map(|record| record.spec.clone()).collect();
    assert_eq!(stored, runs(&spec));
    assert!(records.iter().all(|record| record.state == RunState::Pending && record.attempts == 0));
    let record = bench.store.experiment("tab3").await.unwrap().unwrap();
    assert_eq!(record.spec, spec);
    assert_eq!((record.key, record.fingerprint.as_deref(), record.created), (key, Some("corpus"), 1000.0));
    assert_eq!(
        (record.axes, record.classes),
        (
            vec!["conv_layers".to_owned(), "layer_size".to_owned()],
            vec!["normal".to_owned(), "covid".to_owned()]
        )
    );
    assert!(bench.store.experiment("TAB3").await.unwrap().is_none());
    assert_eq!(bench.store.experiments().await.unwrap().len(), 1);
}

#[tokio::test]
async fn inserting_again_adds_what_is_missing_and_keeps_states() {
    let mut bench = Bench::new().await;
    let spec = small("tab3");
    let key = bench.store.create_experiment(&spec, None, 1.0).await.unwrap();
    let all = runs(&spec);
    assert_eq!(bench.store.insert_runs(key, all[..3].to_vec()).await.unwrap(), 3);
    let first = bench.store.runs(Some(key)).await.unwrap()[0].key;
    bench.complete(first, 0.5, 0.5).await;
    assert_eq!(bench.store.insert_runs(key, all.clone()).await.unwrap(), 1);
    assert_eq!(bench.store.insert_runs(key, all.clone()).await.unwrap(), 0);
    let states: Vec<_> = bench.store.runs(Some(key)).await.unwrap().iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Completed, RunState::Pending, RunState::Pending, RunState::Pending]);

    // One more seed puts a run behind each of the old ones.
    let mut more = spec.clone();
    more.seeds.push(1);
    bench.store.update_experiment(key, &more, Some("corpus"), &[]).await.unwrap();
    assert_eq!(bench.store.insert_runs(key, runs(&more)).await.unwrap(), 4);
    let ledger = bench.store.runs(Some(key)).await.unwrap();
    let names: Vec<_> = ledger.iter().map(|run| run.spec.name.clone()).collect();
    assert_eq!(names, runs(&more).into_iter().map(|run| run.name).collect::<Vec<_>>());
    assert_eq!(
        (ledger[0].state, ledger[1].state, ledger[2].spec.seed),
        (RunState::Completed, RunState::Pending, 0)
    );
    assert_eq!(ledger[2].spec.name, all[1].name);
}

#[tokio::test]
async fn a_new_run_does_not_take_the_folder_of_an_older_one() {
    let mut bench = Bench::new().await;
    let mut spec = small("tab3");
    let key = bench.store.create_experiment(&spec, None, 1.0).await.unwrap();
    let older = runs(&spec);
    bench.store.insert_runs(key, older.clone()).await.unwrap();
    spec.seeds = vec![1];
    let mut newer = runs(&spec);
    // As a file system takes it that does not tell case apart.
    newer[0].name = older[2].name.to_uppercase();
    newer[1].name.clone_from(&older[3].name);
    bench.store.insert_runs(key, newer.clone()).await.unwrap();
    for (place, run) in newer.iter().enumerate() {
        let known = bench.store.runs(Some(key)).await.unwrap();
        let known = known.into_iter().find(|known| known.spec.id == run.id).expect("it is in the ledger");
        let expected =
            if place < 2 { crate::grid::name_with_id(&run.name, &run.id) } else { run.name.clone() };
        assert_eq!(known.spec.name, expected);
    }
}

#[tokio::test]
async fn a_clash_of_names_or_ids_adds_nothing() {
    let mut bench = Bench::new().await;
    let spec = small("tab3");
    let key = bench.store.create_experiment(&spec, None, 1.0).await.unwrap();
    let mut same_name = runs(&spec);
    same_name[3].name = same_name[1].name.clone();
    let error = bench.store.insert_runs(key, same_name).await.unwrap_err();
    assert!(matches!(error, StoreError::DuplicateRun { .. }), "{error}");
    let mut same_id = runs(&spec);
    same_id[3].id = same_id[1].id.clone();
    let error = bench.store.insert_runs(key, same_id).await.unwrap_err();
    assert!(error.to_string().contains(&runs(&spec)[1].name), "{error}");
    assert!(bench.store.runs(None).await.unwrap().is_empty());
    let mut seed = runs(&spec);
    seed[0].seed = u64::MAX;
    let error = bench.store.insert_runs(key, seed).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { what: "seed", .. }), "{error}");
    // The refused transactions left no lock behind.
    assert_eq!(bench.store.insert_runs(key, runs(&spec)).await.unwrap(), 4);
}

#[tokio::test]
async fn the_states_of_a_run_follow_one_another() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    let ends = [RunState::Completed, RunState::Pending];
    for state in ends {
        let error = bench.store.finish_attempt(run, 1, state, None, 2.0, Used::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::NotRunning { attempts: 0, .. }), "{error}");
    }
    bench.start(run, 1).await.unwrap();
    let error = bench.start(run, 2).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "attempt 2 of run `conv_layers-1-layer_size-32-seed-0` cannot start: the run is running after 1 attempts"
    );
    for (state, failure) in
        [(RunState::Running, None), (RunState::Failed, None), (RunState::Completed, Some(failure()))]
    {
        let error = bench
            .store
            .finish_attempt(run, 1, state, failure.as_ref(), 2.0, Used::default())
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::ContradictoryEnd { .. }), "{error}");
    }
    let error = bench
        .store
        .finish_attempt(run, 2, RunState::Completed, None, 2.0, Used::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NotRunning { attempts: 1, .. }), "{error}");
    bench.store.finish_attempt(run, 1, RunState::Pending, None, 1002.0, Used::default()).await.unwrap();
    let error = bench.start(run, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::NotStartable { .. }), "an attempt's number is used once: {error}");
    bench.fail(run, 2).await;
    bench.start(run, 3).await.unwrap();
    bench.store.finish_attempt(run, 3, RunState::Completed, None, 1009.0, peak(5)).await.unwrap();
    let error = bench.start(run, 4).await.unwrap_err();
    assert!(matches!(error, StoreError::NotStartable { .. }), "{error}");

    let record = bench.store.run(run).await.unwrap();
    assert_eq!((record.state, record.attempts, record.used), (RunState::Completed, 3, peak(5)));
    let attempts = bench.store.attempts(run).await.unwrap();
    let used: Vec<Used> = attempts.iter().map(|attempt| attempt.used).collect();
    assert_eq!(used, [Used::default(), Used::default(), peak(5)]);
    assert!(attempts.iter().all(|attempt| attempt.threads == Some(2)));
    assert_eq!((record.seconds(), record.failure), (Some(8.0), None));
    let attempts = bench.store.attempts(run).await.unwrap();
    assert_eq!((attempts[0].pid_start, attempts[0].boot_id.as_deref()), (Some(99), Some("boot")));
    let states: Vec<AttemptState> = attempts.iter().map(|attempt| attempt.state).collect();
    assert_eq!(states, [AttemptState::Interrupted, AttemptState::Failed, AttemptState::Completed]);
    assert_eq!(attempts[1].failure, Some(failure()));
    let error = bench.start(RunKey::new(999), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSuchRun { key: 999 }), "{error}");
}

#[tokio::test]
async fn a_failed_run_keeps_its_failure() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    bench.fail(keys[2], 1).await;
    let record = bench.store.run(keys[2]).await.unwrap();
    assert_eq!((record.state, record.failure), (RunState::Failed, Some(failure())));
    assert_eq!(
        (record.device.as_deref(), record.slot.as_deref(), record.host.as_deref()),
        (Some("cpu"), Some("cpu/0"), Some("box"))
    );
}

#[tokio::test]
async fn a_new_attempt_wipes_the_results_of_the_one_before() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    let run = keys[0];
    let classes = ["normal".to_owned(), "covid".to_owned()];
    let mut matrix = crate::metrics::ConfusionMatrix::new(2);
    matrix.add(0, 1);
    bench.fail(run, 1).await;
    bench.store.append_scalars(run, &[point("a", 7, 1.0), point("b", 0, 1.0)]).await.unwrap();
    bench.store.put_confusion(run, &matrix, &classes, (None, None)).await.unwrap();
    bench.store.set_predictions(run, Some("tab3/x/predictions.csv")).await.unwrap();
    bench.store.set_ranks(key).await.unwrap();
    // Another run's results stay.
    bench.complete(keys[1], 0.5, 0.5).await;
    bench.store.put_confusion(keys[1], &matrix, &classes, (None, None)).await.unwrap();
    bench.start(run, 2).await.unwrap();
    assert_eq!(bench.store.history(run, &[]).await.unwrap(), []);
    assert_eq!(bench.store.confusion(run).await.unwrap(), None);
    assert_eq!(bench.store.run(run).await.unwrap().predictions, None);
    for (table, rows) in [
        ("_latest", 4),
        ("_scalar", 6),
        ("_class_metric", 2),
        ("_confusion", 4),
        ("_validation", 1),
        ("_ranking", 0),
    ] {
        assert_eq!(
            bench.lines(&format!("select count(*) from {table}")).await,
            [rows.to_string()],
            "{table}"
        );
    }
    bench.store.append_scalars(run, &[point("a", 3, 2.0)]).await.unwrap();
    let curves = bench.store.history(run, &[]).await.unwrap();
    assert_eq!(curves.len(), 1);
    assert_eq!(curves[0].points.iter().map(|point| point.step).collect::<Vec<_>>(), [3]);
    assert_eq!(bench.lines("select value from _latest where run_id = 1").await, ["2.0"]);
}

#[tokio::test]
async fn orphans_of_a_dead_orchestrator_are_owed_again() {
    let mut bench = Bench::new().await;
    let (key, keys) = bench.sweep(&small("tab3")).await;
    let (other, others) = bench.sweep(&small("other")).await;
    bench.fail(keys[3], 1).await;
    bench.start(keys[3], 2).await.unwrap();
    bench.start(keys[1], 1).await.unwrap();
    bench.complete(keys[0], 0.5, 0.5).await;
    bench.start(others[0], 1).await.unwrap();
    // The orchestrator dies, and the next one opens the database.
    let Bench { directory, store, locks } = bench;
    drop((store, locks));
    let mut store = Store::open(directory.path()).await.unwrap();
    let orphans = store.reset_orphans(key).await.unwrap();
    let found: Vec<_> = orphans.iter().map(|orphan| (orphan.run, orphan.attempt, orphan.pid)).collect();
    assert_eq!(found, [(keys[1], 1, 4711), (keys[3], 2, 4711)]);
    assert_eq!(store.reset_orphans(key).await.unwrap(), orphans, "until they are started again");
    let states: Vec<_> = store.runs(Some(key)).await.unwrap().iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Completed, RunState::Pending, RunState::Pending, RunState::Pending]);
    let attempts = store.attempts(keys[3]).await.unwrap();
    assert_eq!((attempts[1].state, attempts[1].finished), (AttemptState::Lost, None));
    assert_eq!(attempts[0].state, AttemptState::Failed);
    // That experiment's orchestrator is dead as well.
    assert_eq!(store.runs(Some(other)).await.unwrap()[0].state, RunState::Pending);
    assert_eq!(store.attempts(others[0]).await.unwrap()[0].state, AttemptState::Lost);
    store.start_attempt(keys[3], new_attempt(3)).await.unwrap();
}

#[tokio::test]
async fn runs_are_found_by_name_path_and_id() {
    let mut bench = Bench::new().await;
    let (_, keys) = bench.sweep(&small("tab3")).await;
    bench.sweep(&small("other")).await;
    let record = bench.store.run(keys[2]).await.unwrap();
    let (name, id) = (record.spec.name, record.spec.id);
    let mut find = async |wanted: &str| {
        let found = bench.store.find_runs(wanted).await.unwrap();
        found.into_iter().map(|run| format!("{}/{}", run.experiment, run.spec.name)).collect::<Vec<_>>()
    };
    let both = [format!("tab3/{name}"), format!("other/{name}")];
    assert_eq!(find(&name).await, both);
    assert_eq!(find(&format!("tab3/{name}")).await, both[..1]);
    assert_eq!(find(&id).await, both);
    assert_eq!(find(&id[..4].to_uppercase()).await, both);
    let nothing: [String; 0] = [];
    assert_eq!(find(&id[..3]).await, nothing);
    assert_eq!(find("%").await, nothing);
    assert_eq!(find("TAB3/x").await, nothing);
    assert_eq!(find("").await, nothing);
}

#[tokio::test]
async fn experiment_names_must_be_free_in_any_case() {
    let mut bench = Bench::new().await;
    bench.sweep(&small("Tab3")).await;
    let mut create = async |name: &str| {
        bench.store.create_experiment(&small(name), None, 1.0).await.map_err(|error| error.to_string())
    };
    assert_eq!(create("Tab3").await.unwrap_err(), "experiment `Tab3` is in the runs database already");
    assert_eq!(
        create("tab3").await.unwrap_err(),
        "experiment `tab3` differs from experiment `Tab3` only by upper and lower case"
    );
    assert_eq!(create("Runs").await.unwrap_err(), "experiment name `Runs` is reserved");
    // Words of SQL and dashes are fine in double quotes.
    create("select").await.unwrap();
    create("tab3-small").await.unwrap();
    create("main").await.unwrap();
    assert_eq!(bench.lines(r#"select count(*) from "tab3-small", "select", main"#).await, ["0"]);
}

#[tokio::test]
async fn a_hundred_thousand_runs_are_added_in_one_go() {
    let mut bench = Bench::new().await;
    let values: Vec<i64> = (0..100).collect();
    let spec = spec("big", &[("a", &values), ("b", &values), ("c", &values[..10])]);
    let key = bench.store.create_experiment(&spec, None, 1.0).await.unwrap();
    let runs = runs(&spec);
    let start = std::time::Instant::now();
    assert_eq!(bench.store.insert_runs(key, runs).await.unwrap(), 100_000);
    println!("100,000 runs in {:?}", start.elapsed());
    assert_eq!(bench.lines("select runs, pending from experiments").await, ["100000|100000"]);
}
