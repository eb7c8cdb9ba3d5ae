//! What this machine can train on: discovery, the device words of the user, and the slots that follow from both.
//!
//! [`discover`] asks the operating system and the NVIDIA driver, [`LibtorchCuda`] is what the trainers'
//! libtorch says of CUDA, [`DeviceChoice`] is what `--devices` and `schedule.devices` say (parsed by the
//! spec), [`place`] makes the scheduler's slots of them. Called by the command line, the sweep and `doctor`.
//! What a child then sees of a device is the launcher's business.

mod cpu;
mod cuda;
mod discovery;
mod gauge;
pub(crate) mod kernel;
mod libtorch;
mod place;

pub(crate) use cpu::CpuInfo;
pub(crate) use cuda::{CudaDevice, Driver};
pub(crate) use discovery::{Discovery, discover};
pub(crate) use gauge::{Gauges, Reading};
pub(crate) use libtorch::{LibtorchCuda, Obstacle};
pub(crate) use place::{DeviceError, Placement, place, place_in_cluster, slots_on_cpu};

pub(crate) use crate::spec::devices::{CudaSelector, DeviceChoice, ParseDevicesError};
