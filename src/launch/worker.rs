//! Finding `gridboard-worker`, the executable with the built-in trainers.
//!
//! It lies beside the program where both were built. A package has it in `lib/gridboard/`, without a libtorch that it could be
//! started with: `gridboard setup` brings one and puts the worker into the user's folder, in the place from which it finds it.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::base::program::{COMMIT, VERSION};

/// The variable of the environment that names the executable of the worker.
pub const VARIABLE: &str = "GRIDBOARD_WORKER";

const NAME: &str = "gridboard-worker";

/// Why there is no worker to start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindWorkerError {
    /// The environment names a file that is not there.
    #[error("GRIDBOARD_WORKER names `{}`, which is not a file", .0.display())]
    NotThere(PathBuf),
    /// It is not where it is built or installed.
    #[error("the trainer `gridboard-worker` is not beside `{}`", .0.display())]
    NotBeside(PathBuf),
    /// The package has it, and nobody has set it up yet.
    #[error("the built-in trainer is not set up: `{}` is not there", .0.display())]
    NotSetUp(PathBuf),
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
            Self::NotSetUp(_) => "`gridboard setup` brings libtorch for it, once and without root",
            Self::NotBeside(_) | Self::NoPath(_) => {
                "`cargo build --release` builds it (not with `--no-default-features`, which leaves the trainers out); \
                 or let GRIDBOARD_WORKER name it"
            }
        }
    }
}

/// The executable of the worker: what `GRIDBOARD_WORKER` names, else `gridboard-worker` beside the running program, else the
/// one that `gridboard setup` has put into the user's folder.
///
/// # Errors
/// If it is in none of these places.
pub fn find_worker() -> Result<PathBuf, FindWorkerError> {
    let program = env::current_exe().map_err(|error| FindWorkerError::NoPath(error.to_string()));
    find(env::var_os(VARIABLE), program, user_folder().as_deref())
}

fn find(
    named: Option<OsString>,
    program: Result<PathBuf, FindWorkerError>,
    user_folder: Option<&Path>,
) -> Result<PathBuf, FindWorkerError> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        return if path.is_file() { Ok(path) } else { Err(FindWorkerError::NotThere(path)) };
    }
    let program = program?;
    let beside = beside(&program);
    if beside.is_file() {
        return Ok(beside);
    }
    match user_folder.map(set_up_in) {
        Some(worker) if worker.is_file() => Ok(worker),
        Some(worker) if packaged(&program).iter().any(|(_, file)| file.is_file()) => {
            Err(FindWorkerError::NotSetUp(worker))
        }
        _ => Err(FindWorkerError::NotBeside(program)),
    }
}

/// The worker's place where both were built.
#[must_use]
pub fn beside(program: &Path) -> PathBuf {
    program.with_file_name(format!("{NAME}{}", env::consts::EXE_SUFFIX))
}

/// The user's folder for what `gridboard setup` brings: `$XDG_DATA_HOME/gridboard`, else `~/.local/share/gridboard`; `None` where
/// neither variable has an absolute path.
#[must_use]
pub fn user_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("gridboard"))
}

/// Where `gridboard setup` puts the worker of this version: two folders below the one that has libtorch, which its runpath says
/// (`scripts/package.sh`).
#[must_use]
pub fn set_up_in(user_folder: &Path) -> PathBuf {
    let version = if COMMIT.is_empty() { VERSION.to_owned() } else { format!("{VERSION}-{COMMIT}") };
    user_folder.join("worker").join(version).join(NAME)
}

/// The workers that a package may have, by the libtorch that they are linked to.
#[must_use]
pub fn packaged(program: &Path) -> [(&'static str, PathBuf); 2] {
    let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    ["cpu", "cuda"].map(|variant| (variant, prefix.join("lib/gridboard").join(format!("{NAME}-{variant}"))))
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
            |named: Option<&Path>| find(named.map(|path| path.as_os_str().into()), Ok(program.clone()), None);

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
    #[test]
    fn a_package_wants_to_be_set_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let (program, user) = (folder.path().join("bin/gridboard"), folder.path().join("user"));
        let found = || find(None, Ok(program.clone()), Some(&user));
        assert_eq!(found(), Err(FindWorkerError::NotBeside(program.clone())));
        let write = |path: &Path| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        let (_, in_package) = &packaged(&program)[0];
        assert_eq!(*in_package, folder.path().join("lib/gridboard/gridboard-worker-cpu"));
        write(in_package);
        let error = found().unwrap_err();
        assert_eq!(error, FindWorkerError::NotSetUp(set_up_in(&user)));
        assert!(error.hint().contains("gridboard setup"));
        write(&set_up_in(&user));
        assert_eq!(found(), Ok(set_up_in(&user)));
        write(&beside(&program));
        assert_eq!(found(), Ok(beside(&program)), "what was built comes first");
    }
}
