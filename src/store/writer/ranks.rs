//! When ranks are kept: the writer's call for an experiment that it sweeps.

use super::Commit;
use crate::store::{
    ExperimentKey, Store,
    error::{StoreError, sqlite},
    ranking::rank_in,
};

impl Store {
    /// Ranks the runs of an experiment and keeps ranks and reasons for the views. To be called after each end of an
    /// attempt; reads the runs that have ended and writes those whose rank moved.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be written.
    pub async fn set_ranks(&mut self, experiment: ExperimentKey) -> Result<(), StoreError> {
        let rule = self.experiment_by_key(experiment).await?.spec.rank;
        let mut transaction = self.begin(Commit::Written).await?;
        rank_in(&mut transaction, experiment, &rule).await?;
        transaction.commit().await.map_err(sqlite("keep the ranks of the runs"))
    }
}
