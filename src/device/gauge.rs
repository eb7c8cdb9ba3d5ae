//! What CUDA devices are doing, through NVML: asked again and again while runs train.
//!
//! Used by the sweep's meter, on a thread of its own: a driver that is in trouble may answer late. What a device does not tell,
//! as a part of a partitioned one does not tell its power, is left out.

use std::collections::HashMap;

use nvml_wrapper::{Device, Nvml, enum_wrappers::device::TemperatureSensor};

/// What a device is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Part of the time in which a kernel ran, percent.
    pub(crate) utilization: Option<f64>,
    /// Allocated memory, bytes, of all programs.
    pub(crate) memory: Option<u64>,
    /// Watts.
    pub(crate) power: Option<f64>,
    /// Degrees Celsius.
    pub(crate) temperature: Option<f64>,
    /// Joules since the driver was loaded.
    pub(crate) energy: Option<f64>,
}

/// The devices of the machine.
pub(crate) struct Gauges {
    nvml: Nvml,
    /// Number of a device, and the place of a part in it, by UUID.
    places: HashMap<String, (u32, Option<u32>)>,
}

impl Gauges {
    /// Loads NVML; `None` where there is none, or no device.
    pub(crate) fn open() -> Option<Self> {
        let nvml = Nvml::builder().lib_path(super::cuda::LIBRARY.as_ref()).init().ok()?;
        let mut places = HashMap::new();
        for number in 0..nvml.device_count().ok()? {
            let Ok(device) = nvml.device_by_index(number) else { continue };
            if let Ok(uuid) = device.uuid() {
                places.insert(uuid, (number, None));
            }
            for part in 0..device.mig_device_count().unwrap_or(0) {
                if let Ok(uuid) = device.mig_device_by_index(part).and_then(|part| part.uuid()) {
                    places.insert(uuid, (number, Some(part)));
                }
            }
        }
        (!places.is_empty()).then_some(Self { nvml, places })
    }

    /// What a device is doing now; `None` for one that is not known, or has fallen off the bus.
    pub(crate) fn read(&self, uuid: &str) -> Option<Reading> {
        let &(number, part) = self.places.get(uuid)?;
        let device = self.nvml.device_by_index(number).ok()?;
        match part {
            None => Some(read(&device)),
            Some(part) => Some(read(&device.mig_device_by_index(part).ok()?)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "joules and watts")]
fn read(device: &Device<'_>) -> Reading {
    Reading {
        utilization: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu)),
        memory: device.memory_info().ok().map(|memory| memory.used),
        power: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
        temperature: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
        energy: device.total_energy_consumption().ok().map(|millijoules| millijoules as f64 / 1e3),
    }
}
