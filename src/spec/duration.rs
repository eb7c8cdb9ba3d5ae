//! Durations in specs: `30s`, `5m`, `8h`. The one reader and the one writer of them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A duration as a spec has it: a whole number of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpecDuration(u64);

/// The units, from large to small, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The longest duration, days. Longer than any machine runs; a sum of some still fits every clock.
const MOST_DAYS: u64 = 36_500;

impl SpecDuration {
    /// What the JSON Schema asks of the text.
    pub const PATTERN: &'static str = "^[0-9]+[smhd]$";

    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The same for clocks.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

/// Why words are no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as `30s`, `5m`, `8h` or `2d`, at most {MOST_DAYS} days")]
pub struct ParseDurationError;

impl FromStr for SpecDuration {
    type Err = ParseDurationError;

    fn from_str(words: &str) -> Result<Self, ParseDurationError> {
        let (unit, number) = UNITS
            .iter()
            .find_map(|(unit, seconds)| Some((seconds, words.strip_suffix(*unit)?)))
            .ok_or(ParseDurationError)?;
        // `parse` takes a sign, too.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseDurationError);
        }
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit));
        seconds.filter(|seconds| *seconds <= MOST_DAYS * 86_400).map(Self).ok_or(ParseDurationError)
    }
}

/// In the largest unit that leaves a whole number.
impl fmt::Display for SpecDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, seconds) = UNITS
            .into_iter()
            .find(|(_, seconds)| self.0 > 0 && self.0.is_multiple_of(*seconds))
            .unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl Serialize for SpecDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SpecDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_seconds_minutes_hours_and_days() {
        for (words, seconds) in
            [("0s", 0), ("30s", 30), ("5m", 300), ("8h", 28_800), ("2d", 172_800), ("007s", 7)]
        {
            assert_eq!(words.parse(), Ok(SpecDuration(seconds)));
        }
        for words in [
            "",
            "s",
            "30",
            "30 s",
            "1.5h",
            "-1s",
            "+1s",
            "1w",
            "1S",
            "h8",
            "1m30s",
            "36501d",
            "99999999999999999999s",
        ] {
            assert_eq!(words.parse::<SpecDuration>(), Err(ParseDurationError), "{words}");
        }
    }

    #[test]
    fn it_is_written_in_the_largest_unit_that_fits() {
        for (seconds, words) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (7_200, "2h"), (172_800, "2d")]
        {
            assert_eq!(SpecDuration(seconds).to_string(), words);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0..MOST_DAYS * 86_400) {
            let duration = SpecDuration(seconds);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
