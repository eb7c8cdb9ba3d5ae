//! The user's own defaults: `$XDG_CONFIG_HOME/gridboard/config.yaml`, else `~/.config/gridboard/config.yaml`.
//!
//! What of it goes into a spec is `spec::overrides`' business.

use std::{env, fs, io, path::PathBuf};

use super::CliError;
use crate::base::files::FileError;

/// Where the file is, whether it is there or not; `None` without a home.
fn place() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(absolute);
    let config = config.or_else(|| env::home_dir().filter(absolute).map(|home| home.join(".config")));
    config.map(|config| config.join("gridboard/config.yaml"))
}

/// Name and text of the file; `None` where there is none.
///
/// # Errors
/// Where it is there and cannot be read.
pub(super) fn read() -> Result<Option<(String, String)>, CliError> {
    let Some(path) = place() else { return Ok(None) };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        // A home that is nobody's, as of a service, has no file either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(FileError::at("read", &path)(source).into()),
    }
}
