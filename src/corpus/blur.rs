//! Gaussian blur, equal to OpenCV's `GaussianBlur` of 8-bit images bit by bit.
//!
//! Separable; border reflected without its edge (`gfedcb|abcdefgh|gfedcba`, `BORDER_REFLECT_101`, OpenCV's default). The
//! kernel is rounded to 1/256 with the error carried to the next weight and the rest given to the centre, so that it
//! sums to 1 exactly (`getGaussianKernelFixedPoint_ED` in OpenCV's smooth.dispatch.cpp); both passes are then exact in
//! integers, and the result is rounded once, half up. Called by `preprocess`.

use crate::spec::Blur;

/// A kernel in units of 1/256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel(Vec<u32>);

/// OpenCV's kernels for sigma 0 and 3, 5, 7 and 9 pixels.
const SMALL: [&[u32]; 4] =
    [&[64, 128, 64], &[16, 64, 96, 64, 16], &[8, 28, 56, 72, 56, 28, 8], &[4, 13, 30, 51, 60, 51, 30, 13, 4]];

impl Kernel {
    /// The kernel of a blur; `None` where the kernel's side is even or the numbers make no kernel. A sigma of 0 stands for
    /// OpenCV's choice from the kernel's side, 0.3 ((side - 1) / 2 - 1) + 0.8 (and fixed kernels up to 9 pixels).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "weights are between 0 and 256; a cast of something else saturates and is refused below"
    )]
    pub(super) fn new(blur: Blur) -> Option<Self> {
        let Blur { kernel: side, sigma } = blur;
        if side % 2 == 0 || side > 1023 || !sigma.is_finite() || sigma < 0.0 {
            return None;
        }
        if sigma == 0.0
            && let Some(small) = SMALL.iter().find(|small| small.len() == side as usize)
        {
            return Some(Self(small.to_vec()));
        }
        let half = f64::from(side / 2);
        let sigma = if sigma == 0.0 { 0.3 * (half - 1.0) + 0.8 } else { sigma };
        let weight = |place: u32| (-(f64::from(place) - half).powi(2) / (2.0 * sigma * sigma)).exp();
        let total: f64 = (0..side).map(weight).sum();
        let mut carried = 0.0;
        let mut wing: Vec<u32> = Vec::new();
        for place in 0..side / 2 {
            let exact = weight(place) / total * 256.0 + carried;
            let rounded = exact.round_ties_even();
            carried = exact - rounded;
            wing.push(rounded as u32);
        }
        let centre = 256_u32.checked_sub(2 * wing.iter().sum::<u32>())?;
        let weights = wing.iter().copied().chain([centre]).chain(wing.iter().rev().copied());
        Some(Self(weights.collect()))
    }

    /// Blurs a square image in place.
    pub(super) fn apply(&self, pixels: &mut [u8], size: usize) {
        if self.0.len() == 1 || size == 0 {
            return;
        }
        let half = self.0.len() / 2;
        // `source[place + tap]` is the pixel that `tap` reads for `place`.
        let source: Vec<usize> = (0..size + 2 * half).map(|place| reflect(place, half, size)).collect();
        let mut across = vec![0_u32; pixels.len()];
        let mut padded = vec![0_u8; source.len()];
        for (line, sums) in pixels.chunks_exact(size).zip(across.chunks_exact_mut(size)) {
            for (pixel, &from) in padded.iter_mut().zip(&source) {
                *pixel = line[from];
            }
            for (tap, &weight) in self.0.iter().enumerate() {
                for (sum, &pixel) in sums.iter_mut().zip(&padded[tap..]) {
                    *sum += weight * u32::from(pixel);
                }
            }
        }
        let mut sums = vec![0_u32; size];
        for (row, line) in pixels.chunks_exact_mut(size).enumerate() {
            sums.fill(1 << 15);
            for (&weight, &from) in self.0.iter().zip(&source[row..]) {
                for (sum, &value) in sums.iter_mut().zip(&across[from * size..]) {
                    *sum += weight * value;
                }
            }
            for (pixel, sum) in line.iter_mut().zip(&sums) {
                *pixel = u8::try_from(sum >> 16).expect("the weights sum to 1");
            }
        }
    }
}

/// The pixel that stands at `place - half`, mirrored at the edges as often as it takes.
fn reflect(place: usize, half: usize, size: usize) -> usize {
    if size == 1 {
        return 0;
    }
    let period = 2 * (size - 1);
    // `half` periods make the difference positive.
    let phase = (place + half * period - half) % period;
    if phase < size { phase } else { period - phase }
}

#[cfg(test)]
mod tests {
    use super::{super::resize::tests::pattern, *};

    /// Blurs the 16 x 16 pattern: the sum of pixels times place (mod 251), and the first eight pixels.
    fn blurred(kernel: u32, sigma: f64) -> (u64, [u8; 8]) {
        let mut pixels = pattern(16, 16).into_raw();
        Kernel::new(Blur { kernel, sigma }).unwrap().apply(&mut pixels, 16);
        let weighted = pixels.iter().zip(0_u64..).map(|(&pixel, place)| u64::from(pixel) * (place % 251));
        (weighted.sum(), *pixels.first_chunk().unwrap())
    }

    /// `cv2.GaussianBlur(pattern, (kernel, kernel), sigma)`, OpenCV 5.0; the last kernels are larger than the image.
    #[test]
    fn equal_to_opencv() {
        assert_eq!(blurred(5, 1.0), (4_122_513, [20, 25, 37, 51, 66, 80, 94, 108]));
        assert_eq!(blurred(3, 0.5), (4_161_566, [6, 15, 29, 40, 54, 65, 79, 91]));
        assert_eq!(blurred(7, 2.5), (4_098_075, [43, 47, 56, 69, 84, 101, 117, 134]));
        assert_eq!(blurred(31, 4.0), (4_110_396, [99, 100, 103, 107, 112, 117, 123, 128]));
        assert_eq!(blurred(1, 1.0), (4_184_777, [0, 12, 24, 36, 48, 60, 72, 84]));
    }

    #[test]
    fn sigma_zero_is_opencvs_choice() {
        assert_eq!(blurred(3, 0.0), (4_133_858, [13, 20, 34, 47, 61, 74, 88, 101]));
        assert_eq!(blurred(5, 0.0), (4_119_553, [21, 26, 38, 52, 67, 81, 95, 109]));
        assert_eq!(blurred(7, 0.0), (4_109_413, [31, 35, 45, 59, 75, 90, 105, 120]));
        assert_eq!(blurred(9, 0.0), (4_105_989, [39, 43, 52, 65, 80, 96, 110, 125]));
        assert_eq!(blurred(11, 0.0), (4_105_240, [47, 51, 59, 71, 86, 101, 115, 128]));
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        for (kernel, sigma) in [(4, 1.0), (0, 1.0), (1025, 1.0), (5, -1.0), (5, f64::NAN), (5, f64::INFINITY)]
        {
            assert_eq!(Kernel::new(Blur { kernel, sigma }), None, "{kernel} {sigma}");
        }
    }

    #[test]
    fn kernels_sum_to_one_and_flat_stays_flat() {
        for kernel in (1..60).step_by(2) {
            for sigma in [0.0, 1e-9, 0.3, 1.0, 7.0, 1e9] {
                let weights = Kernel::new(Blur { kernel, sigma }).unwrap();
                assert_eq!(weights.0.iter().sum::<u32>(), 256, "{kernel} {sigma}");
                let mut white = [255; 9];
                weights.apply(&mut white, 3);
                assert_eq!(white, [255; 9]);
                let mut one = [9];
                weights.apply(&mut one, 1);
                assert_eq!(one, [9]);
            }
        }
    }
}
