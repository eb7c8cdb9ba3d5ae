//! How a sweep uses the cores: few runs with many threads each, or many with few. Chosen from measurements.
//!
//! Pure: says what is worth measuring, and what follows from the measurements. Nothing is assumed of the processor, but
//! that with no measurement, and with none that is clearly better, each core has a run of its own.

/// A way to divide cores among runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Division {
    /// Runs at once.
    pub slots: u32,
    /// Threads of each.
    pub threads: u32,
}

/// A measurement must be better than that of the default by this factor: below it is noise.
const CLEARLY: f64 = 1.05;

/// The divisions of `cores` that are worth measuring for a sweep of `n_runs`, the default first: a run for each core, then
/// half as many with twice the threads, down to one. Those whose runs, of `memory` bytes each, do not fit `capacity`
/// together are left out; the last one always stays.
#[must_use]
pub fn divisions(cores: u32, n_runs: u64, memory: u64, capacity: u64) -> Vec<Division> {
    let cores = cores.max(1);
    let mut divisions = Vec::new();
    let mut slots = cores.min(u32::try_from(n_runs).unwrap_or(u32::MAX)).max(1);
    loop {
        if slots == 1 || memory.saturating_mul(u64::from(slots)) <= capacity {
            divisions.push(Division { slots, threads: (cores / slots).max(1) });
        }
        if slots == 1 {
            return divisions;
        }
        slots /= 2;
    }
}

/// The place of the best of several divisions. `throughputs` has for each of them the images per second of all its runs
/// together, one figure for each network that was measured; the first division is the default. Networks count alike: the
/// geometric mean decides.
#[must_use]
pub fn best(throughputs: &[Vec<f64>]) -> usize {
    let mean = |figures: &[f64]| {
        let logs = figures.iter().map(|figure| figure.ln());
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let mean = logs.sum::<f64>() / figures.len() as f64;
        mean.exp()
    };
    let Some(default) = throughputs.first().map(|figures| mean(figures)) else { return 0 };
    let mut best = (0, default * CLEARLY);
    for (place, figures) in throughputs.iter().enumerate().skip(1) {
        let mean = mean(figures);
        if mean > best.1 {
            best = (place, mean);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cores: u32, n_runs: u64, memory: u64, expected: &[(u32, u32)]) {
        let found: Vec<(u32, u32)> = divisions(cores, n_runs, memory, 100)
            .into_iter()
            .map(|division| (division.slots, division.threads))
            .collect();
        assert_eq!(found, expected, "{cores} cores, {n_runs} runs of {memory} bytes");
    }

    #[test]
    fn divisions_go_from_a_run_a_core_to_one_run() {
        check(1, 27, 0, &[(1, 1)]);
        check(2, 27, 0, &[(2, 1), (1, 2)]);
        check(6, 27, 0, &[(6, 1), (3, 2), (1, 6)]);
        check(8, 3, 0, &[(3, 2), (1, 8)]);
        check(0, 0, 0, &[(1, 1)]);
    }

    #[test]
    fn what_does_not_fit_the_memory_is_left_out() {
        check(4, 27, 26, &[(2, 2), (1, 4)]);
        check(4, 27, 400, &[(1, 4)]);
    }

    #[test]
    fn the_default_gives_way_only_to_what_is_clearly_better() {
        assert_eq!(best(&[]), 0);
        assert_eq!(best(&[vec![100.0, 10.0], vec![104.0, 10.4]]), 0);
        assert_eq!(best(&[vec![100.0, 10.0], vec![140.0, 9.0]]), 1);
        assert_eq!(best(&[vec![100.0], vec![120.0], vec![130.0], vec![125.0]]), 2);
        assert_eq!(best(&[vec![100.0], vec![f64::NAN], vec![0.0]]), 0, "no number is no reason");
    }
}
