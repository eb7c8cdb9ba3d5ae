//! The store as its callers see it; the SQL views are tested by SQL text.

mod files;
mod in_place;
mod ledger;
mod live;
mod results;
mod statistics;
mod views;
