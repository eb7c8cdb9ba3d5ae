//! The batch script of a submission. Pure.

use std::{fmt::Write as _, path::Path};

use super::request::Shape;
use crate::spec::SlurmPlan;

/// The first argument of the program that a job starts: of a run, and of the check of a node.
pub(in crate::launch) const VERB: &str = "__attend";
pub(in crate::launch) const CHECK: &str = "__check_node";

/// What a job is to do.
#[derive(Clone, Copy, Debug)]
pub(in crate::launch) enum Act<'a> {
    /// Carry out the attempt of its task.
    Attend,
    /// Look whether the node sees what runs need, and answer the question of this nonce.
    Check { nonce: &'a str },
}

/// A submission.
pub(in crate::launch) struct Script<'a> {
    pub(in crate::launch) plan: &'a SlurmPlan,
    pub(in crate::launch) shape: Shape,
    /// The job's name.
    pub(in crate::launch) name: &'a str,
    /// Number of tasks of the array; none for a job that is no array.
    pub(in crate::launch) tasks: Option<u32>,
    /// How long a run that is asked to end has for it, seconds.
    pub(in crate::launch) grace: f64,
    /// This program, as the nodes see it.
    pub(in crate::launch) program: &'a Path,
    /// The submission's folder.
    pub(in crate::launch) submission: &'a Path,
    /// Where the setup lines are run.
    pub(in crate::launch) folder: &'a Path,
    pub(in crate::launch) act: Act<'a>,
}

impl Script<'_> {
    /// Its text.
    pub(in crate::launch) fn text(&self) -> String {
        let SlurmPlan { partition, account, gpus, cpus, setup, options, .. } = self.plan;
        let mut text = String::from("#!/bin/bash\n");
        let mut option = |name: &str, value: &str| {
            let value = if value.is_empty() { String::new() } else { format!("={}", quoted(value)) };
            writeln!(text, "#SBATCH --{name}{value}").expect("writing to a string does not fail");
        };
        option("job-name", self.name);
        if let Some(tasks) = self.tasks {
            option("array", &format!("0-{}", tasks.saturating_sub(1)));
        }
        option("nodes", "1");
        option("ntasks", "1");
        option("cpus-per-task", &cpus.to_string());
        if let Some(partition) = partition {
            option("partition", partition);
        }
        if let Some(account) = account {
            option("account", account);
        }
        if *gpus > 0 {
            option("gpus-per-node", &gpus.to_string());
        }
        if let Some(mib) = self.shape.memory_mib() {
            option("mem", &format!("{mib}M"));
        }
        if let Some(minutes) = self.shape.minutes() {
            option("time", &minutes.to_string());
        }
        option("signal", &format!("B:USR2@{}", self.shape.warning(self.grace)));
        // A run that is cut off is submitted again as another attempt.
        option("no-requeue", "");
        option("open-mode", "append");
        // In the folder that sbatch is called in: the submission's.
        option("output", if self.tasks.is_some() { "%a.out" } else { "0.out" });
        for (name, value) in options {
            option(name, value);
        }
        text.push_str("set -e\n");
        writeln!(text, "cd {}", shell(&self.folder.to_string_lossy())).expect("a string");
        for line in setup {
            text.push_str(line);
            text.push('\n');
        }
        let (program, submission) =
            (shell(&self.program.to_string_lossy()), shell(&self.submission.to_string_lossy()));
        let acts = match self.act {
            Act::Attend => format!("{VERB} {submission} \"${{SLURM_ARRAY_TASK_ID:-0}}\""),
            Act::Check { nonce } => format!("{CHECK} {submission} {nonce}"),
        };
        writeln!(text, "exec {program} {acts}").expect("a string");
        text
    }
}

/// A value in a line of `#SBATCH`, where quotes are as in a shell.
fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:,@%+=[]&|*()".contains(letter);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A word for a shell.
fn shell(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:,@%+=".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::slurm::request::Needs;

    fn script<'a>(plan: &'a SlurmPlan, tasks: Option<u32>) -> Script<'a> {
        Script {
            plan,
            shape: Shape::of(plan, Needs::default(), None),
            name: "gridboard-e-s00001-beef",
            tasks,
            grace: 30.0,
            program: Path::new("/opt/grid board/gridboard"),
            submission: Path::new("/runs/e/.slurm/s00001-beef"),
            folder: Path::new("/home/me"),
            act: Act::Attend,
        }
    }

    #[test]
    fn a_plain_submission_asks_for_no_more_than_it_needs() {
        let plan = SlurmPlan::default();
        assert_eq!(
            script(&plan, Some(6)).text(),
            "#!/bin/bash\n\
             #SBATCH --job-name=gridboard-e-s00001-beef\n\
             #SBATCH --array=0-5\n\
             #SBATCH --nodes=1\n\
             #SBATCH --ntasks=1\n\
             #SBATCH --cpus-per-task=1\n\
             #SBATCH --signal=B:USR2@120\n\
             #SBATCH --no-requeue\n\
             #SBATCH --open-mode=append\n\
             #SBATCH --output=%a.out\n\
             set -e\n\
             cd /home/me\n\
             exec '/opt/grid board/gridboard' __attend /runs/e/.slurm/s00001-beef \"${SLURM_ARRAY_TASK_ID:-0}\"\n"
        );
    }

    #[test]
    fn everything_that_the_spec_says_is_in_it() {
        let plan = SlurmPlan {
            partition: Some("gpu".to_owned()),
            account: Some("lab".to_owned()),
            gpus: 1,
            cpus: 8,
            memory: Some(32 << 30),
            time: Some(crate::spec::SpecDuration::seconds(4 * 3600 + 1)),
            setup: vec!["module load cuda/12.4".to_owned(), "export A='b c'".to_owned()],
            options: [("comment", "it's \"x\" y"), ("exclusive", "")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..SlurmPlan::default()
        };
        let text = script(&plan, None).text();
        for line in [
            "#SBATCH --partition=gpu",
            "#SBATCH --account=lab",
            "#SBATCH --gpus-per-node=1",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --mem=32768M",
            "#SBATCH --time=241",
            "#SBATCH --exclusive",
            "#SBATCH --comment=\"it's \\\"x\\\" y\"",
            "#SBATCH --output=0.out",
            "module load cuda/12.4",
            "export A='b c'",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("--array"));
        let check = Script { act: Act::Check { nonce: "beef" }, ..script(&plan, None) }.text();
        assert!(check.ends_with("__check_node /runs/e/.slurm/s00001-beef beef\n"), "{check}");
        let commands = text.lines().skip_while(|line| line.starts_with('#')).collect::<Vec<_>>();
        assert_eq!(commands[0], "set -e", "an option after the first command is none");
    }
}
