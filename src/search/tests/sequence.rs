//! Sobol's sequence against SciPy's.

use super::super::sobol::{DIMENSIONS, Sobol};

/// A coordinate's bits.
fn digits(point: &[f64]) -> Vec<u32> {
    point.iter().map(|coordinate| (coordinate * f64::from(1 << 30)) as u32).collect()
}

#[test]
fn the_sequence_is_that_of_scipy_to_the_bit() {
    assert!(Sobol::new(DIMENSIONS + 1, 0).is_none());
    let sobol = Sobol::new(DIMENSIONS, 0).expect("64 dimensions");
    // scipy.stats.qmc.Sobol(64, scramble=False).random(1024), of SciPy 1.17.1.
    assert_eq!(
        digits(&sobol.point(777))[..6],
        [743_440_384, 1_005_584_384, 175_112_192, 294_649_856, 682_622_976, 382_730_240]
    );
    let all: Vec<u8> =
        (0..1024).flat_map(|place| digits(&sobol.point(place))).flat_map(u32::to_le_bytes).collect();
    // The CRC-32C of its numbers as 32-bit integers.
    assert_eq!(crc32c::crc32c(&all), 0xd744_f2ad);
}

#[test]
fn a_shifted_sequence_is_another_one_and_as_even() {
    let (plain, shifted) = (Sobol::new(3, 0).unwrap(), Sobol::new(3, 7).unwrap());
    assert_ne!(plain.point(5), shifted.point(5));
    assert_eq!(shifted.point(5), Sobol::new(3, 7).unwrap().point(5));
    // Each of the 64 intervals has one of the first 64 points, in every dimension.
    for dimension in 0..3 {
        let mut cells: Vec<u32> =
            (0..64).map(|place| (shifted.point(place)[dimension] * 64.0) as u32).collect();
        cells.sort_unstable();
        assert!(cells.into_iter().eq(0..64), "dimension {dimension}");
    }
}
