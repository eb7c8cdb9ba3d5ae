//! The points that a search has suggested.

use crate::{
    grid::Suggested,
    store::{
        ExperimentKey, Reader,
        convert::{from_json, whole},
        error::{StoreError, sqlite},
    },
};

impl Reader {
    /// The points that the search of an experiment has suggested, in the order of their numbers.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn points(&mut self, experiment: ExperimentKey) -> Result<Vec<Suggested>, StoreError> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT suggestion FROM _point WHERE experiment_id = ?1 ORDER BY number")
                .bind(experiment)
                .fetch_all(&mut self.connection)
                .await
                .map_err(sqlite("read the points of a search"))?;
        rows.iter().map(|row| from_json("a suggestion", row)).collect()
    }

    /// A point that the search of an experiment has suggested; `None` where there is none of this number.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn point(
        &mut self,
        experiment: ExperimentKey,
        number: u64,
    ) -> Result<Option<Suggested>, StoreError> {
        let row: Option<String> =
            sqlx::query_scalar("SELECT suggestion FROM _point WHERE experiment_id = ?1 AND number = ?2")
                .bind(experiment)
                .bind(whole("number of a point", number)?)
                .fetch_optional(&mut self.connection)
                .await
                .map_err(sqlite("read a point of a search"))?;
        row.map(|row| from_json("a suggestion", &row)).transpose()
    }
}
