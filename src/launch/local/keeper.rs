//! The keeper: `gridboard __supervise`, a small process between Gridboard and the supervisors of its
//! attempts.
//!
//! It forks a supervisor for every attempt, which is cheaper than to execute one, and passes
//! words between them and Gridboard. It is a subreaper too: if a supervisor is killed, what that one watched
//! over becomes the keeper's, and is killed. When Gridboard is gone, the socket ends, and with it those of
//! the supervisors, which end their attempts; the keeper is the last to go.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::AsFd as _,
        unix::{ffi::OsStrExt as _, net::UnixStream},
    },
    process::ExitCode,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
    },
    unistd::{ForkResult, fork},
};

use super::{
    reap::{Ends, end_children, reap_all},
    supervisor::supervise,
    token::Family,
    wire::{Order, Report, Request, Step, Wire},
};

/// The first argument of a keeper.
pub(super) const VERB: &str = "__supervise";

/// What the arguments of this process ask for, if that is to be a keeper: then it is one until its end. To be
/// called before anything else, while there is one thread.
#[must_use]
pub fn keep_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()?.as_bytes() != VERB.as_bytes() {
        return None;
    }
    // Of an error nobody can be told: Gridboard sees the end of the socket, and supervisors see that of
    // theirs.
    Some(keep(arguments).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// The life of the keeper, and of every supervisor that it forks.
fn keep(arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mut keeper = Keeper::new(arguments)?;
    let Some((order, socket)) = keeper.keep()? else { return Ok(()) };
    // This is a supervisor now. What is open of the keeper's would hide its end from others, but for the
    // lock.
    let Keeper { lock, gridboard, ends, attempts } = keeper;
    drop((gridboard, ends, attempts));
    let done = supervise(&order, socket);
    drop(lock);
    done
}

struct Keeper {
    gridboard: Wire,
    ends: Ends,
    /// By run.
    attempts: BTreeMap<u64, Attempt>,
    /// Held by this process and every supervisor: while somebody holds it, something of an experiment may be
    /// alive.
    lock: Option<File>,
}

struct Attempt {
    /// Of its supervisor.
    pid: i32,
    wire: Wire,
    /// Whether its end was told.
    is_over: bool,
}

impl Keeper {
    /// By the arguments `FAMILY [LOCK]`, with Gridboard's socket as the standard input.
    fn new(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let ends = Ends::hear()?;
        // SAFETY: no handler is set.
        #[expect(unsafe_code, reason = "nix calls every change of a signal's action unsafe")]
        let set = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
        set?;
        prctl::set_child_subreaper(true)?;
        // Only names for people.
        let _ = prctl::set_name(c"gb-keeper");
        let family = arguments.next().and_then(|text| Family::parse(text.to_str()?));
        let family = family.ok_or_else(|| io::Error::other("no family"))?;
        // Without it, a supervisor is not told from a stray: see `token`.
        let _ = family.supervisor().wear();
        let lock = arguments.next().map(|path| {
            let file = File::open(path)?;
            // Held elsewhere: the next Gridboard is cleaning up already, and ours is gone.
            file.try_lock_shared()?;
            io::Result::Ok(file)
        });
        let lock = lock.transpose()?;
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let gridboard = Wire::new(UnixStream::from(socket))?;
        // Whoever holds the socket's other name would hide the end of this process.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self { gridboard, ends, attempts: BTreeMap::new(), lock })
    }

    /// Keeps until Gridboard is gone. Answers in every supervisor that is forked, too: with what it is to do.
    fn keep(&mut self) -> io::Result<Option<(Box<Order>, UnixStream)>> {
        loop {
            self.ends.clear();
            let mut gone = Vec::new();
            let others = reap_all(|child| gone.push(child.pid.as_raw()));
            self.take_leave(&gone)?;
            let requests = self.gridboard.receive()?;
            if self.gridboard.has_ended() {
                // The end of their sockets is the word for every supervisor to end.
                let pids: Vec<i32> = self.attempts.values().map(|attempt| attempt.pid).collect();
                self.attempts.clear();
                return self.wait_for(pids, others).map(|()| None);
            }
            for request in requests {
                match request {
                    Request::Start(order) => {
                        if let Some(socket) = self.fork_supervisor(order.run)? {
                            return Ok(Some((order, socket)));
                        }
                    }
                    Request::Stop { run, .. } => {
                        if let Some(attempt) = self.attempts.get_mut(&run) {
                            // One that is gone is told of below.
                            let _ = attempt.wire.send(&request);
                        }
                    }
                }
            }
            self.forward()?;
            self.wait();
        }
    }

    fn wait(&self) {
        let readable = |wire| PollFd::new(wire, PollFlags::POLLIN);
        let mut fds = vec![self.ends.poll_fd(), readable(self.gridboard.as_fd())];
        let supervisors = self.attempts.values().filter(|attempt| !attempt.wire.has_ended());
        fds.extend(supervisors.map(|attempt| readable(attempt.wire.as_fd())));
        // Whatever wakes us, everything is looked at again.
        let _ = poll(&mut fds, PollTimeout::NONE);
    }

    /// Forks the supervisor of an attempt, which gets its socket to the keeper.
    fn fork_supervisor(&mut self, run: u64) -> io::Result<Option<UnixStream>> {
        let failed = |errno| Report::NotStarted { run, step: Step::Supervisor, errno };
        let (ours, theirs) = match UnixStream::pair() {
            Ok(pair) => pair,
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EMFILE);
                return self.gridboard.send(&failed(errno)).map(|()| None);
            }
        };
        // SAFETY: this process has one thread.
        #[expect(unsafe_code, reason = "a fork costs less than an execution of this program")]
        let forked = unsafe { fork() };
        match forked {
            Ok(ForkResult::Child) => return Ok(Some(theirs)),
            Ok(ForkResult::Parent { child }) => {
                let attempt = Attempt { pid: child.as_raw(), wire: Wire::new(ours)?, is_over: false };
                self.attempts.insert(run, attempt);
            }
            Err(errno) => self.gridboard.send(&failed(errno as i32))?,
        }
        Ok(None)
    }

    /// Passes on what supervisors have told.
    fn forward(&mut self) -> io::Result<()> {
        for attempt in self.attempts.values_mut() {
            attempt.forward(&mut self.gridboard)?;
        }
        Ok(())
    }

    /// Some children are gone. If one was a supervisor that has not told an end, what it watched over is here
    /// now.
    fn take_leave(&mut self, gone: &[i32]) -> io::Result<()> {
        let mut gone = gone.to_vec();
        while let Some(pid) = gone.pop() {
            let found = self.attempts.iter_mut().find(|(_, attempt)| attempt.pid == pid);
            let Some((run, attempt)) = found else { continue };
            let run = *run;
            attempt.forward(&mut self.gridboard)?;
            let is_over = attempt.is_over;
            self.attempts.remove(&run);
            if !is_over {
                let supervisors: Vec<i32> = self.attempts.values().map(|attempt| attempt.pid).collect();
                let spare = |pid: i32| supervisors.contains(&pid);
                end_children(&self.ends, spare, |child| gone.push(child.pid.as_raw()));
                self.gridboard.send(&Report::Lost { run })?;
            }
        }
        Ok(())
    }

    /// Gridboard is gone: waits for the supervisors, and ends what those left that were killed.
    fn wait_for(&self, mut supervisors: Vec<i32>, mut others: bool) -> io::Result<()> {
        while others {
            let mut gone = Vec::new();
            let spare = |pid: i32| supervisors.contains(&pid);
            let left = end_children(&self.ends, spare, |child| gone.push(child.pid.as_raw()));
            supervisors.retain(|pid| !gone.contains(pid));
            if supervisors.is_empty() && !left.is_empty() {
                // They cannot be ended.
                break;
            }
            let mut fds = [self.ends.poll_fd()];
            poll(&mut fds, PollTimeout::from(100_u8))?;
            self.ends.clear();
            others = reap_all(|child| supervisors.retain(|pid| *pid != child.pid.as_raw()));
        }
        Ok(())
    }
}

impl Attempt {
    fn forward(&mut self, gridboard: &mut Wire) -> io::Result<()> {
        // A supervisor that speaks nonsense is as good as lost, which its end shows.
        let reports: Vec<Report> = self.wire.receive().unwrap_or_default();
        for report in reports {
            self.is_over |= report.is_last();
            gridboard.send(&report)?;
        }
        Ok(())
    }
}
