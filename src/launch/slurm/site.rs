//! What a site allows, as far as a submission depends on it: the size of arrays, the longest job of a partition.
//!
//! Asked by the launcher before its first submission, and by `gridboard plan`. What `scontrol` prints is read here, too.

use super::{
    client::{self, SlurmError},
    queue::config_value,
};
use crate::spec::SlurmPlan;

/// Most tasks of an array, whatever Slurm would take.
const MOST_TASKS: u32 = 1000;

/// What a site allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Most tasks of an array; 0 where there are no arrays.
    pub array_tasks: u32,
    /// The longest job in the partition, minutes; `None` where nothing limits it or nothing is said.
    pub most_minutes: Option<u64>,
}

impl Default for Site {
    /// What is taken where Slurm cannot be asked.
    fn default() -> Self {
        Self { array_tasks: MOST_TASKS, most_minutes: None }
    }
}

impl Site {
    /// Asks Slurm.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn ask(plan: &SlurmPlan) -> Result<Self, SlurmError> {
        let config = client::config()?;
        let size = config_value(&config, "MaxArraySize").and_then(|size| size.parse().ok());
        let array_tasks = size.unwrap_or(0).min(MOST_TASKS);
        // Only a limit by estimate depends on it.
        let most_minutes = match plan.time {
            Some(_) => None,
            None => most_minutes(&client::partitions()?, plan.partition.as_deref()),
        };
        Ok(Self { array_tasks, most_minutes })
    }
}

/// The longest job that all of the partitions `wanted` take (`a,b`; the cluster's default one where it is none), by the lines of
/// `scontrol show partition --oneliner`.
fn most_minutes(partitions: &str, wanted: Option<&str>) -> Option<u64> {
    let value = |line: &str, key: &str| {
        line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
    };
    let is_wanted = |line: &&str| match wanted {
        Some(wanted) => {
            value(line, "PartitionName").is_some_and(|name| wanted.split(',').any(|one| one == name))
        }
        None => value(line, "Default").is_some_and(|word| word == "YES"),
    };
    let limits = partitions.lines().filter(is_wanted);
    limits.filter_map(|line| minutes(&value(line, "MaxTime")?)).min()
}

/// Minutes of a time as Slurm writes it: `D-HH:MM:SS`, `HH:MM:SS`, `MM:SS`. `None` of `UNLIMITED`.
fn minutes(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let parts = clock.split(':').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    let of_clock = match *parts.as_slice() {
        [hours, minutes, _] => hours * 60 + minutes,
        [minutes, _] => minutes,
        _ => return None,
    };
    Some(days * 24 * 60 + of_clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_job_of_a_partition_is_read() {
        let text = "PartitionName=a AllowGroups=ALL Default=NO DefaultTime=01:00:00 MaxTime=2-12:30:00 State=UP\n\
                    PartitionName=b Default=YES MaxTime=04:00:00 OverTimeLimit=NONE\n\
                    PartitionName=c Default=NO MaxTime=UNLIMITED\n";
        assert_eq!(most_minutes(text, Some("a")), Some(3630));
        assert_eq!(most_minutes(text, None), Some(240));
        assert_eq!(most_minutes(text, Some("c")), None);
        assert_eq!(most_minutes(text, Some("c,a,b")), Some(240));
        assert_eq!(most_minutes(text, Some("d")), None);
        assert_eq!((minutes("30:00"), minutes("x"), minutes("1-x")), (Some(30), None, None));
    }
}
