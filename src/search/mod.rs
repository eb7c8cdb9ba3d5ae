//! Search: which point is tried next, which runs are ended early, and which axes mattered. Pure: points and values in,
//! decisions out; the sweep asks and acts.
//!
//! Written after Optuna 5.0 and SciPy, and held to them by recorded studies (`tests/fixtures/optuna`). What is different, on
//! purpose: no point is tried twice, random numbers belong to the number of a point instead of a stream, so that a search
//! goes on exactly where it was cut off, and each suggestion says what it rests on.

mod density;
mod draws;
mod importance;
mod normal;
mod parzen;
mod promote;
mod sobol;
mod space;
mod stop;
mod suggest;
mod tpe;

pub use importance::{Effects, effects, of_the_best};
pub use promote::{Promotion, Rungs};
pub use space::{Dimension, Number, Point, Range, Space};
pub use stop::{Decision, Halving, Rule, Stopper};
pub use suggest::{Method, Reason, Search, Suggestion};
pub use tpe::{Known, STARTUP, Trial};

#[cfg(test)]
mod tests;
