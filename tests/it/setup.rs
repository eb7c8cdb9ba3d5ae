//! `scripts/setup.sh`: which libtorch it brings, and that what was asked for stays; `gridboard setup`. Nothing is downloaded:
//! Python is a stand-in whose pip fails.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::support::Project;

/// A checkout with the script alone, a Python without a network, and a driver or none.
fn checkout(driver: bool) -> Project {
    let project = Project::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup.sh");
    project.write("scripts/setup.sh", &fs::read_to_string(script).expect("the script"));
    let program = |name: &str, text: &str| {
        let path = project.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("make it executable");
    };
    program("python3", "case \"$*\" in *--version*) exit 0 ;; *) echo 'no network' >&2; exit 1 ;; esac");
    if driver {
        program("nvidia-smi", "exit 0");
    }
    project
}

/// Runs the script; answers with whether it succeeded, and its words.
fn setup(project: &Project, arguments: &[&str]) -> (bool, String) {
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").expect("a PATH"));
    let output = Command::new("bash")
        .arg(project.path("scripts/setup.sh"))
        .args(arguments)
        .arg("--no-venv")
        .env("PATH", path)
        .env_remove("LIBTORCH")
        .env_remove("LIBTORCH_USE_PYTORCH")
        .output()
        .expect("start bash");
    (output.status.success(), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// A libtorch that an earlier call has brought.
fn bring(project: &Project, variant: &str) {
    project.write(&format!(".libtorch/complete-2.13.0-{variant}"), "");
    project.write(".libtorch/torch/lib/libc10.so", "");
}

/// Whether this machine has a driver, which no stand-in can hide.
fn has_driver() -> bool {
    ["/proc/driver/nvidia/version", "/dev/nvidiactl"].iter().any(|path| Path::new(path).exists())
}

#[track_caller]
fn is_in_place(project: &Project, arguments: &[&str], variant: &str) {
    let (done, words) = setup(project, arguments);
    assert!(done && words.contains(&format!("libtorch 2.13.0 ({variant}) is in place")), "{words}");
}

#[test]
fn what_was_asked_for_stays() {
    // Asked for where there is no driver, and then `make demo`.
    let project = checkout(false);
    bring(&project, "cuda");
    is_in_place(&project, &["--cuda"], "cuda");
    is_in_place(&project, &[], "cuda");
    // Beside a driver.
    let project = checkout(true);
    bring(&project, "cpu");
    is_in_place(&project, &["--cpu"], "cpu");
    is_in_place(&project, &[], "cpu");
    assert!(!setup(&project, &["--auto"]).0, "then CUDA is brought, which needs a network");
}

#[test]
fn without_a_wish_the_machine_decides() {
    let project = checkout(true);
    bring(&project, "cpu");
    let (_, words) = setup(&project, &[]);
    assert!(
        words.contains(
            "bringing libtorch 2.13.0 (cuda) into .libtorch/: a download of 2.5 GB, 3.8 GB on disk"
        ),
        "{words}"
    );
    if has_driver() {
        return;
    }
    let project = checkout(false);
    // One that is there computes on the processor too.
    bring(&project, "cuda");
    is_in_place(&project, &[], "cuda");
    let (_, words) = setup(&project, &["--auto"]);
    assert!(
        words.contains("bringing libtorch 2.13.0 (cpu) into .libtorch/: a download of 0.5 GB"),
        "{words}"
    );
}

#[test]
fn a_failed_download_leaves_what_was_there() {
    let project = checkout(false);
    bring(&project, "cpu");
    let (done, words) = setup(&project, &["--cuda"]);
    assert!(!done && words.contains("cannot download torch==2.13.0") && words.contains("hint:"), "{words}");
    is_in_place(&project, &["--cpu"], "cpu");
    assert!(project.path(".libtorch/torch/lib/libc10.so").exists());
}

/// A package as `scripts/package.sh` makes it, with a stand-in for the trainer, and a home in which libtorch is in place.
fn package() -> Project {
    let project = checkout(false);
    let program = project.path("package/bin/gridboard");
    fs::create_dir_all(program.parent().expect("bin")).expect("create bin");
    let built = env!("CARGO_BIN_EXE_gridboard");
    fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(|_| ())).expect("the program");
    let worker = project.write(
        "package/lib/gridboard/gridboard-worker-cpu",
        "#!/bin/sh\necho '{\"works\": true, \"libtorch\": {\"version\": \"2.13.0-stand-in\"}}'\n",
    );
    fs::set_permissions(worker, fs::Permissions::from_mode(0o755)).expect("make it executable");
    project.write("home/.local/share/gridboard/.libtorch/complete-2.13.0-cpu", "");
    project.write(
        "spec.yaml",
        "experiment: packaged\ndataset: {phantom: {images: [6, 6]}, image_size: 16}\nmodel: {family: grid_cnn}\n\
         train: {epochs: 1}\ngrid: {conv_layers: [1], layer_size: [4], dense_layers: [0]}\n",
    );
    project
}

/// Runs the package's program; answers with the exit code and its words.
fn packaged(project: &Project, arguments: &[&str]) -> (Option<i32>, String) {
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").expect("a PATH"));
    let output = Command::new(project.path("package/bin/gridboard"))
        .args(arguments)
        .current_dir(project.path(""))
        .env("PATH", path)
        .env("HOME", project.path("home"))
        // Not of the package: the folder of a checkout that another one is built with.
        .env("LIBTORCH", "/nowhere")
        .env_remove("XDG_DATA_HOME")
        .env_remove("GRIDBOARD_WORKER")
        .output()
        .expect("start the package's program");
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).expect("UTF-8"))
}

#[test]
fn a_package_is_set_up_in_the_users_folder() {
    let project = package();
    let run = ["run", "spec.yaml", "--devices", "cpu:1"];
    let (code, words) = packaged(&project, &run);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("not set up") && words.contains("`gridboard setup`"), "{words}");
    let (_, words) = packaged(&project, &["doctor", "--format", "csv"]);
    assert!(words.contains("not set up"), "{words}");

    let (code, words) = packaged(&project, &["setup", "--cuda"]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no trainer for `cuda`, only for `cpu`"), "{words}");

    let (code, words) = packaged(&project, &["setup", "--cpu"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("libtorch 2.13.0 (cpu) is in place") && words.contains("2.13.0-stand-in"),
        "{words}"
    );
    let (_, words) = packaged(&project, &["doctor", "--format", "csv"]);
    assert!(!words.contains("not set up"), "{words}");

    // Nothing to download from: what is wrong is said, and nothing is installed.
    fs::remove_dir_all(project.path("home/.local")).expect("remove what was set up");
    let (code, words) = packaged(&project, &["setup", "--cpu"]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("cannot download torch==2.13.0"), "{words}");
    assert!(!project.path("home/.local/share/gridboard/worker").exists());
}

#[test]
fn a_build_has_nothing_to_set_up() {
    let ran = Project::new().run(&["setup"]);
    if cfg!(feature = "torch") {
        assert!(ran.expect(0).stderr.contains("nothing to set up"));
    } else if ran.code != Some(0) {
        // Another build may have left a trainer beside it.
        assert!(ran.expect(1).stderr.contains("is not from a package with a built-in trainer"));
    }
}
