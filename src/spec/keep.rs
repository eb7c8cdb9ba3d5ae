//! What a run of a built-in family keeps while it trains: how often its state, and whose best weights.
//!
//! Keys of `train` like its parameters, and none of them: they change no result, so they are part of no run's id.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    duration::{ParseDurationError, SpecDuration},
    logging::Logging,
};

/// What the runs of an experiment keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// How often a run writes the state that it can be resumed from.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// Only so many runs, the first of the leaderboard, keep the weights of their best epoch; `None` is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<u32>,
    /// What they log.
    #[serde(default, skip_serializing_if = "Logging::is_default")]
    pub logging: Logging,
}

impl Keep {
    /// Whether it is what a spec means that says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How often a run writes its state. At the ends of epochs only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checkpoint {
    /// At each end of an epoch, but in no more than [`Self::MOST_TIME`] of the time.
    #[default]
    Auto,
    /// Never.
    Never,
    /// At the first end of an epoch that is so long after the last writing; `0s` is every one.
    Every(SpecDuration),
}

impl Checkpoint {
    /// The part of the time that writing may take, where the program decides.
    pub const MOST_TIME: f64 = 0.02;
    /// What the JSON Schema asks of the text.
    pub const PATTERN: &'static str = "^(auto|never|[0-9]+[smhd])$";
}

impl FromStr for Checkpoint {
    type Err = ParseDurationError;

    fn from_str(words: &str) -> Result<Self, ParseDurationError> {
        match words {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => words.parse().map(Self::Every),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Never => f.write_str("never"),
            Self::Every(duration) => duration.fmt(f),
        }
    }
}

impl Serialize for Checkpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checkpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_durations_are_read_and_written() {
        let every = Checkpoint::Every(SpecDuration::seconds(600));
        for (words, checkpoint) in [("auto", Checkpoint::Auto), ("never", Checkpoint::Never), ("10m", every)]
        {
            assert_eq!((words.parse(), checkpoint.to_string().as_str()), (Ok(checkpoint), words));
        }
        for words in ["", "always", "10", "-1m"] {
            assert!(words.parse::<Checkpoint>().is_err(), "{words}");
        }
    }
}
