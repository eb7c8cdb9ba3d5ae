//! Who works here: this program's version and commit, and the machine's name, as ledger, run files and `doctor` have them.

use std::sync::OnceLock;

/// The version without the commit: `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built; empty where it is not known.
pub const COMMIT: &str = env!("GRIDBOARD_COMMIT");

/// Version and, where it is known, commit: `0.1.0 (1f2e3d4c5b6a)`.
#[must_use]
pub const fn version() -> &'static str {
    match COMMIT.is_empty() {
        true => VERSION,
        false => concat!(env!("CARGO_PKG_VERSION"), " (", env!("GRIDBOARD_COMMIT"), ")"),
    }
}

/// The machine's name.
#[must_use]
pub fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| gethostname::gethostname().to_string_lossy().into_owned())
}
