//! Slots from a choice of devices and what the machine has.
//!
//! Called by the sweep before it makes a scheduler. Threads are the same on every slot, whatever remainder of the cores
//! that leaves: a run's result may depend on its number of threads, and must not depend on its slot.

use super::{
    CudaSelector, DeviceChoice,
    cuda::{self, CudaDevice},
    discovery::Discovery,
};
use crate::schedule::{Division, Slot};

/// The slots of a sweep and the memory of their devices: what the scheduler is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The slots, device by device.
    pub slots: Vec<Slot>,
    /// Memory that the runs of the sweep may use, bytes, by the slots' `device_index`.
    pub capacities: Vec<u64>,
}

/// Why a choice of devices cannot be had on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// CUDA is asked for and there is none.
    #[error("`cuda` needs a CUDA device: {0}")]
    NoCuda(String),
    /// A named device is not there.
    #[error("no CUDA device {device}: {known}")]
    NoSuchDevice {
        /// The device as named.
        device: CudaSelector,
        /// What is there.
        known: String,
    },
    /// The start of a UUID fits several devices.
    #[error("CUDA device {device} {why}")]
    Ambiguous {
        /// The device as named.
        device: CudaSelector,
        /// The devices it may be.
        why: String,
    },
    /// One device is named in two ways.
    #[error("CUDA device {device} is named twice: it is cuda:{index}")]
    Repeated {
        /// The second name.
        device: CudaSelector,
        /// Its number.
        index: u32,
    },
    /// Runs per device out of range.
    #[error("{0} runs per device: the number is from 1 to {max}", max = DeviceChoice::MOST_SLOTS)]
    RunsPerDevice(u32),
}

impl DeviceError {
    /// What can be had instead.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCuda(_) | Self::NoSuchDevice { .. } => Some(
                "--devices cpu trains on the processor, auto takes what there is; `gridboard doctor` says what is missing",
            ),
            Self::Ambiguous { .. } | Self::Repeated { .. } | Self::RunsPerDevice(_) => None,
        }
    }
}

/// Makes the slots.
///
/// - CUDA: `runs_per_device` slots on each device (1 if not given); the cores are shared by all slots. A device's capacity
///   is the memory that is free now.
/// - Processor, `cpu:N`: N slots that share the cores, with one thread at least. `runs_per_device` has no meaning there.
/// - Processor, no number: one slot with one thread for each core; with fewer runs than cores, as many slots as runs, which
///   share the cores. Where a sweep is long enough, a measurement may put another division in its place.
///
/// # Errors
/// If a device is not there, or named twice, or the number of runs per device is out of range.
pub(crate) fn place(
    choice: &DeviceChoice,
    discovery: &Discovery,
    runs_per_device: Option<u32>,
    n_runs: u64,
) -> Result<Placement, DeviceError> {
    let cuda = match choice {
        DeviceChoice::Cpu { slots } => return Ok(place_on_cpu(discovery, *slots, n_runs)),
        DeviceChoice::Auto if discovery.cuda.is_empty() => return Ok(place_on_cpu(discovery, None, n_runs)),
        DeviceChoice::Auto => discovery.cuda.clone(),
        DeviceChoice::Cuda { devices } if devices.is_empty() => {
            if discovery.cuda.is_empty() {
                return Err(DeviceError::NoCuda(discovery.cuda_in_words()));
            }
            discovery.cuda.clone()
        }
        DeviceChoice::Cuda { devices } => named(devices, discovery)?,
    };
    let per_device = runs_per_device.unwrap_or(1);
    if !(1..=DeviceChoice::MOST_SLOTS).contains(&per_device) {
        return Err(DeviceError::RunsPerDevice(per_device));
    }
    let total = u32::try_from(cuda.len()).unwrap_or(u32::MAX).saturating_mul(per_device);
    let threads = share(discovery.cpu.cores, total);
    let places = (0..).zip(&cuda).flat_map(|device| (0..per_device).map(move |place| (device, place)));
    let slots = (0..)
        .zip(places)
        .map(|(index, ((device_index, device), place))| Slot {
            index,
            label: format!("cuda:{}/{place}", device.index),
            device: device.uuid.clone(),
            device_index,
            threads,
        })
        .collect();
    Ok(Placement { slots, capacities: cuda.iter().map(|device| device.memory_free).collect() })
}

impl Placement {
    /// Takes slots of CUDA devices away until so many processes of `each` bytes fit into `available` bytes of
    /// the host's memory, the devices in turn; one slot stays. Returns how many were taken.
    pub(crate) fn limit_host_memory(&mut self, each: u64, available: u64) -> usize {
        let fit = usize::try_from(available / each.max(1)).unwrap_or(usize::MAX).max(1);
        let before = self.slots.len();
        if fit < before && self.slots.iter().all(|slot| slot.device != Slot::CPU) {
            // Every device's first slot, then every device's second one.
            let mut taken = vec![0_usize; self.capacities.len()];
            self.slots.sort_by_cached_key(|slot| {
                let nth = &mut taken[slot.device_index as usize];
                *nth += 1;
                (*nth, slot.device_index)
            });
            self.slots.truncate(fit);
            self.slots.sort_by_key(|slot| slot.index);
            for (index, slot) in (0..).zip(&mut self.slots) {
                slot.index = index;
            }
        }
        before - self.slots.len()
    }
}

/// The slots of a sweep whose runs are jobs of a cluster: so many at once, each with so many threads, and with GPUs or without.
#[must_use]
pub(crate) fn place_in_cluster(at_once: u32, threads: u32, has_gpus: bool) -> Placement {
    let device = if has_gpus { IN_CLUSTER } else { Slot::CPU };
    let slot = |index| Slot {
        index,
        label: format!("{}{index}", Slot::IN_SLURM),
        device: device.to_owned(),
        device_index: 0,
        threads,
    };
    Placement { slots: (0..at_once.max(1)).map(slot).collect(), capacities: vec![u64::MAX] }
}

/// The device of a run whose GPUs the cluster chooses.
const IN_CLUSTER: &str = "gpu";

fn place_on_cpu(discovery: &Discovery, slots: Option<u32>, n_runs: u64) -> Placement {
    let cores = discovery.cpu.cores.max(1);
    let number = slots.unwrap_or_else(|| cores.min(u32::try_from(n_runs).unwrap_or(u32::MAX)).max(1));
    slots_on_cpu(Division { slots: number, threads: share(cores, number) }, discovery.cpu.memory_bytes)
}

/// The slots of one division of the processor, whose memory is `capacity` bytes.
#[must_use]
pub(crate) fn slots_on_cpu(division: Division, capacity: u64) -> Placement {
    let slots = (0..division.slots)
        .map(|index| Slot {
            index,
            label: format!("{}/{index}", Slot::CPU),
            device: Slot::CPU.to_owned(),
            device_index: 0,
            threads: division.threads,
        })
        .collect();
    Placement { slots, capacities: vec![capacity] }
}

/// Threads for each of `slots` on `cores`.
fn share(cores: u32, slots: u32) -> u32 {
    (cores / slots.max(1)).max(1)
}

/// The devices that the user named, in that order.
fn named(selectors: &[CudaSelector], discovery: &Discovery) -> Result<Vec<CudaDevice>, DeviceError> {
    let mut devices: Vec<CudaDevice> = Vec::new();
    for selector in selectors {
        let missing =
            || DeviceError::NoSuchDevice { device: selector.clone(), known: discovery.cuda_in_words() };
        let device = match selector {
            CudaSelector::Index(index) => {
                discovery.cuda.iter().find(|device| device.index == *index).cloned().ok_or_else(missing)?
            }
            CudaSelector::Uuid(prefix) => match cuda::by_uuid(&discovery.cuda, prefix) {
                cuda::ByUuid::One(device) => device.clone(),
                cuda::ByUuid::None => return Err(missing()),
                cuda::ByUuid::Several(why) => {
                    return Err(DeviceError::Ambiguous { device: selector.clone(), why });
                }
            },
        };
        if devices.iter().any(|other| other.uuid == device.uuid) {
            return Err(DeviceError::Repeated { device: selector.clone(), index: device.index });
        }
        devices.push(device);
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::CpuInfo;

    fn machine(cores: u32, devices: u32) -> Discovery {
        let device = |index| CudaDevice {
            index,
            uuid: format!("GPU-{}0{index}", if index < 2 { "a" } else { "b" }),
            name: "NVIDIA H100".to_owned(),
            pci_bus_id: format!("00000000:0{index}:00.0"),
            compute_capability: None,
            memory_total: 80,
            memory_free: u64::from(70 + index),
            processes: Some(0),
        };
        let cpu = CpuInfo { cores, memory_bytes: 1000 };
        Discovery { cpu, driver: None, cuda: (0..devices).map(device).collect(), problems: Vec::new() }
    }

    /// Labels and threads of the slots, and the capacities.
    fn check(words: &str, machine: &Discovery, per_device: Option<u32>, n_runs: u64, expected: &str) {
        let choice = DeviceChoice::parse(words).expect("words");
        let text = match place(&choice, machine, per_device, n_runs) {
            Ok(placement) => {
                for (place, slot) in placement.slots.iter().enumerate() {
                    assert_eq!(slot.index as usize, place);
                }
                let slots: Vec<String> = placement
                    .slots
                    .iter()
                    .map(|slot| {
                        let memory = placement.capacities[slot.device_index as usize];
                        format!("{}={}x{}@{memory}", slot.label, slot.device, slot.threads)
                    })
                    .collect();
                slots.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected, "{words}");
    }

    #[test]
    fn processor_slots_share_the_cores() {
        let cpu = machine(8, 0);
        check("cpu:2", &cpu, None, 99, "cpu/0=cpux4@1000 cpu/1=cpux4@1000");
        check("cpu:3", &cpu, None, 1, "cpu/0=cpux2@1000 cpu/1=cpux2@1000 cpu/2=cpux2@1000");
        check("cpu:1", &cpu, Some(5), 9, "cpu/0=cpux8@1000");
        check("cpu:2", &machine(1, 0), None, 9, "cpu/0=cpux1@1000 cpu/1=cpux1@1000");
    }

    #[test]
    fn without_a_number_there_is_a_slot_for_each_core_or_run() {
        let cpu = machine(3, 0);
        for words in ["cpu", "auto"] {
            check(words, &cpu, None, 99, "cpu/0=cpux1@1000 cpu/1=cpux1@1000 cpu/2=cpux1@1000");
            check(words, &cpu, None, 2, "cpu/0=cpux1@1000 cpu/1=cpux1@1000");
            check(words, &cpu, None, 1, "cpu/0=cpux3@1000");
            check(words, &cpu, None, 0, "cpu/0=cpux3@1000");
        }
    }

    #[test]
    fn cuda_devices_are_taken_in_the_order_given() {
        let cuda = machine(8, 3);
        let all = "cuda:0/0=GPU-a00x2@70 cuda:1/0=GPU-a01x2@71 cuda:2/0=GPU-b02x2@72";
        check("auto", &cuda, None, 1, all);
        check("cuda", &cuda, None, 99, all);
        check("cuda:2,0", &cuda, None, 99, "cuda:2/0=GPU-b02x4@72 cuda:0/0=GPU-a00x4@70");
        check("cuda:GPU-b", &cuda, None, 99, "cuda:2/0=GPU-b02x8@72");
        check("cuda:1", &cuda, Some(2), 99, "cuda:1/0=GPU-a01x4@71 cuda:1/1=GPU-a01x4@71");
        check("cpu:1", &cuda, None, 99, "cpu/0=cpux8@1000");
    }

    #[test]
    fn no_more_processes_than_the_host_has_memory_for() {
        let placed = || {
            let choice = DeviceChoice::parse("cuda").expect("words");
            place(&choice, &machine(12, 2), Some(3), 99).expect("placed")
        };
        let left = |available: u64| {
            let mut placement = placed();
            let taken = placement.limit_host_memory(100, available);
            assert_eq!(placement.slots.len() + taken, 6);
            let labels: Vec<String> =
                placement.slots.iter().map(|slot| format!("{}@{}", slot.label, slot.index)).collect();
            labels.join(" ")
        };
        assert_eq!(left(600), "cuda:0/0@0 cuda:0/1@1 cuda:0/2@2 cuda:1/0@3 cuda:1/1@4 cuda:1/2@5");
        assert_eq!(left(399), "cuda:0/0@0 cuda:0/1@1 cuda:1/0@2");
        assert_eq!(left(20), "cuda:0/0@0");
        // The processor's own slots are admitted by the memory of each run.
        let mut cpu = slots_on_cpu(Division { slots: 4, threads: 1 }, 50);
        assert_eq!(cpu.limit_host_memory(100, 50), 0);
    }

    #[test]
    fn errors_say_what_there_is() {
        let (none, two) = (machine(8, 0), machine(8, 2));
        let has_two = "this machine has cuda:0 (NVIDIA H100), cuda:1 (NVIDIA H100)";
        check("cuda:3", &two, None, 1, &format!("no CUDA device 3: {has_two}"));
        check("cuda:0,GPU-c", &two, None, 1, &format!("no CUDA device GPU-c: {has_two}"));
        check("cuda:GPU-a", &two, None, 1, "CUDA device GPU-a may be GPU-a00 or GPU-a01");
        check("cuda:0,GPU-a00", &two, None, 1, "CUDA device GPU-a00 is named twice: it is cuda:0");
        check("cuda:0", &none, None, 1, "no CUDA device 0: this machine has no CUDA devices");
        check("cuda", &none, None, 1, "`cuda` needs a CUDA device: this machine has no CUDA devices");
        check("cuda", &two, Some(0), 1, "0 runs per device: the number is from 1 to 1024");
        let broken = Discovery { problems: vec!["NVML cannot be started: no".into()], ..machine(8, 0) };
        let message = "no CUDA devices were found (NVML cannot be started: no)";
        check("cuda", &broken, None, 1, &format!("`cuda` needs a CUDA device: {message}"));
    }

    proptest! {
        /// Threads never add up to more than the cores, unless there are more slots than cores; none is left out when
        /// the slots divide them.
        #[test]
        fn cores_are_shared_without_oversubscription(
            cores in 1_u32..300, slots in prop::option::of(1_u32..300), devices in 0_u32..5, per_device in 1_u32..5,
            n_runs in 0_u64..400,
        ) {
            let choice = slots.map_or(DeviceChoice::Auto, |slots| DeviceChoice::Cpu { slots: Some(slots) });
            let placement = place(&choice, &machine(cores, devices), Some(per_device), n_runs).expect("placed");
            let number = placement.slots.len() as u32;
            let threads: u32 = placement.slots.iter().map(|slot| slot.threads).sum();
            prop_assert!(number >= 1 && (threads <= cores || threads == number));
            prop_assert!(!cores.is_multiple_of(number) || threads == cores);
        }
    }
}
