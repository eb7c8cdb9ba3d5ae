//! The files of submissions: `.slurm/` of an experiment, a folder for each call of `sbatch`, a folder in it for each of its tasks.
//! The home of their names.
//!
//! Everything is written whole, and read by opening it: that is when a network file system asks its server.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::order::{Ended, Order, Started};
use crate::{
    base::files::{Durability, FileError, read_regular, remove_if_there, write_whole},
    run::ExperimentDir,
};

/// No file here is larger, bytes: an order has the arguments of a command.
const MOST_BYTES: u64 = 16 << 20;

/// A call of `sbatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::launch) struct Submission(PathBuf);

/// A task of it: one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::launch) struct TaskDir(PathBuf);

/// A task that an earlier orchestrator has left.
#[derive(Clone, Debug)]
pub(in crate::launch) struct LeftTask {
    pub(in crate::launch) submission: Submission,
    pub(in crate::launch) dir: TaskDir,
    pub(in crate::launch) place: u32,
    pub(in crate::launch) order: Order,
}

impl Submission {
    pub(in crate::launch) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// A new one, with a number after those that there are, and something that no other has: two orchestrators that do not see
    /// each other never share one.
    pub(in crate::launch) fn create(dir: &ExperimentDir) -> Result<Self, FileError> {
        let all = dir.slurm();
        let all_names = names(&all);
        let numbers = all_names.iter().filter(|name| is_submission(name));
        let last = numbers.filter_map(|name| name.get(1..6)?.parse::<u32>().ok()).max();
        let number = last.map_or(1, |last| last + 1);
        let path = all.join(format!("s{number:05}-{:04x}", rand_16()));
        fs::create_dir_all(&path).map_err(FileError::at("create folder", &path))?;
        Ok(Self(path))
    }

    pub(in crate::launch) fn path(&self) -> &Path {
        &self.0
    }

    /// Its name, by which its jobs are found.
    pub(in crate::launch) fn name(&self) -> &str {
        self.0.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(in crate::launch) fn task(&self, place: u32) -> TaskDir {
        TaskDir(self.0.join(place.to_string()))
    }

    pub(in crate::launch) fn script(&self) -> PathBuf {
        self.0.join("script.sh")
    }

    /// What Slurm and the script itself say of a task, before the attempt has its log.
    pub(in crate::launch) fn said(&self, place: u32) -> String {
        let bytes = read_regular(&self.0.join(format!("{place}.out")), MOST_BYTES).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Keeps the number of its job.
    pub(in crate::launch) fn note_job(&self, job: u64) -> Result<(), FileError> {
        write_whole(&self.0.join("job"), &[format!("{job}\n").as_bytes()], Durability::Written)
    }

    /// The number of its job, where it was kept.
    pub(in crate::launch) fn job(&self) -> Option<u64> {
        let text = read_regular(&self.0.join("job"), 64).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }

    /// Whether its tasks are those of an array.
    pub(in crate::launch) fn is_array(&self) -> bool {
        let script = read_regular(&self.script(), MOST_BYTES).unwrap_or_default();
        String::from_utf8_lossy(&script).lines().any(|line| line.starts_with("#SBATCH --array="))
    }

    /// Removes it with all of its tasks.
    pub(in crate::launch) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl TaskDir {
    pub(in crate::launch) fn write_order(&self, order: &Order) -> Result<(), FileError> {
        fs::create_dir_all(&self.0).map_err(FileError::at("create folder", &self.0))?;
        let (door, name) = (self.door(), order.run_dir.file_name().unwrap_or_default());
        // `.slurm/SUBMISSION/TASK/run` beside the run: relative, since a node may have the file system elsewhere.
        symlink(Path::new("../../..").join(name), &door).map_err(FileError::at("create link", &door))?;
        write(&self.order(), order)
    }

    /// A link to the run's folder, by which the attempt alone goes there. A copy of an attempt whose order was taken back finds it
    /// no more, and so changes nothing of the attempt that follows: it would need a path there.
    pub(in crate::launch) fn door(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(in crate::launch) fn read_order(&self) -> Result<Order, FileError> {
        read(&self.order())
    }

    /// Whether the attempt may go on. No where its order is taken back; what cannot be told is no reason to end it.
    pub(in crate::launch) fn may_go_on(&self) -> bool {
        !matches!(fs::File::open(self.order()), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Takes the order back: whoever carries it out ends at once, and nobody begins.
    pub(in crate::launch) fn take_back(&self) -> Result<(), FileError> {
        // Before the order: whoever sees that it is gone finds no way to the run any more.
        remove_if_there(&self.door())?;
        remove_if_there(&self.order())
    }

    /// Lets one process carry the order out, and no second copy of its job. Answers whether this is the first.
    pub(in crate::launch) fn claim(&self, who: &str) -> io::Result<bool> {
        match fs::File::create_new(self.0.join("claim")) {
            Ok(mut file) => {
                use std::io::Write as _;
                file.write_all(who.as_bytes())?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(in crate::launch) fn write_started(&self, started: &Started) -> Result<(), FileError> {
        write(&self.0.join("started.json"), started)
    }

    pub(in crate::launch) fn started(&self) -> Option<Started> {
        read(&self.0.join("started.json")).ok()
    }

    pub(in crate::launch) fn write_ended(&self, ended: &Ended) -> Result<(), FileError> {
        write(&self.0.join("ended.json"), ended)
    }

    pub(in crate::launch) fn ended(&self) -> Option<Ended> {
        read(&self.0.join("ended.json")).ok()
    }

    fn order(&self) -> PathBuf {
        self.0.join("order.json")
    }
}

/// The tasks that earlier orchestrators have left, the last one first, and the submissions that they are of. A task whose order
/// was taken back is none.
pub(in crate::launch) fn left(dir: &ExperimentDir) -> (Vec<LeftTask>, Vec<Submission>) {
    let all = dir.slurm();
    let mut submissions: Vec<Submission> = names(&all)
        .iter()
        .filter(|name| is_submission(name))
        .map(|name| Submission(all.join(name)))
        .collect();
    submissions.sort_by(|one, other| other.0.cmp(&one.0));
    let mut tasks = Vec::new();
    for submission in &submissions {
        for place in names(&submission.0).iter().filter_map(|name| name.parse::<u32>().ok()) {
            let dir = submission.task(place);
            if let Ok(order) = dir.read_order() {
                tasks.push(LeftTask { submission: submission.clone(), dir, place, order });
            }
        }
    }
    (tasks, submissions)
}

/// Whether a name is that of a submission: `s00001-beef`. The launcher keeps other things beside them.
fn is_submission(name: &str) -> bool {
    let mut parts = name.splitn(2, '-');
    let number = parts.next().and_then(|part| part.strip_prefix('s'));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
        && parts.next().is_some()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn write(path: &Path, what: &impl Serialize) -> Result<(), FileError> {
    let json = serde_json::to_vec_pretty(what)
        .map_err(|error| FileError::at("write", path)(io::Error::other(error)))?;
    write_whole(path, &[&json, b"\n"], Durability::Synced)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let bytes = read_regular(path, MOST_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|error| FileError::at("read", path)(io::Error::other(error)))
}

/// Sixteen bits that no other process has at this moment.
pub(super) fn rand_16() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    u16::try_from(RandomState::new().hash_one(std::process::id()) & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(run: &str) -> Order {
        Order {
            run: run.to_owned(),
            attempt: 2,
            started: 12.5,
            resumed: Some((3, 40)),
            run_dir: "/runs/e/a".into(),
            program: "p".to_owned(),
            args: vec!["x y".to_owned()],
            env: vec![("A".to_owned(), "1".to_owned())],
            inherited: [("TOKEN".to_owned(), "HF_TOKEN".to_owned())].into(),
            folder: "/work".into(),
            lifeline: true,
            pauses: false,
            log_limit: 1 << 20,
            gpus: 1,
            estimated_minutes: None,
        }
    }

    #[test]
    fn what_was_left_is_found_and_what_was_taken_back_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        assert!(left(&dir).0.is_empty());
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/log"), "of the run").unwrap();
        let first = Submission::create(&dir).unwrap();
        let second = Submission::create(&dir).unwrap();
        assert!(first.name().starts_with("s00001-") && second.name().starts_with("s00002-"));
        first.task(0).write_order(&order("a")).unwrap();
        first.task(1).write_order(&order("b")).unwrap();
        second.task(0).write_order(&order("c")).unwrap();
        first.note_job(17).unwrap();
        // What the launcher keeps beside them is none.
        fs::create_dir(dir.slurm().join("check-00000001")).unwrap();
        fs::write(dir.slurm().join("nodes.json"), "{}").unwrap();
        let (tasks, submissions) = left(&dir);
        assert_eq!(submissions, [second.clone(), first.clone()]);
        assert_eq!(tasks[0].order, order("c"));
        assert_eq!((tasks.len(), first.job(), second.job()), (3, Some(17), None));
        let through = first.task(1).door().join("log");
        assert_eq!(fs::read_to_string(&through).unwrap(), "of the run");
        assert!(first.task(1).may_go_on());
        first.task(1).take_back().unwrap();
        assert!(!first.task(1).may_go_on());
        assert!(!through.exists() && fs::write(&through, "late").is_err());
        assert_eq!(fs::read_to_string(folder.path().join("a/log")).unwrap(), "of the run");
        assert_eq!(left(&dir).0.len(), 2);
        first.remove().unwrap();
        first.remove().unwrap();
        assert_eq!(left(&dir).1, [second]);
    }

    #[test]
    fn one_process_carries_an_order_out() {
        let folder = tempfile::tempdir().unwrap();
        let task = Submission::at(folder.path()).task(3);
        task.write_order(&order("a")).unwrap();
        assert!(task.claim("one").unwrap());
        assert!(!task.claim("two").unwrap());
        assert!(task.started().is_none() && task.ended().is_none());
    }
}
