//! The ground floor: what every part needs and none should make for itself. Words for numbers and errors, the clock, files
//! that are written whole, what a process has used, what looks like a secret, and who this program is.
//!
//! Imports nothing of the project.

pub mod charset;

pub mod clock;

pub mod csv;

pub mod disk;

pub mod error;

pub mod files;

pub mod human;

pub mod process;

pub mod program;

pub mod secret;

pub mod signals;

pub mod text;

pub mod usage;
