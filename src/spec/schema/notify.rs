//! The schema of `notify`.

use serde_json::{Value as Json, json};

use crate::spec::{NotifyBy, NotifyOn};

/// Who is told what.
pub(super) fn schema() -> Json {
    let address = |by: NotifyBy, what: &str| {
        let mut schema = json!({"description": what, "type": ["string", "null"]});
        schema["pattern"] = if by.is_secret() {
            json!("^\\$[A-Za-z_][A-Za-z0-9_]*$")
        } else {
            json!("^(\\$[A-Za-z_][A-Za-z0-9_]*|https?://.*)$")
        };
        schema
    };
    let words: Vec<&str> = NotifyOn::ALL.iter().map(|on| on.as_str()).collect();
    json!({
        "description": "Who is told what of a sweep. $NAME is that variable of whoever starts gridboard: addresses are secrets.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "slack": address(NotifyBy::Slack, "A webhook of Slack's, as $NAME."),
            "discord": address(NotifyBy::Discord, "A webhook of Discord's, as $NAME."),
            "ntfy": address(NotifyBy::Ntfy, "A topic of ntfy: its address, or $NAME."),
            "webhook": address(NotifyBy::Webhook, "Any address that takes JSON by POST, or $NAME."),
            "command": {
                "description": "A program and its arguments; it gets JSON on its standard input.",
                "type": ["array", "null"],
                "items": {"type": "string"}
            },
            "on": {
                "description": "What is told: the end of the sweep, a run that has failed for good, a run that is better than all before it, a run that was silent for too long.",
                "anyOf": [
                    {"enum": words},
                    {"type": "array", "items": {"enum": words}, "minItems": 1},
                    {"type": "null"}
                ],
                "default": NotifyOn::DEFAULT
            }
        }
    })
}
