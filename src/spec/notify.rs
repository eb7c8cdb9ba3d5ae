//! Who is told what of a sweep, as the spec says it. Addresses are names of variables: a webhook's address is a secret.

use serde::{Deserialize, Serialize};

/// Who is told what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Addresses, each with how it is spoken to: `$NAME`, or an address that is no secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<(NotifyBy, String)>,
    /// A program that gets JSON on its standard input; none where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What is told.
    #[serde(default)]
    pub on: Vec<NotifyOn>,
}

/// How an address is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyBy {
    /// A webhook of Slack's, or of a program that takes its messages.
    Slack,
    /// A webhook of Discord's.
    Discord,
    /// A topic of ntfy: its whole address.
    Ntfy,
    /// Any address that takes JSON by POST.
    Webhook,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyOn {
    /// The sweep is over.
    Finished,
    /// A run has failed, and is not tried again.
    Failed,
    /// A run is better than all before it.
    Best,
    /// A run was silent for as long as it may be.
    Stalled,
}

impl Notify {
    /// Whether nobody is told anything.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.targets.is_empty() && self.command.is_empty()
    }
}

impl NotifyBy {
    /// All of them, in the order in which a spec has them.
    pub const ALL: [Self; 4] = [Self::Slack, Self::Discord, Self::Ntfy, Self::Webhook];

    /// The key of the spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Ntfy => "ntfy",
            Self::Webhook => "webhook",
        }
    }

    /// Whether its addresses are secrets: whoever has one may write there.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Slack | Self::Discord)
    }
}

impl NotifyOn {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Finished, Self::Failed, Self::Best, Self::Stalled];
    /// What is told where the spec does not say.
    pub const DEFAULT: [Self; 2] = [Self::Finished, Self::Failed];

    /// The word of the spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Best => "best",
            Self::Stalled => "stalled",
        }
    }
}
