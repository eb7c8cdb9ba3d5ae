//! Sizes in bytes as people write them: `64MiB`, `2GiB`.
//!
//! Binary units alone, since `MB` is a million bytes to some and 2^20 to others.

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// The pattern of a size, for the JSON Schema.
pub(super) const PATTERN: &str = "^[0-9]+(\\.[0-9]+)? ?(TiB|GiB|MiB|KiB|B)$";

/// Bytes of a size: a number, which may have a fraction, and a unit. `None` if it is none, or no whole
/// number of bytes.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (number, bits) = UNITS.iter().find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, *bits)))?;
    scaled(number.strip_suffix(' ').unwrap_or(number), 1 << bits)
}

/// A decimal number, which may have a fraction, times `unit`; `None` if it is none, or the product is no whole number.
pub(super) fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 12 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let parts = whole.parse::<u128>().ok()?.checked_mul(scale)?.checked_add(fraction.parse().ok()?)?;
    let product = parts.checked_mul(unit.into())?;
    (product % scale == 0).then(|| u64::try_from(product / scale).ok())?
}

/// The size in the largest unit that leaves no fraction.
pub(super) fn to_text(bytes: u64) -> String {
    let divides = |bits: u32| bytes.trailing_zeros() >= bits && bytes > 0;
    let (unit, bits) = UNITS.into_iter().find(|(_, bits)| divides(*bits)).unwrap_or(("B", 0));
    format!("{}{unit}", bytes >> bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("2GiB", 2 << 30),
            ("1.5 KiB", 1536),
            ("0B", 0),
            ("0.25TiB", 1 << 38),
            ("7B", 7),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "64",
            "MiB",
            "64MB",
            "64 mib",
            "-1MiB",
            "1e3MiB",
            ".5MiB",
            "1.MiB",
            "0.3B",
            "99999999TiB",
            "1  MiB",
            "+1B",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_size_comes_back(bytes: u64) {
            let text = to_text(bytes);
            prop_assert_eq!(parse(&text), Some(bytes));
            prop_assert!(regex::Regex::new(PATTERN).expect("a pattern").is_match(&text));
        }
    }

    #[test]
    fn a_round_size_is_short() {
        assert_eq!(
            [64 << 20, 1 << 30, 1536, 1000, 0].map(to_text),
            ["64MiB", "1GiB", "1536B", "1000B", "0B"]
        );
    }
}
