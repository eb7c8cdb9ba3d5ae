//! The masks of dropout, p = 1/2, drawn from a stream of ours for each (see `init`).
//!
//! A device gets the masks of many steps at once, so that a step waits for none: they cross the bus together, and the
//! wait is as rare as that for the losses.

use tch::{Device, Kind, TchError, Tensor};

use crate::init;

/// Masks that a device gets at once: those of two layers for the steps that it may be ahead.
const AHEAD: usize = 64;
/// What they may take there, bytes.
const SHEET_BYTES: usize = 32 << 20;

/// Draws one mask after another.
#[derive(Debug)]
pub(super) struct Dropout {
    seed: u64,
    /// Masks used.
    used: u64,
    sheet: Option<Sheet>,
}

/// Masks that lie ready.
#[derive(Debug)]
struct Sheet {
    /// Number of the first.
    first: u64,
    /// u8 `[masks, features]`: 0 or 2.
    masks: Tensor,
}

impl Dropout {
    /// The masks of a seed, from the first on.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, used: 0, sheet: None }
    }

    /// Masks used.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Goes on behind so many masks.
    pub(super) fn go_on(&mut self, used: u64) {
        (self.used, self.sheet) = (used, None);
    }

    /// Zero for half of the features, twice the rest: `features` is `[n, width]`.
    ///
    /// # Errors
    /// Where memory is short.
    pub(super) fn apply(&mut self, features: &Tensor) -> Result<Tensor, TchError> {
        let n = features.numel();
        let ahead = match features.device() {
            // Nothing crosses a bus, and nobody waits.
            Device::Cpu => 1,
            _ => (SHEET_BYTES / n.max(1)).clamp(1, AHEAD),
        };
        self.masked(features, ahead)
    }

    fn masked(&mut self, features: &Tensor, ahead: usize) -> Result<Tensor, TchError> {
        let n = features.numel();
        let sheet = match self.sheet.take().filter(|sheet| sheet.holds(self.used, n)) {
            Some(sheet) => sheet,
            None => Sheet::draw(self.seed, self.used, ahead, n, features.device())?,
        };
        // A smaller batch sees the beginning of its mask.
        let mask = sheet.masks.f_select(0, (self.used - sheet.first) as i64)?.f_narrow(0, 0, n as i64)?;
        self.used += 1;
        self.sheet = Some(sheet);
        features.f_mul(&mask.f_reshape(features.size())?)
    }
}

impl Sheet {
    fn draw(seed: u64, first: u64, masks: usize, n: usize, device: Device) -> Result<Self, TchError> {
        let mut bytes = Vec::with_capacity(masks * n);
        for draw in first..first + masks as u64 {
            bytes.extend(init::doubled_or_nothing(n, seed, draw));
        }
        let masks = Tensor::f_from_data_size(&bytes, &[masks as i64, n as i64], Kind::Uint8)?;
        Ok(Self { first, masks: masks.f_to_device(device)? })
    }

    /// Whether the mask of this number is there, for so many features.
    fn holds(&self, draw: u64, n: usize) -> bool {
        let [masks, features] = self.masks.size()[..] else { return false };
        draw - self.first < masks as u64 && n as i64 <= features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_is_doubled_and_every_mask_is_another() {
        let features = Tensor::ones([3, 1000], (Kind::Float, Device::Cpu));
        let mut dropout = Dropout::new(1);
        let (first, second) = (dropout.apply(&features).unwrap(), dropout.apply(&features).unwrap());
        let zeros = first.eq(0.0).sum(Kind::Int64).int64_value(&[]);
        let twos = first.eq(2.0).sum(Kind::Int64).int64_value(&[]);
        assert_eq!(zeros + twos, 3000);
        assert!((zeros - 1500).abs() < 140, "{zeros}");
        assert_ne!(first, second);
        assert_eq!(first, Dropout::new(1).apply(&features).unwrap());
    }

    /// As two layers draw them, over batches of which the last of an epoch is smaller and the first may be.
    #[test]
    fn masks_drawn_ahead_are_those_drawn_one_by_one() {
        for sizes in [[8, 8, 8, 3, 8, 8], [3, 8, 8, 8, 3, 8]] {
            let mut dropouts = [1, 4, 64].map(|ahead| (Dropout::new(7), ahead));
            for (step, n) in (0..).zip(sizes) {
                let features = Tensor::ones([n, 50], (Kind::Float, Device::Cpu));
                for layer in 0..2 {
                    let expected = init::doubled_or_nothing(n as usize * 50, 7, 2 * step + layer);
                    for (dropout, ahead) in &mut dropouts {
                        let mask = dropout.masked(&features, *ahead).unwrap().to_kind(Kind::Uint8);
                        assert_eq!(Vec::<u8>::try_from(mask.flatten(0, -1)).unwrap(), expected, "{ahead}");
                    }
                }
            }
        }
    }
}
