//! The worker is tied to libtorch's CUDA half, looked up on a stand-in: CI has the CPU libtorch.

use std::{path::Path, process::Command};

#[path = "../../build/link.rs"]
mod link;

/// Runs a command that has to succeed; answers its stdout.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("start it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A library of the name, which says so when it is loaded and has no symbol that anybody names.
fn stand_in(lib: &Path) {
    let source = lib.join("stand_in.c");
    let code = "#include <stdio.h>\n\
                __attribute__((constructor))\n\
                static void loaded(void) { puts(\"the CUDA half is loaded\"); }\n";
    std::fs::write(&source, code).expect("write the source");
    let library = lib.join("libtorch_cuda.so");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-Wl,-soname,libtorch_cuda.so", "-o"])
        .args([&library, &source]));
}

/// Links a program as cargo links the worker: torch-sys names the library, rustc says --as-needed, and the
/// arguments of `build.rs` come last. Answers with what the program prints.
fn linked(lib: &Path, arguments: &[String]) -> String {
    let (source, program) = (lib.join("program.rs"), lib.join("program"));
    std::fs::write(&source, "fn main() { println!(\"started\"); }\n").expect("write the source");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.arg(&source).arg("-o").arg(&program).arg("-L").arg(format!("native={}", lib.display()));
    if link::has_cuda(lib) {
        command.arg("-ltorch_cuda");
    }
    command.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    run(&mut command);
    run(Command::new(&program).env_remove("LD_LIBRARY_PATH"))
}

#[test]
fn the_worker_loads_the_cuda_half_of_libtorch_where_there_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let lib = folder.path();
    assert!(!link::has_cuda(lib));
    assert_eq!(linked(lib, &link::arguments(lib, None)), "started\n");

    stand_in(lib);
    assert!(link::has_cuda(lib));
    let rpath_alone = &link::arguments(lib, None)[..1];
    assert_eq!(
        linked(lib, rpath_alone),
        "started\n",
        "then the linker drops it, and this test proves nothing"
    );
    let printed = linked(lib, &link::arguments(lib, None));
    assert!(printed.contains("the CUDA half is loaded") && printed.contains("started"), "{printed}");
}

/// The worker's question for the peak of a CUDA device's memory, asked of a stand-in that is registered where libtorch
/// has its own allocator.
#[cfg(feature = "torch")]
#[test]
fn the_peak_of_the_allocator_is_what_it_had_reserved() {
    let lib = Path::new(env!("GRIDBOARD_LIBTORCH_LIB"));
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("c++");
    command.args(["-std=c++17", "-w", "-o"]).arg(&program);
    command.arg("-I").arg(lib.join("../include"));
    command.args(
        ["tests/it/fake_allocator.cpp", "src/worker/device_memory.cpp"].map(|source| root.join(source)),
    );
    command.arg("-L").arg(lib).args(["-lc10", &link::arguments(lib, None)[0]]);
    run(&mut command);
    assert_eq!(run(&mut Command::new(&program)), "-1\n-1\n5000\n");
}
