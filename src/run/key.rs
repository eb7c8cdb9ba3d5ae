//! What a run is called inside the program: its place in the grid, and its key in the runs database.
//!
//! Two numbers that are easily taken for one another, so each has a type. A place is where a run stands in the order of the
//! grid, and more seeds and values move it; a key is the same run as long as it is in the database.

use serde::Serialize;

/// A run's place in the grid, from 0; seeds innermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunIndex(u64);

impl RunIndex {
    /// The place with so many runs before it.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The number of runs before it.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place of its grid point, where every point has `seeds` runs.
    #[must_use]
    pub fn point(self, seeds: usize) -> u64 {
        self.0 / seeds.max(1) as u64
    }
}

/// A run's key in the runs database, which no other run has as long as this one is in it.
/// The default is no run's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey(i64);

impl RunKey {
    /// The key that the database has given.
    #[must_use]
    pub const fn new(key: i64) -> Self {
        Self(key)
    }

    /// The number in the database.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}
