//! Files of 16 bits a sample whose values do not use them: 12 bits of a detector that were stored as they are. Pure.
//!
//! Called by `prepare`. Such images become almost black: a value of 4095 of 65535 is gray level 16 of 255.

/// Of so many of a hundred such files the values must be small: a few dark images mean nothing.
const MOST: usize = 90;
/// Values of more bits than this lose little.
const BITS: u32 = 14;

/// A warning, where most files of 16 bits hold values of fewer; `largest` has the largest value of each.
pub(super) fn warning(mut largest: Vec<u16>) -> Option<String> {
    largest.sort_unstable();
    let typical = *largest.get((largest.len() * MOST).div_ceil(100).checked_sub(1)?)?;
    let bits = (u16::BITS - typical.leading_zeros()).max(1);
    if bits > BITS {
        return None;
    }
    let most = (1_u32 << bits) - 1;
    let (small, all) = (largest.iter().filter(|value| u32::from(**value) <= most).count(), largest.len());
    let levels = (most * 255 + 32767) / 65535 + 1;
    Some(format!(
        "{small} of {all} images of 16 bits hold no value above {most}: values of {bits} bits, stored as they are, become \
         {levels} of 256 gray levels; scale them to 0 to 65535 (times {})",
        65535 / most
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_bits_in_sixteen_are_told() {
        let text = warning(vec![4095; 20]).unwrap();
        assert!(text.starts_with("20 of 20 images of 16 bits hold no value above 4095"), "{text}");
        assert!(
            text.contains("12 bits") && text.contains("17 of 256 gray levels") && text.contains("times 16")
        );
        // One bright marker in many images, and dark images among bright ones.
        let mut mixed = vec![3000; 19];
        mixed.push(65535);
        assert!(warning(mixed).unwrap().starts_with("19 of 20"));
        let mut dark = vec![65535; 19];
        dark.push(100);
        assert_eq!(warning(dark), None);
    }

    #[test]
    fn full_values_and_nothing_are_no_matter() {
        assert_eq!(warning(Vec::new()), None);
        assert_eq!(warning(vec![65535]), None);
        assert_eq!(warning(vec![1 << 14]), None);
        assert!(warning(vec![(1 << 14) - 1]).unwrap().contains("14 bits"));
        assert!(warning(vec![255]).unwrap().contains("2 of 256 gray levels"));
        assert!(warning(vec![0]).is_some());
    }
}
