//! The processor: how many cores and how much memory this process may use.

use std::thread::available_parallelism;

use super::kernel;

/// The processor as this process may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuInfo {
    /// Cores, at least 1: those that the affinity mask and the control group's quota leave.
    pub cores: u32,
    /// Available memory under the control group's limit, bytes. `u64::MAX` where the system does not say, so that
    /// memory holds nothing back there.
    pub memory_bytes: u64,
}

impl CpuInfo {
    /// Asks the operating system.
    pub(super) fn discover(problems: &mut Vec<String>) -> Self {
        let cores = available_parallelism().map_or_else(
            |error| {
                problems.push(format!("the number of cores is unknown, 1 is assumed: {error}"));
                1
            },
            |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX),
        );
        let memory_bytes = kernel::available_memory().unwrap_or_else(|| {
            problems
                .push("the available memory is unknown, runs are placed as if there were enough".to_owned());
            u64::MAX
        });
        Self { cores, memory_bytes }
    }
}
