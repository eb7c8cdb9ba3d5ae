//! Curves bound ahead: the statements that put the points of many runs into the database, whole, for [`Bulk`](super::Bulk).
//!
//! A connection is one thread, and what it does is the longest part of a load. So everything but SQLite's own work is done
//! here, by who reads the files and on all cores. Pure.

use std::{collections::HashMap, fmt, sync::LazyLock};

use rayon::prelude::{IntoParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::curves::{Row, put_in_order};
use crate::{
    event::Scalar,
    store::{
        RunKey,
        error::{StoreError, sqlite},
    },
};

/// Rows of one insert statement, from many to few. SQLite takes 32,766 parameters; a wake-up of its thread is worth thousands.
const SIZES: [usize; 5] = [5000, 500, 50, 5, 1];

const ACTION: &str = "load curves into the runs database";

static POINTS: LazyLock<Inserts> =
    LazyLock::new(|| Inserts::new("_scalar (run_id, tag_id, step, value, wall_time)", "(?, ?, ?, ?, ?)"));

static LATEST: LazyLock<Inserts> =
    LazyLock::new(|| Inserts::new("_latest (run_id, tag_id, step, value)", "(?, ?, ?, ?)"));

/// The text of the insert statements of a table, by [`SIZES`].
struct Inserts([String; SIZES.len()]);

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Makes statements of points, and numbers the tags that are new.
#[derive(Debug)]
pub struct Binder {
    /// Tags by their names; nobody else can add one while the load is under way.
    tags: HashMap<String, i64>,
    last: i64,
}

/// The curves of runs, ready to be written.
#[derive(Default)]
pub struct BoundCurves {
    /// Tags that the database has not.
    tags: Vec<(i64, String)>,
    statements: Vec<Statement>,
}

/// The points of a run, whose tags are places in `names` for now.
struct Own<'a> {
    names: Vec<&'a str>,
    rows: Vec<Row>,
}

impl Inserts {
    fn new(table: &str, row: &str) -> Self {
        Self(SIZES.map(|rows| format!("INSERT INTO {table} VALUES {}", vec![row; rows].join(", "))))
    }

    /// Binds rows in statements as large as can be.
    fn bind<R: Sync>(
        &'static self,
        rows: &[R],
        bind: impl Fn(Statement, &R) -> Statement + Sync,
    ) -> Vec<Statement> {
        let (mut pieces, mut rest) = (Vec::new(), rows);
        for (size, sql) in SIZES.into_iter().zip(&self.0) {
            while let Some((piece, after)) = rest.split_at_checked(size) {
                pieces.push((sql.as_str(), piece));
                rest = after;
            }
        }
        // Safe: placeholders only.
        let bound =
            |(sql, piece): (&'static str, &[R])| piece.iter().fold(sqlx::query(AssertSqlSafe(sql)), &bind);
        pieces.into_par_iter().map(bound).collect()
    }
}

impl<'a> Own<'a> {
    fn of(points: &'a [Scalar]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut next = 0;
        let rows = points.iter().map(|point| {
            // Files repeat the order of their tags with each step.
            let place = if names.get(next).is_some_and(|name| *name == point.tag) {
                next
            } else {
                *places.entry(&point.tag).or_insert_with(|| {
                    names.push(&point.tag);
                    names.len() - 1
                })
            };
            next = if place + 1 < names.len() { place + 1 } else { 0 };
            #[expect(clippy::cast_possible_wrap, reason = "there are not so many tags")]
            let tag = place as i64;
            Row { tag, step: point.step, value: f64::from(point.value), wall_time: point.wall_time }
        });
        let rows = rows.collect();
        Self { names, rows }
    }

    /// Its rows in order, with these numbers for its names.
    fn numbered(mut self, numbers: &[i64]) -> Vec<Row> {
        for row in &mut self.rows {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
            let place = row.tag as usize;
            row.tag = numbers[place];
        }
        put_in_order(&mut self.rows);
        self.rows
    }
}

impl Binder {
    pub(super) fn new(tags: HashMap<String, i64>) -> Self {
        let last = tags.values().copied().max().unwrap_or(0);
        Self { tags, last }
    }

    /// Binds the points of runs, which come in the order of their keys, each once. Of two points of one run, tag and step the
    /// later one counts.
    pub fn bind<P: AsRef<[Scalar]> + Sync>(&mut self, runs: &[(RunKey, P)]) -> BoundCurves {
        let own: Vec<Own<'_>> = runs.par_iter().map(|(_, points)| Own::of(points.as_ref())).collect();
        let mut tags = Vec::new();
        let numbers: Vec<Vec<i64>> = own
            .iter()
            .map(|own| own.names.iter().map(|name| self.number(name, &mut tags)).collect())
            .collect();
        let rows: Vec<Vec<(RunKey, Row)>> = (own, numbers, runs)
            .into_par_iter()
            .map(|(own, numbers, (run, _))| {
                own.numbered(&numbers).into_iter().map(|row| (*run, row)).collect()
            })
            .collect();
        let rows = rows.concat();
        let latest: Vec<(RunKey, Row)> = rows
            .chunk_by(|(run, row), (after, next)| run == after && row.tag == next.tag)
            .filter_map(|curve| curve.last().copied())
            .collect();
        let mut statements = POINTS.bind(&rows, |statement, (run, row)| {
            statement.bind(*run).bind(row.tag).bind(row.step).bind(row.value).bind(row.wall_time)
        });
        statements.extend(LATEST.bind(&latest, |statement, (run, row)| {
            statement.bind(*run).bind(row.tag).bind(row.step).bind(row.value)
        }));
        BoundCurves { tags, statements }
    }

    fn number(&mut self, name: &str, new: &mut Vec<(i64, String)>) -> i64 {
        if let Some(&tag) = self.tags.get(name) {
            return tag;
        }
        self.last += 1;
        self.tags.insert(name.to_owned(), self.last);
        new.push((self.last, name.to_owned()));
        self.last
    }
}

impl BoundCurves {
    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for (tag, name) in &self.tags {
            sqlx::query("INSERT INTO _tag (id, name) VALUES (?, ?)")
                .bind(tag)
                .bind(name)
                .execute(&mut *connection)
                .await
                .map_err(sqlite(ACTION))?;
        }
        for statement in self.statements {
            statement.execute(&mut *connection).await.map_err(sqlite(ACTION))?;
        }
        Ok(())
    }
}

impl fmt::Debug for BoundCurves {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BoundCurves")
            .field("statements", &self.statements.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::testing::{Bench, point, small};

    /// Points of a run: tag, step, value.
    type Told = Vec<(u8, i64, Option<i16>)>;

    fn scalars(told: &Told) -> Vec<Scalar> {
        let of = |&(tag, step, value): &(u8, i64, Option<i16>)| {
            point(&format!("curve/{tag}"), step, value.map_or(f32::NAN, f32::from))
        };
        told.iter().map(of).collect()
    }

    /// Loads the points of runs into one database and appends them to another: both must tell the same.
    async fn load_and_append(runs: &[Told]) {
        let (mut loaded, mut appended) = (Bench::new().await, Bench::new().await);
        let (_, keys) = loaded.sweep(&small("tab3")).await;
        let (_, same) = appended.sweep(&small("tab3")).await;
        let runs: Vec<(RunKey, Vec<Scalar>)> = keys.iter().copied().zip(runs.iter().map(scalars)).collect();
        let (mut bulk, mut binder) = loaded.store.bulk().await.unwrap();
        // In two pieces, so that the second one finds tags of the first one.
        let (first, second) = runs.split_at(runs.len() / 2);
        bulk.curves(binder.bind(first)).await.unwrap();
        bulk.curves(binder.bind(second)).await.unwrap();
        bulk.commit().await.unwrap();
        for ((run, points), other) in runs.iter().zip(same) {
            appended.store.append_scalars(other, points).await.unwrap();
            // Debug text, as NaN is equal to nothing.
            let told = format!(
                "{:?} {:?}",
                loaded.store.raw_curves(*run).await.unwrap(),
                loaded.store.raw_latest(*run).await.unwrap()
            );
            let expected = format!(
                "{:?} {:?}",
                appended.store.raw_curves(other).await.unwrap(),
                appended.store.raw_latest(other).await.unwrap()
            );
            assert_eq!(told, expected);
        }
    }

    #[tokio::test]
    async fn more_rows_than_a_statement_takes() {
        let long: Told =
            (0..12_345).map(|step| ((step % 3) as u8, step, Some((step % 1000) as i16))).collect();
        load_and_append(&[long.clone(), Vec::new(), long]).await;
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_loaded_is_what_would_have_been_appended(
            runs in proptest::collection::vec(
                proptest::collection::vec((0_u8..4, -3_i64..6, proptest::option::of(any::<i16>())), 0..40), 0..4),
        ) {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(load_and_append(&runs));
        }
    }
}
