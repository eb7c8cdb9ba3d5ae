//! CUDA devices through NVML, the driver's management library.
//!
//! The only home of nvml-wrapper, which loads `libnvidia-ml.so.1` at run time: a machine without the library has no CUDA
//! devices, and that is no problem; every other failure is one and is told. No CUDA context is made, so looking costs
//! no device memory.
//!
//! A device that is partitioned (multi-instance GPU, MIG) is no device for CUDA programs, its parts are: they
//! are listed in its place, each with a UUID and memory of its own.
//!
//! `CUDA_VISIBLE_DEVICES` means here what it means to a CUDA program: the devices it names, in its order, up
//! to the first entry that names none. An entry is the start of a UUID (`GPU-...`, `MIG-...`), or a number
//! that counts devices by PCI bus id (`CUDA_DEVICE_ORDER=PCI_BUS_ID`, which is also what children get, and
//! not CUDA's default "fastest first", which NVML cannot tell). A number counts a partitioned device once,
//! and means its first part.

use std::{ffi::OsStr, path::Path};

use nvml_wrapper::{Device, Nvml, error::NvmlError};

/// A CUDA device that this process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDevice {
    /// The number in `cuda:N`, from 0: by PCI bus id, or by the order of `CUDA_VISIBLE_DEVICES` where that is set.
    pub index: u32,
    /// `GPU-` or `MIG-` and the driver's UUID: what a child gets as its only visible device.
    pub uuid: String,
    /// Product name: `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// `00000000:3B:00.0`, of a part that of the whole device; empty where the driver does not tell.
    pub pci_bus_id: String,
    /// Major and minor number of the compute capability, which says what the device can do. `None` where the
    /// driver does not tell.
    pub compute_capability: Option<(i32, i32)>,
    /// Memory of the device, bytes.
    pub memory_total: u64,
    /// Memory that nobody has allocated, bytes.
    pub memory_free: u64,
    /// Processes that compute on it. `None` where the driver does not tell.
    pub processes: Option<u32>,
}

/// The NVIDIA driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// `580.65.06`.
    pub version: String,
    /// The newest CUDA that the driver supports: `13.0`. `None` where it does not tell.
    pub cuda: Option<String>,
}

/// What NVML says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cuda {
    pub(super) driver: Option<Driver>,
    pub(super) devices: Vec<CudaDevice>,
}

/// The name that the driver installs its library under, the one nvml-wrapper loads by default.
pub(super) const LIBRARY: &str = "libnvidia-ml.so.1";

const NO_DEVICE: &str = "names no device";

/// Asks NVML, from `library` if given. `visible` is the value of `CUDA_VISIBLE_DEVICES`, if set. `root` is
/// where `/proc` and `/dev` are.
pub(super) fn discover(
    library: Option<&OsStr>,
    visible: Option<&str>,
    root: &Path,
    problems: &mut Vec<String>,
) -> Cuda {
    let library = library.unwrap_or(OsStr::new(LIBRARY));
    let nvml = match Nvml::builder().lib_path(library).init() {
        Ok(nvml) => nvml,
        Err(error) => {
            problems.extend(init_problem(&error, &library.to_string_lossy(), root));
            return Cuda::default();
        }
    };
    let devices = all_devices(&nvml, problems);
    let devices = match visible {
        None => devices,
        Some(visible) => select(&nvml, devices, visible, problems),
    };
    Cuda { driver: driver(&nvml, problems), devices: numbered(devices) }
}

/// What to tell of a failure to start NVML; nothing where there is simply no driver.
fn init_problem(error: &NvmlError, library: &str, root: &Path) -> Option<String> {
    // The driver's module is in the kernel, or its devices have been given to this container.
    let driver = ["proc/driver/nvidia/version", "dev/nvidiactl"].iter().any(|file| root.join(file).exists());
    let text = error.to_string();
    if matches!(error, NvmlError::LibloadingError(_)) {
        // The loader names the missing file: the library itself, or one that the library needs.
        let missing = text.contains(&format!("{library}: cannot open shared object file: No such file"))
            || text.contains(&format!("Error loading shared library {library}: No such file"));
        return if !missing {
            Some(format!("NVML cannot be loaded: {text}"))
        } else if driver {
            Some(format!(
                "the NVIDIA driver is loaded, but its library `{library}` is not found, so no CUDA device is \
                 known: install it in the driver's version, or give the container \
                 NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            ))
        } else {
            None
        };
    }
    Some(format!("NVML cannot be started: {text}"))
}

fn driver(nvml: &Nvml, problems: &mut Vec<String>) -> Option<Driver> {
    let version = match nvml.sys_driver_version() {
        Ok(version) => version,
        Err(error) => {
            problems.push(format!("NVML does not tell the driver's version: {error}"));
            return None;
        }
    };
    // 1000 * major + 10 * minor, as nvml.h says.
    let cuda = nvml.sys_cuda_driver_version().ok();
    let cuda = cuda.map(|number| format!("{}.{}", number / 1000, number % 1000 / 10));
    Some(Driver { version, cuda })
}

/// Every device of the machine, by PCI bus id.
fn all_devices(nvml: &Nvml, problems: &mut Vec<String>) -> Vec<CudaDevice> {
    let count = nvml.device_count().unwrap_or_else(|error| {
        problems.push(format!("NVML does not tell the number of devices: {error}"));
        0
    });
    let mut devices = Vec::new();
    for number in 0..count {
        let device = nvml.device_by_index(number).and_then(|device| {
            let whole = Whole { bus_id: device.pci_info()?.bus_id, capability: capability(&device) };
            if is_partitioned(&device) {
                return Ok(parts(&device, &whole, number, problems));
            }
            Ok(vec![describe(&device, &whole)?])
        });
        match device {
            Ok(device) => devices.extend(device),
            Err(error) => problems.push(format!("CUDA device {number} of NVML is left out: {error}")),
        }
    }
    // Domain, bus, device and function are of fixed width in hexadecimal, so text order is bus order. Parts
    // of one device stay in their order.
    devices.sort_by_key(|device| device.pci_bus_id.to_ascii_lowercase());
    devices
}

/// What a part of a partitioned device has from the whole.
struct Whole {
    bus_id: String,
    capability: Option<(i32, i32)>,
}

fn capability(device: &Device<'_>) -> Option<(i32, i32)> {
    device.cuda_compute_capability().ok().map(|capability| (capability.major, capability.minor))
}

/// Whether CUDA programs see the parts of a device instead of the device. Those that cannot be partitioned
/// answer with an error.
fn is_partitioned(device: &Device<'_>) -> bool {
    /// `NVML_DEVICE_MIG_ENABLE` of nvml.h.
    const ENABLED: u32 = 1;
    device.mig_mode().is_ok_and(|mode| mode.current == ENABLED)
}

/// The parts of a partitioned device. Places of parts that nobody has made are empty.
fn parts(device: &Device<'_>, whole: &Whole, number: u32, problems: &mut Vec<String>) -> Vec<CudaDevice> {
    let mut parts = Vec::new();
    for place in 0..device.mig_device_count().unwrap_or(0) {
        match device.mig_device_by_index(place).and_then(|part| describe(&part, whole)) {
            Ok(part) => parts.push(part),
            Err(NvmlError::NotFound | NvmlError::InvalidArg) => {}
            Err(error) => {
                problems.push(format!("part {place} of CUDA device {number} of NVML is left out: {error}"));
            }
        }
    }
    if parts.is_empty() {
        let bus_id = &whole.bus_id;
        problems.push(format!(
            "the CUDA device at {bus_id} is in MIG mode without a part, so no program can use it: \
             `nvidia-smi mig -cgi PROFILE -C` makes one, `nvidia-smi -mig 0` ends the mode"
        ));
    }
    parts
}

fn describe(device: &Device<'_>, whole: &Whole) -> Result<CudaDevice, NvmlError> {
    let memory = device.memory_info()?;
    Ok(CudaDevice {
        index: 0,
        uuid: device.uuid()?,
        name: device.name()?,
        pci_bus_id: whole.bus_id.clone(),
        compute_capability: whole.capability,
        memory_total: memory.total,
        memory_free: memory.free,
        processes: device.running_compute_processes_count().ok(),
    })
}

fn numbered(mut devices: Vec<CudaDevice>) -> Vec<CudaDevice> {
    for (index, device) in (0..).zip(&mut devices) {
        device.index = index;
    }
    devices
}

/// The devices that `CUDA_VISIBLE_DEVICES` names, in its order.
fn select(
    nvml: &Nvml,
    devices: Vec<CudaDevice>,
    visible: &str,
    problems: &mut Vec<String>,
) -> Vec<CudaDevice> {
    let mut selected: Vec<CudaDevice> = Vec::new();
    for entry in visible.split(',').map(str::trim) {
        // The two ways to say "none".
        if entry == "-1" || visible.trim().is_empty() {
            break;
        }
        let found = if entry.starts_with("GPU-") || entry.starts_with("MIG-") {
            match by_uuid(&devices, entry) {
                ByUuid::One(device) => Ok(device.clone()),
                // Older drivers name a part by its device and two numbers: MIG-GPU-<uuid>/1/0.
                ByUuid::None if entry.starts_with("MIG-") => part_of_device(nvml, entry),
                ByUuid::None => Err(NO_DEVICE.to_owned()),
                ByUuid::Several(why) => Err(why),
            }
        } else {
            by_number(&devices, entry).cloned().ok_or_else(|| NO_DEVICE.to_owned())
        };
        match found {
            Ok(device) if selected.iter().any(|other| other.uuid == device.uuid) => {
                problems.push(format!("CUDA_VISIBLE_DEVICES names `{entry}` again: taken once"));
            }
            Ok(device) => selected.push(device),
            Err(why) => {
                problems.push(format!(
                    "CUDA_VISIBLE_DEVICES: `{entry}` {why}; it and what follows it are ignored, as CUDA does"
                ));
                break;
            }
        }
    }
    selected
}

/// The device that a UUID, or a start of one, names.
pub(super) enum ByUuid<'a> {
    One(&'a CudaDevice),
    None,
    /// Says which.
    Several(String),
}

/// Looks up the device whose UUID begins with `prefix`.
pub(super) fn by_uuid<'a>(devices: &'a [CudaDevice], prefix: &str) -> ByUuid<'a> {
    let prefix = prefix.to_ascii_lowercase();
    let mut matching = devices.iter().filter(|device| device.uuid.to_ascii_lowercase().starts_with(&prefix));
    match (matching.next(), matching.next()) {
        (Some(device), None) => ByUuid::One(device),
        (None, _) => ByUuid::None,
        (Some(one), Some(other)) => ByUuid::Several(format!("may be {} or {}", one.uuid, other.uuid)),
    }
}

/// The device that a number of `CUDA_VISIBLE_DEVICES` means; of the parts of one device the first.
fn by_number<'a>(devices: &'a [CudaDevice], entry: &str) -> Option<&'a CudaDevice> {
    let number: usize = entry.parse().ok()?;
    let mut whole: Vec<&CudaDevice> = devices.iter().collect();
    whole.dedup_by_key(|device| &device.pci_bus_id);
    whole.get(number).copied()
}

/// A part that NVML knows by a name which is not its UUID.
fn part_of_device(nvml: &Nvml, name: &str) -> Result<CudaDevice, String> {
    let device = nvml.device_by_uuid(name).and_then(|part| {
        let device = part.mig_parent_device();
        let whole = Whole {
            bus_id: device
                .as_ref()
                .ok()
                .and_then(|d| d.pci_info().ok())
                .map(|i| i.bus_id)
                .unwrap_or_default(),
            capability: device.ok().and_then(|device| capability(&device)),
        };
        describe(&part, &whole)
    });
    device.map_err(|error| format!("{NO_DEVICE}: {error}"))
}
