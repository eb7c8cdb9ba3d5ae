//! What stopping rules have decided of runs.

use std::collections::HashMap;

use crate::{
    run::{Decided, RunKey},
    store::{
        ExperimentKey, Reader,
        convert::{narrow, word},
        error::{StoreError, sqlite},
    },
};

type Row = (i64, i64, i64, String, String);

impl Reader {
    /// The decisions of a run, the first one first, with the attempts that they were of.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn decisions(&mut self, run: RunKey) -> Result<Vec<(u32, Decided)>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT run_id, attempt, epochs, action, reason FROM _decision WHERE run_id = ?1 ORDER BY number",
        )
        .bind(run)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the decisions of a stopping rule"))?;
        rows.into_iter().map(|row| Ok(read(row)?.1)).collect()
    }

    /// The decisions of all runs of an experiment, as [`Reader::decisions`].
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn all_decisions(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<HashMap<RunKey, Vec<(u32, Decided)>>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT d.run_id, d.attempt, d.epochs, d.action, d.reason FROM _run r JOIN _decision d ON d.run_id = r.id
             WHERE r.experiment_id = ?1 ORDER BY d.run_id, d.number",
        )
        .bind(experiment)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the decisions of a stopping rule"))?;
        let mut all: HashMap<RunKey, Vec<(u32, Decided)>> = HashMap::new();
        for row in rows {
            let (run, decided) = read(row)?;
            all.entry(run).or_default().push(decided);
        }
        Ok(all)
    }
}

fn read((run, attempt, epochs, action, reason): Row) -> Result<(RunKey, (u32, Decided)), StoreError> {
    let epochs = u64::try_from(epochs).unwrap_or(0);
    let decided = Decided { epochs, action: word(&action)?, reason };
    Ok((RunKey::new(run), (narrow("attempt", attempt)?, decided)))
}
