//! How an experiment is taken, from another machine too: the lock of the file system, and the lease that counts.
//!
//! Who wants it looks again and again ([`Wanted::look`]); the caller waits in between. Of a holder that this machine cannot ask, a
//! change of its lease tells that it lives.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, TryLockError},
    hash::{BuildHasher as _, RandomState},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use super::{
    beats::{self, HeldLease},
    experiment_folder::ExperimentDir,
    holder::{Holder, note, this_machine},
    lease::{EVERY, Here, Lease, Seen, Standing, Watch},
    lease_files::{Last, LeaseFiles},
};
use crate::base::{disk::may_be_shared, process};

/// A look at the lock holds it for an instant, which must not refuse a sweep that starts in it.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct ExperimentLock {
    /// Before the lock: who gets that finds that this is let go. `None` where the disk has no room for one.
    lease: Option<HeldLease>,
    _file: File,
}

impl ExperimentLock {
    /// Whoever has taken the experiment over from this process, in words: it is not to be touched any more.
    #[must_use]
    pub fn taken_by(&self) -> Option<String> {
        let taken = self.lease.as_ref()?.lost_to()?;
        Some(taken.map_or_else(|| "another process".to_owned(), |lease| Holder::from(lease).to_string()))
    }
}

/// Somebody wants an experiment, and may have to watch for a while whether its holder on another machine lives.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    dir: &'a ExperimentDir,
    files: LeaseFiles,
    take_over: bool,
    here: Here<'a>,
    /// The lock, once it was to be had.
    file: Option<File>,
    /// The leases that are watched, by number.
    watches: BTreeMap<u64, Watch>,
    /// Our lease, taken from a holder that is to see it before we go on.
    ours: Option<HeldLease>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Taking {
    /// It is ours.
    Taken(ExperimentLock),
    /// Somebody else's, who lives.
    Held,
    /// Its holder on another machine is watched.
    Watched(Quiet),
}

/// The holder of an experiment, of which nothing was heard so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    holder: Option<Holder>,
    quiet: Duration,
    of: Duration,
}

/// `process 7 on login1: no sign of life for 12 s of 30`.
impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string);
        let (quiet, of) = (self.quiet.as_secs_f64(), self.of.as_secs_f64());
        write!(f, "{whose}: no sign of life for {quiet:.0} s of {of:.0}")
    }
}

impl<'a> Wanted<'a> {
    /// Wants an experiment, whose folder has to be there. `take_over`: also where its holder on another machine lives.
    #[must_use]
    pub(super) fn new(dir: &'a ExperimentDir, take_over: bool) -> Self {
        Self::on(this_machine(), dir, take_over, None)
    }

    /// As somebody on another machine, who may have a lock of his own.
    fn on(here: Here<'a>, dir: &'a ExperimentDir, take_over: bool, file: Option<File>) -> Self {
        Self { dir, files: dir.lease_files(), take_over, here, file, watches: BTreeMap::new(), ours: None }
    }

    /// Looks, at `now` by a clock of the caller's that begins anywhere.
    ///
    /// # Errors
    /// Where the files cannot be opened, locked or written.
    pub(super) fn look(&mut self, now: Duration) -> io::Result<Taking> {
        if self.file.is_none() {
            self.file = try_lock(self.dir)?;
        }
        if let Some(ours) = self.ours.take() {
            return self.follow(ours, now);
        }
        if !self.watches.is_empty() {
            self.refresh();
        }
        let Some(last) = self.files.last()? else {
            return if self.file.is_some() { self.take(1, now) } else { Ok(Taking::Held) };
        };
        match self.standing(&last) {
            Standing::Free if self.file.is_some() => self.take(last.number + 1, now),
            Standing::Free | Standing::Held => Ok(Taking::Held),
            Standing::Unknown if self.take_over => self.take(last.number + 1, now),
            Standing::Unknown => match self.watch(&last, now) {
                Seen::Alive => Ok(Taking::Held),
                Seen::Quiet { quiet, of } => Ok(watched(last, quiet, of)),
                Seen::Dead => self.take(last.number + 1, now),
            },
        }
    }

    fn standing(&self, last: &Last) -> Standing {
        match &last.lease {
            Some(_) if last.is_copied && !may_be_shared(self.dir.path()) => Standing::Free,
            Some(lease) => lease.standing(self.here, |pid, start| is_alive(pid, start, &lease.nonce)),
            None => Standing::Unknown,
        }
    }

    fn watch(&mut self, last: &Last, now: Duration) -> Seen {
        let begin = || Watch::new(last.lease.clone(), now);
        self.watches.entry(last.number).or_insert_with(begin).see(last.lease.as_ref(), now)
    }

    /// Our lease counts. Whoever has held the experiment before is to have let go, or to have fallen silent: a holder that was
    /// outbid looks around with its next sign of life.
    fn follow(&mut self, ours: HeldLease, now: Duration) -> io::Result<Taking> {
        let number = ours.number();
        self.refresh();
        let mut numbers = self.files.numbers()?;
        if numbers.iter().any(|other| *other > number) {
            return Ok(Taking::Held);
        }
        numbers.retain(|other| *other < number);
        for earlier in numbers {
            let Some(last) = self.files.read(earlier)? else { continue };
            if self.standing(&last) == Standing::Free {
                continue;
            }
            let mut seen = self.watch(&last, now);
            if seen == Seen::Alive {
                // It has not looked around yet.
                self.watches.remove(&earlier);
                seen = self.watch(&last, now);
            }
            if let Seen::Quiet { quiet, of } = seen {
                self.ours = Some(ours);
                return Ok(watched(last, quiet, of));
            }
        }
        self.finish(Some(ours))
    }

    fn refresh(&self) {
        if may_be_shared(self.dir.path()) {
            self.files.refresh(&nonce());
        }
    }

    fn take(&mut self, number: u64, now: Duration) -> io::Result<Taking> {
        match self.lease(number) {
            Ok(Some(lease)) => self.follow(lease, now),
            Ok(None) => Ok(Taking::Held),
            // A full disk keeps nobody from sweeping where the lock tells all there is to tell.
            Err(_) if !may_be_shared(self.dir.path()) => self.finish(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the lease of this number; `None` where somebody was quicker.
    fn lease(&self, number: u64) -> io::Result<Option<HeldLease>> {
        let Holder { pid, pid_start, .. } = Holder::this_process(0);
        let (host, boot_id) = (self.here.host.to_owned(), self.here.boot_id.map(str::to_owned));
        let (every, nonce) = (EVERY, nonce());
        let mut lease = Lease { host, pid, pid_start, boot_id, nonce, inode: 0, every, beat: 0, left: false };
        if !self.files.take(number, &mut lease)? {
            return Ok(None);
        }
        let is_shared = may_be_shared(self.dir.path());
        Ok(Some(HeldLease::new(self.files.clone(), number, lease, is_shared)))
    }

    fn finish(&mut self, lease: Option<HeldLease>) -> io::Result<Taking> {
        if self.file.is_none() {
            // Held by a machine that has gone, which nobody will ever free: a new file has no such lock.
            fs::remove_file(self.dir.lock())?;
            self.file = try_lock(self.dir)?;
        }
        let Some(mut file) = self.file.take() else { return Ok(Taking::Held) };
        if let Some(lease) = &lease {
            self.files.remove_before(lease.number());
        }
        let _ = file.metadata().and_then(|data| note(&mut file, &Holder::this_process(data.ino())));
        Ok(Taking::Taken(ExperimentLock { lease, _file: file }))
    }
}

fn watched(last: Last, quiet: Duration, of: Duration) -> Taking {
    Taking::Watched(Quiet { holder: last.lease.map(Holder::from), quiet, of })
}

/// Takes the lock of the file system; `None` where another process holds it.
fn try_lock(dir: &ExperimentDir) -> io::Result<Option<File>> {
    for attempt in 1..=TRIES {
        let file = File::options().create(true).truncate(false).write(true).open(dir.lock())?;
        match file.try_lock() {
            // Replaced meanwhile: what is locked is not what others find.
            Ok(()) if fs::metadata(dir.lock())?.ino() != file.metadata()?.ino() => {}
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => break,
            // A file system without locks: the lease has to do.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(Some(file));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether a process of this machine holds a lease.
pub(super) fn is_alive(pid: u32, start: Option<u64>, nonce: &str) -> bool {
    if pid == std::process::id() { beats::is_held(nonce) } else { process::is_alive(pid, start) }
}

/// What no other lease has.
fn nonce() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests;
