//! What a stopping rule has decided of a run, as its log and the database keep it.

use serde::{Deserialize, Serialize};

use super::words::words;

/// A decision of a stopping rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Epochs that the run had done.
    pub epochs: u64,
    /// What becomes of the run.
    pub action: Action,
    /// What it rests on: a sentence without its end.
    pub reason: String,
}

/// What a stopping rule does with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It goes on.
    GoesOn,
    /// It makes room, and may go on later.
    Pauses,
    /// It had made room, and goes on.
    Promoted,
    /// It ends before its time.
    Stops,
}

words!(Action: GoesOn = "goes_on", Pauses = "pauses", Promoted = "promoted", Stops = "stops");
