//! Numbers of a file of weights on their way into a tensor: whatever type and strides they are stored with, little-endian
//! and one behind the other in the end.

use std::borrow::Cow;

/// What numbers a tensor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    F16,
    BF16,
    F32,
    F64,
    I64,
    /// What no network of ours has.
    Other(String),
}

/// A tensor in a file.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    pub(super) numbers: Numbers,
    pub(super) shape: Vec<usize>,
    /// In numbers.
    pub(super) strides: Vec<usize>,
    /// From its first number on.
    pub(super) bytes: &'a [u8],
}

impl Numbers {
    /// Bytes of one; `None` where it is not known.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::F16 | Self::BF16 => Some(2),
            Self::F32 => Some(4),
            Self::F64 | Self::I64 => Some(8),
            Self::Other(_) => None,
        }
    }

    /// Whether they can become f32. Halves do exactly; doubles are rounded, as PyTorch does when it loads them.
    pub(super) fn is_float(&self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }
}

impl std::fmt::Display for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::I64 => "I64",
            Self::Other(name) => name,
        })
    }
}

/// Strides of a tensor that lies in the order of its indices.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for place in (1..shape.len()).rev() {
        strides[place - 1] = strides[place].saturating_mul(shape[place]);
    }
    strides
}

impl<'a> Found<'a> {
    /// Whether every number is inside of the bytes.
    pub(super) fn is_inside(&self) -> bool {
        let Some(size) = self.numbers.size() else { return true };
        if self.shape.contains(&0) {
            return true;
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(0_usize, |last, (side, stride)| last.checked_add((side - 1).checked_mul(*stride)?));
        last.and_then(|last| last.checked_add(1)?.checked_mul(size))
            .is_some_and(|end| end <= self.bytes.len())
    }

    /// The numbers as little-endian f32 (i64 stays), in the order of the indices. Only for a tensor that [`Self::is_inside`]
    /// and of a known type.
    pub(super) fn in_order(&self) -> Cow<'a, [u8]> {
        let size = self.numbers.size().unwrap_or(1);
        let count: usize = self.shape.iter().product();
        let is_flat = self.strides == row_major(&self.shape);
        if is_flat && matches!(self.numbers, Numbers::F32 | Numbers::I64) {
            return Cow::Borrowed(&self.bytes[..count * size]);
        }
        let mut out = Vec::with_capacity(count * 4);
        let mut index = vec![0_usize; self.shape.len()];
        for _ in 0..count {
            let at: usize = index.iter().zip(&self.strides).map(|(index, stride)| index * stride).sum();
            self.push(&self.bytes[at * size..][..size], &mut out);
            for (place, side) in self.shape.iter().enumerate().rev() {
                index[place] += 1;
                if index[place] < *side {
                    break;
                }
                index[place] = 0;
            }
        }
        out.into()
    }

    fn push(&self, number: &[u8], out: &mut Vec<u8>) {
        let value = match (&self.numbers, number) {
            (Numbers::F16, &[low, high]) => f16(u16::from_le_bytes([low, high])),
            // The upper half of an f32.
            (Numbers::BF16, &[low, high]) => f32::from_bits(u32::from(u16::from_le_bytes([low, high])) << 16),
            (Numbers::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => return out.extend_from_slice(number),
        };
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// The half-precision number of these bits (IEEE 754 binary16): exact.
fn f16(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        _ => (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    #[test]
    fn every_half_is_what_libtorch_makes_of_it() {
        let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for (numbers, kind) in [(Numbers::F16, Kind::Half), (Numbers::BF16, Kind::BFloat16)] {
            let found = Found { numbers, shape: vec![1 << 16], strides: vec![1], bytes: &all };
            let ours = found.in_order();
            let theirs = Tensor::from_data_size(&all, &[1 << 16], kind).to_kind(Kind::Float);
            let theirs = Vec::<f32>::try_from(theirs).unwrap();
            for (ours, theirs) in ours.as_chunks().0.iter().copied().map(f32::from_le_bytes).zip(theirs) {
                assert!(ours == theirs || ours.is_nan() && theirs.is_nan(), "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn strides_are_followed_and_bounded() {
        let values: Vec<u8> = (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect();
        let found = |shape: &[usize], strides: &[usize]| Found {
            numbers: Numbers::F32,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            bytes: &values,
        };
        let read = |found: &Found<'_>| -> Vec<f32> {
            found.in_order().as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
        };
        assert_eq!(read(&found(&[3, 2], &[1, 3])), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(read(&found(&[2, 2], &[0, 1])), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(read(&found(&[], &[])), [0.0]);
        assert!(found(&[3, 2], &[1, 3]).is_inside() && found(&[0, 9], &[100, 1]).is_inside());
        assert!(!found(&[3, 2], &[2, 3]).is_inside());
        assert!(!found(&[2, 2], &[usize::MAX, 1]).is_inside());
    }
}
