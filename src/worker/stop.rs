//! Why and when an attempt stops early: SIGTERM, Ctrl-C, or the death of the process that started it.
//!
//! Two threads wait, one for signals and one for the end of stdin, and raise a flag; the training loop looks at it
//! between batches. So nothing is ever interrupted half-way through a file. However often an attempt is asked, it comes to
//! the end of its epoch where it can write a state there in time: whoever does not want to wait kills it, and the last
//! state stands. An orphan ends at once.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::FileTypeExt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use gridboard::run::PAUSED_EXIT;
use nix::sys::signal::{SigSet, Signal};

/// Why an attempt stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// SIGTERM: the sweep wants it.
    Terminated = 1,
    /// SIGINT: Ctrl-C in a terminal.
    Interrupted = 2,
    /// stdin ended: the process that holds its other end is gone.
    Orphaned = 3,
    /// It was told when it started to pause after these epochs.
    Paused = 4,
}

impl Reason {
    /// 128 + signal, as a shell would say; an orphan counts as terminated.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Terminated | Self::Orphaned => 143,
            Self::Interrupted => 130,
            Self::Paused => PAUSED_EXIT,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminated => "asked to by a signal",
            Self::Interrupted => "interrupted",
            Self::Orphaned => "the process that started this one is gone",
            Self::Paused => "paused where it was told to",
        })
    }
}

/// The flag. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    reason: AtomicU8,
    /// When it was raised.
    at: OnceLock<Instant>,
    /// Whether an attempt that is asked to end may come to the end of its epoch first.
    patient: AtomicBool,
    /// Epochs after which it pauses; 0 for none.
    pause_after: AtomicU32,
}

impl Stop {
    /// Raises the flag; the first reason stays.
    pub(crate) fn request(&self, reason: Reason) {
        self.0.at.get_or_init(Instant::now);
        // A second reason changes nothing, unless there is nobody left to go on for.
        let before = if reason == Reason::Orphaned { self.0.reason.load(Ordering::Relaxed) } else { 0 };
        let _ = self.0.reason.compare_exchange(before, reason as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Lets an attempt that is asked to end come to the end of its epoch, where it writes a state.
    pub(crate) fn be_patient(&self) {
        self.0.patient.store(true, Ordering::Relaxed);
    }

    /// Lets the attempt pause by itself once so many epochs are done.
    pub(crate) fn pause_after(&self, epochs: u32) {
        self.0.pause_after.store(epochs, Ordering::Relaxed);
    }

    /// At the end of an epoch: why the attempt ends there, if it does.
    pub(crate) fn after(&self, epochs: u32) -> Option<Reason> {
        let pauses = epochs > 0 && epochs == self.0.pause_after.load(Ordering::Relaxed);
        self.requested().or(pauses.then_some(Reason::Paused))
    }

    /// How long ago the flag was raised; `None` before.
    pub(crate) fn waited(&self) -> Option<Duration> {
        self.requested().and_then(|_| self.0.at.get()).map(Instant::elapsed)
    }

    /// The reason to stop, where there is one.
    pub(crate) fn requested(&self) -> Option<Reason> {
        match self.0.reason.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Reason::Terminated),
            2 => Some(Reason::Interrupted),
            _ => Some(Reason::Orphaned),
        }
    }

    /// Between batches: the reason, once the flag is up and nothing is to be finished first.
    ///
    /// # Errors
    /// The reason to stop.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        match self.requested() {
            Some(reason) if reason == Reason::Orphaned || !self.0.patient.load(Ordering::Relaxed) => {
                Err(reason)
            }
            _ => Ok(()),
        }
    }

    /// A flag that SIGTERM, SIGINT and the end of stdin raise. Call it before any other thread exists: the signals are
    /// blocked in this thread and in all that it starts, and taken by one that waits for them.
    ///
    /// # Errors
    /// The system refuses the signal mask or a thread.
    pub(crate) fn watch() -> io::Result<Self> {
        let stop = Self::default();
        let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        signals.thread_block()?;
        let flag = stop.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            // An error of `wait` would leave the signals blocked and unheard; there is none for a valid set.
            while let Ok(signal) = signals.wait() {
                flag.request(if signal == Signal::SIGINT { Reason::Interrupted } else { Reason::Terminated });
            }
        })?;
        // Only a pipe has someone at its other end whose death it tells; a terminal or a file does not.
        if fs::metadata("/dev/stdin").is_ok_and(|stdin| stdin.file_type().is_fifo()) {
            let flag = stop.clone();
            thread::Builder::new()
                .name("stdin".to_owned())
                .spawn(move || flag.request_at_end(io::stdin()))?;
        }
        Ok(stop)
    }

    /// Reads to the end, then raises the flag.
    fn request_at_end(&self, mut input: impl Read) {
        // A pipe that cannot be read has nobody at its other end either.
        let _ = io::copy(&mut input, &mut io::sink());
        self.request(Reason::Orphaned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let stop = Stop::default();
        assert!(stop.check().is_ok());
        stop.clone().request(Reason::Interrupted);
        stop.request(Reason::Terminated);
        assert_eq!(stop.requested(), Some(Reason::Interrupted));
        assert!(matches!(stop.check(), Err(Reason::Interrupted)));
    }

    #[test]
    fn a_patient_attempt_goes_on_unless_it_is_an_orphan() {
        let stop = Stop::default();
        stop.be_patient();
        assert_eq!(stop.waited(), None);
        stop.request(Reason::Terminated);
        assert!(stop.check().is_ok() && stop.waited().is_some());
        stop.request(Reason::Orphaned);
        assert!(matches!(stop.check(), Err(Reason::Orphaned)));
    }

    #[test]
    fn an_attempt_pauses_after_the_epochs_that_it_was_told() {
        let stop = Stop::default();
        assert_eq!((stop.after(0), stop.after(1)), (None, None));
        stop.pause_after(3);
        assert_eq!([2, 3, 4].map(|epochs| stop.after(epochs)), [None, Some(Reason::Paused), None]);
        stop.request(Reason::Terminated);
        assert_eq!([2, 3].map(|epochs| stop.after(epochs)), [Some(Reason::Terminated); 2]);
    }

    #[test]
    fn the_end_of_input_stops() {
        let (reader, writer) = io::pipe().unwrap();
        let stop = Stop::default();
        let waiting = {
            let stop = stop.clone();
            thread::spawn(move || stop.request_at_end(reader))
        };
        assert_eq!(stop.requested(), None);
        drop(writer);
        waiting.join().unwrap();
        assert_eq!(stop.requested(), Some(Reason::Orphaned));
        assert_eq!(stop.requested().map(Reason::exit_code), Some(143));
    }
}
