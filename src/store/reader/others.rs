//! What a leaderboard has beside the metrics of its rule and the standard ones: further metrics of the runs, what all of them
//! together tell, and the results that this is found from. Reads only.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use crate::{
    rank::{
        Leaderboard, MOST_FURTHER, Results, folder_of, series_named, standard_metrics,
        without_numbered_folders,
    },
    spec::{PARTS, goal_of, is_of_time, words_of_tag},
    store::{
        ExperimentKey, RunKey,
        error::{StoreError, sqlite},
    },
    tags::SYSTEM_FOLDER,
};

const ACTION: &str = "read the metrics of the runs";

/// Chooses further metrics, where the best run lacks standard ones, and puts their last values into the rows.
pub(super) async fn give(
    connection: &mut SqliteConnection,
    board: &mut Leaderboard,
) -> Result<(), StoreError> {
    let Some(best) = board.rows.iter().find(|row| row.rank == Some(1)) else { return Ok(()) };
    let standard = [best.train_accuracy, best.train_loss, best.validation_accuracy, best.validation_loss];
    let room = MOST_FURTHER.saturating_sub(standard.iter().flatten().count());
    if room == 0 {
        return Ok(());
    }
    let instead = crate::store::series::of_run(&mut *connection, best.key).await?;
    let mut taken: Vec<&str> = vec![&board.rule.by.tag];
    taken.extend(board.rule.then.as_ref().map(|then| then.tag.as_str()));
    taken.extend(standard_metrics(&board.rule).map(|(_, tag)| tag));
    let is_new = |tag: &str| !taken.contains(&tag) && !instead.values().any(|series| series == tag);
    let values = last_values(connection, best.key).await?;
    let mut metrics: Vec<String> = values.into_keys().filter(|tag| is_new(tag) && is_metric(tag)).collect();
    // Those over data that does not train tell more.
    metrics.sort_by_key(|tag| {
        let words = words_of_tag(tag);
        let of_part = |parts: &[&str]| words.iter().any(|word| parts.contains(&word.as_str()));
        let is_training = of_part(&["train", "training", "batch", "step"]);
        (is_training, !of_part(PARTS), tag.clone())
    });
    metrics.truncate(room);
    if metrics.is_empty() {
        return Ok(());
    }
    let by = &board.rule.by.tag;
    let folder = instead.get(by).and_then(|series| folder_of(by, series));
    let names: Vec<String> = metrics.iter().map(|tag| without_folder(tag, folder)).collect();
    // What has another name without its folder than all others and than the columns there are.
    let is_free = |name: &String| {
        names.iter().filter(|other| *other == name).count() == 1 && !taken.contains(&name.as_str())
    };
    let mut shown: Vec<String> = metrics
        .iter()
        .zip(&names)
        .map(|(tag, name)| if is_free(name) { name.clone() } else { tag.clone() })
        .collect();
    let mut varies = vec![false; metrics.len()];
    for row in &mut board.rows {
        let values = last_values(connection, row.key).await?;
        let instead = crate::store::series::of_run(&mut *connection, row.key).await?;
        let folder = instead.get(by).and_then(|series| folder_of(by, series));
        let written = || values.keys().map(String::as_str);
        let series: Vec<Option<&str>> =
            shown.iter().map(|name| series_named(name, folder, written())).collect();
        row.others = series.iter().map(|series| values.get((*series)?).copied()).collect();
        for (varies, (series, tag)) in varies.iter_mut().zip(series.iter().zip(&metrics)) {
            *varies |= series.is_some_and(|series| series != tag);
        }
    }
    // The number of one run's folder is not that of the others.
    let bare: Vec<String> = shown.iter().map(|name| without_numbered_folders(name)).collect();
    for (place, varies) in varies.into_iter().enumerate() {
        let is_only = bare.iter().filter(|other| **other == bare[place]).count() == 1;
        if varies && is_only && !taken.contains(&bare[place].as_str()) {
            shown[place].clone_from(&bare[place]);
        }
    }
    board.metrics = shown;
    Ok(())
}

/// The tag as it is called below the folder that its run has made for itself.
fn without_folder(tag: &str, folder: Option<&str>) -> String {
    let below = folder.and_then(|folder| tag.strip_prefix(folder)?.strip_prefix('/'));
    below.unwrap_or(tag).to_owned()
}

/// Whether a tag is a result of its run, by its words.
fn is_metric(tag: &str) -> bool {
    goal_of(tag).is_some() && !is_of_time(tag) && !tag.starts_with(SYSTEM_FOLDER)
}

async fn last_values(
    connection: &mut SqliteConnection,
    run: RunKey,
) -> Result<HashMap<String, f64>, StoreError> {
    let rows: Vec<(String, Option<f64>)> = sqlx::query_as(
        "SELECT t.name, l.value FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1",
    )
    .bind(run)
    .fetch_all(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().map(|(tag, value)| (tag, value.unwrap_or(f64::NAN))).collect())
}

/// The last points of every metric of the ranked runs, without those of time.
pub(super) async fn results(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    board: &Leaderboard,
) -> Result<HashMap<RunKey, Results>, StoreError> {
    // There is nothing to compare.
    if board.rows.iter().filter(|row| row.rank.is_some()).count() < 2 {
        return Ok(HashMap::new());
    }
    let tags: Vec<(i64, String)> = sqlx::query_as("SELECT id, name FROM _tag")
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
    let rule = [Some(&board.rule.by.tag), board.rule.then.as_ref().map(|then| &then.tag)];
    let metrics: HashMap<i64, String> = tags
        .into_iter()
        .filter(|(_, tag)| is_metric(tag) || rule.contains(&Some(tag)))
        .map(|(id, tag)| (id, without_numbered_folders(&tag)))
        .collect();
    let rows: Vec<(i64, i64, i64, Option<f64>)> = sqlx::query_as(
        "SELECT l.run_id, l.tag_id, l.step, l.value FROM _run r JOIN _latest l ON l.run_id = r.id
         WHERE r.experiment_id = ?1 AND r.state IN ('completed', 'reused') ORDER BY l.run_id",
    )
    .bind(experiment)
    .fetch_all(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    let mut results: HashMap<RunKey, Results> = HashMap::new();
    for (run, tag, step, value) in rows {
        if let Some(tag) = metrics.get(&tag) {
            let bits = value.unwrap_or(f64::NAN).to_bits();
            results.entry(RunKey::new(run)).or_default().push((tag.clone(), step, bits));
        }
    }
    results.values_mut().for_each(|points| points.sort());
    Ok(results)
}

/// What was found when the statistics were last kept; nothing once another run has ended.
pub(super) async fn notes(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(
        "SELECT text FROM _note WHERE experiment_id = ?1 AND completed =
             (SELECT count(*) FROM _run WHERE experiment_id = ?1 AND state IN ('completed', 'reused')) ORDER BY place",
    )
    .bind(experiment)
    .fetch_all(connection)
    .await
    .map_err(sqlite(ACTION))
}
