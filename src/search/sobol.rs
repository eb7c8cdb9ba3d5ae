//! Sobol's low-discrepancy sequence: points that fill a space more evenly than random ones do.
//!
//! Direction numbers of Joe and Kuo, 2008, "Constructing Sobol sequences with better two-dimensional projections", SIAM
//! Journal on Scientific Computing 30, 2635-2654 (their file `new-joe-kuo-6.21201`), in the order of Antonov and Saleev's
//! Gray code, with 30 bits: bit for bit `scipy.stats.qmc.Sobol(d, scramble=False)`.

use super::draws::{Draws, PointDraws};

/// The most dimensions that there are direction numbers of.
pub(super) const DIMENSIONS: usize = 1 + POLYNOMIALS.len();

/// Bits of a coordinate.
const BITS: u32 = 30;

/// The points that there are.
pub(super) const POINTS: u64 = 1 << BITS;

/// The sequence in some dimensions.
#[derive(Clone, Debug)]
pub(super) struct Sobol {
    /// What each bit of the Gray code changes of each coordinate.
    directions: Vec<[u32; BITS as usize]>,
    /// What is changed of all points (a digital shift), by dimension.
    shifts: Vec<u32>,
}

impl Sobol {
    /// The sequence itself with seed 0, else one that is shifted by random bits; `None` in more than [`DIMENSIONS`].
    pub(super) fn new(dimensions: usize, seed: u64) -> Option<Self> {
        if dimensions > DIMENSIONS {
            return None;
        }
        // No point has this number.
        let mut draws = PointDraws::new(seed, u64::MAX);
        let mut shift = || if seed == 0 { 0 } else { (draws.uniform() * POINTS as f64) as u32 };
        Some(Self {
            directions: (0..dimensions).map(directions).collect(),
            shifts: (0..dimensions).map(|_| shift()).collect(),
        })
    }

    /// The point at a place of the sequence, below [`POINTS`], in [0, 1).
    pub(super) fn point(&self, place: u64) -> Vec<f64> {
        let gray = place ^ (place >> 1);
        let coordinate = |(directions, shift): (&[u32; BITS as usize], &u32)| {
            let set = directions.iter().enumerate().filter(|(bit, _)| gray >> bit & 1 == 1);
            let digits = set.fold(*shift, |digits, (_, direction)| digits ^ direction);
            f64::from(digits) / POINTS as f64
        };
        self.directions.iter().zip(&self.shifts).map(coordinate).collect()
    }
}

/// The direction numbers of a dimension, by the recurrence of its primitive polynomial.
fn directions(dimension: usize) -> [u32; BITS as usize] {
    let mut numbers = [1_u32; BITS as usize];
    if let Some((polynomial, first)) = dimension.checked_sub(1).map(|place| POLYNOMIALS[place]) {
        let degree = first.len();
        numbers[..degree].copy_from_slice(first);
        for place in degree..BITS as usize {
            numbers[place] = numbers[place - degree];
            for back in 1..=degree {
                if polynomial >> (degree - back) & 1 == 1 {
                    numbers[place] ^= numbers[place - back] << back;
                }
            }
        }
    }
    for (place, number) in (1..).zip(&mut numbers) {
        *number <<= BITS - place;
    }
    numbers
}

/// For each dimension but the first its primitive polynomial over the field of two elements, as bits, and the first
/// direction numbers.
const POLYNOMIALS: &[(u32, &[u32])] = &[
    (3, &[1]),
    (7, &[1, 3]),
    (11, &[1, 3, 1]),
    (13, &[1, 1, 1]),
    (19, &[1, 1, 3, 3]),
    (25, &[1, 3, 5, 13]),
    (37, &[1, 1, 5, 5, 17]),
    (41, &[1, 1, 5, 5, 5]),
    (47, &[1, 1, 7, 11, 19]),
    (55, &[1, 1, 5, 1, 1]),
    (59, &[1, 1, 1, 3, 11]),
    (61, &[1, 3, 5, 5, 31]),
    (67, &[1, 3, 3, 9, 7, 49]),
    (91, &[1, 1, 1, 15, 21, 21]),
    (97, &[1, 3, 1, 13, 27, 49]),
    (103, &[1, 1, 1, 15, 7, 5]),
    (109, &[1, 3, 1, 15, 13, 25]),
    (115, &[1, 1, 5, 5, 19, 61]),
    (131, &[1, 3, 7, 11, 23, 15, 103]),
    (137, &[1, 3, 7, 13, 13, 15, 69]),
    (143, &[1, 1, 3, 13, 7, 35, 63]),
    (145, &[1, 3, 5, 9, 1, 25, 53]),
    (157, &[1, 3, 1, 13, 9, 35, 107]),
    (167, &[1, 3, 1, 5, 27, 61, 31]),
    (171, &[1, 1, 5, 11, 19, 41, 61]),
    (185, &[1, 3, 5, 3, 3, 13, 69]),
    (191, &[1, 1, 7, 13, 1, 19, 1]),
    (193, &[1, 3, 7, 5, 13, 19, 59]),
    (203, &[1, 1, 3, 9, 25, 29, 41]),
    (211, &[1, 3, 5, 13, 23, 1, 55]),
    (213, &[1, 3, 7, 3, 13, 59, 17]),
    (229, &[1, 3, 1, 3, 5, 53, 69]),
    (239, &[1, 1, 5, 5, 23, 33, 13]),
    (241, &[1, 1, 7, 7, 1, 61, 123]),
    (247, &[1, 1, 7, 9, 13, 61, 49]),
    (253, &[1, 3, 3, 5, 3, 55, 33]),
    (285, &[1, 3, 1, 15, 31, 13, 49, 245]),
    (299, &[1, 3, 5, 15, 31, 59, 63, 97]),
    (301, &[1, 3, 1, 11, 11, 11, 77, 249]),
    (333, &[1, 3, 1, 11, 27, 43, 71, 9]),
    (351, &[1, 1, 7, 15, 21, 11, 81, 45]),
    (355, &[1, 3, 7, 3, 25, 31, 65, 79]),
    (357, &[1, 3, 1, 1, 19, 11, 3, 205]),
    (361, &[1, 1, 5, 9, 19, 21, 29, 157]),
    (369, &[1, 3, 7, 11, 1, 33, 89, 185]),
    (391, &[1, 3, 3, 3, 15, 9, 79, 71]),
    (397, &[1, 3, 7, 11, 15, 39, 119, 27]),
    (425, &[1, 1, 3, 1, 11, 31, 97, 225]),
    (451, &[1, 1, 1, 3, 23, 43, 57, 177]),
    (463, &[1, 3, 7, 7, 17, 17, 37, 71]),
    (487, &[1, 3, 1, 5, 27, 63, 123, 213]),
    (501, &[1, 1, 3, 5, 11, 43, 53, 133]),
    (529, &[1, 3, 5, 5, 29, 17, 47, 173, 479]),
    (539, &[1, 3, 3, 11, 3, 1, 109, 9, 69]),
    (545, &[1, 1, 1, 5, 17, 39, 23, 5, 343]),
    (557, &[1, 3, 1, 5, 25, 15, 31, 103, 499]),
    (563, &[1, 1, 1, 11, 11, 17, 63, 105, 183]),
    (601, &[1, 1, 5, 11, 9, 29, 97, 231, 363]),
    (607, &[1, 1, 5, 15, 19, 45, 41, 7, 383]),
    (617, &[1, 3, 7, 7, 31, 19, 83, 137, 221]),
    (623, &[1, 1, 1, 3, 23, 15, 111, 223, 83]),
    (631, &[1, 1, 5, 13, 31, 15, 55, 25, 161]),
    (637, &[1, 1, 3, 13, 25, 47, 39, 87, 257]),
];
