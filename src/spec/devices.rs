//! The words that choose devices: `--devices` and the spec's `schedule.devices`.
//!
//! Parsed here without looking at the machine, so that a plan refuses wrong words too; `device::place` then
//! looks the named devices up.

use std::{fmt, str::FromStr};

/// Which devices to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// `auto`: every CUDA device if there are any, else the processor.
    Auto,
    /// `cpu` or `cpu:N`: the processor, with N slots that share the cores.
    Cpu {
        /// Number of slots; `None` is one for each core, or for each run if those are fewer.
        slots: Option<u32>,
    },
    /// `cuda` or `cuda:0,2`: CUDA devices.
    Cuda {
        /// In the order given; empty is every device.
        devices: Vec<CudaSelector>,
    },
}

/// One named CUDA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CudaSelector {
    /// Its number in `cuda:N`.
    Index(u32),
    /// Its UUID, or an unambiguous start of it.
    Uuid(String),
}

/// Why words choose no devices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDevicesError {
    /// Not a kind of device.
    #[error(
        "`{0}` names no devices: known are `auto`, `cpu`, `cpu:N`, `cuda`, `cuda:0,2` and `cuda:GPU-<uuid>`"
    )]
    Unknown(String),
    /// The number of processor slots is not one.
    #[error("`cpu:{0}`: the number of slots is a whole number from 1 to {max}", max = DeviceChoice::MOST_SLOTS)]
    CpuSlots(String),
    /// Not a number and not a UUID.
    #[error("`cuda:{0}`: a CUDA device is a number, or a UUID that begins with `GPU-` or `MIG-`")]
    CudaDevice(String),
    /// A device is named twice.
    #[error("`{words}` names CUDA device `{device}` twice")]
    Repeated {
        /// All words.
        words: String,
        /// The device.
        device: CudaSelector,
    },
    /// Processor and CUDA together, or something beside `auto`.
    #[error("`{0}` mixes kinds of devices: choose `auto`, the processor or CUDA devices")]
    Mixed(String),
}

impl DeviceChoice {
    /// The largest number of slots on one device.
    pub const MOST_SLOTS: u32 = 1024;

    /// Reads the words of the user.
    ///
    /// # Errors
    /// If they are none of the known ones, or contradict themselves.
    pub fn parse(words: &str) -> Result<Self, ParseDevicesError> {
        let words = words.trim();
        match words {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu { slots: None }),
            "cuda" => return Ok(Self::Cuda { devices: Vec::new() }),
            _ => {}
        }
        let mut devices: Vec<CudaSelector> = Vec::new();
        for entry in words.split(',').map(str::trim) {
            let device = match entry.split_once(':') {
                Some(("cuda", device)) => device.trim(),
                // `cuda:0,2`: the kind is said once.
                None if !devices.is_empty() && !["auto", "cpu", "cuda"].contains(&entry) => entry,
                Some(("cpu", slots)) if entry == words => return Self::cpu_slots(slots.trim()),
                Some(("cpu", _)) => return Err(ParseDevicesError::Mixed(words.to_owned())),
                None if ["auto", "cpu", "cuda"].contains(&entry) => {
                    return Err(ParseDevicesError::Mixed(words.to_owned()));
                }
                _ => return Err(ParseDevicesError::Unknown(words.to_owned())),
            };
            let device = CudaSelector::parse(device)?;
            if devices.contains(&device) {
                return Err(ParseDevicesError::Repeated { words: words.to_owned(), device });
            }
            devices.push(device);
        }
        Ok(Self::Cuda { devices })
    }

    /// Whether CUDA devices must be looked for. Where not, `device::Discovery::cpu_only` is enough.
    #[must_use]
    pub fn needs_cuda(&self) -> bool {
        !matches!(self, Self::Cpu { .. })
    }

    fn cpu_slots(slots: &str) -> Result<Self, ParseDevicesError> {
        match whole_number(slots) {
            Some(number) if (1..=Self::MOST_SLOTS).contains(&number) => Ok(Self::Cpu { slots: Some(number) }),
            _ => Err(ParseDevicesError::CpuSlots(slots.to_owned())),
        }
    }
}

impl CudaSelector {
    fn parse(word: &str) -> Result<Self, ParseDevicesError> {
        if word.starts_with("GPU-") || word.starts_with("MIG-") {
            return Ok(Self::Uuid(word.to_owned()));
        }
        whole_number(word).map(Self::Index).ok_or_else(|| ParseDevicesError::CudaDevice(word.to_owned()))
    }
}

/// Digits alone: `+1` is no number here.
fn whole_number(word: &str) -> Option<u32> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) { word.parse().ok() } else { None }
}

impl FromStr for DeviceChoice {
    type Err = ParseDevicesError;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        Self::parse(words)
    }
}

/// As the user would write it.
impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu { slots: None } => f.write_str("cpu"),
            Self::Cpu { slots: Some(slots) } => write!(f, "cpu:{slots}"),
            Self::Cuda { devices } => {
                f.write_str("cuda")?;
                for (place, device) in devices.iter().enumerate() {
                    write!(f, "{}{device}", if place == 0 { ':' } else { ',' })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for CudaSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Uuid(uuid) => f.pad(uuid),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cuda(devices: &[u32]) -> DeviceChoice {
        DeviceChoice::Cuda { devices: devices.iter().map(|index| CudaSelector::Index(*index)).collect() }
    }

    #[test]
    fn known_words() {
        let check = |words, expected| assert_eq!(DeviceChoice::parse(words), Ok(expected), "{words}");
        check("auto", DeviceChoice::Auto);
        check("cpu", DeviceChoice::Cpu { slots: None });
        check("cpu:2", DeviceChoice::Cpu { slots: Some(2) });
        check("cuda", cuda(&[]));
        check(" cuda:0, 2 ", cuda(&[0, 2]));
        check("cuda:2,cuda:0,1", cuda(&[2, 0, 1]));
        let uuids = ["GPU-1a", "MIG-2b"].map(|uuid| CudaSelector::Uuid(uuid.to_owned()));
        check("cuda:GPU-1a,MIG-2b", DeviceChoice::Cuda { devices: uuids.to_vec() });
    }

    #[test]
    fn unknown_words_say_what_is_known() {
        let check = |words: &str, message: &str| {
            let error = DeviceChoice::parse(words).expect_err(words).to_string();
            assert_eq!(error, message, "{words}");
        };
        for words in ["", "gpu", "cpu2", "0", "tpu:0", "0,cuda:1", "Cuda"] {
            check(
                words,
                &format!(
                    "`{words}` names no devices: known are `auto`, `cpu`, `cpu:N`, `cuda`, `cuda:0,2` and \
                     `cuda:GPU-<uuid>`"
                ),
            );
        }
        for slots in ["0", "", "-1", "+1", "1.5", "1025", "99999999999"] {
            let message = format!("`cpu:{slots}`: the number of slots is a whole number from 1 to 1024");
            check(&format!("cpu:{slots}"), &message);
        }
        for (words, device) in [("cuda:", ""), ("cuda:x", "x"), ("cuda:0,,2", ""), ("cuda:0,", "")] {
            check(
                words,
                &format!(
                    "`cuda:{device}`: a CUDA device is a number, or a UUID that begins with `GPU-` or `MIG-`"
                ),
            );
        }
        check("cuda:0,1,0", "`cuda:0,1,0` names CUDA device `0` twice");
        for words in ["cpu:2,cuda:0", "cuda:0,cpu", "cuda:0,cpu:1", "auto,cuda:0", "cuda,cuda:1", "cpu,cpu"] {
            let message =
                format!("`{words}` mixes kinds of devices: choose `auto`, the processor or CUDA devices");
            check(words, &message);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(words in any::<String>()) {
            let _ = DeviceChoice::parse(&words);
        }

        #[test]
        fn what_looks_like_it_reads_back(words in "(auto|cpu|cuda|cpu:[0-9]{1,4}|cuda:([0-9]{1,2}|GPU-[a-f]{1,3})(,(cuda:)?[0-9]{1,2}){0,3})") {
            if let Ok(choice) = DeviceChoice::parse(&words) {
                prop_assert_eq!(DeviceChoice::parse(&choice.to_string()), Ok(choice));
            }
        }
    }
}
