//! For each output channel of a later block, the winners' gradients and the places of their patches, listed so that
//! `weights_gradient` visits nothing else; and the room that their patch takes.

#![expect(unsafe_code, reason = "loads and stores through pointers; lists have room for whole vectors")]

use super::{
    buffer::Buffer,
    precision::Precision,
    simd::{Halves, LANES, NONE},
};

/// Windows of a row whose entries are listed together: their input patch stays in the first-level cache.
pub(super) const RUN: usize = 28;
/// Columns of such a patch.
pub(super) const PATCH: usize = 2 * RUN + 2;
/// Input channels of such a patch.
pub(super) const WIDTH: usize = 2 * LANES;
/// Entries that a list has room for: an even number, for whole vectors.
const ROOM: usize = RUN.next_multiple_of(2 * LANES);

/// Room for one thread's lists.
#[derive(Debug)]
pub(super) struct WinnerLists {
    /// `[out][ROOM]`: gradient of an entry.
    gradients: Buffer<f32>,
    /// `[out][ROOM]`: the same in bf16, where that is multiplied.
    halves: Buffer<u16>,
    /// `[out][ROOM]`: the pixel of the run's patch where the winner's own begins.
    places: Buffer<u32>,
    /// `[out]`.
    pub(super) lengths: Buffer<u32>,
    /// `[4, PATCH, WIDTH]`: input rows of a run of windows, for some of the channels. Room for f32, or for bf16.
    pub(super) patch: Buffer<f32>,
}

impl WinnerLists {
    /// For up to `outputs` channels.
    pub(super) fn new(outputs: usize, precision: Precision) -> Self {
        let halves = if precision == Precision::Bf16 { outputs * ROOM } else { 0 };
        Self {
            gradients: Buffer::zeros(outputs * ROOM),
            halves: Buffer::zeros(halves),
            places: Buffer::zeros(outputs * ROOM),
            lengths: Buffer::zeros(outputs),
            patch: Buffer::zeros(4 * PATCH * WIDTH),
        }
    }

    /// Bytes that all of it takes.
    pub(super) const fn bytes(outputs: usize, precision: Precision) -> usize {
        let halves = match precision {
            Precision::Fp32 => 0,
            Precision::Bf16 => size_of::<u16>(),
        };
        outputs * (ROOM * (4 + 4 + halves) + 4) + 4 * PATCH * WIDTH * 4
    }

    /// Gradients and places of a channel's entries.
    #[inline(always)]
    pub(super) fn channel(&self, out: usize) -> (&[f32], &[u32]) {
        let length = self.lengths[out] as usize;
        (&self.gradients[out * ROOM..][..length], &self.places[out * ROOM..][..length])
    }

    /// Gradients of a channel's entries, to be changed.
    #[cfg(test)]
    pub(super) fn of_mut(&mut self, out: usize) -> &mut [f32] {
        &mut self.gradients[out * ROOM..][..self.lengths[out] as usize]
    }

    /// The same in twos, rounded by [`Self::round`].
    #[inline(always)]
    pub(super) fn pairs_of(&self, out: usize) -> (&[[u16; 2]], &[[u32; 2]]) {
        let length = (self.lengths[out] as usize).next_multiple_of(2);
        let (halves, places) = (&self.halves[out * ROOM..][..length], &self.places[out * ROOM..][..length]);
        (halves.as_chunks().0, places.as_chunks().0)
    }

    /// Rounds a channel's gradients to bf16, and adds one of zero where their number is odd.
    #[inline(always)]
    pub(super) fn round<S: Halves>(&mut self, s: S, out: usize) {
        let (list, places) =
            (&mut self.gradients[out * ROOM..][..ROOM], &mut self.places[out * ROOM..][..ROOM]);
        let length = self.lengths[out] as usize;
        if length % 2 == 1 {
            (list[length], places[length]) = (0.0, 0);
        }
        let halves = &mut self.halves[out * ROOM..][..ROOM];
        for at in (0..ROOM).step_by(LANES) {
            // SAFETY: both lists have room for whole vectors.
            unsafe { s.store_halves(halves.as_mut_ptr().add(at), s.load(list.as_ptr().add(at))) };
        }
    }

    /// WinnerLists the winners of `n` windows, a run of one row; a patch has `columns` columns.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        outputs: usize,
        gradient: &[f32],
        winners: &[u8],
        n: usize,
        columns: usize,
    ) {
        let places: [u32; 5] = [0, 1, columns, columns + 1, 0].map(|place| place as u32);
        self.lengths[..outputs].fill(0);
        for window in 0..n {
            let row = window * outputs..(window + 1) * outputs;
            let base = (2 * window) as u32;
            let lists = self.gradients.chunks_exact_mut(ROOM).zip(self.places.chunks_exact_mut(ROOM));
            let entries = gradient[row.clone()].iter().zip(&winners[row]);
            for (((list, list_places), length), (value, winner)) in
                lists.zip(self.lengths.iter_mut()).zip(entries)
            {
                // Written in any case, kept where there is a winner: a branch would be guessed wrong half the time.
                let end = *length as usize;
                list[end.min(RUN - 1)] = *value;
                list_places[end.min(RUN - 1)] = base + places[usize::from(winner & 7).min(4)];
                *length += u32::from(*winner != NONE);
            }
        }
    }
}
