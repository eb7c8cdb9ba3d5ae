//! `launcher`: who executes the runs, where that is not this machine alone.
//!
//! How a cluster is asked is `launch::slurm`'s business. Nothing of it is part of what is compared when a spec is run again: the
//! same experiment runs here today and on a cluster tomorrow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{SpecDuration, size};

/// `launcher: {slurm: ..}` of the spec: runs are jobs of a Slurm cluster. What is not given is the site's own default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlurmPlan {
    /// `--partition`; the cluster's default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// `--account`; the user's default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// GPUs of a run, `--gpus-per-node`.
    pub gpus: u32,
    /// Processor cores of a run, `--cpus-per-task`.
    pub cpus: u32,
    /// Memory of a run, bytes, `--mem`; where it is not given, by the estimate of a built-in network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The limit of a job, `--time`; where it is not given, by what runs of the experiment have taken there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<SpecDuration>,
    /// Jobs in Slurm at once, waiting or running.
    pub at_once: u32,
    /// Shell lines before each run: `module load cuda/12.4`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// Whether a small job looks at a node before the first runs are submitted.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub check: bool,
    /// Any other option of `sbatch` by its long name; without a value where the text is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl SlurmPlan {
    /// Jobs in Slurm at once where the spec does not say.
    pub const AT_ONCE: u32 = 64;
    /// The most that a spec may ask for: what a controller holds by default (`MaxJobCount`).
    pub(super) const MOST_AT_ONCE: u32 = 10_000;
    /// Most GPUs of a run, and most cores.
    pub(super) const MOST_OF_A_NODE: u32 = 4096;
    /// Options that are keys of their own, or that Gridboard needs for itself.
    pub(super) const OWN_OPTIONS: [(&'static str, &'static str); 20] = [
        ("partition", "is `launcher.slurm.partition`"),
        ("account", "is `launcher.slurm.account`"),
        ("gpus-per-node", "is `launcher.slurm.gpus`"),
        ("gpus", "is `launcher.slurm.gpus`"),
        ("cpus-per-task", "is `launcher.slurm.cpus`"),
        ("mem", "is `launcher.slurm.memory`"),
        ("time", "is `launcher.slurm.time`"),
        ("array", "is Gridboard's own: a job is a run"),
        ("job-name", "is Gridboard's own: it finds its jobs by it"),
        ("signal", "is Gridboard's own: it warns a run before its limit"),
        ("output", "is Gridboard's own: `worker.log` has what a run writes"),
        ("error", "is Gridboard's own: `worker.log` has what a run writes"),
        ("requeue", "is Gridboard's own: it submits a run again by itself"),
        ("no-requeue", "is Gridboard's own"),
        ("nodes", "is Gridboard's own: a run has one node"),
        ("ntasks", "is Gridboard's own: a run is one task"),
        ("parsable", "is Gridboard's own"),
        ("wait", "is Gridboard's own"),
        ("wrap", "is Gridboard's own"),
        ("chdir", "is Gridboard's own; a program's folder is `model.cwd`"),
    ];
}

impl Default for SlurmPlan {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            gpus: 0,
            cpus: 1,
            memory: None,
            time: None,
            at_once: Self::AT_ONCE,
            setup: Vec::new(),
            check: true,
            options: BTreeMap::new(),
        }
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_yes(check: &bool) -> bool {
    *check
}

/// As the spec writes it.
pub(super) fn document(plan: &SlurmPlan) -> Json {
    let mut map = serde_json::Map::new();
    let mut put = |key: &str, value: Json| drop(map.insert(key.to_owned(), value));
    let SlurmPlan { partition, account, gpus, cpus, memory, time, at_once, setup, check, options } = plan;
    if let Some(partition) = partition {
        put("partition", json!(partition));
    }
    if let Some(account) = account {
        put("account", json!(account));
    }
    put("gpus", json!(gpus));
    put("cpus", json!(cpus));
    if let Some(memory) = memory {
        put("memory", json!(size::to_text(*memory)));
    }
    if let Some(time) = time {
        put("time", json!(time));
    }
    put("at_once", json!(at_once));
    if !setup.is_empty() {
        put("setup", json!(setup));
    }
    if !check {
        put("check", json!(check));
    }
    if !options.is_empty() {
        put("options", json!(options));
    }
    json!({"slurm": map})
}

/// Who executes the runs.
pub(super) fn schema() -> Json {
    let text = |description: &str| json!({"description": description, "type": "string", "minLength": 1});
    let whole = |description: &str, least: u32, most: u32, default: u32| json!({"description": description, "type": "integer", "minimum": least, "maximum": most, "default": default});
    let most = SlurmPlan::MOST_OF_A_NODE;
    json!({
        "description": "Who executes the runs: this machine (local), or a Slurm cluster, whose nodes see this folder. The same experiment may have another launcher at any time; --launcher says so for once.",
        "anyOf": [
            {"enum": ["local", "slurm", null]},
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["slurm"],
                "properties": {"slurm": {
                    "description": "A job of a Slurm cluster for each run. What is not given comes from launcher.slurm of ~/.config/gridboard/config.yaml, else from the site.",
                    "type": ["object", "null"],
                    "additionalProperties": false,
                    "properties": {
                        "partition": text("--partition; the cluster's default one."),
                        "account": text("--account; the user's default one."),
                        "gpus": whole("GPUs of a run, --gpus-per-node.", 0, most, 0),
                        "cpus": whole("Processor cores of a run, --cpus-per-task, and threads of a built-in trainer.", 1, most, 1),
                        "memory": {
                            "description": "Memory of a run, as 32GiB, --mem; by the estimate of a built-in network, else the site's default.",
                            "type": "string", "pattern": size::PATTERN
                        },
                        "time": {
                            "description": "The time limit of a job, --time; twice of what runs of the experiment have taken there, else the partition's. A run that is cut off by it goes on in a job of its own.",
                            "type": "string", "pattern": SpecDuration::PATTERN
                        },
                        "at_once": whole("Jobs in Slurm at once, waiting or running.", 1, SlurmPlan::MOST_AT_ONCE, SlurmPlan::AT_ONCE),
                        "setup": {
                            "description": "Shell lines before each run: module load cuda/12.4.",
                            "type": "array", "items": {"type": "string", "minLength": 1}
                        },
                        "check": {
                            "description": "Whether a small job looks whether a node sees what runs need, before the first of them are submitted.",
                            "type": "boolean", "default": true
                        },
                        "options": {
                            "description": "Any other option of sbatch by its long name: {qos: normal, constraint: a100, exclusive: true}.",
                            "type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}
                        }
                    }
                }}
            }
        ]
    })
}
