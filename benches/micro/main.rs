//! Criterion benches of the parts that a sweep leans on. One program, because linking is what takes the time.
//!
//!     cargo bench --bench micro                 # all of them, a minute
//!     cargo bench --bench micro -- events       # those with this word in their name

#[path = "../common/mod.rs"]
mod common;
mod corpus;
mod events;
mod rank;
mod schedule;
mod search;
mod store;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(10)
        .configure_from_args();
    events::bench(&mut criterion);
    schedule::bench(&mut criterion);
    search::bench(&mut criterion);
    rank::bench(&mut criterion);
    store::bench(&mut criterion);
    corpus::bench(&mut criterion);
    criterion.final_summary();
}
