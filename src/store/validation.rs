//! What a run's predictions count, with their interval and which images are right: written by the writer with each confusion
//! matrix, and once for those that an older Gridboard kept, when its database is migrated.

use sqlx::SqliteConnection;
use sqlx_macros::FromRow;

use super::{
    RunKey,
    convert::{narrow, whole},
    error::{StoreError, sqlite},
};
use crate::{predictions::Hits, rank::Tally, stats::Interval};

const ACTION: &str = "keep what predictions count";

/// Keeps what a run's predictions count, with the hits and the area under the ROC curve where they are known.
pub(super) async fn put_validation(
    connection: &mut SqliteConnection,
    run: RunKey,
    tally: Tally,
    hits: Option<&Hits>,
    auc: Option<f64>,
) -> Result<(), StoreError> {
    let interval = tally.interval();
    sqlx::query(
        "INSERT OR REPLACE INTO _validation (run_id, images, correct, low, high, image_set, hits, auc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(run)
    .bind(whole("number of images", tally.images)?)
    .bind(whole("number of images", tally.correct)?)
    .bind(interval.map(|Interval { low, .. }| low))
    .bind(interval.map(|Interval { high, .. }| high))
    .bind(hits.map(Hits::set))
    .bind(hits.map(Hits::bits))
    .bind(auc)
    .execute(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(())
}

#[derive(FromRow)]
struct Counted {
    run_id: i64,
    images: i64,
    correct: i64,
}

/// Counts the confusion matrices that an older Gridboard kept, within its migration.
pub(super) async fn count_confusions(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let rows: Vec<Counted> = sqlx::query_as(
        "SELECT c.run_id, sum(c.images) AS images,
                sum(CASE WHEN c.true_class = c.predicted_class THEN c.images ELSE 0 END) AS correct
         FROM _confusion c LEFT JOIN _validation v ON v.run_id = c.run_id
         WHERE v.run_id IS NULL GROUP BY c.run_id",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    for row in rows {
        let images = narrow("number of images", row.images)?;
        let tally = Tally { images, correct: narrow("number of images", row.correct)? };
        put_validation(connection, RunKey::new(row.run_id), tally, None, None).await?;
    }
    Ok(())
}
