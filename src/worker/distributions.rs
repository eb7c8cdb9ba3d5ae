//! Distributions of a network's weights and gradients, for TensorBoard's tabs Histograms and Distributions.
//!
//! Of the gradients Adam's mean over the last batches, corrected for its beginning with zero (Kingma and Ba 2015, algorithm 1):
//! our own kernels use a gradient where they have computed it and keep none. Used by the training loop.

use std::io::{self, Write};

use gridboard::tfevents::Histogram;
use tch::TchError;

use crate::{
    engine::{Compute, Values},
    error::TrainError,
    record::Recorder,
};

/// How much of Adam's mean a step keeps, as both engines have it.
const BETA: f64 = 0.9;

/// Takes note of how the weights of each trained tensor are distributed, and the gradients of each.
///
/// # Errors
/// Where a file cannot be written, or a device fails.
pub(crate) fn record(
    engine: &dyn Compute,
    epoch: i64,
    recorder: &mut dyn Recorder,
) -> Result<(), TrainError> {
    let state = engine.state();
    let updates = engine.counters().updates;
    for (place, info) in state.iter().enumerate().filter(|(_, info)| !info.is_count) {
        let weights = distribution(engine, place, Values::Value, 1.0)?;
        if let Some(weights) = weights {
            recorder.histogram(&format!("train/weights/{}", info.name), epoch, &weights)?;
        }
        if info.is_trained && updates > 0 {
            let begun = 1.0 - BETA.powf(f64::from(updates));
            if let Some(gradients) = distribution(engine, place, Values::FirstMoment, 1.0 / begun)? {
                recorder.histogram(&format!("train/gradients/{}", info.name), epoch, &gradients)?;
            }
        }
    }
    Ok(())
}

fn distribution(
    engine: &dyn Compute,
    place: usize,
    part: Values,
    scale: f64,
) -> Result<Option<Histogram>, TrainError> {
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are f32")]
    let told = Histogram::of(|take| {
        let mut take = |value: f32| take((f64::from(value) * scale) as f32);
        engine.write(place, part, &mut Each { take: &mut take, begun: Vec::new() })
    });
    told.map_err(|error| match error.downcast::<TchError>() {
        Ok(error) => error.into(),
        // What is told is taken: nothing else can fail.
        Err(error) => TrainError::Panic(error.to_string()),
    })
}

/// Takes little-endian f32 one by one, wherever what is written is cut.
struct Each<'a> {
    take: &'a mut dyn FnMut(f32),
    /// Bytes of a number that is not whole yet.
    begun: Vec<u8>,
}

impl Write for Each<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !self.begun.is_empty() || rest.len() < 4 {
            let Some((&first, after)) = rest.split_first() else { return Ok(bytes.len()) };
            rest = after;
            self.begun.push(first);
            if let Ok(four) = <[u8; 4]>::try_from(self.begun.as_slice()) {
                (self.take)(f32::from_le_bytes(four));
                self.begun.clear();
            }
        }
        let (numbers, left) = rest.as_chunks();
        for four in numbers {
            (self.take)(f32::from_le_bytes(*four));
        }
        self.begun.extend(left);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_wherever_they_are_cut() {
        let values: Vec<f32> = (0..40).map(|value| value as f32 / 7.0).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for piece in 1..13 {
            let mut told = Vec::new();
            let mut take = |value| told.push(value);
            let mut each = Each { take: &mut take, begun: Vec::new() };
            for piece in bytes.chunks(piece) {
                each.write_all(piece).unwrap();
            }
            assert_eq!(told, values, "{piece} bytes at a time");
        }
    }
}
