//! The store as its callers see it; the SQL views are tested by SQL text.

mod chunks;
mod files;
mod in_place;
mod journal;
mod ledger;
mod live;
#[cfg(feature = "page")]
mod overview;
mod removal;
mod results;
mod series;
mod statistics;
mod views;
