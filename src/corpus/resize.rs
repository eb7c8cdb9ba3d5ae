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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A busy image whose formula is also in the Python that made the numbers below.
    pub(in crate::corpus) fn pattern(width: u32, height: u32) -> GrayImage {
        GrayImage::from_fn(width, height, |x, y| {
            image::Luma([((x * 7 + y * 13 + x * y * 3 + (x ^ y) * 5) % 256) as u8])
        })
    }

    fn worst(width: u32, height: u32, opencv: &[u8; 64]) -> u8 {
        let resized = resize(&pattern(width, height), 8);
        assert_eq!(resized.len(), 64);
        resized.iter().zip(opencv).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    /// `cv2.resize(pattern, (8, 8), interpolation=cv2.INTER_AREA)`, OpenCV 5.0.
    #[test]
    fn shrinking_averages_by_area_as_opencv() {
        let by_2_875_and_2_125 = [
            22, 60, 100, 139, 172, 151, 122, 121, 61, 113, 159, 199, 107, 86, 131, 173, 109, 160, 157, 80,
            123, 137, 104, 89, 150, 186, 91, 154, 181, 119, 150, 122, 197, 84, 146, 183, 106, 115, 116, 163,
            144, 105, 159, 89, 145, 153, 153, 129, 118, 151, 93, 137, 148, 90, 143, 115, 77, 151, 106, 131,
            113, 145, 172, 121,
        ];
        assert!(worst(23, 17, &by_2_875_and_2_125) <= 1);
        let by_2_and_1_5 = [
            11, 37, 63, 89, 115, 141, 167, 193, 37, 58, 105, 126, 173, 194, 156, 91, 68, 98, 142, 173, 158,
            189, 62, 93, 94, 146, 158, 210, 46, 98, 110, 162, 128, 170, 212, 83, 120, 162, 204, 161, 154,
            217, 110, 88, 124, 188, 166, 59, 185, 130, 89, 162, 169, 199, 73, 146, 211, 65, 131, 199, 141,
            81, 147, 215,
        ];
        assert!(worst(16, 12, &by_2_and_1_5) <= 1);
        let by_1_125_and_3_875 = [
            27, 40, 53, 74, 98, 111, 124, 154, 98, 124, 150, 167, 182, 174, 132, 77, 169, 199, 161, 90, 101,
            129, 162, 153, 185, 55, 87, 131, 174, 159, 75, 75, 55, 120, 176, 142, 104, 147, 181, 76, 126,
            171, 96, 96, 156, 138, 88, 174, 174, 70, 122, 125, 80, 142, 127, 52, 122, 115, 152, 92, 157, 89,
            107, 184,
        ];
        assert!(worst(9, 31, &by_1_125_and_3_875) <= 1);
    }

    /// `cv2.resize(pattern, (8, 8), interpolation=cv2.INTER_LINEAR)`, OpenCV 5.0.
    #[test]
    fn growing_interpolates_as_opencv() {
        let up = [
            0, 5, 13, 20, 28, 35, 43, 48, 1, 6, 13, 21, 29, 36, 44, 50, 8, 12, 18, 29, 37, 43, 53, 61, 15,
            17, 22, 36, 45, 49, 62, 72, 21, 24, 30, 42, 51, 56, 71, 84, 28, 33, 41, 47, 54, 62, 81, 95, 35,
            42, 52, 52, 57, 68, 90, 106, 36, 44, 54, 52, 58, 69, 91, 108,
        ];
        assert!(worst(5, 3, &up) <= 1);
        assert_eq!(resize(&GrayImage::from_pixel(1, 1, image::Luma([77])), 3), [77; 9]);
    }

    #[test]
    fn the_same_size_changes_nothing_and_flat_stays_flat() {
        assert_eq!(resize(&pattern(9, 9), 9), *pattern(9, 9).as_raw());
        for (width, height) in [(1, 50), (50, 1), (7, 300), (223, 225), (4000, 3)] {
            for gray in [0, 1, 128, 255] {
                let flat = GrayImage::from_pixel(width, height, image::Luma([gray]));
                assert!(resize(&flat, 16).iter().all(|&pixel| pixel == gray), "{width} x {height}");
            }
        }
    }
}
