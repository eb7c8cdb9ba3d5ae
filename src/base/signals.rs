//! The signals that ask a command to end: heard from [`Signals::listen`] to the end of the process, whatever it does.
//!
//! One thread hears them all and counts, so that nobody has to run for a signal to be heard: async code waits for
//! [`Signals::next`], code that computes looks at [`Signals::heard`], and code that waits for a child lets the first
//! signal end that child ([`Signals::ends`]). What a signal means is for the caller.
//!
//! - SIGINT, SIGTERM and SIGQUIT are counted: a second one is more urgent than the first.
//! - SIGHUP (the terminal is gone), SIGUSR1, SIGUSR2 (batch systems announce the end with them), SIGXCPU and SIGPWR ask
//!   once, however often they come. Under `nohup`, SIGHUP stays ignored.
//! - Signals that come together ask once: `timeout` sends SIGTERM twice, a closing terminal several.
//! - SIGXFSZ (a write beyond `ulimit -f` is an error of that write) and the timers' signals do nothing.
//!
//! Children start with the defaults: a handler does not outlive `exec`.

use std::{
    collections::BTreeSet,
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{SigSet, Signal, kill, killpg},
    unistd::Pid,
};
use signal_hook::{
    consts::{
        SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
        SIGXCPU, SIGXFSZ,
    },
    flag, iterator,
};
use tokio::sync::watch;

/// Not among the names of `signal-hook`; the same on every Linux processor that Rust runs on but the MIPS family.
const SIGPWR: i32 = Signal::SIGPWR as i32;
/// Each is more urgent than the one before.
const COUNTED: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];
/// They ask once.
const ONCE: [i32; 5] = [SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPWR];
/// They would kill by default, and mean nothing here.
const WITHOUT_EFFECT: [i32; 5] = [SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGIO];

/// Signals that come within this time of one another are one request: less than two keystrokes take.
const BURST: Duration = Duration::from_millis(100);

/// What the process has heard. Clones share it, each with a place of its own in the stream.
#[derive(Clone, Debug)]
pub struct Signals {
    shared: Arc<Shared>,
    requests: watch::Receiver<u32>,
    /// Requests that were before this one's time.
    before: u32,
}

#[derive(Debug)]
struct Shared {
    requests: watch::Sender<u32>,
    /// Process groups that the first request ends.
    groups: Mutex<BTreeSet<i32>>,
}

/// A child that the first signal ends, until this is dropped. To be dropped before the child is reaped, while its
/// process id is its own.
#[derive(Debug)]
pub struct Ends {
    shared: Arc<Shared>,
    group: i32,
}

impl Signals {
    /// Hears signals from now on. To be called once, before anything is begun that a signal should not cut off.
    ///
    /// # Errors
    /// Where the operating system does not let us.
    pub fn listen() -> io::Result<Self> {
        let signals = Self::silent();
        let mut ours: Vec<i32> = COUNTED.into_iter().chain(ONCE).collect();
        if is_ignored(SIGHUP) {
            ours.retain(|signal| *signal != SIGHUP);
        }
        for signal in WITHOUT_EFFECT {
            // A flag that nobody reads: a handler that does nothing.
            flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let mut arriving = iterator::Signals::new(&ours)?;
        unblock(&ours);
        let shared = Arc::clone(&signals.shared);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut burst = None;
            for signal in arriving.forever() {
                shared.hear(signal, &mut burst, Instant::now());
            }
        })?;
        Ok(signals)
    }

    /// Hears nothing, unless [`Self::request`] is called: for tests, and for callers that nobody can interrupt.
    #[must_use]
    pub fn silent() -> Self {
        let (sender, requests) = watch::channel(0);
        Self { shared: Arc::new(Shared { requests: sender, groups: Mutex::default() }), requests, before: 0 }
    }

    /// Those that come from now on: for what is done although the process was asked to end, until it is asked again.
    #[must_use]
    pub fn from_now_on(&self) -> Self {
        let mut requests = self.requests.clone();
        let before = *requests.borrow_and_update();
        Self { shared: Arc::clone(&self.shared), requests, before }
    }

    /// Whether the process was asked to end.
    #[must_use]
    pub fn heard(&self) -> bool {
        *self.shared.requests.borrow() > self.before
    }

    /// Waits for the next request that this clone has not seen. Requests that came before are told at once, as one.
    /// Dropping the future loses none.
    pub async fn next(&mut self) {
        // The sender lives as long as this does.
        if self.requests.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// As if a signal had come.
    pub fn request(&self) {
        self.shared.request();
    }

    /// Lets the first request, or one that came already, kill the process group that a child leads.
    #[must_use]
    pub fn ends(&self, leader: u32) -> Ends {
        let group = i32::try_from(leader).unwrap_or(0);
        let mut groups = self.shared.groups();
        groups.insert(group);
        // Under the lock: either this sees the request, or the request sees the group.
        if self.heard() {
            end(group);
        }
        drop(groups);
        Ends { shared: Arc::clone(&self.shared), group }
    }
}

impl Shared {
    fn groups(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, signal: i32, burst: &mut Option<Instant>, now: Instant) {
        let together = burst.replace(now).is_some_and(|last| now.duration_since(last) < BURST);
        let first = *self.requests.borrow() == 0;
        if first || (COUNTED.contains(&signal) && !together) {
            self.request();
        }
    }

    fn request(&self) {
        let groups = self.groups();
        self.requests.send_modify(|requests| *requests += 1);
        groups.iter().copied().for_each(end);
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.shared.groups().remove(&self.group);
    }
}

fn end(group: i32) {
    if group > 1 {
        // It may have ended by itself: that is what is wanted.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Asks a child that is not waited for yet to end.
pub fn ask_to_end(child: u32) {
    if let Some(child) = i32::try_from(child).ok().filter(|child| *child > 1) {
        // It may have ended by itself: that is what is wanted.
        let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
    }
}

/// Lets the end of children be heard, also where the caller has this process ignore or block it, which would be inherited:
/// then nobody could wait for a child.
///
/// # Errors
/// Where the operating system does not let us.
pub fn hear_children() -> io::Result<()> {
    flag::register(SIGCHLD, Arc::new(AtomicBool::new(false)))?;
    unblock(&[SIGCHLD]);
    Ok(())
}

/// Whether this process was started with the signal ignored; no where there is no `/proc`.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// A mask is inherited, too. Called while there is one thread, for the others to inherit.
fn unblock(signals: &[i32]) {
    let set: SigSet = signals.iter().filter_map(|signal| Signal::try_from(*signal).ok()).collect();
    // It only fails for a mask that is none.
    let _ = set.thread_unblock();
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt as _, process::Command};

    use super::*;

    #[test]
    fn urgent_signals_count_and_the_others_ask_once() {
        let signals = Signals::silent();
        let (mut burst, start) = (None, Instant::now());
        let mut hear = |signal, milliseconds| {
            signals.shared.hear(signal, &mut burst, start + Duration::from_millis(milliseconds));
            *signals.shared.requests.borrow()
        };
        assert!(!signals.heard());
        assert_eq!([hear(SIGHUP, 0), hear(SIGTERM, 50), hear(SIGHUP, 900)], [1, 1, 1]);
        assert_eq!([hear(SIGUSR1, 2000), hear(SIGINT, 3000), hear(SIGTERM, 3050)], [1, 2, 2]);
        assert_eq!(hear(SIGTERM, 4000), 3);
    }

    #[test]
    fn a_request_is_told_to_every_clone_and_lost_by_none() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut one = Signals::silent();
            let mut two = one.clone();
            one.request();
            tokio::join!(one.next(), two.next());
            tokio::select! {
                biased;
                () = one.next() => panic!("it was told already"),
                () = std::future::ready(()) => {}
            }
        });
    }

    #[test]
    fn what_goes_on_after_a_request_hears_the_next_one() {
        let signals = Signals::silent();
        signals.request();
        let later = signals.from_now_on();
        assert!(signals.heard() && !later.heard());
        signals.request();
        assert!(later.heard());
    }

    #[test]
    fn the_first_request_ends_the_children_that_are_waited_for() {
        for early in [false, true] {
            let signals = Signals::silent();
            if early {
                signals.request();
            }
            let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
            let ends = signals.ends(child.id());
            if !early {
                signals.request();
            }
            drop(ends);
            let status = child.wait().unwrap();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
            assert!(signals.shared.groups().is_empty());
        }
    }
}
