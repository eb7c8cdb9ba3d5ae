//! Gives the trainer an rpath to libtorch, so that `gridboard-worker` starts with no environment set.
//!
//! torch-sys tells where the shared libraries are (its build script's key `libtorch_lib`). Only the worker gets the
//! rpath: the orchestrator never loads libtorch.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg-bin=gridboard-worker=-Wl,-rpath,{lib}");
    }
    // The commit that was built, for run.json and `gridboard doctor`; unknown outside a git checkout.
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    let commit = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|text| text.trim().to_owned())
        .unwrap_or_default();
    println!("cargo:rustc-env=GRIDBOARD_COMMIT={commit}");
}
