//! What was seen of the end of an attempt that failed, beside its reason: for SQL, and for who decides whether the run is
//! tried again.
//!
//! Pure. The launcher fills in how the process ended, the sweep's loop the rest.

use serde::{Deserialize, Serialize};

/// What was seen of a failure. What is not known is left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The signal that ended the process, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The status that the process ended with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Peak resident memory on the host, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Peak memory of the device, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_device_memory: Option<u64>,
    /// The step of the last point that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_step: Option<i64>,
    /// 16 hex digits of the BLAKE3 hash of the log's last line: the same where two attempts have ended in the same words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_line: Option<String>,
}

impl Evidence {
    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The fingerprint of the last line of a log that is the program's own; `None` where there is none.
    #[must_use]
    pub fn fingerprint(log_tail: &str) -> Option<String> {
        let line = last_line(log_tail).trim();
        (!line.is_empty()).then(|| blake3::hash(line.as_bytes()).to_hex()[..16].to_owned())
    }
}

/// The last line of a log that is the program's own, empty where there is none.
#[must_use]
pub fn last_line(log_tail: &str) -> &str {
    let own = |line: &&str| !line.trim().is_empty() && !line.starts_with("--- gridboard");
    log_tail.lines().rev().find(own).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let evidence = Evidence { signal: Some(9), last_step: Some(4), ..Evidence::default() };
        let text = serde_json::to_string(&evidence).unwrap();
        assert_eq!(text, r#"{"signal":9,"last_step":4}"#);
        assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
        assert!(Evidence::default().is_empty() && !evidence.is_empty());
    }

    #[test]
    fn the_last_line_of_the_program_has_a_fingerprint() {
        let one = Evidence::fingerprint("epoch 1\nKeyError: 3\n\n--- gridboard: attempt 2\n");
        assert_eq!(one, Evidence::fingerprint("KeyError: 3"));
        assert_eq!(one.as_ref().map(String::len), Some(16));
        assert_ne!(one, Evidence::fingerprint("KeyError: 4"));
        assert_eq!(Evidence::fingerprint("\n \n"), None);
    }
}
