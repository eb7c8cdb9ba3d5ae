//! What outlived its Gridboard is ended before its runs are started again.
//!
//! Supervisors end their attempts when Gridboard is gone, so there is something to end only where they were
//! killed as well. Then the token of the attempts tells what is left: see [`super::token`].

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::{
    processes,
    token::{Family, Token},
};
use crate::run::ExperimentDir;

/// How long supervisors have to end what they watch over, and what is killed to be gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked again.
const LOOK: Duration = Duration::from_millis(5);

/// The mark of an experiment's processes. It is kept in the experiment's folder, and moves with it.
#[derive(Clone, Debug)]
pub struct Children {
    family: Family,
    /// What the keeper holds for as long as anything of it lives.
    lock: Option<PathBuf>,
}

impl Children {
    /// That of an experiment; made where there is none yet.
    ///
    /// # Errors
    /// If its file cannot be read or written.
    pub fn in_experiment(dir: &ExperimentDir) -> io::Result<Self> {
        let path = dir.children();
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        let mut text = String::new();
        // Whatever else it is, it is no mark.
        let _ = (&mut file).take(64).read_to_string(&mut text);
        let family = match Family::parse(&text) {
            Some(family) => family,
            None => {
                let family = Family::random();
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", family.to_text())?;
                family
            }
        };
        Ok(Self { family, lock: Some(path) })
    }

    /// For attempts beside those of the experiment's sweep, which another process may be at. The next sweep
    /// ends what is left of them where nobody else does.
    #[must_use]
    pub fn beside(dir: &ExperimentDir) -> Self {
        let kept = std::fs::read_to_string(dir.children()).ok();
        let family = kept.and_then(|text| Family::parse(&text)).unwrap_or_else(Family::random);
        Self { family, lock: None }
    }

    /// Of a process that has one attempt and no sweep beside it.
    pub(in crate::launch) fn apart() -> Self {
        Self { family: Family::random(), lock: None }
    }

    /// Nobody's.
    #[cfg(test)]
    pub(crate) fn random() -> Self {
        Self { family: Family::random(), lock: None }
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn lock(&self) -> Option<&Path> {
        self.lock.as_deref()
    }

    /// Waits for the supervisors of a Gridboard that is gone, ends what is left of their attempts, and
    /// answers how many processes that were. Only for the process that holds the experiment's lock.
    #[must_use]
    pub fn end_orphans(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let open = |path: &PathBuf| File::options().read(true).write(true).open(path);
        if let Some(Ok(file)) = self.lock.as_ref().map(open) {
            // A file system without locks has no supervisors to wait for that could be told from others'.
            while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
        }
        end(deadline, false, |token| token.family() == self.family)
    }
}

/// Ends what is left of one attempt whose keeper or supervisor is gone; a supervisor that still lives is
/// ending it, and waited for.
pub(super) fn end_attempt(token: Token) {
    end(Instant::now() + PATIENCE, true, |other| other == token);
}

/// Kills the attempts' processes that `wanted` says, until there are none, and answers how many that were.
/// Those that have a supervisor are its business: they are waited for, or left alone.
fn end(deadline: Instant, wait_for_supervisors: bool, wanted: impl Fn(Token) -> bool) -> usize {
    let mut ended = Vec::new();
    loop {
        let (supervised, strays): (Vec<i32>, Vec<i32>) = live(&wanted).into_iter().partition(is_supervised);
        for pid in &strays {
            if kill_if(*pid, &wanted) && !ended.contains(pid) {
                ended.push(*pid);
            }
        }
        let is_done = strays.is_empty() && (supervised.is_empty() || !wait_for_supervisors);
        if is_done || Instant::now() > deadline {
            return ended.len();
        }
        std::thread::sleep(LOOK);
    }
}

/// The live processes with a wanted token; never this process or one that it came from.
fn live(wanted: &impl Fn(Token) -> bool) -> Vec<i32> {
    let own = processes::own_id();
    let mut spared = processes::ancestors(own);
    spared.push(own);
    processes::all()
        .filter(|pid| !spared.contains(pid) && is_wanted(*pid, wanted))
        .filter(|pid| processes::stat(*pid).is_some_and(|stat| !stat.has_ended))
        .collect()
}

fn is_supervised(pid: &i32) -> bool {
    let is_supervisor = |pid: i32| Token::from_process(pid).is_some_and(Token::is_supervisor);
    processes::ancestors(*pid).into_iter().any(is_supervisor)
}

fn is_wanted(pid: i32, wanted: &impl Fn(Token) -> bool) -> bool {
    Token::from_process(pid).is_some_and(|token| !token.is_supervisor() && wanted(token))
}

/// Kills a process if it still is a wanted one: its id may have been given to another since it was seen.
fn kill_if(pid: i32, wanted: &impl Fn(Token) -> bool) -> bool {
    let Some(id) = rustix::process::Pid::from_raw(pid) else { return false };
    match pidfd_open(id, PidfdFlags::empty()) {
        Ok(process) => {
            is_wanted(pid, wanted) && pidfd_send_signal(process, rustix::process::Signal::KILL).is_ok()
        }
        // A kernel before 5.3.
        Err(rustix::io::Errno::NOSYS) => {
            is_wanted(pid, wanted) && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()
        }
        // It has ended by itself: that is what is wanted.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::{CommandExt as _, ExitStatusExt as _},
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A process that has the token; its parent, this one, has none.
    fn marked(token: Token, program: &[&str]) -> Child {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).stdout(Stdio::piped());
        // SAFETY: system calls only.
        #[expect(unsafe_code, reason = "as in the supervisor")]
        unsafe {
            command.pre_exec(move || Ok(token.wear()?));
        }
        command.spawn().unwrap()
    }

    #[test]
    fn strays_of_the_experiment_are_ended_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        let children = Children::in_experiment(&dir).unwrap();
        assert_eq!(Children::in_experiment(&dir).unwrap().family, children.family);
        assert_eq!(Children::beside(&dir).family, children.family);

        let sleeper = |token| marked(token, &["sleep", "1000"]);
        let mut ours = [sleeper(children.family.attempt()), sleeper(children.family.attempt())];
        let mut others = [sleeper(Family::random().attempt()), sleeper(children.family.supervisor())];
        // Without the environment, in a session of its own.
        let script = "env -i setsid -f sleep 1001; echo; exec sleep 1000";
        let mut shell = marked(children.family.attempt(), &["sh", "-c", script]);
        io::BufRead::read_line(&mut io::BufReader::new(shell.stdout.take().unwrap()), &mut String::new())
            .unwrap();
        assert_eq!(children.end_orphans(), 4);
        for child in ours.iter_mut().chain([&mut shell]) {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        for other in &mut others {
            assert_eq!(other.try_wait().unwrap(), None, "a bystander lives");
            other.kill().unwrap();
            other.wait().unwrap();
        }
        assert_eq!(children.end_orphans(), 0);
    }

    #[test]
    fn what_a_supervisor_watches_over_is_its_business() {
        let children = Children::random();
        let family = children.family;
        // Its child has the token of an attempt, of its own accord.
        let script = format!(
            "prlimit --pid $$ --rttime={}: ; sleep 1000 & exec sleep 1000",
            family.attempt().number()
        );
        let mut supervised =
            marked(family.supervisor(), &["sh", "-c", &format!("sh -c '{script}' & echo; wait")]);
        let begin = Instant::now();
        while !processes::all().any(|pid| {
            Token::from_process(pid).is_some_and(|it| it.family() == family && !it.is_supervisor())
        }) {
            assert!(begin.elapsed() < Duration::from_secs(30), "no attempt");
            std::thread::sleep(LOOK);
        }
        assert_eq!(children.end_orphans(), 0);
        supervised.kill().unwrap();
        supervised.wait().unwrap();
        assert_eq!(children.end_orphans(), 2, "it has none any more");
    }

    #[test]
    fn a_file_that_is_no_mark_is_made_one() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        std::fs::write(dir.children(), b"\xff\xfe and much else").unwrap();
        let children = Children::in_experiment(&dir).unwrap();
        let text = std::fs::read_to_string(dir.children()).unwrap();
        assert_eq!(Family::parse(&text), Some(children.family));
    }
}
