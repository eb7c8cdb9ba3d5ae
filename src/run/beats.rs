//! The leases that this process holds, and the thread that gives their signs of life.
//!
//! One thread for all of them: `index --rebuild` holds those of every experiment. Where another process has taken an experiment
//! over, it is noted here, and whoever holds the lock asks for it.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread,
    time::Duration,
};

use super::{
    lease::{EVERY, Lease},
    lease_files::LeaseFiles,
};

/// A lease of this process: let go when it is dropped.
#[derive(Debug)]
pub(super) struct HeldLease(Arc<Own>);

#[derive(Debug)]
struct Own {
    files: LeaseFiles,
    number: u64,
    /// Whether other machines may see the files later than this one.
    is_shared: bool,
    lease: Mutex<Lease>,
    /// Whoever has taken the experiment over; `None` within where it cannot be read.
    lost_to: OnceLock<Option<Lease>>,
}

impl HeldLease {
    /// A lease that was just taken: from now on it gives signs of life.
    pub(super) fn new(files: LeaseFiles, number: u64, lease: Lease, is_shared: bool) -> Self {
        let own = Own { files, number, is_shared, lease: Mutex::new(lease), lost_to: OnceLock::new() };
        let own = Arc::new(own);
        enlist(&own);
        Self(own)
    }

    /// Whoever has taken the experiment over, as far as it is known; `Some(None)` where that cannot be read.
    pub(super) fn lost_to(&self) -> Option<Option<Lease>> {
        self.0.lost_to.get().cloned()
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    #[cfg(test)]
    pub(super) fn beat(&self) {
        self.0.beat();
    }

    /// As where its process was killed: nothing is said any more.
    #[cfg(test)]
    pub(super) fn die(&self) {
        lock(&self.0.lease).left = true;
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        let mut lease = lock(&self.0.lease);
        if std::mem::replace(&mut lease.left, true) {
            return;
        }
        // Where it cannot be written, the end of this process tells, or its silence.
        let _ = self.0.files.rewrite(self.0.number, &lease);
    }
}

impl Own {
    fn beat(&self) {
        let mut lease = lock(&self.lease);
        if lease.left || self.lost_to.get().is_some() {
            return;
        }
        lease.beat += 1;
        // A disk that is full or away for a moment: the next one.
        let _ = self.files.rewrite(self.number, &lease);
        if self.is_shared {
            self.files.refresh(&lease.nonce);
        }
        if let Ok(Some(last)) = self.files.last()
            && last.number > self.number
        {
            let _ = self.lost_to.set(last.lease);
        }
    }
}

/// Whether this process holds the lease with this nonce.
pub(super) fn is_held(nonce: &str) -> bool {
    let owns: Vec<Arc<Own>> = lock(&HELD).owns.iter().filter_map(Weak::upgrade).collect();
    owns.iter().any(|own| {
        let lease = lock(&own.lease);
        !lease.left && lease.nonce == nonce
    })
}

struct Held {
    owns: Vec<Weak<Own>>,
    /// Whether the thread lives.
    is_attended: bool,
}

static HELD: Mutex<Held> = Mutex::new(Held { owns: Vec::new(), is_attended: false });

fn enlist(own: &Arc<Own>) {
    let mut held = lock(&HELD);
    held.owns.push(Arc::downgrade(own));
    if !held.is_attended {
        // Without it others may take the experiment over after a while, which is noticed by nobody then: said to be held here,
        // and by the lock of the file system, it is all the same.
        held.is_attended = thread::Builder::new().name("leases".to_owned()).spawn(attend).is_ok();
    }
}

fn attend() {
    loop {
        thread::sleep(Duration::from_secs_f64(EVERY));
        let owns: Vec<Arc<Own>> = {
            let mut held = lock(&HELD);
            held.owns.retain(|own| own.strong_count() > 0);
            if held.owns.is_empty() {
                held.is_attended = false;
                return;
            }
            held.owns.iter().filter_map(Weak::upgrade).collect()
        };
        for own in owns {
            own.beat();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
