//! Slurm's reasons in words: why a job waits. Pure.
//!
//! The words are those of `squeue`'s manual, "JOB REASON CODES". One that is not known here is quoted.

use std::collections::BTreeSet;

/// Why a job waits, as the end of "the job waits: ..".
pub(super) fn reason(word: &str) -> String {
    let known = match word {
        "Resources" => "what it needs is not free at the moment",
        "Priority" => "jobs of a higher priority are before it",
        "Dependency" | "DependencyNeverSatisfied" => "another job has to end first",
        "BeginTime" => "its time to begin has not come (a job that was requeued waits two minutes)",
        "JobHeldUser" => "it is held by its user: `scontrol release JOB` frees it",
        "JobHeldAdmin" => "it is held by an administrator",
        "JobArrayTaskLimit" => "as many tasks of its array run as may at once",
        "Licenses" => "a licence is not free",
        "PartitionDown" => "the partition is down",
        "PartitionInactive" => "the partition is inactive, and starts nothing at the moment",
        "PartitionNodeLimit" => "it needs more nodes than the partition allows, or they are down",
        "PartitionTimeLimit" => "its time limit is longer than the partition's: lower launcher.slurm.time",
        "ReqNodeNotAvail" => "a node that it needs is not available (down, drained or reserved)",
        "Reservation" => "its reservation has not begun",
        "NodeDown" => "a node that it needs is down",
        "InvalidAccount" => "the account is not valid: launcher.slurm.account",
        "InvalidQOS" => "the QOS is not valid: launcher.slurm.options.qos",
        "BadConstraints" => "no node has what it asks for: launcher.slurm.options.constraint",
        "QOSGrpGRES" | "AssocGrpGRES" | "QOSMaxGRESPerUser" | "AssocMaxGRESPerJob" | "QOSMaxGRESPerJob" => {
            "a limit on GPUs is reached: your own, your account's or your QOS'"
        }
        "QOSMaxJobsPerUserLimit" | "AssocMaxJobsLimit" | "QOSGrpJobsLimit" | "AssocGrpJobsLimit" => {
            "as many jobs run as you or your account may have at once"
        }
        "QOSMaxCpuPerUserLimit" | "QOSGrpCpuLimit" | "AssocGrpCpuLimit" | "AssocMaxCpuPerJobLimit" => {
            "a limit on processor cores is reached"
        }
        "QOSMaxMemoryPerUser" | "QOSGrpMemLimit" | "AssocGrpMemLimit" | "MaxMemPerLimit" => {
            "a limit on memory is reached"
        }
        "QOSTimeLimit" | "QOSMaxWallDurationPerJobLimit" | "AssocMaxWallDurationPerJobLimit" => {
            "its time limit is longer than you may have: lower launcher.slurm.time"
        }
        "QOSGrpCPUMinutesLimit" | "AssocGrpCPUMinutesLimit" | "QOSGrpGRESMinutes" | "AssocGrpGRESMinutes" => {
            "the account's hours are used up"
        }
        "Cleaning" => "it is being cleaned up after an earlier try",
        "Prolog" => "the site's prolog runs",
        word if word.to_ascii_lowercase().contains("held") => {
            return format!("it is held ({word}): `scontrol release JOB` frees it");
        }
        word if word.starts_with(NODES_DOWN) => {
            return "the nodes that it could have are down or drained (`sinfo -R` says why), or kept for others".to_owned();
        }
        word if word.starts_with("ReqNodeNotAvail") => {
            return format!("a node that it needs is not available ({word})");
        }
        _ => return format!("Slurm's reason is `{word}`"),
    };
    format!("{known} ({word})")
}

/// How Slurm begins to say that no node is left for a job.
const NODES_DOWN: &str = "Nodes required for job are DOWN";

/// Reasons for which a job waits until somebody does something.
const STUCK: [&str; 14] = [
    "AssocMaxWallDurationPerJobLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "InvalidAccount",
    "InvalidQOS",
    "JobHeldAdmin",
    "JobHeldUser",
    "MaxMemPerLimit",
    "PartitionDown",
    "PartitionInactive",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "QOSMaxWallDurationPerJobLimit",
    "QOSTimeLimit",
];

/// The reasons of that kind that were told.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    told: BTreeSet<String>,
}

impl Stuck {
    /// What there is to tell of a job that waits for this reason; once for each.
    pub(super) fn tell(&mut self, job: &str, word: &str) -> Option<String> {
        let is_stuck = STUCK.contains(&word)
            || word.starts_with(NODES_DOWN)
            || word.starts_with("ReqNodeNotAvail")
            || word.to_ascii_lowercase().contains("held");
        let is_new = is_stuck && self.told.insert(word.to_owned());
        is_new.then(|| format!("{job} waits, and perhaps for somebody to do something: {}", reason(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_words_and_by_slurms_own() {
        assert_eq!(reason("Priority"), "jobs of a higher priority are before it (Priority)");
        assert_eq!(reason("Nova"), "Slurm's reason is `Nova`");
        assert!(reason("launch failed requeued held").contains("scontrol release"));
    }
    #[test]
    fn what_only_somebody_can_mend_is_told_once() {
        let mut stuck = Stuck::default();
        for word in ["Priority", "Resources", "None", "Nova"] {
            assert_eq!(stuck.tell("job 1", word), None, "{word}");
        }
        let drained =
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions";
        let told = stuck.tell("job 1_2", drained).expect("told");
        assert!(told.starts_with("job 1_2 waits, and") && told.contains("`sinfo -R`"), "{told}");
        assert_eq!(stuck.tell("job 1_3", drained), None);
        assert!(stuck.tell("job 2", "launch failed requeued held").is_some());
        assert!(stuck.tell("job 2", "ReqNodeNotAvail, UnavailableNodes:n1").is_some());
    }
}
