//! The placement of a sweep on the processor: measured before the first run, where that pays, and remembered.
//!
//! Called by `gridboard run` between the preparation and the sweep. Only where the user leaves the number of slots open,
//! only for runs whose results are the same bits with any number of threads, and only for sweeps that are so long that
//! the measurement is a small part of them. What is measured is what will run: the spec's own networks, images and batches.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Preparation, SweepError, attempt::run_file, forecast::Forecaster, index};
use crate::{
    base::{
        files::{Durability, write_whole},
        human::counted,
        program::{COMMIT, VERSION, host},
        signals::Signals,
    },
    device::{Placement, slots_on_cpu},
    grid,
    launch::{self, CalibrateError},
    run::RunSpec,
    schedule::{Division, best, divisions},
};

/// Each measurement lasts this long, seconds; the start of the workers comes on top.
const SECONDS: f64 = 1.5;
/// Each division and network is measured so often, in turn, so that a busy moment hits all alike.
const ROUNDS: usize = 2;
/// Networks that are measured: the longest runs are most of a sweep, the shortest differ most from them.
const NETWORKS: usize = 3;
/// FLOPs a second and core, for the question alone whether a sweep is long.
const CORE_FLOPS: f64 = 30e9;
/// A sweep is long if it would take this many times what the measurement takes.
const WORTH: f64 = 30.0;

/// What came out, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// The chosen placement.
    pub placement: Placement,
    /// For people: what was measured, or that it was measured before.
    pub note: String,
}

/// Chooses the placement by measurement. `None` where the one that was made, `placed`, stays: too little to do, runs that depend
/// on their number of threads, or one core. `say` is told before something takes time.
///
/// # Errors
/// Where the worker is not there; [`SweepError::Interrupted`] at the first signal.
pub(crate) fn measured_division(
    ready: &Preparation,
    placed: &Placement,
    cores: u32,
    cache: Option<&Path>,
    say: impl Fn(&str),
    signals: &Signals,
) -> Result<Option<Measured>, SweepError> {
    let forecaster = Forecaster::new(&ready.experiment, ready.loading.as_ref(), &placed.slots);
    let capacity = placed.capacities.first().copied().unwrap_or(0);
    // Of a search that learns most runs are not known yet: the first ones, which are drawn, stand for them.
    let drawn = grid::first_runs(&ready.experiment);
    let known = ready.owed.iter().filter(|owed| !owed.cancelled).map(|owed| &ready.runs[index(owed.run)]);
    let owed: Vec<&RunSpec> = if drawn.is_empty() { known.collect() } else { drawn.iter().collect() };
    let to_come = match u64::try_from(grid::count(&ready.experiment)) {
        Ok(wanted) if !drawn.is_empty() => wanted.saturating_sub(ready.completed),
        _ => owed.len() as u64,
    };
    if cores < 2 || owed.len() < 2 || to_come < 2 || !owed.iter().all(|run| forecaster.is_elastic(run)) {
        return Ok(None);
    }
    let mut by_cost: Vec<(f64, u64, &RunSpec)> = owed
        .iter()
        .map(|run| {
            let (cost, memory) = forecaster.cost_and_memory(run);
            (cost, memory, *run)
        })
        .collect();
    by_cost.sort_by(|a, b| b.0.total_cmp(&a.0));
    let networks = sample(&by_cost);
    let memory = networks.iter().map(|(_, memory, _)| *memory).max().unwrap_or(0);
    let divisions = divisions(cores, to_come, memory, capacity);
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let takes = (divisions.len() * networks.len() * ROUNDS) as f64 * 2.0 * SECONDS;
    let sweep = by_cost.iter().map(|(cost, ..)| cost).sum::<f64>() / (CORE_FLOPS * f64::from(cores));
    #[expect(clippy::cast_precision_loss, reason = "a number of runs")]
    let sweep = sweep * to_come as f64 / owed.len() as f64;
    if divisions.len() < 2 || sweep < WORTH * takes {
        return Ok(None);
    }

    let worker = launch::find_worker()?;
    let files: Vec<_> = networks.iter().map(|(.., run)| (*run).clone()).collect();
    let known = cache.map(|cache| cache.join("placement").join(key(ready, &files, cores, &divisions)));
    if let Some(division) = known.as_deref().and_then(recall).filter(|known| divisions.contains(known)) {
        let note = format!("placement: {} (measured before)", in_words(division));
        return Ok(Some(Measured { placement: slots_on_cpu(division, capacity), note }));
    }
    say(&format!("placement: measuring, about {takes:.0} s"));
    let throughputs = match measure(ready, &worker, &files, &divisions, signals) {
        Ok(throughputs) => throughputs,
        Err(CalibrateError::Interrupted) => return Err(SweepError::Interrupted),
        Err(error) => {
            say(&format!("warning: {error}; the placement stays as it is"));
            return Ok(None);
        }
    };
    let division = divisions[best(&throughputs)];
    if let Some(path) = &known {
        let json = serde_json::to_vec(&division).expect("two numbers are JSON");
        write_whole(path, &[&json], Durability::Written)?;
    }
    let figures: Vec<String> = divisions
        .iter()
        .zip(&throughputs)
        .map(|(division, figures)| {
            let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:.0}")).collect();
            format!("{} {}", in_words(*division), figures.join(", "))
        })
        .collect();
    let note = format!("placement: {}; images/s were {}", in_words(division), figures.join("; "));
    Ok(Some(Measured { placement: slots_on_cpu(division, capacity), note }))
}

/// The longest run, the one in the middle of the order, and the shortest.
fn sample<T: Copy>(by_cost: &[T]) -> Vec<T> {
    let last = by_cost.len().saturating_sub(1);
    let mut places: Vec<usize> = (0..NETWORKS).map(|nth| last * nth / (NETWORKS - 1)).collect();
    places.dedup();
    places.into_iter().filter_map(|place| by_cost.get(place).copied()).collect()
}

/// Images per second by division and network: of the rounds, the best, which others have disturbed least.
fn measure(
    ready: &Preparation,
    worker: &Path,
    networks: &[RunSpec],
    divisions: &[Division],
    signals: &Signals,
) -> Result<Vec<Vec<f64>>, CalibrateError> {
    let mut figures = vec![vec![0.0_f64; networks.len()]; divisions.len()];
    for _ in 0..ROUNDS {
        for (network, run) in networks.iter().enumerate() {
            for (division, figures) in divisions.iter().zip(&mut figures) {
                let slot = slots_on_cpu(*division, 0).slots.swap_remove(0);
                let file = run_file(ready, run, 1, (&slot.device, slot.threads), 0.0);
                let speed = launch::throughput(worker, &file, division.slots, SECONDS, signals)?;
                figures[network] = figures[network].max(speed);
            }
        }
    }
    Ok(figures)
}

/// The name of what is remembered: another machine, program, network, batch or size of images is measured anew.
fn key(ready: &Preparation, networks: &[RunSpec], cores: u32, divisions: &[Division]) -> PathBuf {
    let parameters: Vec<_> = networks.iter().map(|run| &run.parameters).collect();
    let image_size = ready.dataset.as_ref().map(|dataset| dataset.image_size);
    let version = [VERSION, COMMIT].concat();
    let text = serde_json::to_string(&(host(), version, cores, image_size, parameters, divisions))
        .expect("plain data is JSON");
    format!("{}.json", &blake3::hash(text.as_bytes()).to_hex()[..16]).into()
}

fn recall(path: &Path) -> Option<Division> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn in_words(Division { slots, threads }: Division) -> String {
    format!("{} at once with {} each", counted(slots, "run"), counted(threads, "thread"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_the_middle_and_the_shortest_run_are_measured() {
        assert_eq!(sample(&[9, 8, 7, 6, 5]), [9, 7, 5]);
        assert_eq!(sample(&[2, 1]), [2, 1]);
        assert_eq!(sample(&[1]), [1]);
        assert!(sample::<u8>(&[]).is_empty());
    }

    #[test]
    fn divisions_are_said_in_words() {
        assert_eq!(in_words(Division { slots: 2, threads: 1 }), "2 runs at once with 1 thread each");
        assert_eq!(in_words(Division { slots: 1, threads: 8 }), "1 run at once with 8 threads each");
    }
}
