//! Which runs keep the weights of their best epoch: `train.keep`.
//!
//! Used when a sweep has ended and its runs are ranked. A run that is still owed keeps them: it may go on with them.

use crate::{
    base::files::{FileError, remove_if_there},
    rank::Leaderboard,
    run::ExperimentDir,
};

/// Removes the best weights of the ranked runs behind the first `best`.
///
/// # Errors
/// A file cannot be removed.
pub(crate) fn keep_best(dir: &ExperimentDir, leaderboard: &Leaderboard, best: u32) -> Result<(), FileError> {
    let behind = leaderboard.rows.iter().filter(|row| row.rank.is_some_and(|rank| rank > best));
    behind.map(|row| dir.run(&row.run).best()).try_for_each(|path| remove_if_there(&path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::testing::{Bench, small};

    #[tokio::test]
    async fn only_the_first_runs_keep_theirs() {
        let mut bench = Bench::new().await;
        let (key, keys) = bench.sweep(&small("tab3")).await;
        for (key, accuracy) in keys.iter().take(3).zip([0.5, 0.75, 0.25]) {
            bench.complete(*key, accuracy, 0.5).await;
        }
        let leaderboard = bench.store.leaderboard(key).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        let best = |row: &crate::rank::Row| dir.run(&row.run).best();
        for row in &leaderboard.rows {
            fs::create_dir_all(best(row).parent().unwrap()).unwrap();
            fs::write(best(row), "").unwrap();
        }
        keep_best(&dir, &leaderboard, 1).unwrap();
        let there: Vec<bool> = leaderboard.rows.iter().map(|row| best(row).exists()).collect();
        // The last one is owed: it has not completed.
        assert_eq!(there, [true, false, false, true]);
    }
}
