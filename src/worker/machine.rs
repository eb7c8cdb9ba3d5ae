//! The process' terms with the machine: allocator, threads, device, memory.

use std::time::Instant;

use gridboard::{base::usage::own_core_seconds, run::Spent};
use tch::{Cuda, Device};

use crate::error::TrainError;

/// Keeps freed memory in the process. By default glibc maps large blocks one by one and unmaps them when they are freed,
/// and gives the free end of its heap back: every step of the training loop would fault its activations in again, page by
/// page, which takes longer than its arithmetic. Call it before anything large is allocated.
pub(crate) fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// "Never", for the trim threshold.
        const NEVER: libc::c_int = -1;
        #[expect(unsafe_code, reason = "mallopt is C, and tunes the allocator that libtorch uses too")]
        // SAFETY: mallopt takes its lock, reads two integers and touches no memory of ours. Where it refuses a value it
        // changes nothing, and the process is slower but right.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, NEVER);
        }
    }
}

/// Gives libtorch its threads. Operations run one after another, so one thread does between them. Call it once, before any
/// operation.
pub(crate) fn set_threads(threads: u32) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
    tch::set_num_interop_threads(1);
}

/// Lets cuDNN time its algorithms for each shape and take the fastest. Which one that is may change from run to run, and
/// with it the last digits.
pub(crate) fn tune_cudnn() {
    Cuda::cudnn_set_benchmark(true);
}

/// The device of `run.json`: `cpu`, or the only CUDA device that the environment lets this process see.
///
/// # Errors
/// [`TrainError::Device`] where libtorch sees no CUDA device.
pub(crate) fn device(id: &str) -> Result<Device, TrainError> {
    if id == "cpu" {
        Ok(Device::Cpu)
    } else if Cuda::is_available() && Cuda::device_count() > 0 {
        Ok(Device::Cuda(0))
    } else {
        Err(TrainError::Device(id.to_owned()))
    }
}

/// Measures a stretch of work by the clock and by the processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    begun: Instant,
    core_seconds: f64,
}

impl Stopwatch {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), core_seconds: own_core_seconds() }
    }

    /// Until now.
    pub(crate) fn spent(self) -> Spent {
        let core_seconds = own_core_seconds() - self.core_seconds;
        Spent { seconds: self.begun.elapsed().as_secs_f64(), core_seconds }
    }
}

/// The most memory that libtorch's allocator has had on the CUDA device of this process, bytes: what it reserved, used
/// or not. The context and what libraries take past the allocator are not in it. `None` where it has none there.
pub(crate) fn peak_device_memory() -> Option<u64> {
    #[expect(unsafe_code, reason = "tch has no call for it: device_memory.cpp")]
    // SAFETY: takes nothing, and catches every C++ exception.
    let bytes = unsafe { gridboard_peak_device_memory() };
    u64::try_from(bytes).ok()
}

#[expect(unsafe_code, reason = "the declaration of a C function")]
unsafe extern "C" {
    fn gridboard_peak_device_memory() -> i64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_no_device_memory() {
        drop(tch::Tensor::from_slice(&[1.0_f32]));
        assert_eq!(peak_device_memory(), None);
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        assert_eq!(device("cpu").unwrap(), Device::Cpu);
        if !Cuda::is_available() {
            let error = device("GPU-1234").unwrap_err();
            assert_eq!(error.to_string(), "device `GPU-1234` is not visible to libtorch");
        }
    }
}
