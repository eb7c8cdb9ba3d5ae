//! Curves as a page draws them: of few points, whatever they have, and of a long one no more read than that takes.

use std::ops::RangeInclusive;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::store::{
    Reader, RunKey,
    chunks::{COLUMNS, Columns, Pair},
    error::{StoreError, sqlite},
    series,
    thinner::Thinner,
};

const ACTION: &str = "read the points of a curve";

/// So many points are read at once.
const PAGE: i64 = 32_768;

/// A curve of a run, as far as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    /// Sub-run and tag, joined by a slash.
    pub(crate) tag: String,
    /// By step; NaN where a point is no number.
    pub(crate) points: Vec<Pair>,
}

/// What is asked of each curve.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) steps: RangeInclusive<i64>,
    /// Points at most.
    pub(crate) most: usize,
}

impl Reader {
    /// The series of a run that stands for a tag.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn drawn(
        &mut self,
        run: RunKey,
        tag: &str,
        sight: &Sight,
    ) -> Result<Vec<Pair>, StoreError> {
        let mut snapshot = self.connection.begin().await.map_err(sqlite(ACTION))?;
        // Safe: constants.
        let sql = AssertSqlSafe(format!("SELECT {} FROM _run r WHERE r.id = ?1", series::tag_of("?2")));
        let tag: Option<i64> = sqlx::query_scalar(sql)
            .bind(run)
            .bind(tag)
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(sqlite(ACTION))?
            .flatten();
        match tag {
            Some(tag) => draw(&mut snapshot, (run, tag), sight).await,
            None => Ok(Vec::new()),
        }
    }

    /// All curves of a run, by tag.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn all_drawn(&mut self, run: RunKey, sight: &Sight) -> Result<Vec<Drawn>, StoreError> {
        // One transaction, so that all curves are of one moment.
        let mut snapshot = self.connection.begin().await.map_err(sqlite(ACTION))?;
        let tags: Vec<(i64, String)> = sqlx::query_as(
            "SELECT t.id, t.name FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1 ORDER BY t.name",
        )
        .bind(run)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(sqlite(ACTION))?;
        let mut curves = Vec::with_capacity(tags.len());
        for (id, tag) in tags {
            let points = draw(&mut snapshot, (run, id), sight).await?;
            curves.push(Drawn { tag, points });
        }
        Ok(curves)
    }
}

/// A curve of a run: run and number of the tag.
type Of = (RunKey, i64);

async fn draw(connection: &mut SqliteConnection, of: Of, sight: &Sight) -> Result<Vec<Pair>, StoreError> {
    let (from, to) = (*sight.steps.start(), *sight.steps.end());
    let mut thinner = Thinner::new(sight.most);
    let Some(level) = level_for(connection, of, sight).await? else {
        points(connection, of, from, to, &mut thinner).await?;
        return Ok(thinner.finish());
    };
    // From the points that are in no chunk of the level up to the chunks, and down again.
    let mut inner: Vec<(i64, i64)> = Vec::new();
    for level in 0..=level {
        inner.extend(within(connection, of, level, from, to).await?);
    }
    let (Some(lowest), Some(highest)) = (inner.first().copied(), inner.last().copied()) else {
        points(connection, of, from, to, &mut thinner).await?;
        return Ok(thinner.finish());
    };
    // Told before the rest: what is in between is put between them.
    for order in ["ASC", "DESC"] {
        if let Some(end) = end_of(connection, of, from, to, order).await? {
            thinner.end_at(end);
        }
    }
    loose(connection, of, from, lowest.0.saturating_sub(1), &mut thinner).await?;
    for (level, pair) in (0..).zip(inner.windows(2)) {
        chunks(connection, of, level, pair[0].0, pair[1].0.saturating_sub(1), &mut thinner).await?;
    }
    chunks(connection, of, inner.len() as i64 - 1, highest.0, highest.1, &mut thinner).await?;
    for (level, pair) in (0..).zip(inner.windows(2)).collect::<Vec<(i64, &[(i64, i64)])>>().into_iter().rev()
    {
        chunks(connection, of, level, pair[1].1.saturating_add(1), pair[0].1, &mut thinner).await?;
    }
    loose(connection, of, lowest.1.saturating_add(1), to, &mut thinner).await?;
    Ok(thinner.finish())
}

/// The highest level that has chunks enough for what is in sight; `None` where the points themselves are few enough.
async fn level_for(
    connection: &mut SqliteConnection,
    of: Of,
    sight: &Sight,
) -> Result<Option<i64>, StoreError> {
    let highest: Option<i64> =
        sqlx::query_scalar("SELECT max(level) FROM _chunk WHERE run_id = ?1 AND tag_id = ?2")
            .bind(of.0)
            .bind(of.1)
            .fetch_one(&mut *connection)
            .await
            .map_err(sqlite(ACTION))?;
    let Some(highest) = highest else { return Ok(None) };
    // A bucket is a least and a greatest point, and half as many buckets as there might be are as good to the eye.
    let enough = sight.most as i64 / 4;
    for level in (0..=highest).rev() {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3
             AND first_step BETWEEN ?4 AND ?5 AND last_step <= ?5",
        )
        .bind(of.0)
        .bind(of.1)
        .bind(level)
        .bind(sight.steps.start())
        .bind(sight.steps.end())
        .fetch_one(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        if count >= enough {
            return Ok(Some(level));
        }
    }
    Ok(None)
}

/// The first and the last step of the chunks of a level that lie within these steps.
async fn within(
    connection: &mut SqliteConnection,
    of: Of,
    level: i64,
    from: i64,
    to: i64,
) -> Result<Option<(i64, i64)>, StoreError> {
    let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT first_step FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3
                 AND first_step >= ?4 AND last_step <= ?5 ORDER BY first_step LIMIT 1),
                (SELECT last_step FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3
                 AND first_step BETWEEN ?4 AND ?5 AND last_step <= ?5 ORDER BY first_step DESC LIMIT 1)",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(level)
    .bind(from)
    .bind(to)
    .fetch_one(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(ends.0.zip(ends.1))
}

/// The first or the last point within these steps.
async fn end_of(
    connection: &mut SqliteConnection,
    of: Of,
    from: i64,
    to: i64,
    order: &str,
) -> Result<Option<Pair>, StoreError> {
    // Safe: constants.
    let sql = AssertSqlSafe(format!(
        "SELECT step, value FROM _scalar WHERE run_id = ?1 AND tag_id = ?2 AND step BETWEEN ?3 AND ?4
         ORDER BY step {order} LIMIT 1"
    ));
    let found: Option<(i64, Option<f64>)> = sqlx::query_as(sql)
        .bind(of.0)
        .bind(of.1)
        .bind(from)
        .bind(to)
        .fetch_optional(connection)
        .await
        .map_err(sqlite(ACTION))?;
    Ok(found.map(|(step, value)| (step, value.unwrap_or(f64::NAN))))
}

async fn chunks(
    connection: &mut SqliteConnection,
    of: Of,
    level: i64,
    from: i64,
    to: i64,
    thinner: &mut Thinner,
) -> Result<(), StoreError> {
    // Safe: constants.
    let sql = AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3 AND first_step BETWEEN ?4 AND ?5
         ORDER BY first_step"
    ));
    let rows: Vec<Columns> = sqlx::query_as(sql)
        .bind(of.0)
        .bind(of.1)
        .bind(level)
        .bind(from)
        .bind(to)
        .fetch_all(connection)
        .await
        .map_err(sqlite(ACTION))?;
    for row in rows {
        thinner.chunk(row.into());
    }
    Ok(())
}

/// Points that are in no chunk that is shown.
async fn loose(
    connection: &mut SqliteConnection,
    of: Of,
    from: i64,
    to: i64,
    thinner: &mut Thinner,
) -> Result<(), StoreError> {
    each(connection, of, from, to, |point| thinner.chunk(point.into())).await
}

/// All points within these steps.
async fn points(
    connection: &mut SqliteConnection,
    of: Of,
    from: i64,
    to: i64,
    thinner: &mut Thinner,
) -> Result<(), StoreError> {
    each(connection, of, from, to, |point| thinner.point(point)).await
}

/// Reads points a page at a time, so that a curve that has no chunks takes no memory either.
async fn each(
    connection: &mut SqliteConnection,
    of: Of,
    mut from: i64,
    to: i64,
    mut take: impl FnMut(Pair),
) -> Result<(), StoreError> {
    loop {
        let rows: Vec<(i64, Option<f64>)> = sqlx::query_as(
            "SELECT step, value FROM _scalar WHERE run_id = ?1 AND tag_id = ?2 AND step BETWEEN ?3 AND ?4
             ORDER BY step LIMIT ?5",
        )
        .bind(of.0)
        .bind(of.1)
        .bind(from)
        .bind(to)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let last = rows.last().map(|(step, _)| *step);
        let is_page = rows.len() as i64 == PAGE;
        for (step, value) in rows {
            take((step, value.unwrap_or(f64::NAN)));
        }
        match last {
            Some(last) if is_page && last < to => from = last + 1,
            _ => return Ok(()),
        }
    }
}
