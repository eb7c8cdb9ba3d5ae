//! Finding `gridboard-worker`, the executable with the built-in trainers.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The variable of the environment that names the executable of the worker.
pub const VARIABLE: &str = "GRIDBOARD_WORKER";

/// Why there is no worker to start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindWorkerError {
    /// The environment names a file that is not there.
    #[error("GRIDBOARD_WORKER names `{}`, which is not a file", .0.display())]
    NotThere(PathBuf),
    /// It is not where it is built or installed.
    #[error("the trainer `gridboard-worker` is not beside `{}`", .0.display())]
    NotBeside(PathBuf),
    /// The operating system does not say where this program is.
    #[error("the trainer `gridboard-worker` is not found, because the path of this program is unknown: {0}")]
    NoPath(String),
}

impl FindWorkerError {
    /// A way out.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotThere(_) => "unset GRIDBOARD_WORKER, or let it name the executable `gridboard-worker`",
            Self::NotBeside(_) | Self::NoPath(_) => {
                "`cargo build --release` builds it (not with `--no-default-features`, which leaves the trainers out); \
                 or let GRIDBOARD_WORKER name it"
            }
        }
    }
}

/// The executable of the worker: what `GRIDBOARD_WORKER` names, else `gridboard-worker` beside the running program.
///
/// # Errors
/// If it is in neither place.
pub fn find_worker() -> Result<PathBuf, FindWorkerError> {
    let program = env::current_exe().map_err(|error| FindWorkerError::NoPath(error.to_string()));
    find(env::var_os(VARIABLE), program)
}

fn find(
    named: Option<OsString>,
    program: Result<PathBuf, FindWorkerError>,
) -> Result<PathBuf, FindWorkerError> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        return if path.is_file() { Ok(path) } else { Err(FindWorkerError::NotThere(path)) };
    }
    let program = program?;
    let worker = program
        .parent()
        .unwrap_or(Path::new(""))
        .join(format!("gridboard-worker{}", env::consts::EXE_SUFFIX));
    if worker.is_file() { Ok(worker) } else { Err(FindWorkerError::NotBeside(program)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_first_then_the_folder_of_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let (program, worker) = (folder.path().join("gridboard"), folder.path().join("gridboard-worker"));
        let named = folder.path().join("other");
        let find =
            |named: Option<&Path>| find(named.map(|path| path.as_os_str().into()), Ok(program.clone()));

        assert_eq!(find(None), Err(FindWorkerError::NotBeside(program.clone())));
        std::fs::write(&worker, "").unwrap();
        assert_eq!(find(None), Ok(worker.clone()));
        assert_eq!(find(Some(Path::new(""))), Ok(worker));
        let error = find(Some(&named)).expect_err("not there");
        assert_eq!(
            error.to_string(),
            format!("GRIDBOARD_WORKER names `{}`, which is not a file", named.display())
        );
        assert!(error.hint().contains("GRIDBOARD_WORKER"));
        std::fs::write(&named, "").unwrap();
        assert_eq!(find(Some(&named)), Ok(named));
    }
}
