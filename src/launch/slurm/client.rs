//! Calls of Slurm's programs: `sbatch`, `squeue`, `scontrol`, `scancel`, `sacct`. What they say is read in `queue`.
//!
//! Called by the clerk's thread, and before a sweep; each call waits for its program. A program that does not answer is ended:
//! Slurm's own patience with a controller that is away is longer than a user's.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::queue::{
    self, JobId, SQUEUE_FORMAT, Seen, parse_sacct, parse_scontrol, parse_squeue, sentence, submitted,
};

/// How long a program has to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// Why Slurm has not done what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// Slurm's programs are not there.
    #[error("the launcher is slurm, and `{program}` cannot be started: {error}")]
    NoProgram {
        /// The program.
        program: &'static str,
        /// Why.
        error: io::Error,
    },
    /// It has refused, in its own words.
    #[error("Slurm says: {0}")]
    Refused(String),
    /// The controller does not answer, or takes nothing at the moment.
    #[error("Slurm does not answer: {0}")]
    Away(String),
    /// A node does not see what runs need.
    #[error("{problem}")]
    Node {
        /// What, on which node.
        problem: String,
        /// What to try.
        hint: String,
    },
}

impl SlurmError {
    /// Whether it passes by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    /// What to try.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::NoProgram { .. } => {
                "run gridboard where `sbatch` and `squeue` are (a login node), or with `--launcher local`"
            }
            Self::Refused(_) => {
                "`launcher.slurm` of the spec, and of ~/.config/gridboard/config.yaml, say what is asked for; \
                 `gridboard plan SPEC --script` prints it, and `sinfo` lists the partitions"
            }
            Self::Node { hint, .. } => hint,
            Self::Away(_) => "`scontrol ping` says whether its controller is there; try again when it is",
        }
    }
}

/// Calls a program of Slurm's and answers with what it has printed.
fn call(program: &'static str, args: &[&str], folder: Option<&Path>) -> Result<String, SlurmError> {
    let no_program = |error| SlurmError::NoProgram { program, error };
    let mut command = Command::new(program);
    let (mut out, mut err) =
        (tempfile::tempfile().map_err(no_program)?, tempfile::tempfile().map_err(no_program)?);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(no_program)?)
        .stderr(err.try_clone().map_err(no_program)?)
        // In one format, whatever the user likes to read.
        .env_remove("SQUEUE_FORMAT")
        .env_remove("SQUEUE_STATES")
        .env_remove("SQUEUE_SORT")
        .env_remove("SLURM_TIME_FORMAT")
        // A Ctrl-C is for Gridboard alone.
        .process_group(0);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(no_program)?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(no_program)? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                // It may have ended by itself: that is what is wanted.
                let _ = child.kill();
                let _ = child.wait();
                let waited = PATIENCE.as_secs();
                return Err(SlurmError::Away(format!("`{program}` has said nothing for {waited} s")));
            }
            None => thread::sleep(LOOK),
        }
    };
    let out = whole(&mut out).map_err(no_program)?;
    if status.success() {
        return Ok(out);
    }
    let err = whole(&mut err).map_err(no_program)?;
    let said = sentence(&err);
    Err(if queue::passes(&err) { SlurmError::Away(said) } else { SlurmError::Refused(said) })
}

fn whole(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Submits the script in this folder, and answers with the number of its job.
pub(super) fn submit(folder: &Path, script: &Path) -> Result<u64, SlurmError> {
    let said = call("sbatch", &["--parsable", &script.to_string_lossy()], Some(folder))?;
    submitted(&said).ok_or_else(|| SlurmError::Refused(format!("`sbatch` names no job: {}", said.trim())))
}

/// Asks whether the script in this folder would be taken.
pub(super) fn test(folder: &Path, script: &Path) -> Result<(), SlurmError> {
    call("sbatch", &["--test-only", &script.to_string_lossy()], Some(folder)).map(drop)
}

/// All jobs of this user that Slurm knows.
pub(super) fn jobs() -> Result<Vec<Seen>, SlurmError> {
    let said = call("squeue", &["--me", "-h", "-r", "-t", "all", "-o", SQUEUE_FORMAT], None)?;
    Ok(parse_squeue(&said))
}

/// What Slurm knows of a job that is not in its queue any more; `None` where it knows nothing.
pub(super) fn job(id: JobId) -> Result<Option<Seen>, SlurmError> {
    let shown = call("scontrol", &["show", "job", &id.to_string(), "--oneliner"], None);
    let found = |seen: Vec<Seen>| seen.into_iter().find(|seen| seen.id == id);
    match shown {
        Ok(text) => {
            if let Some(seen) = found(parse_scontrol(&text)) {
                return Ok(Some(seen));
            }
        }
        Err(error @ (SlurmError::Away(_) | SlurmError::NoProgram { .. })) => return Err(error),
        Err(SlurmError::Refused(_) | SlurmError::Node { .. }) => {}
    }
    // Only where there is a database of accounts.
    let accounted =
        call("sacct", &["-n", "-P", "-X", "-j", &id.to_string(), "-o", "JobID,State,NodeList"], None);
    Ok(accounted.ok().and_then(|text| found(parse_sacct(&text))))
}

/// Ends jobs, or sends their scripts SIGTERM.
pub(super) fn cancel(ids: &[JobId], only_ask: bool) -> Result<(), SlurmError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let how: &[&str] = if only_ask { &["--batch", "--signal=TERM"] } else { &[] };
    let args: Vec<&str> = how.iter().copied().chain(ids.iter().map(String::as_str)).collect();
    match call("scancel", &args, None) {
        // It has ended meanwhile.
        Err(SlurmError::Refused(said)) if said.contains("already completing or completed") => Ok(()),
        Err(SlurmError::Refused(said)) if said.contains("Invalid job id") => Ok(()),
        done => done.map(drop),
    }
}

/// The configuration of the cluster, a line for each key.
pub(super) fn config() -> Result<String, SlurmError> {
    call("scontrol", &["show", "config"], None)
}

/// All partitions, a line for each.
pub(super) fn partitions() -> Result<String, SlurmError> {
    call("scontrol", &["show", "partition", "--oneliner"], None)
}
