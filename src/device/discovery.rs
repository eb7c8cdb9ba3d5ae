//! What there is to train on, all in one value.

use std::{env, ffi::OsStr};

use super::{
    CpuInfo,
    cuda::{self, CudaDevice, Driver},
};

/// What this process may use of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The processor.
    pub cpu: CpuInfo,
    /// The NVIDIA driver, where there is one.
    pub driver: Option<Driver>,
    /// CUDA devices, by their number in `cuda:N`.
    pub cuda: Vec<CudaDevice>,
    /// What went wrong while looking, for people. A machine without an NVIDIA driver is no problem.
    pub problems: Vec<String>,
}

/// Looks at processor and CUDA devices, as `CUDA_VISIBLE_DEVICES` leaves them. Starting the driver's library takes up to
/// seconds on a machine with many devices; [`Discovery::cpu_only`] does without.
#[must_use]
pub fn discover() -> Discovery {
    let visible = env::var_os("CUDA_VISIBLE_DEVICES").map(|visible| visible.to_string_lossy().into_owned());
    Discovery::with(None, visible.as_deref())
}

impl Discovery {
    /// The processor alone: enough for every choice of devices that does not name CUDA.
    #[must_use]
    pub fn cpu_only() -> Self {
        let mut problems = Vec::new();
        Self { cpu: CpuInfo::discover(&mut problems), driver: None, cuda: Vec::new(), problems }
    }

    pub(super) fn with(library: Option<&OsStr>, visible: Option<&str>) -> Self {
        let mut problems = Vec::new();
        let cuda = cuda::discover(library, visible, &mut problems);
        Self { cpu: CpuInfo::discover(&mut problems), driver: cuda.driver, cuda: cuda.devices, problems }
    }

    /// The CUDA devices for messages: `this machine has cuda:0 (NVIDIA H100), cuda:1 (NVIDIA H100)`.
    pub(super) fn cuda_in_words(&self) -> String {
        if !self.cuda.is_empty() {
            let devices: Vec<String> =
                self.cuda.iter().map(|device| format!("cuda:{} ({})", device.index, device.name)).collect();
            return format!("this machine has {}", devices.join(", "));
        }
        match self.problems.as_slice() {
            [] => "this machine has no CUDA devices".to_owned(),
            problems => format!("no CUDA devices were found ({})", problems.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, process::Command};

    use super::*;

    /// The stand-in library, compiled with the given macros.
    struct FakeNvml {
        _folder: tempfile::TempDir,
        library: PathBuf,
    }

    impl FakeNvml {
        fn new(macros: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let library = folder.path().join("libnvidia-ml.so.1");
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fake_nvml.c");
            let output = Command::new("cc")
                .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
                .arg(&library)
                .args(macros.iter().map(|one| format!("-D{one}")))
                .arg(source)
                .output()
                .expect("a C compiler, which Rust needs to link");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Self { _folder: folder, library }
        }

        fn discover(&self, visible: Option<&str>) -> Discovery {
            Discovery::with(Some(self.library.as_os_str()), visible)
        }

        /// The devices by the last digit of their UUID, which is their place on the bus, and the problems.
        fn visible(&self, visible: &str) -> (String, Vec<String>) {
            let found = self.discover(Some(visible));
            for (place, device) in found.cuda.iter().enumerate() {
                assert_eq!(device.index as usize, place);
            }
            (found.cuda.iter().filter_map(|device| device.uuid.chars().last()).collect(), found.problems)
        }
    }

    #[test]
    fn devices_are_ordered_by_bus_whatever_the_driver_says() {
        let found = FakeNvml::new(&["FAKE_GPUS=3"]).discover(None);
        assert_eq!(found.problems, [""; 0]);
        let expected = |place: u32| CudaDevice {
            index: place,
            uuid: format!("GPU-fa4e0000-0000-0000-0000-00000000000{place}"),
            name: format!("Fake GPU {place}"),
            pci_bus_id: format!("00000000:{:02X}:00.0", 0x0A + 0x10 * place),
            memory_total: 16 << 30,
            memory_free: u64::from(16 - place) << 30,
            processes: Some(place),
        };
        assert_eq!(found.cuda, [expected(0), expected(1), expected(2)]);
        assert_eq!(found.driver, Some(Driver { version: "580.0-fake".into(), cuda: Some("13.0".into()) }));
    }

    #[test]
    fn visible_devices_mean_what_they_mean_to_cuda() {
        let nvml = FakeNvml::new(&["FAKE_GPUS=4"]);
        let seen = |visible: &str| {
            let (devices, problems) = nvml.visible(visible);
            assert_eq!(problems, [""; 0], "{visible}");
            devices
        };
        assert_eq!(seen("2,0"), "20");
        assert_eq!(seen(" 3 , 1 "), "31");
        assert_eq!(seen("GPU-fa4e0000-0000-0000-0000-000000000002"), "2");
        assert_eq!(seen(""), "");
        assert_eq!(seen("-1"), "");
        assert_eq!(seen("1,-1,2"), "1");
    }

    #[test]
    fn an_entry_that_names_no_device_ends_the_list() {
        let nvml = FakeNvml::new(&["FAKE_GPUS=4"]);
        for (visible, devices, problem) in [
            ("1,7,2", "1", "`7` names no device"),
            ("1,x,2", "1", "`x` names no device"),
            ("1,,2", "1", "`` names no device"),
            ("GPU-fa4e,1", "", "may be GPU-fa4e0000-0000-0000-0000-000000000000 or"),
            ("GPU-beef", "", "`GPU-beef` names no device"),
            ("MIG-nope,1", "", "`MIG-nope` names no device"),
            ("1,1,2", "12", "names `1` again"),
        ] {
            let (seen, problems) = nvml.visible(visible);
            assert_eq!(seen, devices, "{visible}");
            assert!(problems.len() == 1 && problems[0].contains(problem), "{visible}: {problems:?}");
        }
    }

    #[test]
    fn a_part_of_a_device_is_passed_through() {
        let found = FakeNvml::new(&["FAKE_GPUS=1"]).discover(Some("MIG-fa4e0000-part"));
        assert_eq!(found.problems, [""; 0]);
        assert_eq!(found.cuda.len(), 1);
        assert_eq!(found.cuda[0].uuid, "MIG-fa4e0000-part");
        assert_eq!(found.cuda[0].memory_total, 16 << 30);
    }

    #[test]
    fn one_lost_device_leaves_the_others() {
        let found = FakeNvml::new(&["FAKE_GPUS=3", "FAKE_LOST=1"]).discover(None);
        assert_eq!(found.cuda.len(), 2);
        assert_eq!(found.problems.len(), 1);
        assert!(found.problems[0].contains("fell off the bus"), "{:?}", found.problems);
    }

    #[test]
    fn a_driver_that_fails_is_a_problem_and_a_missing_one_is_not() {
        let failing = FakeNvml::new(&["FAKE_INIT=18"]).discover(None);
        assert_eq!(failing.cuda, []);
        assert_eq!(
            failing.problems,
            ["NVML cannot be started: RM detects a driver/library version mismatch"]
        );
        assert_eq!(
            failing.cuda_in_words(),
            "no CUDA devices were found (NVML cannot be started: RM detects a driver/library version mismatch)"
        );

        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libnvidia-ml.so.1");
        let missing = Discovery::with(Some(library.as_os_str()), None);
        assert_eq!((missing.cuda.len(), missing.problems.len(), missing.driver), (0, 0, None));

        std::fs::write(&library, "not a library").unwrap();
        let broken = Discovery::with(Some(library.as_os_str()), None);
        assert!(broken.problems[0].starts_with("NVML cannot be loaded"), "{:?}", broken.problems);
    }

    #[test]
    fn this_machine_has_cores() {
        let found = Discovery::cpu_only();
        assert!(found.cpu.cores >= 1);
        assert_eq!(found.problems, [""; 0]);
    }
}
