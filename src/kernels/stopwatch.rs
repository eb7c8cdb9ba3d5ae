//! Where the time of a step goes: a stopwatch for each thread, read between the stages of its work.
//!
//! It counts the thread's processor time, which another process on the same core does not lengthen. Reading it is a system
//! call, so that a network only does it when it was told to ([`super::Network::measure`]); `benches/profile.rs` does.

#![expect(unsafe_code, reason = "clock_gettime is C")]

/// A stage of the work of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// First block: bytes to pixels, convolution, pooling and ReLU.
    First,
    /// LaterBlock block, forwards: the input's tiles gathered and transformed.
    Gather,
    /// LaterBlock block, forwards: the tiles' products with the weights.
    Products,
    /// LaterBlock block, forwards: products transformed back, pooling and ReLU.
    Emit,
    /// Dense layer, forwards.
    Dense,
    /// Dense layer, backwards, with Adam: gradients of inputs and weights, update.
    DenseBackward,
    /// LaterBlock block, backwards: which of the outputs won, and their gradients, as lists.
    WinnerLists,
    /// LaterBlock block, backwards: gradient of the weights.
    Weights,
    /// LaterBlock block, backwards: tiles of the winners' gradients gathered and transformed.
    GatherBackward,
    /// LaterBlock block, backwards: their products with the weights.
    ProductsBackward,
    /// LaterBlock block, backwards: the input's gradient transformed back.
    EmitBackward,
    /// First block: gradient of its weights.
    FirstBackward,
    /// A convolution's Adam, from the sums of all groups of images.
    Adam,
    /// A convolution's weights transformed.
    Transform,
}

impl Stage {
    /// All, in the order of a step.
    pub const ALL: [Self; 14] = [
        Self::First,
        Self::Gather,
        Self::Products,
        Self::Emit,
        Self::Dense,
        Self::DenseBackward,
        Self::WinnerLists,
        Self::Weights,
        Self::GatherBackward,
        Self::ProductsBackward,
        Self::EmitBackward,
        Self::FirstBackward,
        Self::Adam,
        Self::Transform,
    ];
}

/// What a stage of a layer took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lap {
    /// Blocks first, then dense layers, from 0.
    pub layer: usize,
    /// The stage.
    pub stage: Stage,
    /// Processor time of all threads, seconds.
    pub seconds: f64,
    /// [`Stage::WinnerLists`]: winners that were listed.
    pub items: u64,
}

/// A thread's own.
#[derive(Clone, Debug)]
pub(super) struct Stopwatch {
    on: bool,
    last: f64,
    /// `[layer][stage]`.
    seconds: Vec<[f64; Stage::ALL.len()]>,
    /// `[layer]`: winners listed.
    items: Vec<u64>,
}

impl Stopwatch {
    /// For so many layers; off.
    pub(super) fn new(layers: usize) -> Self {
        Self { on: false, last: 0.0, seconds: vec![[0.0; Stage::ALL.len()]; layers], items: vec![0; layers] }
    }

    /// Switches it on or off, and to zero.
    pub(super) fn set(&mut self, on: bool) {
        self.on = on;
        self.seconds.fill([0.0; Stage::ALL.len()]);
        self.items.fill(0);
    }

    /// A stage begins.
    #[inline]
    pub(super) fn start(&mut self) {
        if self.on {
            self.last = thread_seconds();
        }
    }

    /// A stage is over, and the next begins.
    #[inline]
    pub(super) fn lap(&mut self, layer: usize, stage: Stage) {
        if self.on {
            let now = thread_seconds();
            self.seconds[layer][stage as usize] += now - self.last;
            self.last = now;
        }
    }

    /// [`Stage::WinnerLists`] of a layer listed winners of channels, so many of each.
    #[inline]
    pub(super) fn listed(&mut self, layer: usize, winners: &[u32]) {
        if self.on {
            self.items[layer] += winners.iter().map(|&winners| u64::from(winners)).sum::<u64>();
        }
    }

    /// Adds what this one counted; its first layer is the network's `first`.
    pub(super) fn add_to(&self, first: usize, laps: &mut Vec<Lap>) {
        for (layer, (seconds, listed)) in (first..).zip(self.seconds.iter().zip(&self.items)) {
            for (stage, &seconds) in Stage::ALL.into_iter().zip(seconds) {
                if seconds == 0.0 {
                    continue;
                }
                let items = if stage == Stage::WinnerLists { *listed } else { 0 };
                match laps.iter_mut().find(|lap| (lap.layer, lap.stage) == (layer, stage)) {
                    Some(lap) => {
                        lap.seconds += seconds;
                        lap.items += items;
                    }
                    None => laps.push(Lap { layer, stage, seconds, items }),
                }
            }
        }
    }
}

/// Processor time of this thread.
pub(super) fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock is written to a structure of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_in_their_places() {
        for (place, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, place);
        }
    }

    #[test]
    fn laps_of_threads_are_added_up_and_only_counted_when_asked_for() {
        let mut watch = Stopwatch::new(2);
        watch.start();
        watch.lap(1, Stage::Dense);
        let mut laps = Vec::new();
        watch.add_to(4, &mut laps);
        assert!(laps.is_empty(), "it is off");
        watch.set(true);
        watch.start();
        let sum: u64 = (0..200_000u64).map(std::hint::black_box).sum();
        assert!(sum > 0);
        watch.lap(1, Stage::Dense);
        watch.clone().add_to(4, &mut laps);
        watch.add_to(4, &mut laps);
        let [Lap { layer: 5, stage: Stage::Dense, seconds, items: 0 }] = laps[..] else { panic!("{laps:?}") };
        assert!((seconds - 2.0 * watch.seconds[1][Stage::Dense as usize]).abs() < 1e-12 && seconds > 0.0);
        watch.set(true);
        let mut laps = Vec::new();
        watch.add_to(4, &mut laps);
        assert!(laps.is_empty(), "set to zero");
    }
}
