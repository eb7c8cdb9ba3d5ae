//! Runs that are cut off, by a signal or by sudden death, and go on: with the same bits as if nothing had happened.

#[cfg(feature = "torch")]
mod built_in;
mod command;
