//! Numbers for people: `1.2 GB`, `12.6 M`, `3 min 12 s`, `12,617,089`.
//!
//! Used by tables and by the terminal. Machine formats print the plain number instead.

use std::time::Duration;

/// A number of bytes in decimal units, as disks and `ls --si` count: `999 B`, `1.2 GB`, `770 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    scaled(count, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A count with a decimal prefix: `999`, `12.6 M`, `202 M`.
#[must_use]
pub fn count(count: u64) -> String {
    scaled(count, &["", "k", "M", "G", "T", "P", "E"])
}

/// Three digits, and the unit that leaves at most three before the point.
fn scaled(count: u64, units: &[&str]) -> String {
    let mut unit = 0;
    let mut value = count as f64;
    // 999.5 would print as 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let number = if unit == 0 || value >= 99.95 { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{number} {}", units[unit]).trim_end().to_owned()
}

/// `1 run`, `27 runs`, `2 processes`: a number with what it counts.
#[must_use]
pub fn counted(number: impl TryInto<u64>, what: &str) -> String {
    // Nothing that is counted here is beyond 64 bits.
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {}", plural(number, what))
}

/// The word for so many of something. Its last word is an English noun: `validation image`, `process`, `entry`.
#[must_use]
pub fn plural(number: impl TryInto<u64>, what: &str) -> String {
    if number.try_into().is_ok_and(|number| number == 1) {
        return what.to_owned();
    }
    for (one, many) in [("corpus", "corpora"), ("axis", "axes")] {
        if let Some(before) = what.strip_suffix(one) {
            return format!("{before}{many}");
        }
    }
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|end| what.ends_with(end));
    match what.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if hisses => format!("{what}es"),
        _ => format!("{what}s"),
    }
}

/// A whole number with a comma between thousands: `12,617,089`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// [`duration`] of seconds, as clocks and the ledger have them; what is no duration is `unknown`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "unknown".to_owned(), duration)
}

/// A duration in its two largest units: `0.42 s`, `12.3 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.9995 {
        return if seconds < 0.000_5 {
            "0 s".to_owned()
        } else if seconds < 0.0995 {
            format!("{:.0} ms", seconds * 1000.0)
        } else {
            format!("{seconds:.2} s")
        };
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (large, small) = match whole {
        0..3_600 => ((whole / 60, "min"), (whole % 60, "s")),
        3_600..86_400 => ((whole / 3_600, "h"), (whole % 3_600 / 60, "min")),
        _ => ((whole / 86_400, "d"), (whole % 86_400 / 3_600, "h")),
    };
    if small.0 == 0 {
        format!("{} {}", large.0, large.1)
    } else {
        format!("{} {} {} {}", large.0, large.1, small.0, small.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_234_567_890, "1.2 GB"),
            (807_474_000, "807 MB"),
            (99_949_999, "99.9 MB"),
            (99_950_000, "100 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.0 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(count(12_617_089), "12.6 M");
        assert_eq!(count(385), "385");
        assert_eq!(count(201_885_313), "202 M");
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_617_089, "12,617,089")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn what_is_counted_has_its_plural() {
        let cases = [
            (1_usize, "process", "1 process"),
            (2, "process", "2 processes"),
            (1, "corpus", "1 corpus"),
            (4, "prepared corpus", "4 prepared corpora"),
            (2, "axis", "2 axes"),
            (0, "run", "0 runs"),
            (27, "validation image", "27 validation images"),
            (3, "entry", "3 entries"),
            (3, "day", "3 days"),
            (2, "box", "2 boxes"),
            (2, "batch", "2 batches"),
        ];
        for (number, what, text) in cases {
            assert_eq!(counted(number, what), text);
        }
        assert_eq!((plural(1_u64, "thread"), plural(2_u64, "thread")), ("thread".into(), "threads".into()));
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0, "0 s"),
            (42, "42 ms"),
            (420, "0.42 s"),
            (999, "1.00 s"),
            (1_000, "1.0 s"),
            (59_940, "59.9 s"),
            (59_960, "1 min"),
            (192_000, "3 min 12 s"),
            (3_599_600, "1 h"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    proptest! {
        #[test]
        fn grouping_only_adds_commas(number in any::<u64>()) {
            prop_assert_eq!(grouped(number).replace(',', ""), number.to_string());
        }

        #[test]
        fn a_size_is_short_and_near(number in any::<u64>()) {
            let text = count(number);
            prop_assert!(text.len() <= 6, "{}", text);
        }
    }
}
