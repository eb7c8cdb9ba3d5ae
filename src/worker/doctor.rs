//! What libtorch is and sees, as JSON: `gridboard` starts the worker to ask (`doctor` for all of it, `probe`
//! for CUDA alone), since it never loads libtorch itself.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use serde_json::{Value, json};
use tch::{Cuda, Device, Kind, Tensor, utils};

/// One object. `works` is whether a small network step ran; `error` says what happened if not.
pub(crate) fn report() -> Value {
    let library = library();
    let step = small_step();
    json!({
        "worker": gridboard::base::program::version(),
        "libtorch": {
            "version": library.as_deref().and_then(version_beside),
            "library": library,
            "mkldnn": utils::has_mkldnn(),
            "mkl": utils::has_mkl(),
            "openmp": utils::has_openmp(),
        },
        "cuda": cuda(),
        "threads": tch::get_num_threads(),
        "cores": thread::available_parallelism().map(usize::from).ok(),
        "works": step.is_ok(),
        "error": step.err().map(|error| crate::error::TrainError::from(error).one_line()),
    })
}

/// What libtorch says of CUDA; `gridboard::device::LibtorchCuda` reads it and says what the fields are. Makes no
/// context on a device, and so takes no memory there.
pub(crate) fn cuda() -> Value {
    // Whether the CUDA half is loaded. (`has_cuda` asks for a device.)
    let built = utils::has_cudart();
    let available = built && Cuda::is_available();
    let cudnn = available && Cuda::cudnn_is_available();
    json!({
        "built": built,
        "version": built.then(utils::version_cudart),
        "available": available,
        "devices": if available { Cuda::device_count() } else { 0 },
        "cudnn": cudnn,
        "cudnn_version": cudnn.then(utils::version_cudnn),
    })
}

/// The version of the libtorch that this process has loaded, where it can be told.
pub(crate) fn libtorch() -> Option<String> {
    version_beside(&library()?)
}

/// The library that this process has mapped.
fn library() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let path = Path::new(&line[line.find('/')?..]);
        path.file_name()?.to_str()?.starts_with("libtorch_cpu.").then(|| path.to_owned())
    })
}

/// The version beside the library: `version.py` in a wheel, `build-version` in a libtorch archive. The C++ interface that
/// tch wraps has no call for it.
fn version_beside(library: &Path) -> Option<String> {
    let root = library.parent()?.parent()?;
    if let Ok(text) = fs::read_to_string(root.join("version.py")) {
        return version_of(&text);
    }
    fs::read_to_string(root.join("build-version")).ok().map(|text| text.trim().to_owned())
}

/// The value of `__version__ = '…'`.
fn version_of(python: &str) -> Option<String> {
    let line = python.lines().find_map(|line| line.strip_prefix("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

/// A convolution, forth and back: fails where the library is there but broken.
fn small_step() -> Result<(), tch::TchError> {
    let device = Device::cuda_if_available();
    let images = Tensor::f_zeros([1, 1, 4, 4], (Kind::Float, device))?;
    let weight = Tensor::f_zeros([1, 1, 3, 3], (Kind::Float, device))?.f_set_requires_grad(true)?;
    let output = images.f_conv2d::<&Tensor>(&weight, None, [1, 1], [0, 0], [1, 1], 1)?;
    Tensor::f_run_backward(&[output.f_sum(Kind::Float)?], &[&weight], false, false).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_and_works() {
        let report = report();
        assert_eq!(report["works"], json!(true), "{report:#}");
        assert!(report["libtorch"]["library"].as_str().unwrap().contains("libtorch_cpu"), "{report:#}");
        // Whichever libtorch this is: the number of the CUDA that it is built with, or none.
        let cuda = cuda();
        assert_eq!(
            cuda["built"],
            cuda["version"].as_i64().is_some_and(|version| version >= 11_000),
            "{cuda:#}"
        );
        assert_eq!(cuda["available"], cuda["devices"].as_i64().unwrap() > 0, "{cuda:#}");
        assert!(report["threads"].as_u64().unwrap() >= 1);
    }

    #[test]
    fn versions_are_read_from_a_wheel() {
        let text = "from typing import Optional\n\n__version__ = '2.13.0+cpu'\ndebug = False\n";
        assert_eq!(version_of(text).as_deref(), Some("2.13.0+cpu"));
        assert_eq!(version_of("debug = False"), None);
    }
}
