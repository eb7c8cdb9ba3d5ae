//! The lock of an experiment: held by the process that sweeps it, freed by the operating system however that ends.
//!
//! That somebody holds it is the one sign of life of a sweep: whatever the database calls running without it was cut off. Who
//! that is stands in the file, for people, and to tell a copy of the folder from the folder (`holder`). Other machines may not
//! see the lock of a file system, and nobody frees that of a machine which has gone. So the holder has a lease beside it
//! (`lease`), and who wants the experiment from another machine watches that for a while (`wanted`).

use std::{
    fs::{File, TryLockError},
    io,
    time::{Duration, Instant},
};

use super::{
    experiment_folder::ExperimentDir,
    holder::this_machine,
    lease::Standing,
    lease_files::Last,
    wanted::{ExperimentLock, Quiet, Taking, Wanted, is_alive},
};

/// Between two looks at a lease that is watched, and between two words about it.
const LOOK: Duration = Duration::from_millis(250);
const WORD: Duration = Duration::from_secs(10);

impl ExperimentDir {
    /// Takes the experiment's lock; `None` where another process holds it, or a machine of which it is not known whether it
    /// lives. The folder has to be there.
    ///
    /// # Errors
    /// Where the file of the lock cannot be opened or locked.
    pub fn take_lock(&self) -> io::Result<Option<ExperimentLock>> {
        match Wanted::new(self, false).look(Duration::ZERO)? {
            Taking::Taken(lock) => Ok(Some(lock)),
            Taking::Held | Taking::Watched(_) => Ok(None),
        }
    }

    /// Takes the experiment's lock; `None` where somebody who lives holds it. A holder on another machine is watched for half a
    /// minute, of which `say` is told, and between two looks there is a `rest`; with `take_over` it loses the experiment even where it lives.
    ///
    /// # Errors
    /// As [`Self::take_lock`].
    pub async fn take_lock_in_time(
        &self,
        take_over: bool,
        say: impl Fn(&Quiet),
        rest: impl AsyncFn(Duration),
    ) -> io::Result<Option<ExperimentLock>> {
        let (mut wanted, begun) = (Wanted::new(self, take_over), Instant::now());
        let mut told: Option<Duration> = None;
        loop {
            let now = begun.elapsed();
            match wanted.look(now)? {
                Taking::Taken(lock) => return Ok(Some(lock)),
                Taking::Held => return Ok(None),
                Taking::Watched(quiet) if told.is_none_or(|told| now >= told + WORD) => {
                    told = Some(now);
                    say(&quiet);
                }
                Taking::Watched(_) => {}
            }
            rest(LOOK).await;
        }
    }

    /// Whether a process sweeps this experiment now, here or, as far as it says so itself, on another machine.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.lock()) else { return false };
        if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return true;
        }
        let here = this_machine();
        let Ok(Some(Last { lease: Some(lease), is_copied: false, .. })) = self.lease_files().last() else {
            return false;
        };
        let standing = lease.standing(here, |pid, start| is_alive(pid, start, &lease.nonce));
        standing == Standing::Held || lease.is_believed(here)
    }
}

#[cfg(test)]
mod tests;
