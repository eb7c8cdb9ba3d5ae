//! Each operation on each instruction set of this processor against its definition.

#![expect(unsafe_code, reason = "loads and stores through pointers into arrays of the right size")]

use super::*;

/// Every set that this processor has.
pub(in crate::kernels) fn available() -> Vec<InstructionSet> {
    [InstructionSet::Avx512, InstructionSet::Avx2, InstructionSet::Portable]
        .into_iter()
        .filter(|set| set.is_available())
        .collect()
}

struct Check;

fn values(salt: u32) -> [f32; 16] {
    std::array::from_fn(|lane| {
        let bits = (lane as u32 * 7 + salt).wrapping_mul(2_654_435_761);
        (bits >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

impl Kernel for Check {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let v = |salt| unsafe { s.load(values(salt).as_ptr()) };
        let array = |v| {
            let mut to = [0.0f32; 16];
            unsafe { s.store(to.as_mut_ptr(), v) };
            to
        };
        let (a, b, c) = (values(1), values(2), values(3));
        for lane in 0..16 {
            let near = |ours: f32, exact: f32| assert!((ours - exact).abs() < 1e-6, "{ours} {exact}");
            near(array(s.add(v(1), v(2)))[lane], a[lane] + b[lane]);
            near(array(s.sub(v(1), v(2)))[lane], a[lane] - b[lane]);
            near(array(s.mul(v(1), v(2)))[lane], a[lane] * b[lane]);
            near(array(s.fma(v(1), v(2), v(3)))[lane], a[lane] * b[lane] + c[lane]);
            near(array(s.fnma(v(1), v(2), v(3)))[lane], c[lane] - a[lane] * b[lane]);
            let positive = if a[lane] > 0.0 { b[lane] } else { 0.0 };
            near(array(s.where_positive(v(1), v(2)))[lane], positive);
        }
        assert!((s.sum(v(1)) - a.iter().sum::<f32>()).abs() < 1e-5);

        // Roots from nothing through the epsilon to large.
        for (m, v) in [(1e-3, 0.0), (1e-9, 1e-40), (2e-8, 1e-16), (-3e-4, 1e-14), (0.5, 0.25), (-1e3, 1e9)] {
            let ours = array(s.adam_ratio(s.splat(m), s.splat(v), 1e-7))[0];
            let exact = f64::from(m) / (f64::from(v).sqrt() + 1e-7);
            assert!((f64::from(ours) / exact - 1.0).abs() < 1e-6, "{ours} {exact}");
        }

        // All orders of four distinct numbers, ties, and nothing over zero.
        let cases = [
            [0.1, 0.2, 0.3, 0.4],
            [0.4, 0.3, 0.2, 0.1],
            [0.1, 0.5, 0.2, 0.3],
            [0.1, 0.2, 0.6, 0.3],
            [0.7, 0.7, 0.7, 0.7],
            [0.1, 0.7, 0.7, 0.2],
            [0.1, 0.2, 0.7, 0.7],
            [-0.1, -0.2, -0.7, -0.7],
            [0.0, 0.0, -1.0, 0.0],
        ];
        let expected = [3, 0, 1, 2, 0, 1, 2, NONE, NONE];
        let lane = |lane: usize| cases[lane.min(8)];
        let four = std::array::from_fn(|which| {
            let column: [f32; 16] = std::array::from_fn(|at| lane(at)[which]);
            unsafe { s.load(column.as_ptr()) }
        });
        let (best, winners) = s.pool(four);
        let mut bytes = [9u8; 16];
        unsafe { s.store_winners(bytes.as_mut_ptr(), winners) };
        for at in 0..16 {
            assert_eq!(bytes[at], expected[at.min(8)]);
            assert_eq!(array(best)[at], lane(at).into_iter().fold(0.0, f32::max));
        }
        let again = unsafe { s.load_winners(bytes.as_ptr()) };
        for at in 0..16 {
            let any = if bytes[at] == NONE { 0.0 } else { a[at] };
            assert_eq!(array(s.where_any(again, v(1)))[at], any);
            let second = if bytes[at] == 1 { a[at] } else { 0.0 };
            assert_eq!(array(s.where_winner(again, 1, v(1)))[at], second);
        }
        let nan = s.pool([s.splat(f32::NAN); 4]);
        assert!(array(nan.0)[0].is_nan(), "what is no number is not hidden");

        // A patch of a picture of 7 columns, each pixel its own number.
        let picture: Vec<f32> = (0..49u8).map(f32::from).collect();
        let patch = unsafe { s.load_patch(picture.as_ptr().add(8), 7) };
        assert_eq!(array(patch)[..6], [8.0, 9.0, 10.0, 11.0, 15.0, 16.0]);
        for (row, column) in [(0, 0), (1, 2), (2, 1), (2, 2)] {
            let picked = array(s.pick(patch, again, row, column));
            for at in 0..16 {
                let winner = usize::from(bytes[at]);
                if bytes[at] != NONE {
                    let pixel = (1 + winner / 2 + row) * 7 + 1 + winner % 2 + column;
                    assert_eq!(picked[at], picture[pixel]);
                }
            }
        }

        let from: Vec<f32> = (0..16 * 20u16).map(f32::from).collect();
        let mut to = vec![0.0f32; 16 * 18];
        unsafe { s.transpose(from.as_ptr(), 20, to.as_mut_ptr(), 18) };
        for row in 0..16 {
            for column in 0..16 {
                assert_eq!(to[column * 18 + row], from[row * 20 + column]);
            }
        }
        s.prefetch(from.as_ptr());
    }
}

#[test]
fn operations_are_what_they_say() {
    for set in available() {
        dispatch(set, Check);
    }
}
