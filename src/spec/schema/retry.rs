//! What the JSON Schema says of `retry`: when a failed run is tried again.

use serde_json::{Value as Json, json};

use crate::spec::{Retry, SpecDuration};

/// What the JSON Schema of specs says of `retry`.
pub(super) fn retry() -> Json {
    json!({
        "description": "When a failed run is tried again in the same sweep.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "attempts": {
                "description": "Attempts that a run has in one sweep, the first one too; 1 tries nothing again.",
                "type": "integer",
                "minimum": 1,
                "maximum": Retry::MOST_ATTEMPTS,
                "default": Retry::ATTEMPTS
            },
            "exit_codes": {
                "description": "Exit codes of a command that ask for another try.",
                "type": "array",
                "items": {"type": "integer", "minimum": 1, "maximum": 255},
                "default": [Retry::TEMPORARY]
            },
            "pause": {
                "description": "How long a run that was killed, lost or not started waits before it is tried again; twice as long each further time, at most 5 minutes.",
                "type": "string",
                "pattern": SpecDuration::PATTERN,
                "default": Retry::default().pause
            }
        }
    })
}

/// Whether results are taken over.
pub(super) fn reuse() -> Json {
    json!({
        "description": "Whether a run takes the results of the same run of another experiment: the same parameters, seed, images and program. For built-in trainers this is so where nothing is said, for a command only where this is true.",
        "type": "boolean"
    })
}
