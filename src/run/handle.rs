//! How a launcher knows an attempt: what the ledger keeps, and what finds the attempt again.

use std::fmt;

/// An attempt as its launcher knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handle {
    /// A process of this machine, by its id.
    Process(u32),
    /// A job of a cluster, by what Gridboard calls it: its number is given later.
    Job(String),
}

impl Handle {
    /// The process id, where the attempt is a process of this machine.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(pid) => Some(*pid),
            Self::Job(_) => None,
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Job(name) => write!(f, "job {name}"),
        }
    }
}
