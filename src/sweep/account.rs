//! Where the time of a sweep went: the cores' time against what the trainers used of it, and what of that was training.
//!
//! The loop adds up the attempts; the command writes `sweep.json` and says it in a line. Pure but for the clocks
//! and the file.

use std::time::Instant;

use serde::Serialize;

use super::{End, Sum, SweepError};
use crate::{
    base::{
        clock::wall_now,
        files::{Durability, write_whole},
        human::counted,
        program::host,
        usage::own_core_seconds,
    },
    run::ExperimentDir,
};

/// Which cores the trainers had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// Those of this machine.
    Machine(u32),
    /// So many each, as jobs of a cluster: this machine's are none of theirs.
    PerJob(u32),
}

/// Measures a command that sweeps, from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    started: f64,
    begun: Instant,
}

impl Watch {
    /// From now on.
    #[must_use]
    pub(crate) fn start() -> Self {
        Self { started: wall_now(), begun: Instant::now() }
    }

    /// The account of a sweep that has ended, its report written.
    #[must_use]
    pub(crate) fn account(&self, experiment: &str, cores: Cores, end: &End) -> Account {
        let total = self.begun.elapsed().as_secs_f64();
        let Sum { attempts, slot_seconds, core_seconds, phases } = end.used;
        let (available, own) = match cores {
            Cores::Machine(cores) => (end.seconds * f64::from(cores), Some(end.own_core_seconds)),
            Cores::PerJob(cores) => (slot_seconds * f64::from(cores), None),
        };
        let share = |part: f64, whole: f64| (attempts > 0 && whole > 0.0).then_some(part / whole);
        Account {
            experiment: experiment.to_owned(),
            host: host().to_owned(),
            started: self.started,
            finished: wall_now(),
            cores: Some(cores).and_then(Cores::machine),
            cores_per_job: Some(cores).and_then(Cores::per_job),
            slots: end.slots,
            attempts,
            completed: end.completed,
            failed: end.failed,
            pending: end.pending,
            cancelled: end.cancelled,
            seconds: Seconds { command: total, runs: end.seconds },
            core_seconds: CoreSeconds {
                available,
                trainers: core_seconds,
                training: phases.map(|phases| phases.training.core_seconds),
                validation: phases.map(|phases| phases.validation.core_seconds),
                orchestrator: end.own_core_seconds,
                orchestrator_command: own_core_seconds(),
            },
            shares: Shares {
                slots: share(slot_seconds, end.seconds * f64::from(end.slots)),
                utilisation: share(core_seconds, available),
                training: phases.and_then(|phases| share(phases.training.core_seconds, available)),
                validation: phases.and_then(|phases| share(phases.validation.core_seconds, available)),
                training_of_trainers: phases
                    .and_then(|phases| share(phases.training.core_seconds, core_seconds)),
                orchestrator: own.and_then(|own| share(own, available)),
            },
        }
    }
}

/// `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Account {
    /// The experiment.
    pub experiment: String,
    /// The machine's name.
    pub host: String,
    /// Seconds since 1970.
    pub started: f64,
    /// Seconds since 1970.
    pub finished: f64,
    /// Cores of this machine that the sweep could use; `null` where its runs were jobs of a cluster.
    pub cores: Option<u32>,
    /// Cores that each job of a cluster had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores_per_job: Option<u32>,
    /// Slots.
    pub slots: u32,
    /// Attempts of this sweep.
    pub attempts: u64,
    /// Completed runs of the experiment, earlier sweeps' included.
    pub completed: u64,
    /// Failed runs.
    pub failed: u64,
    /// Runs that are still owed.
    pub pending: u64,
    /// Runs that the user does not want.
    pub cancelled: u64,
    /// By the clock.
    pub seconds: Seconds,
    /// By the cores.
    pub core_seconds: CoreSeconds,
    /// Parts of a whole, 0 to 1; `null` where nothing was trained or the trainer does not tell.
    pub shares: Shares,
}

/// Time by the clock, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Seconds {
    /// The whole command: preparation of the images, runs, ranking, report.
    pub command: f64,
    /// From the first start of a run to the last end.
    pub runs: f64,
}

/// Time of the cores, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct CoreSeconds {
    /// Cores x the time of the runs (cores of a job x the time that jobs were alive): what the other figures but the last are
    /// parts of.
    pub available: f64,
    /// User and system time of all attempts.
    pub trainers: f64,
    /// Of it in training steps.
    pub training: Option<f64>,
    /// Of it in validation.
    pub validation: Option<f64>,
    /// Gridboard's own in the time of the runs: scheduling, following, storing.
    pub orchestrator: f64,
    /// Gridboard's own of the whole command.
    pub orchestrator_command: f64,
}

/// Parts of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Shares {
    /// Part of the slots' time that attempts were alive.
    pub slots: Option<f64>,
    /// Part of the cores' time that trainers used.
    pub utilisation: Option<f64>,
    /// Part of the cores' time in training steps.
    pub training: Option<f64>,
    /// Part of the cores' time in validation.
    pub validation: Option<f64>,
    /// Part of the trainers' time in training steps.
    pub training_of_trainers: Option<f64>,
    /// Part of the cores' time that Gridboard itself used; `null` where the cores were others.
    pub orchestrator: Option<f64>,
}

impl Cores {
    fn machine(self) -> Option<u32> {
        if let Self::Machine(cores) = self { Some(cores) } else { None }
    }

    fn per_job(self) -> Option<u32> {
        if let Self::PerJob(cores) = self { Some(cores) } else { None }
    }
}

impl Account {
    /// Writes `sweep.json`, unless nothing was started: then the one of the sweep that did stays.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn write(&self, dir: &ExperimentDir) -> Result<(), SweepError> {
        if self.attempts == 0 {
            return Ok(());
        }
        self.write_in(dir)
    }

    fn write_in(&self, dir: &ExperimentDir) -> Result<(), SweepError> {
        let json = serde_json::to_vec_pretty(self).expect("an account of finite numbers is JSON");
        Ok(write_whole(&dir.account(), &[&json, b"\n"], Durability::Written)?)
    }

    /// For people: `CPU use 97.1 % of 2 cores (training 91.9, validation 4.1, other 1.1); gridboard 0.1 %`.
    #[must_use]
    pub(crate) fn line(&self) -> Option<String> {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let Shares { utilisation, training, validation, orchestrator, .. } = self.shares;
        let used = utilisation?;
        let cores = match (self.cores, self.cores_per_job) {
            (Some(cores), _) => counted(cores, "core"),
            (None, Some(cores)) => format!("the jobs' cores, {cores} each"),
            (None, None) => return None,
        };
        let mut text = format!("CPU use {} % of {cores}", percent(used));
        if let (Some(training), Some(validation)) = (training, validation) {
            let rest = (used - training - validation).max(0.0);
            text += &format!(
                " (training {}, validation {}, other {})",
                percent(training),
                percent(validation),
                percent(rest)
            );
        }
        Some(text + &orchestrator.map(|own| format!("; gridboard {} %", percent(own))).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Phases, Spent, Used};

    fn used(core_seconds: f64, training: f64, validation: f64) -> Used {
        let spent = |core_seconds| Spent { seconds: core_seconds / 2.0, core_seconds };
        let phases = Phases { training: spent(training), validation: spent(validation) };
        Used { core_seconds: Some(core_seconds), phases: Some(phases), ..Used::default() }
    }

    fn end(used: Sum) -> End {
        End {
            completed: 3,
            failed: 0,
            pending: 0,
            cancelled: 0,
            stopped: 0,
            ended_by: None,
            trained: 2,
            seconds: 10.0,
            slots: 2,
            used,
            own_core_seconds: 0.02,
            interrupted: false,
        }
    }

    #[test]
    fn attempts_add_up_to_shares_of_the_cores() {
        let mut sum = Sum::default();
        sum.add(8.0, &used(8.0, 7.0, 0.5));
        sum.add(10.0, &used(11.0, 9.0, 0.5));
        let account = Watch::start().account("e", Cores::Machine(2), &end(sum));
        assert_eq!(account.core_seconds.available, 20.0);
        assert_eq!(account.shares.slots, Some(0.9));
        assert_eq!(account.shares.utilisation, Some(0.95));
        assert_eq!(account.shares.training, Some(0.8));
        assert_eq!(account.shares.training_of_trainers, Some(16.0 / 19.0));
        let line = "CPU use 95.0 % of 2 cores (training 80.0, validation 5.0, other 10.0); gridboard 0.1 %";
        assert_eq!(account.line().as_deref(), Some(line));
    }

    #[test]
    fn jobs_of_a_cluster_have_cores_of_their_own() {
        let mut sum = Sum::default();
        sum.add(8.0, &used(8.0, 7.0, 0.5));
        sum.add(12.0, &used(12.0, 9.0, 0.5));
        let account = Watch::start().account("e", Cores::PerJob(4), &end(sum));
        assert_eq!((account.core_seconds.available, account.shares.utilisation), (80.0, Some(0.25)));
        assert_eq!(
            (account.cores, account.cores_per_job, account.shares.orchestrator),
            (None, Some(4), None)
        );
        let line = "CPU use 25.0 % of the jobs' cores, 4 each (training 20.0, validation 1.2, other 3.7)";
        assert_eq!(account.line().as_deref(), Some(line));
    }

    #[test]
    fn what_a_trainer_does_not_tell_is_unknown() {
        let mut sum = Sum::default();
        sum.add(10.0, &Used { core_seconds: Some(5.0), ..Used::default() });
        let account = Watch::start().account("e", Cores::Machine(1), &end(sum));
        assert_eq!((account.shares.training, account.core_seconds.validation), (None, None));
        assert_eq!(account.line().as_deref(), Some("CPU use 50.0 % of 1 core; gridboard 0.2 %"));
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        account.write_in(&dir).unwrap();
        let text = std::fs::read_to_string(dir.account()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["shares"]["training"], &json["cores"]), (&serde_json::Value::Null, &1.into()));
    }

    #[test]
    fn a_sweep_without_attempts_has_no_shares() {
        let account = Watch::start().account("e", Cores::Machine(2), &end(Sum::default()));
        assert_eq!((account.shares.utilisation, account.line()), (None, None));
    }
}
