//! `limit`: the most that a network may have or need; grid points beyond it are not trained.
//!
//! Numbers are written as people write them, `5M` or `1.5G`; the network's own are known to `model`, and who compares is `grid`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::size;

/// `limit:` of the spec. A point may have as much as it says, and no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Trainable numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Floating point operations of the forward pass of one image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops: Option<u64>,
    /// Bytes of memory that training takes with libtorch, as estimated: the same on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

impl Limit {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

const UNITS: [(&str, u64); 4] =
    [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)];

/// The pattern of a number that is written with a unit, for the JSON Schema.
const PATTERN: &str = "^[0-9]+(\\.[0-9]+)? ?[TGMkK]$";

/// A number that is written with a unit: `5M`, `1.5 G`. `None` if it is none, or no whole number.
pub(super) fn parse_count(text: &str) -> Option<u64> {
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .or_else(|| Some((text.strip_suffix('K')?, 1_000)))?;
    size::scaled(number.strip_suffix(' ').unwrap_or(number), unit)
}

/// The number with the largest unit that leaves no fraction; a plain one without.
#[must_use]
pub fn count_text(number: u64) -> String {
    let whole = UNITS.into_iter().find(|(_, factor)| number > 0 && number.is_multiple_of(*factor));
    whole.map_or_else(|| number.to_string(), |(unit, factor)| format!("{}{unit}", number / factor))
}

/// A number of bytes as the spec has it.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    size::to_text(bytes)
}

/// Its form in a spec.
pub(super) fn document(limit: &Limit) -> Json {
    let mut map = Map::new();
    let count = |number: u64| match count_text(number).parse::<u64>() {
        Ok(number) => json!(number),
        Err(_) => json!(count_text(number)),
    };
    for (key, value) in [("parameters", limit.parameters.map(count)), ("flops", limit.flops.map(count))] {
        map.extend(value.map(|value| (key.to_owned(), value)));
    }
    map.extend(limit.memory.map(|bytes| ("memory".to_owned(), json!(size::to_text(bytes)))));
    Json::Object(map)
}

/// What points may have.
pub(super) fn schema() -> Json {
    let count = |what: &str| {
        json!({
            "description": what,
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": PATTERN}, {"type": "null"}]
        })
    };
    json!({
        "description": "The most that a network may have or need: grid points beyond it are left out.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "parameters": count("Trainable numbers: 5M."),
            "flops": count("Floating point operations of the forward pass of one image: 1.5G."),
            "memory": {
                "description": "Estimated memory of its training with libtorch: 2GiB.",
                "type": ["string", "null"],
                "pattern": size::PATTERN
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_written() {
        for (text, count) in [
            ("5M", 5_000_000),
            ("1.5 G", 1_500_000_000),
            ("12k", 12_000),
            ("12K", 12_000),
            ("0.25T", 250_000_000_000),
        ] {
            assert_eq!(parse_count(text), Some(count), "{text}");
            assert!(regex::Regex::new(PATTERN).unwrap().is_match(text));
        }
        for text in ["", "5", "M", "5 MB", "-1M", "1e3M", "0.0001k", ".5M", "5  M", "99999999999T"] {
            assert_eq!(parse_count(text), None, "{text}");
        }
        assert_eq!([5_000_000, 1_500_000_000, 1234, 0].map(count_text), ["5M", "1500M", "1234", "0"]);
    }
}
