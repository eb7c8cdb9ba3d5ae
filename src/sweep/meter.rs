//! What the machine does for each live run: a thread that looks every two seconds at their processes and devices.
//!
//! A thread of its own, so that neither a slow `/proc` nor a driver in trouble holds the loop up. The loop tells it which
//! attempts live and takes the readings; what becomes of them is its business. Steps are seconds since the attempt began.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    base::{clock::wall_now, usage::ProcessTree},
    device::{Gauges, Reading},
    event::{Attempt, Scalar, tags},
    schedule::Slot,
};

/// Between two readings.
const EVERY: Duration = Duration::from_secs(2);
/// An attempt that is older than this is read more rarely: a day is then as many points as three hours at first.
const YOUNG: Duration = Duration::from_secs(3600);
/// By so much.
const RARELY: u32 = 10;

/// Looks at live attempts.
pub(super) struct Meter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is to be looked at, or the end has come.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By run.
    watched: BTreeMap<u64, Watched>,
    is_over: bool,
}

/// An attempt that is looked at.
struct Watched {
    /// Counts the attempts that were ever watched: a reading of an earlier one is not this one's.
    id: u64,
    device: String,
    begun: Instant,
    tree: Option<ProcessTree>,
    last: Option<(Instant, f64)>,
    written: Option<u64>,
    /// Energy of the device at the last reading, and the run's share so far.
    energy: (Option<f64>, f64),
    points: Vec<Scalar>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    /// Starts the thread; without one nothing is measured.
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("meter".to_owned()).spawn(move || watch(&for_thread)).ok();
        Self { shared, thread }
    }

    /// Looks at an attempt from now on.
    pub(super) fn watch(&self, attempt: &Attempt) {
        let Some(pid) = attempt.handle.as_ref().and_then(crate::run::Handle::pid) else { return };
        let mut state = self.shared.state();
        let watched = Watched {
            id: attempt.started.to_bits(),
            device: attempt.device.clone(),
            begun: Instant::now(),
            tree: Some(ProcessTree::new(pid)),
            last: None,
            written: None,
            energy: (None, 0.0),
            points: Vec::new(),
        };
        state.watched.insert(attempt.run, watched);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What was read of an attempt since the last call.
    pub(super) fn take(&self, run: u64) -> Vec<Scalar> {
        let mut state = self.shared.state();
        state.watched.get_mut(&run).map(|watched| std::mem::take(&mut watched.points)).unwrap_or_default()
    }

    /// Looks no longer at an attempt. Answers with what was read of it last.
    pub(super) fn forget(&self, run: u64) -> Vec<Scalar> {
        self.shared.state().watched.remove(&run).map(|watched| watched.points).unwrap_or_default()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_all();
        // Not waited for: a driver may hang, and the end of the process ends it.
        drop(self.thread.take());
    }
}

fn watch(shared: &Shared) {
    let mut gauges: Option<Option<Gauges>> = None;
    loop {
        let mut state = shared.state();
        while state.watched.is_empty() && !state.is_over {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let begun = Instant::now();
        while begun.elapsed() < EVERY && !state.is_over {
            let left = EVERY.saturating_sub(begun.elapsed());
            state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.is_over {
            return;
        }
        // What is asked of the operating system and the driver is asked without the lock.
        let due: Vec<(u64, u64, String, ProcessTree)> = state
            .watched
            .iter_mut()
            .filter(|(_, watched)| watched.is_due())
            .filter_map(|(run, watched)| {
                Some((*run, watched.id, watched.device.clone(), watched.tree.take()?))
            })
            .collect();
        let mut sharing: HashMap<String, usize> = HashMap::new();
        for watched in state.watched.values() {
            *sharing.entry(watched.device.clone()).or_default() += 1;
        }
        drop(state);
        let mut devices: HashMap<String, Option<Reading>> = HashMap::new();
        for (run, id, device, mut tree) in due {
            let usage = tree.read();
            let reading = if device == Slot::CPU {
                None
            } else {
                let gauges = gauges.get_or_insert_with(Gauges::open);
                *devices
                    .entry(device.clone())
                    .or_insert_with(|| gauges.as_ref().and_then(|gauges| gauges.read(&device)))
            };
            let mut state = shared.state();
            let Some(watched) = state.watched.get_mut(&run).filter(|watched| watched.id == id) else {
                continue;
            };
            watched.tree = Some(tree);
            let now = Instant::now();
            let runs = sharing.get(&device).copied().unwrap_or(1).max(1);
            let mut values = Vec::new();
            if let Some(usage) = usage {
                values.extend(watched.processes(now, usage.core_seconds, usage.memory, usage.written));
            }
            if let Some(reading) = reading {
                values.extend(watched.device(reading, runs));
            }
            watched.note(now, &values);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of bytes as MiB")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl Watched {
    fn is_due(&self) -> bool {
        let pause = if self.begun.elapsed() < YOUNG { EVERY } else { EVERY * RARELY };
        self.last.is_none_or(|(last, _)| last.elapsed() + EVERY / 2 >= pause)
    }

    fn processes(
        &mut self,
        now: Instant,
        core_seconds: f64,
        memory: u64,
        written: Option<u64>,
    ) -> Vec<(&'static str, f64)> {
        let mut values = vec![(tags::SYSTEM_MEMORY, mib(memory))];
        // The first reading is over the time since the attempt began, which a process begins with nothing.
        let (since, before) = self.last.unwrap_or((self.begun, 0.0));
        let seconds = (now - since).as_secs_f64();
        if seconds > 0.0 {
            // A process that ends before its parent takes note of it is missing for a moment.
            values.push((tags::SYSTEM_CORES, (core_seconds - before).max(0.0) / seconds));
        }
        self.last = Some((now, core_seconds));
        self.written = written.or(self.written);
        values.extend(self.written.map(|written| (tags::SYSTEM_WRITTEN, mib(written))));
        values
    }

    fn device(&mut self, reading: Reading, runs: usize) -> Vec<(&'static str, f64)> {
        let Reading { utilization, memory, power, temperature, energy } = reading;
        let mut values = Vec::new();
        values.extend(utilization.map(|value| (tags::SYSTEM_GPU, value)));
        values.extend(memory.map(|value| (tags::SYSTEM_GPU_MEMORY, mib(value))));
        values.extend(power.map(|value| (tags::SYSTEM_GPU_POWER, value)));
        values.extend(temperature.map(|value| (tags::SYSTEM_GPU_TEMPERATURE, value)));
        if let Some(energy) = energy {
            let (before, share) = &mut self.energy;
            #[expect(clippy::cast_precision_loss, reason = "a number of runs")]
            if let Some(before) = before {
                *share += (energy - *before).max(0.0) / runs as f64;
            }
            *before = Some(energy);
            values.push((tags::SYSTEM_ENERGY, *share));
        }
        values
    }

    fn note(&mut self, now: Instant, values: &[(&'static str, f64)]) {
        let step = i64::try_from((now - self.begun).as_secs()).unwrap_or(i64::MAX);
        let wall_time = wall_now();
        #[expect(clippy::cast_possible_truncation, reason = "event files have 32-bit floats")]
        self.points.extend(values.iter().map(|(tag, value)| Scalar {
            tag: (*tag).to_owned(),
            step,
            value: *value as f32,
            wall_time,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched {
            id: 1,
            device: "GPU-1".to_owned(),
            begun: Instant::now(),
            tree: None,
            last: None,
            written: None,
            energy: (None, 0.0),
            points: Vec::new(),
        }
    }

    #[test]
    fn cores_are_time_over_time_and_energy_is_shared() {
        let mut run = watched();
        let at = |seconds| run.begun + Duration::from_secs(seconds);
        let (first, second) = (at(2), at(4));
        let value =
            |values: &[(&str, f64)], tag| values.iter().find(|value| value.0 == tag).map(|value| value.1);
        let values = run.processes(first, 3.0, 1 << 20, None);
        assert_eq!(
            (value(&values, tags::SYSTEM_CORES), value(&values, tags::SYSTEM_MEMORY)),
            (Some(1.5), Some(1.0))
        );
        assert_eq!(value(&run.processes(second, 7.0, 0, Some(2 << 20)), tags::SYSTEM_CORES), Some(2.0));
        let reading = |energy| Reading { energy: Some(energy), ..Reading::default() };
        assert_eq!(run.device(reading(1000.0), 2), [(tags::SYSTEM_ENERGY, 0.0)]);
        assert_eq!(run.device(reading(1100.0), 2), [(tags::SYSTEM_ENERGY, 50.0)]);
        // The driver was loaded anew.
        assert_eq!(run.device(reading(10.0), 1), [(tags::SYSTEM_ENERGY, 50.0)]);
        run.note(second, &[(tags::SYSTEM_CORES, 2.0)]);
        assert_eq!((run.points[0].step, run.points[0].value), (4, 2.0));
    }

    #[test]
    fn this_process_is_seen_within_a_moment() {
        let meter = Meter::start();
        let attempt = Attempt {
            run: 3,
            name: "a".to_owned(),
            number: 1,
            slot: "cpu/0".to_owned(),
            device: Slot::CPU.to_owned(),
            threads: 1,
            handle: Some(crate::run::Handle::Process(std::process::id())),
            started: 1.0,
            pid_start: None,
            resumed: None,
        };
        meter.watch(&attempt);
        let begun = Instant::now();
        let mut points = Vec::new();
        while points.is_empty() && begun.elapsed() < Duration::from_secs(60) {
            thread::park_timeout(Duration::from_millis(20));
            points = meter.take(3);
        }
        assert!(
            points.iter().any(|point| point.tag == tags::SYSTEM_MEMORY && point.value > 1.0),
            "{points:?}"
        );
        meter.forget(3);
        assert!(meter.take(3).is_empty());
    }
}
