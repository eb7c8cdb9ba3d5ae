//! Ties the trainer to libtorch: a runpath, so that `gridboard-worker` starts with no environment set, and
//! the CUDA half where there is one (with `--no-as-needed`: see `build/link.rs`).
//!
//! torch-sys tells where the shared libraries are (its build script's key `libtorch_lib`). Only the worker is
//! linked so: the orchestrator never loads libtorch. Into that one the live page's library is embedded (`build/page.rs`).

#[path = "build/link.rs"]
mod link;
#[cfg(feature = "page")]
#[path = "build/page.rs"]
mod page;

use std::path::PathBuf;

/// Where an installed worker looks for libtorch, from its own place (`scripts/package.sh`).
const RUNPATH: &str = "GRIDBOARD_RUNPATH";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    let lib = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    if let Some(lib) = &lib {
        // Another variant of libtorch in the same place is linked anew.
        println!("cargo:rerun-if-changed={}", lib.display());
        device_memory(lib);
        // For a test that compiles against it.
        println!("cargo:rustc-env=GRIDBOARD_LIBTORCH_LIB={}", lib.display());
        println!("cargo:rerun-if-env-changed={RUNPATH}");
        let runpath = std::env::var(RUNPATH).ok();
        for argument in link::arguments(lib, runpath.as_deref()) {
            println!("cargo:rustc-link-arg-bin=gridboard-worker={argument}");
        }
    }
    // What the memory estimate of a worker depends on.
    let cuda = lib.is_some_and(|lib| link::has_cuda(&lib));
    println!("cargo:rustc-env=GRIDBOARD_LIBTORCH_CUDA={}", if cuda { "yes" } else { "" });
    #[cfg(feature = "page")]
    page::embed(&PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")));
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
    println!("cargo:rustc-env=GRIDBOARD_RUSTC={}", compiler());
    println!("cargo:rerun-if-changed=Cargo.lock");
    let torch = std::env::var_os("CARGO_FEATURE_TORCH").is_some();
    println!("cargo:rustc-env=GRIDBOARD_TCH={}", if torch { locked_version("tch") } else { String::new() });
}

/// Compiles the worker's question for the allocator's peak, which tch does not have, against libtorch's headers.
#[cfg(feature = "torch")]
fn device_memory(lib: &std::path::Path) {
    const NAME: &str = "gridboard_device_memory";
    println!("cargo:rerun-if-changed=src/worker/device_memory.cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let beside = lib.parent().map(PathBuf::from).unwrap_or_default();
    let root = std::env::var_os("LIBTORCH_INCLUDE").map_or(beside, PathBuf::from);
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(false).include(root.join("include"));
    // Linked into the worker alone, so that the orchestrator names nothing of libtorch.
    build.cargo_metadata(false).file("src/worker/device_memory.cpp").compile(NAME);
    let folder = std::env::var("OUT_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-arg-bin=gridboard-worker={folder}/lib{NAME}.a");
}

#[cfg(not(feature = "torch"))]
fn device_memory(_: &std::path::Path) {}

/// `rustc 1.95.0 (…)` of the compiler at work; `unknown` where it does not say.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output().ok();
    let text = output.filter(|output| output.status.success()).and_then(|o| String::from_utf8(o.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The version of a crate in `Cargo.lock`; empty where it is not there.
fn locked_version(name: &str) -> String {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let package = lock.split("[[package]]").find(|package| package.contains(&format!("name = \"{name}\"\n")));
    let version = package.and_then(|package| package.split("version = \"").nth(1)?.split('"').next());
    version.unwrap_or_default().to_owned()
}
