//! Sweeps on a real Slurm: two nodes of `scripts/slurm_lab.sh`, plain processes of this machine, each test with a cluster of its
//! own. Where Slurm is not installed, each says that it is not tried.

mod adoption;
mod elsewhere;
mod ends;
mod limits;
mod nodes;
mod plan;
mod requests;
mod sweeps;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Project, Ran, trainer, wait_until};

/// A cluster. Dropping it ends it.
struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// Starts one, with these lines of `slurm.conf` beside its own. `None` where Slurm is not installed, which is said.
    fn start(conf: &str) -> Option<Self> {
        let lab = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let ran = lab.script(&["up"], conf);
        match ran.code {
            Some(0) => Some(lab),
            Some(3) => {
                missing("slurmctld, slurmd, slurm-client and munge");
                None
            }
            _ => panic!("the cluster does not start: {}{}", ran.stdout, ran.stderr),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("lab")
    }

    fn script(&self, arguments: &[&str], conf: &str) -> Ran {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm_lab.sh");
        // Daemons keep what they inherit: a pipe of ours would never end.
        let log = self.folder.path().join("script.log");
        let file = || std::fs::File::options().create(true).append(true).open(&log).expect("open the log");
        let status = Command::new(script)
            .args(arguments)
            .arg(self.path())
            .env("SLURM_LAB_CONF", conf)
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .status()
            .expect("start the script");
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Ran { code: status.code(), stdout: String::new(), stderr: said }
    }

    /// Does something to one daemon: `start`, `stop` or `kill`; `slurmctld`, `n1` or `n2`.
    fn daemon(&self, verb: &str, daemon: &str) {
        self.script(&[verb, daemon], "").expect(0);
    }

    /// A project whose programs speak with this cluster.
    fn project(&self, spec: &str) -> Project {
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let conf = self.path().join("etc/slurm.conf");
        Project::with_spec(spec).env("SLURM_CONF", conf.to_str().expect("UTF-8")).env("PATH", path)
    }

    /// One of Slurm's programs.
    fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let output = Command::new(program)
            .args(arguments)
            .env("SLURM_CONF", self.path().join("etc/slurm.conf"))
            .env("PATH", path)
            .output()
            .expect("start a program of Slurm's");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The processes of Gridboard's that attend to runs on a node, by what they say themselves.
    fn attendants(project: &Project, node: &str) -> Vec<i64> {
        let mut pids = Vec::new();
        let folders = |path: &Path| {
            let entries = path.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
            entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        for submission in folders(&project.path("runs/six/.slurm")) {
            for task in folders(&submission) {
                let Ok(text) = std::fs::read_to_string(task.join("started.json")) else { continue };
                let started: Value = serde_json::from_str(&text).expect("an object");
                if started["host"] == node {
                    pids.push(started["pid"].as_i64().expect("a process id"));
                }
            }
        }
        pids
    }

    /// The jobs in this state: `12_3`.
    fn jobs(&self, state: &str) -> Vec<String> {
        let listed = self.slurm("squeue", &["-h", "-r", "-t", state, "-o", "%i"]);
        listed.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn wait_for_jobs(&self, state: &str, number: usize) -> Vec<String> {
        wait_until(&format!("{number} jobs are {state}"), || self.jobs(state).len() == number);
        self.jobs(state)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.script(&["down"], "");
    }
}

/// Says that something is not tried, and why.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see what they leave out")]
fn missing(what: &str) {
    eprintln!(
        "NOT TRIED without {what} (apt-get install --no-install-recommends slurmctld slurmd slurm-client munge)"
    );
}

/// Six runs of a program that writes down what it was given, waits until the file `go` is there, and trains for an instant.
fn six(launcher: &str) -> String {
    format!(
        "experiment: six\n\
         model:\n  family: command\n  run: [sh, -c, '{SCRIPT}', {}, '0.{{a}}{{b}}']\n\
         grid: {{a: [1, 2, 3], b: [4, 5]}}\n\
         launcher: {{slurm: {launcher}}}\n",
        trainer().replace("python3, ", "")
    )
}

/// What each of the six does.
const SCRIPT: &str = "echo $SLURMD_NODENAME:$CUDA_VISIBLE_DEVICES > $GRIDBOARD_RUN_DIR/place; \
     until [ -e go ]; do sleep 0.1; done; echo $SLURMD_NODENAME >> $GRIDBOARD_RUN_DIR/done_by; exec python3 \"$0\" \"$1\"";

/// Where a run of the six is, as its program has written it down: `n1:0`; empty where it has not yet.
fn place(project: &Project, run: &str) -> String {
    std::fs::read_to_string(project.path(&format!("runs/six/{run}/place")))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The four that have a GPU at first.
const FIRST: [&str; 4] = ["a-1-b-4", "a-1-b-5", "a-2-b-4", "a-2-b-5"];

#[track_caller]
fn wait_for_the_first(project: &Project) {
    wait_until("four runs have begun", || FIRST.iter().all(|run| !place(project, run).is_empty()));
}

/// Runs the spec again, whose sweep was killed and whose six runs are these jobs: they are taken over, and rank as on this machine.
#[track_caller]
fn take_over(lab: &Lab, project: &Project, jobs: &str) {
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("it has taken them over", || {
        project.read("err.log").contains("6 attempts of an earlier sweep in the cluster")
    });
    assert_eq!(lab.slurm("squeue", &["-h", "-r", "-o", "%i"]), jobs, "no job is gone, and none is new");
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(leaderboard(project), on_this_machine(project));
}

/// What the leaderboard says, but for the times.
fn leaderboard(project: &Project) -> Vec<Value> {
    project.sql(
        "select rank, run, seed, \"validation/epoch_accuracy\", \"train/epoch_loss\" from six order by rank",
    )
}

/// The leaderboard of the same spec on this machine.
fn on_this_machine(project: &Project) -> Vec<Value> {
    let here = Project::with_spec(&project.read("spec.yaml"));
    here.write("go", "");
    here.run(&["run", "spec.yaml", "--launcher", "local"]).expect(0);
    leaderboard(&here)
}
