//! What there is to train on, all in one value.

use std::{env, ffi::OsStr, path::Path};

use super::{
    CpuInfo,
    cuda::{self, CudaDevice, Driver},
};

/// What this process may use of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovery {
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
pub(crate) fn discover() -> Discovery {
    let visible = env::var_os("CUDA_VISIBLE_DEVICES").map(|visible| visible.to_string_lossy().into_owned());
    Discovery::with(None, visible.as_deref(), Path::new("/"))
}

impl Discovery {
    /// The processor alone: enough for every choice of devices that does not name CUDA.
    #[must_use]
    pub(crate) fn cpu_only() -> Self {
        let mut problems = Vec::new();
        Self { cpu: CpuInfo::discover(&mut problems), driver: None, cuda: Vec::new(), problems }
    }

    /// Without CUDA devices, for a reason: what is left where the trainers cannot use them.
    #[must_use]
    pub(crate) fn without_cuda(mut self, why: String) -> Self {
        self.cuda.clear();
        self.problems.push(why);
        self
    }

    pub(super) fn with(library: Option<&OsStr>, visible: Option<&str>, root: &Path) -> Self {
        let mut problems = Vec::new();
        let cuda = cuda::discover(library, visible, root, &mut problems);
        Self { cpu: CpuInfo::discover(&mut problems), driver: cuda.driver, cuda: cuda.devices, problems }
    }

    /// The CUDA devices for messages: `this machine has cuda:0 (NVIDIA H100), cuda:1 (NVIDIA H100)`.
    pub(crate) fn cuda_in_words(&self) -> String {
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
            Discovery::with(Some(self.library.as_os_str()), visible, Path::new("/"))
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
            compute_capability: Some((9, 0)),
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

    /// Three devices, of which the one in the middle of the bus is partitioned.
    #[test]
    fn parts_stand_in_the_place_of_their_device() {
        let nvml = FakeNvml::new(&["FAKE_GPUS=3", "FAKE_PARTITIONED=1"]);
        let found = nvml.discover(None);
        assert_eq!(found.problems, [""; 0]);
        let uuids: Vec<&str> = found.cuda.iter().map(|device| device.uuid.as_str()).collect();
        let (first, second) =
            ("MIG-fa4e0000-0000-0000-0000-000000000010", "MIG-fa4e0000-0000-0000-0000-000000000012");
        let (below, above) =
            ("GPU-fa4e0000-0000-0000-0000-000000000000", "GPU-fa4e0000-0000-0000-0000-000000000002");
        assert_eq!(uuids, [below, first, second, above]);
        let part = &found.cuda[1];
        assert_eq!((part.name.as_str(), part.memory_total), ("Fake GPU 1 MIG 1g.2gb", 2 << 30));
        assert_eq!((part.pci_bus_id.as_str(), part.compute_capability), ("00000000:1A:00.0", Some((9, 0))));
        assert_eq!(part.processes, None);

        let seen = |visible: &str| {
            let found = nvml.discover(Some(visible));
            assert_eq!(found.problems, [""; 0], "{visible}");
            found.cuda.into_iter().map(|device| device.uuid).collect::<Vec<_>>()
        };
        assert_eq!(seen(second), [second]);
        // By the device's number, whose first part it is; the device after it keeps its own.
        assert_eq!(seen("1,2"), [first, above]);
        assert_eq!(seen("MIG-GPU-fa4e0000-0000-0000-0000-000000000001/1/0"), [first]);
    }

    #[test]
    fn a_device_without_a_part_is_told() {
        let found = FakeNvml::new(&["FAKE_GPUS=2", "FAKE_PARTITIONED=0", "FAKE_PARTS=0"]).discover(None);
        assert_eq!(found.cuda.len(), 1);
        assert!(
            found.problems[0].contains("00000000:0A:00.0 is in MIG mode without a part"),
            "{:?}",
            found.problems
        );
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
        let below = |root: &Path| Discovery::with(Some(library.as_os_str()), None, root);
        let missing = below(folder.path());
        assert_eq!((missing.cuda.len(), missing.problems.len(), missing.driver), (0, 0, None));

        // A container that was given the devices and not the library.
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        std::fs::write(folder.path().join("dev/nvidiactl"), "").unwrap();
        let hidden = below(folder.path());
        assert_eq!(hidden.problems.len(), 1);
        assert!(
            hidden.problems[0].starts_with("the NVIDIA driver is loaded, but its library `"),
            "{:?}",
            hidden.problems
        );
        assert!(hidden.problems[0].contains("NVIDIA_DRIVER_CAPABILITIES"), "{:?}", hidden.problems);

        std::fs::write(&library, "not a library").unwrap();
        let broken = below(Path::new("/"));
        assert!(broken.problems[0].starts_with("NVML cannot be loaded"), "{:?}", broken.problems);
    }

    #[test]
    fn this_machine_has_cores() {
        let found = Discovery::cpu_only();
        assert!(found.cpu.cores >= 1);
        assert_eq!(found.problems, [""; 0]);
    }
}
