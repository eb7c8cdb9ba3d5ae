//! The live page: an HTTP server that shows the runs database in a browser, while sweeps write it and afterwards.
//!
//! Called by `gridboard serve` and `gridboard run --serve`. It reads with connections that cannot write and changes nothing by
//! itself: what a page asks to be changed is handed to the command line's own code (`carry`). One stream of server-sent events a
//! page (`stream`) tells what a poller (`hub`) has found new in the database. The pages themselves are in `web/`.

mod answers;
mod assets;
mod carry;
mod change;
mod compare;
mod curves;
mod error;
mod experiment;
mod guard;
mod hub;
mod log;
mod problem;
mod readers;
mod routes;
mod run;
mod server;
mod site;
mod snapshot;
mod stream;

pub(crate) use assets::has_page;
pub(crate) use carry::{Carry, Change, NotCarried};
pub(crate) use error::ServeError;
pub(crate) use server::{Options, Server};
