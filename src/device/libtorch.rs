//! What the worker's libtorch says of CUDA, and what stands between it and the machine's devices. Pure.
//!
//! The worker answers with [`LibtorchCuda`] as JSON (`gridboard-worker probe`, and in `doctor`); `launch`
//! asks it. That NVML knows a device does not mean that a built-in trainer can use it: libtorch may be built
//! without CUDA, or for a newer driver. Programs of the user's are not concerned.

use serde::Deserialize;

use super::{CudaDevice, Driver};

/// What libtorch, as the worker has loaded it, says of CUDA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct LibtorchCuda {
    /// Whether its CUDA half is there and loaded.
    pub built: bool,
    /// The CUDA that it was built with: 1000 * major + 10 * minor. `None` without CUDA.
    pub version: Option<i64>,
    /// Whether it can use a device here.
    pub available: bool,
    /// How many it sees.
    pub devices: i64,
    /// The cuDNN that it has loaded, as cuDNN counts: 10000 * major + 100 * minor + patch from version 9 on.
    /// `None` without one, and where no device is available.
    pub cudnn_version: Option<i64>,
}

/// Why built-in trainers cannot use the CUDA devices that are there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The CPU libtorch.
    #[error("libtorch is built without CUDA")]
    NotBuilt,
    /// The driver is of an older CUDA than libtorch.
    #[error("libtorch has CUDA {cuda}, which needs {needs}, and the driver here is {driver} (CUDA {has})")]
    OldDriver {
        /// libtorch's CUDA.
        cuda: String,
        /// The driver that this needs, in words.
        needs: String,
        /// The driver's version.
        driver: String,
        /// The newest CUDA of the driver.
        has: String,
    },
    /// CUDA says no.
    #[error("libtorch has CUDA {cuda} and can use no device{}", words(.why.as_deref()))]
    NoDevice {
        /// libtorch's CUDA.
        cuda: String,
        /// What libtorch has said of it.
        why: Option<String>,
    },
}

fn words(why: Option<&str>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

impl Obstacle {
    /// The cure.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotBuilt => "`scripts/setup.sh --cuda` brings a libtorch with CUDA; then build again",
            Self::OldDriver { .. } => "install a newer NVIDIA driver",
            Self::NoDevice { .. } => {
                "`nvidia-smi` says whether the driver works; a container needs its devices"
            }
        }
    }
}

/// The oldest NVIDIA driver for Linux that runs programs of a CUDA, by its major number: minor versions are
/// compatible (docs.nvidia.com/deploy/cuda-compatibility, "CUDA Toolkit 13.x: >= 580, 12.x: >= 525, 11.x: >=
/// 450").
const OLDEST_DRIVER: [(i64, u32); 3] = [(13, 580), (12, 525), (11, 450)];

/// The lowest compute capability that programs of a CUDA run on, by its major number (the toolkits' release
/// notes, "deprecated and dropped features": CUDA 12 dropped Kepler, CUDA 13 everything before Turing).
const LOWEST_CAPABILITY: [(i64, (i32, i32)); 2] = [(13, (7, 5)), (12, (5, 0))];

fn of_major<T: Copy>(table: &[(i64, T)], version: i64) -> Option<T> {
    table.iter().find(|(major, _)| *major == version / 1000).map(|(_, value)| *value)
}

impl LibtorchCuda {
    /// The CUDA of libtorch: `13.0`.
    #[must_use]
    pub fn cuda(&self) -> String {
        self.version.map_or_else(|| "of unknown version".to_owned(), cuda_version)
    }

    /// The cuDNN of libtorch: `9.20.0`.
    #[must_use]
    pub fn cudnn(&self) -> Option<String> {
        let version = self.cudnn_version?;
        // Before version 9 the major number was counted in thousands.
        let (major, rest) = if version >= 90_000 {
            (version / 10_000, version % 10_000)
        } else {
            (version / 1000, version % 1000)
        };
        Some(format!("{major}.{}.{}", rest / 100, rest % 100))
    }

    /// What stands between libtorch and the CUDA devices; `None` where it can use one. `said` is what it has
    /// said of it.
    #[must_use]
    pub fn obstacle(&self, driver: Option<&Driver>, said: Option<&str>) -> Option<Obstacle> {
        if !self.built {
            return Some(Obstacle::NotBuilt);
        }
        if self.available {
            return None;
        }
        let cuda = self.cuda();
        // A driver with NVIDIA's compatibility package runs a newer CUDA, so it is blamed only where nothing
        // works.
        let major = self.version.map(|version| version / 1000);
        if let Some(driver) = driver
            && let Some(has) = &driver.cuda
            && let (Some(major), Some(of_driver)) =
                (major, has.split('.').next().and_then(|n| n.parse::<i64>().ok()))
            && of_driver < major
        {
            let oldest = self.version.and_then(|version| of_major(&OLDEST_DRIVER, version));
            let needs = oldest
                .map_or_else(|| "a newer driver".to_owned(), |oldest| format!("driver {oldest} or newer"));
            return Some(Obstacle::OldDriver {
                cuda,
                needs,
                driver: driver.version.clone(),
                has: has.clone(),
            });
        }
        Some(Obstacle::NoDevice { cuda, why: said.map(str::to_owned) })
    }

    /// What is wrong with a device for this libtorch; `None` where nothing is known against it.
    #[must_use]
    pub fn too_old(&self, device: &CudaDevice) -> Option<String> {
        let lowest = of_major(&LOWEST_CAPABILITY, self.version?)?;
        let has = device.compute_capability?;
        (has < lowest).then(|| {
            format!(
                "cuda:{} ({}) has compute capability {}.{}, and CUDA {} needs {}.{}: choose other devices with \
                 `--devices`",
                device.index, device.name, has.0, has.1, self.cuda(), lowest.0, lowest.1
            )
        })
    }
}

/// `13.0` for 13000.
fn cuda_version(number: i64) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(available: bool) -> LibtorchCuda {
        LibtorchCuda {
            built: true,
            version: Some(13_000),
            available,
            devices: available.into(),
            cudnn_version: None,
        }
    }

    fn driver(version: &str, cuda: &str) -> Driver {
        Driver { version: version.to_owned(), cuda: Some(cuda.to_owned()) }
    }

    #[test]
    fn what_stands_in_the_way_is_said_with_its_cure() {
        let told = |cuda: &LibtorchCuda, driver: &Driver, said: Option<&str>| {
            cuda.obstacle(Some(driver), said).map(|obstacle| format!("{obstacle}. {}", obstacle.hint()))
        };
        let (new, old) = (driver("580.65.06", "13.0"), driver("535.104.05", "12.2"));
        assert_eq!(
            told(&LibtorchCuda::default(), &new, None).as_deref(),
            Some(
                "libtorch is built without CUDA. `scripts/setup.sh --cuda` brings a libtorch with CUDA; then \
                 build again"
            )
        );
        assert_eq!(
            told(&built(false), &old, Some("The NVIDIA driver on your system is too old")).as_deref(),
            Some(
                "libtorch has CUDA 13.0, which needs driver 580 or newer, and the driver here is 535.104.05 \
                 (CUDA 12.2). \
                 install a newer NVIDIA driver"
            )
        );
        assert_eq!(
            built(false)
                .obstacle(Some(&new), Some("no CUDA-capable device is detected"))
                .expect("one")
                .to_string(),
            "libtorch has CUDA 13.0 and can use no device: no CUDA-capable device is detected"
        );
        assert_eq!(
            built(false).obstacle(None, None).expect("one").to_string(),
            "libtorch has CUDA 13.0 and can use no device"
        );
        // With NVIDIA's compatibility package an older driver does.
        assert_eq!(told(&built(true), &old, None), None);
    }

    #[test]
    fn versions_are_read_from_their_numbers() {
        assert_eq!(built(true).cuda(), "13.0");
        assert_eq!(LibtorchCuda { version: Some(12_080), ..built(true) }.cuda(), "12.8");
        let cudnn = |number| LibtorchCuda { cudnn_version: number, ..built(true) }.cudnn();
        assert_eq!(cudnn(Some(92_000)).as_deref(), Some("9.20.0"));
        assert_eq!(cudnn(Some(8907)).as_deref(), Some("8.9.7"));
        assert_eq!(cudnn(None), None);
    }

    #[test]
    fn a_device_that_libtorch_has_no_code_for_is_told() {
        let device = |capability| CudaDevice {
            index: 1,
            uuid: "GPU-1".to_owned(),
            name: "Tesla V100".to_owned(),
            pci_bus_id: String::new(),
            compute_capability: capability,
            memory_total: 1,
            memory_free: 1,
            processes: None,
        };
        let told = built(true).too_old(&device(Some((7, 0)))).expect("a problem");
        assert!(
            told.starts_with("cuda:1 (Tesla V100) has compute capability 7.0, and CUDA 13.0 needs 7.5"),
            "{told}"
        );
        assert_eq!(built(true).too_old(&device(Some((7, 5)))), None);
        assert_eq!(built(true).too_old(&device(None)), None);
        assert_eq!(
            LibtorchCuda { version: Some(12_080), ..built(true) }.too_old(&device(Some((7, 0)))),
            None
        );
    }
}
