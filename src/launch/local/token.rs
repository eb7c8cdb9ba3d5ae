//! The token of an attempt: a mark that the kernel hands down to everything that the attempt starts, and to
//! nothing else.
//!
//! An environment proves nothing: a user's shell may have the same variables, and a child may have been
//! started without them. Neither does a session, a group or a folder. What no program touches, and every
//! child inherits through fork, exec, setsid and `env -i`, is the limit on the time of real-time scheduling
//! without a pause (`RLIMIT_RTTIME`, in microseconds): supervisors set it to a value of some 150,000 years,
//! which limits nothing and is the token. Everybody can read it in `/proc/PID/limits`; only a descendant can
//! have it.
//!
//! Where the hard limit is lower, or the kernel has no such limit, there are no tokens, and what outlives
//! both Gridboard and its supervisors is not found.

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Marks a value as a token.
const TOKEN: u64 = 1 << 62;
/// Supervisors and their keeper have it, attempts have not.
const SUPERVISOR: u64 = 1 << 61;
/// The lowest bits are the attempt's, those above are of all attempts of an experiment.
const ATTEMPT_BITS: u32 = 24;
const FAMILY_BITS: u32 = 37;

/// What all attempts of an experiment have in common: 37 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family(u64);

/// The mark of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(u64);

impl Family {
    /// One that nobody has.
    pub(super) fn random() -> Self {
        // Zero is none.
        Self(random(FAMILY_BITS).max(1))
    }

    /// That of a text that [`Self::to_text`] gave.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = u64::from_str_radix(text.trim(), 16).ok()?;
        (1..1 << FAMILY_BITS).contains(&number).then_some(Self(number))
    }

    pub(super) fn to_text(self) -> String {
        format!("{:010x}", self.0)
    }

    /// The mark of supervisors.
    pub(super) fn supervisor(self) -> Token {
        Token(TOKEN | SUPERVISOR | self.0 << ATTEMPT_BITS)
    }

    /// The mark of a new attempt.
    pub(super) fn attempt(self) -> Token {
        Token(TOKEN | self.0 << ATTEMPT_BITS | random(ATTEMPT_BITS))
    }
}

impl Token {
    /// The token of this number, if it is one.
    pub(super) fn new(number: u64) -> Option<Self> {
        (number >> 62 == TOKEN >> 62).then_some(Self(number))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    pub(super) fn family(self) -> Family {
        Family(self.0 >> ATTEMPT_BITS & ((1 << FAMILY_BITS) - 1))
    }

    pub(super) fn is_supervisor(self) -> bool {
        self.0 & SUPERVISOR != 0
    }

    /// Marks this process and all that it starts from now on. Safe between fork and exec.
    pub(super) fn wear(self) -> nix::Result<()> {
        let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME)?;
        setrlimit(Resource::RLIMIT_RTTIME, self.0, hard)
    }

    /// The token of a process; `None` if it has none, or has ended.
    pub(super) fn from_process(pid: i32) -> Option<Self> {
        in_limits(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
    }
}

fn in_limits(limits: &str) -> Option<Token> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    Token::new(line.split_whitespace().next()?.parse().ok()?)
}

/// So many random bits. Hash maps of the standard library are seeded by the operating system.
fn random(bits: u32) -> u64 {
    RandomState::new().build_hasher().finish() & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_family_and_kind() {
        let family = Family::random();
        assert_eq!(Family::parse(&family.to_text()), Some(family));
        for text in ["", "0", "x", "ffffffffffff"] {
            assert_eq!(Family::parse(text), None, "{text}");
        }
        let (one, two) = (family.attempt(), Family::random().attempt());
        assert_eq!((one.family(), one.is_supervisor()), (family, false));
        assert_ne!(two.family(), family);
        let supervisor = family.supervisor();
        assert_eq!((supervisor.family(), supervisor.is_supervisor()), (family, true));
        assert_eq!(Token::new(supervisor.number()), Some(supervisor));
        assert!([0, u64::MAX, 1 << 61, 950_000].into_iter().all(|number| Token::new(number).is_none()));
    }

    #[test]
    fn the_limits_of_a_process_are_read() {
        let token = Family::random().attempt();
        let limits = |value: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max cpu time              1                    unlimited            seconds   \n\
                 Max realtime timeout      {value}  unlimited            us        \n"
            )
        };
        assert_eq!(in_limits(&limits(&token.number().to_string())), Some(token));
        assert_eq!(in_limits(&limits("unlimited")), None);
        assert_eq!(in_limits(&limits("200000")), None);
        assert_eq!(in_limits(""), None);
        assert_eq!(Token::from_process(i32::try_from(std::process::id()).unwrap()), None);
    }
}
