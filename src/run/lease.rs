//! What a lease of an experiment says, and what follows from it. Pure: no clock, no file, no process.
//!
//! Locks of a file system may not be seen by other machines, and are freed by none once their own is gone. So whoever holds an
//! experiment also says so in a file, a lease, and gives a sign of life there every few seconds. One of this machine is asked by
//! its process. Of one of another machine only a change tells: clocks of two machines are never compared, and whoever waits
//! measures the time on its own. `lease_files` has the files, `lock` what is made of both.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Between two signs of life, seconds.
pub(super) const EVERY: f64 = 5.0;
/// So many signs that do not come are a death.
const SIGNS: f64 = 6.0;
/// What a lease may say of its own time, seconds: somebody else has written it.
const BOUNDS: (f64, f64) = (0.05, 60.0);

/// What the holder of an experiment says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Its machine.
    pub(super) host: String,
    /// Its process there.
    pub(super) pid: u32,
    /// The start of that, in clock ticks since the boot.
    pub(super) pid_start: Option<u64>,
    /// The boot of the machine.
    pub(super) boot_id: Option<String>,
    /// What no other lease has.
    pub(super) nonce: String,
    /// The file in which this stands: a copy of it has another number.
    pub(super) inode: u64,
    /// Between two signs of life, seconds.
    pub(super) every: f64,
    /// Signs of life so far.
    pub(super) beat: u64,
    /// Whether the holder has let go.
    pub(super) left: bool,
}

/// The machine that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here<'a> {
    pub(super) host: &'a str,
    pub(super) boot_id: Option<&'a str>,
}

/// What is known of a lease without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its holder has let go, or was a process of this machine that is dead.
    Free,
    /// Its holder is a live process of this machine.
    Held,
    /// Its holder is of another machine, or of an earlier boot of one that is called like this one.
    Unknown,
}

impl Lease {
    /// Whether its holder is a process under the kernel that is running here.
    pub(super) fn is_of(&self, here: Here<'_>) -> bool {
        match (self.boot_id.as_deref(), here.boot_id) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => self.host == here.host,
        }
    }

    /// What is known without waiting. `is_alive` tells of a process of this machine, with its start.
    pub(super) fn standing(
        &self,
        here: Here<'_>,
        is_alive: impl FnOnce(u32, Option<u64>) -> bool,
    ) -> Standing {
        match (self.left, self.is_of(here)) {
            (true, _) => Standing::Free,
            (false, false) => Standing::Unknown,
            (false, true) if is_alive(self.pid, self.pid_start) => Standing::Held,
            (false, true) => Standing::Free,
        }
    }

    /// Whether it is to be believed that its holder lives, by who only looks: one of another machine is, until somebody has
    /// watched it for long enough. Of this machine the lock tells.
    pub(super) fn is_believed(&self, here: Here<'_>) -> bool {
        !self.left && !self.is_of(here) && self.host != here.host
    }
}

/// Somebody waits to see whether the holder of a lease lives.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// `None`: what stands there is no lease.
    first: Option<Lease>,
    since: Duration,
    patience: Duration,
}

/// What was seen of a lease that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A sign of life.
    Alive,
    /// Nothing for so long of so long.
    Quiet {
        /// How long.
        quiet: Duration,
        /// After which its holder is dead.
        of: Duration,
    },
    /// Nothing for too long.
    Dead,
}

impl Watch {
    /// Begins at `now`, by a clock of the one that watches.
    pub(super) fn new(first: Option<Lease>, now: Duration) -> Self {
        let every = first.as_ref().map(|lease| lease.every).filter(|every| every.is_finite());
        let every = every.unwrap_or(EVERY).clamp(BOUNDS.0, BOUNDS.1);
        Self { first, since: now, patience: Duration::from_secs_f64(every * SIGNS) }
    }

    /// Looks again.
    pub(super) fn see(&self, lease: Option<&Lease>, now: Duration) -> Seen {
        let quiet = now.saturating_sub(self.since);
        if lease != self.first.as_ref() {
            Seen::Alive
        } else if quiet >= self.patience {
            Seen::Dead
        } else {
            Seen::Quiet { quiet, of: self.patience }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Here<'_> = Here { host: "login2", boot_id: Some("b2") };

    fn lease(host: &str, boot: Option<&str>) -> Lease {
        Lease {
            host: host.to_owned(),
            pid: 7,
            pid_start: Some(70),
            boot_id: boot.map(str::to_owned),
            nonce: "n".to_owned(),
            inode: 1,
            every: EVERY,
            beat: 3,
            left: false,
        }
    }

    #[test]
    fn a_process_of_this_machine_is_asked_and_one_of_another_is_not_known() {
        let dead = |_, _| false;
        let alive = |pid, start| (pid, start) == (7, Some(70));
        let ours = lease("login2", Some("b2"));
        assert_eq!(ours.standing(HERE, alive), Standing::Held);
        assert_eq!(ours.standing(HERE, dead), Standing::Free);
        // A container of this machine, under a name of its own.
        assert_eq!(lease("box", Some("b2")).standing(HERE, dead), Standing::Free);
        let other = lease("login1", Some("b1"));
        assert_eq!(other.standing(HERE, dead), Standing::Unknown);
        // This machine before it was started again, or another one of its name.
        assert_eq!(lease("login2", Some("b1")).standing(HERE, dead), Standing::Unknown);
        assert_eq!(lease("login1", None).standing(HERE, dead), Standing::Unknown);
        assert_eq!(lease("login2", None).standing(HERE, dead), Standing::Free);
        assert_eq!(Lease { left: true, ..other.clone() }.standing(HERE, alive), Standing::Free);
        assert!(other.is_believed(HERE) && !ours.is_believed(HERE));
        assert!(!lease("login2", Some("b1")).is_believed(HERE));
        assert!(!Lease { left: true, ..other }.is_believed(HERE));
    }

    #[test]
    fn only_a_change_is_a_sign_of_life_and_only_its_own_time_makes_one_dead() {
        let at = Duration::from_secs;
        let first = lease("login1", Some("b1"));
        let watch = Watch::new(Some(first.clone()), at(100));
        let quiet = |quiet| Seen::Quiet { quiet: at(quiet), of: at(30) };
        assert_eq!(watch.see(Some(&first), at(100)), quiet(0));
        assert_eq!(watch.see(Some(&first), at(112)), quiet(12));
        assert_eq!(watch.see(Some(&first), at(130)), Seen::Dead);
        assert_eq!(watch.see(Some(&Lease { beat: 4, ..first.clone() }), at(129)), Seen::Alive);
        assert_eq!(watch.see(None, at(129)), Seen::Alive);
        // What is no lease, or says what cannot be, is watched all the same.
        assert_eq!(Watch::new(None, at(0)).see(None, at(29)), quiet(29));
        for (every, patience) in [(f64::NAN, 30.0), (-1.0, 0.3), (1e300, 360.0), (0.5, 3.0)] {
            let odd = Lease { every, ..first.clone() };
            assert_eq!(Watch::new(Some(odd), at(0)).patience, Duration::from_secs_f64(patience), "{every}");
        }
    }
}
