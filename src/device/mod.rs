//! What this machine can train on: discovery, the device words of the user, and the slots that follow from both.
//!
//! [`discover`] asks the operating system and the NVIDIA driver, [`DeviceChoice`] is what `--devices` and
//! `schedule.devices` say (parsed by the spec), [`place`] makes the scheduler's slots of the two. Called by the sweep and by `doctor`. What a
//! child then sees of a device is the launcher's business.

mod cpu;
mod cuda;
mod discovery;
pub(crate) mod kernel;
mod place;

pub use cpu::CpuInfo;
pub use cuda::{CudaDevice, Driver};
pub use discovery::{Discovery, discover};
pub use place::{DeviceError, Placement, place, slots_on_cpu};

pub use crate::spec::devices::{CudaSelector, DeviceChoice, ParseDevicesError};
