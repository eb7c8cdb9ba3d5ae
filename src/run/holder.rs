//! Who holds an experiment, or held it last: what stands in the files, and the words for it.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
};

use serde::{Deserialize, Serialize};

use super::{
    experiment_folder::ExperimentDir,
    lease::{Here, Lease},
    lease_files::LeaseFiles,
};
use crate::base::{process, program::host};

/// More than the file of a lock has, bytes.
const MOST_BYTES: u64 = 4096;

/// Who holds the lock of an experiment, or held it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its start, in clock ticks since the boot.
    pub pid_start: Option<u64>,
    /// The boot of its machine.
    pub boot_id: Option<String>,
    /// Its machine.
    pub host: String,
    /// The file that is locked: a copy of it has another number.
    pub inode: u64,
}

impl Holder {
    pub(super) fn this_process(inode: u64) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            pid_start: process::start_of(pid),
            boot_id: process::boot_id().map(str::to_owned),
            host: host().to_owned(),
            inode,
        }
    }

    /// Whether it is another machine's.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.host != host()
    }
}

/// `process 7 on login1`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

impl From<Lease> for Holder {
    fn from(lease: Lease) -> Self {
        let Lease { host, pid, pid_start, boot_id, inode, .. } = lease;
        Self { pid, pid_start, boot_id, host, inode }
    }
}

/// An experiment that somebody else holds, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    experiment: String,
    /// Small, since errors carry it.
    holder: Option<Box<Holder>>,
}

impl Busy {
    /// Where it is held, if that is another machine.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&str> {
        self.holder.as_ref().filter(|holder| holder.is_elsewhere()).map(|holder| holder.host.as_str())
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder.as_ref().filter(|holder| holder.is_elsewhere()) {
            Some(holder) => {
                write!(f, "`{}` is being run on {} by process {}", self.experiment, holder.host, holder.pid)
            }
            None => write!(f, "`{}` is being run by another process", self.experiment),
        }
    }
}

impl ExperimentDir {
    /// Who holds the lock, or held it last; `None` where that was not noted.
    #[must_use]
    pub fn lock_holder(&self) -> Option<Holder> {
        let last = self.lease_files().last().ok().flatten();
        let lease = last.and_then(|last| last.lease).filter(|lease| !lease.left);
        lease.map(Holder::from).or_else(|| self.noted_holder())
    }

    /// That somebody else holds the experiment, in words.
    #[must_use]
    pub fn busy(&self, experiment: &str) -> Busy {
        Busy { experiment: experiment.to_owned(), holder: self.lock_holder().map(Box::new) }
    }

    pub(super) fn noted_holder(&self) -> Option<Holder> {
        let mut text = Vec::new();
        File::open(self.lock()).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn lease_files(&self) -> LeaseFiles {
        LeaseFiles::at(&self.leases())
    }

    /// Whether the folder is a copy of the one in which its last sweep was.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        let (Some(holder), Ok(file)) = (self.noted_holder(), self.lock().metadata()) else { return false };
        holder.inode != file.ino()
    }
}

/// The machine that this process is on.
pub(super) fn this_machine() -> Here<'static> {
    Here { host: host(), boot_id: process::boot_id() }
}

/// Notes the holder in the file that is locked.
pub(super) fn note(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}
