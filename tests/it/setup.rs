//! `scripts/setup.sh`: which libtorch it brings, and that what was asked for stays. Nothing is downloaded:
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
