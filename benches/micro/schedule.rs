//! The scheduler: a whole sweep of 100,000 jobs as a simulation, and one dispatch of it.
//!
//!     cargo bench --bench micro -- schedule

use std::{collections::VecDeque, hint::black_box};

use criterion::{BatchSize, Criterion, Throughput};
use gridboard::schedule::{Effect, Ended, Input, Job, Scheduler, Slot};

const JOBS: u64 = 100_000;
const SLOTS: u32 = 16;
/// Memory of the one device, bytes: two of the larger jobs at a time, many of the smaller.
const MEMORY: u64 = 16 << 30;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    group.throughput(Throughput::Elements(JOBS));
    group.bench_function("set up 100,000 jobs", |bencher| bencher.iter(|| black_box(scheduler())));
    group.bench_function("sweep of 100,000 jobs", |bencher| {
        bencher.iter_batched(scheduler, |mut scheduler| sweep(&mut scheduler), BatchSize::PerIteration);
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("time left of 100,000 jobs", |bencher| {
        let mut scheduler = scheduler();
        let effects = scheduler.step(0.0, Input::Begin);
        for effect in effects {
            if let Effect::Start { run, .. } = effect {
                scheduler.step(1.0, Input::Progress { run, fraction: 0.5 }).clear();
            }
        }
        bencher.iter(|| scheduler.remaining_seconds(black_box(2.0)).expect("progress was told"));
    });
    group.finish();
}

fn scheduler() -> Scheduler {
    let slot = |index| Slot {
        index,
        label: format!("cpu/{index}"),
        device: Slot::CPU.to_owned(),
        device_index: 0,
        threads: 1,
    };
    // A fixed permutation of costs and needs: neighbours in the grid differ, as in a real one.
    let job = |run: u64| {
        let mixed = run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let cost = mixed as f64;
        Job {
            run,
            cost,
            memory: (mixed % 512) << 24,
            attempt: 1,
            elastic: mixed.is_multiple_of(2),
            cancelled: false,
            alive: false,
        }
    };
    let slots = (0..SLOTS).map(slot).collect();
    Scheduler::new(slots, &[MEMORY], (0..JOBS).map(job).collect(), 1).expect("a valid set-up")
}

/// Plays the sweep: the run that started first ends first.
fn sweep(scheduler: &mut Scheduler) {
    let mut live = VecDeque::new();
    let mut effects = scheduler.step(0.0, Input::Begin);
    let (mut now, mut over) = (0.0, false);
    while !over {
        for effect in effects.drain(..) {
            match effect {
                Effect::Start { run, .. } => live.push_back(run),
                Effect::Finished(_) => over = true,
                Effect::Stop { .. } => {}
            }
        }
        now += 1.0;
        if let Some(run) = live.pop_front() {
            effects = scheduler.step(now, Input::Ended { run, how: Ended::Completed });
        }
    }
}
