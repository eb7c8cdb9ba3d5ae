//! The linker's arguments of `gridboard-worker`, by what lies in libtorch's folder.
//!
//! For `build.rs`, and for the test that links a program with them.

use std::path::Path;

/// Whether the libtorch whose shared libraries are in `lib` has CUDA.
pub(crate) fn has_cuda(lib: &Path) -> bool {
    lib.join("libtorch_cuda.so").exists()
}

/// What the compiler driver is to be given, behind everything else. The worker looks for libtorch in `lib` when it
/// starts, or in `runpath`, where it is to find another one.
pub(crate) fn arguments(lib: &Path, runpath: Option<&str>) -> Vec<String> {
    let runpath = runpath.map_or_else(|| lib.display().to_string(), str::to_owned);
    let mut arguments = vec![format!("-Wl,-rpath,{runpath}")];
    if has_cuda(lib) {
        // The CUDA half of libtorch registers itself when it is loaded, and nobody names a symbol of it.
        // rustc links with --as-needed, which drops such a library whatever torch-sys asks for (tch-rs issue
        // 980): then no GPU is ever seen.
        arguments.push("-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state".to_owned());
    }
    arguments
}
