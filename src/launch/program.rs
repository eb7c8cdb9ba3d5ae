//! Whether the program of a `command` trainer can be started at all: asked before anything is, since all runs would fail alike.
//!
//! Called by `gridboard run`, which refuses, and by `gridboard plan`, which warns. What the program then does (a module that it
//! lacks, a wrong argument) only it can tell.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    grid,
    spec::{
        Experiment, Value,
        command::{places, substitute, variable},
    },
};

/// So much of a file is looked at for its interpreter, bytes: what the kernel reads
/// (<https://man7.org/linux/man-pages/man2/execve.2.html>).
const HEAD: u64 = 256;

/// File name extensions of languages that the shell, which takes a file without a `#!`, is not.
const LANGUAGES: [(&str, &str); 6] =
    [("py", "python3"), ("R", "Rscript"), ("jl", "julia"), ("lua", "lua"), ("pl", "perl"), ("rb", "ruby")];

/// Why a program cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A bare name that no folder of `PATH` has.
    #[error("the program `{0}` of `model.run` is not on PATH")]
    NotOnPath(String),
    /// There is no such file.
    #[error("the program `{program}` of `model.run` is not there: no file `{}`", path.display())]
    Missing {
        /// As the spec has it.
        program: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A folder, or something else that is no file.
    #[error("the program `{}` of `model.run` is no file", .0.display())]
    NoFile(PathBuf),
    /// It has no permission to be executed.
    #[error("the program `{}` of `model.run` is not executable", .0.display())]
    NotExecutable(PathBuf),
    /// The first line names an interpreter that is not there.
    #[error("the program `{}` of `model.run` names the interpreter `{interpreter}`, which is not there", path.display())]
    NoInterpreter {
        /// The program.
        path: PathBuf,
        /// What its first line names.
        interpreter: String,
    },
    /// The first line names no interpreter, and the file is of a language that needs one.
    #[error("the program `{}` of `model.run` names no interpreter: its first line does not begin with `#!`", path.display())]
    NoShebang {
        /// The program.
        path: PathBuf,
        /// What runs such files.
        interpreter: &'static str,
    },
    /// The folder that it is to be started in is not there.
    #[error("`model.cwd`: there is no folder `{}`", .0.display())]
    NoFolder(PathBuf),
    /// `model.env` hands on a variable that is not there.
    #[error(
        "`model.env.{name}` is `${from}`, and there is no variable `{from}` in the environment of gridboard"
    )]
    NoVariable {
        /// The variable of the program.
        name: String,
        /// That of the caller.
        from: String,
    },
    /// The file cannot be looked at.
    #[error("the program `{}` of `model.run` cannot be read", path.display())]
    Unreadable {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ProgramError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOnPath(program) => format!(
                "`which {program}` looks for it: correct the name, give its whole path, or activate its environment first"
            ),
            Self::Missing { path, .. } if path.is_relative() => {
                "a relative path begins where gridboard is started, or at `model.cwd`, which is relative to the spec"
                    .to_owned()
            }
            Self::Missing { .. } | Self::NoFile(_) => "correct the first word of `model.run`".to_owned(),
            Self::NotExecutable(path) => {
                let by = interpreter_of(path).map(|by| {
                    format!(", or name its interpreter first: run: [{by}, {}, ...]", path.display())
                });
                format!("chmod +x {}{}", path.display(), by.unwrap_or_default())
            }
            Self::NoInterpreter { interpreter, .. } if interpreter.ends_with('\r') => {
                "the file has the line ends of Windows: `sed -i 's/\\r$//'` takes them out".to_owned()
            }
            Self::NoInterpreter { .. } => {
                "correct its first line, or name the interpreter as the first word of `model.run`".to_owned()
            }
            Self::NoShebang { path, interpreter } => format!(
                "name the interpreter first, run: [{interpreter}, {}, ...], or begin the file with `#!/usr/bin/env {interpreter}`",
                path.display()
            ),
            Self::NoFolder(_) => "`model.cwd` is relative to the spec file".to_owned(),
            Self::NoVariable { from, .. } => format!("export {from}=..., or take it out of `model.env`"),
            Self::Unreadable { .. } => return None,
        })
    }
}

fn interpreter_of(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?;
    LANGUAGES.iter().find(|(known, _)| *known == extension).map(|(_, interpreter)| *interpreter)
}

/// Looks for the program of every run. A trainer of Gridboard's own has none.
///
/// # Errors
/// The first program that cannot be started.
pub fn check_programs(experiment: &Experiment) -> Result<(), ProgramError> {
    let Some(word) = experiment.command.first().filter(|_| experiment.is_command()) else { return Ok(()) };
    if let Some(folder) = experiment.cwd.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(ProgramError::NoFolder(folder.clone()));
    }
    for (name, text) in &experiment.env {
        if let Some(from) = variable(text).filter(|from| std::env::var_os(from).is_none()) {
            return Err(ProgramError::NoVariable { name: name.clone(), from: from.to_owned() });
        }
    }
    let path = match experiment.env.get("PATH") {
        Some(text) => match variable(text) {
            Some(from) => std::env::var_os(from),
            None => Some(text.into()),
        },
        None => std::env::var_os("PATH"),
    };
    let path = path.unwrap_or_default();
    let folder = experiment.cwd.as_deref().unwrap_or(Path::new(""));
    if places(word).next().is_none() {
        return check(&substitute(word, |_| None), folder, &path);
    }
    let mut words = BTreeSet::new();
    let named: Vec<&str> = places(word).collect();
    for run in grid::runs(&grid::listed(experiment, &named)) {
        let value = |name: &str| run.parameters.get(name).map(Value::to_string);
        // A folder of the run's own is made later.
        if places(word).all(|name| value(name).is_some()) {
            words.insert(substitute(word, value));
        }
    }
    words.iter().try_for_each(|word| check(word, folder, &path))
}

/// Looks for one program, which would be started in `folder`.
fn check(program: &str, folder: &Path, path_variable: &OsString) -> Result<(), ProgramError> {
    if program.contains('/') {
        return check_file(program, &folder.join(program), folder, path_variable);
    }
    match on_path(program, folder, path_variable) {
        Some(found) => check_file(program, &found, folder, path_variable),
        None => Err(ProgramError::NotOnPath(program.to_owned())),
    }
}

/// The first file of this name on `PATH` that can be executed.
fn on_path(program: &str, folder: &Path, path_variable: &OsString) -> Option<PathBuf> {
    // An empty entry is the working directory.
    let mut places = std::env::split_paths(path_variable).map(|entry| folder.join(entry).join(program));
    places.find(|file| {
        file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

fn check_file(
    program: &str,
    path: &Path,
    folder: &Path,
    path_variable: &OsString,
) -> Result<(), ProgramError> {
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ProgramError::Missing { program: program.to_owned(), path: path.to_owned() });
        }
        Err(source) => return Err(ProgramError::Unreadable { path: path.to_owned(), source }),
    };
    if !data.is_file() {
        return Err(ProgramError::NoFile(path.to_owned()));
    }
    if data.permissions().mode() & 0o111 == 0 {
        return Err(ProgramError::NotExecutable(path.to_owned()));
    }
    let mut head = Vec::new();
    match File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head)) {
        Ok(_) => {}
        // It may be executed all the same.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(source) => return Err(ProgramError::Unreadable { path: path.to_owned(), source }),
    }
    let Some(rest) = head.strip_prefix(b"#!") else {
        return match interpreter_of(path).filter(|_| !head.contains(&0)) {
            Some(interpreter) => Err(ProgramError::NoShebang { path: path.to_owned(), interpreter }),
            None => Ok(()),
        };
    };
    let line =
        String::from_utf8_lossy(rest.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    // A carriage return is a part of the name, for the kernel too.
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let interpreter = words.next().unwrap_or_default();
    let lacking = |interpreter: &str| {
        Err(ProgramError::NoInterpreter { path: path.to_owned(), interpreter: interpreter.to_owned() })
    };
    if !folder.join(interpreter).is_file() {
        return lacking(interpreter);
    }
    if Path::new(interpreter).file_name().is_some_and(|name| name == "env") {
        let wanted = words.find(|word| !word.starts_with('-') && !word.contains('='));
        return match wanted {
            Some(wanted) if !wanted.contains('/') && on_path(wanted, folder, path_variable).is_none() => {
                lacking(wanted)
            }
            _ => Ok(()),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_started_is_told_with_its_cure() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write("good", "#!/bin/sh\n", 0o755);
        write("by-env", "#!/usr/bin/env -S sh -e\n", 0o755);
        write("plain.sh", "echo\n", 0o755);
        write("t.py", "import sys\n", 0o755);
        write("still.py", "#!/usr/bin/env python3\n", 0o644);
        write("windows", "#!/bin/sh\r\n", 0o755);
        write("no-env", "#!/usr/bin/env pythn3\n", 0o755);
        fs::create_dir(folder.path().join("sub")).unwrap();
        let path: OsString = folder.path().into();
        let both = std::env::join_paths([folder.path(), Path::new("/bin"), Path::new("/usr/bin")]).unwrap();
        for good in ["./good", "good", "plain.sh", "./by-env"] {
            check(good, folder.path(), &both).unwrap();
        }
        for (program, message, hint) in [
            ("pythn3", "`pythn3` of `model.run` is not on PATH", "which pythn3"),
            ("still.py", "is not on PATH", ""),
            ("./nowhere", "no file", "correct the first word"),
            ("./sub", "is no file", ""),
            ("./t.py", "names no interpreter", "run: [python3,"),
            ("./still.py", "is not executable", "chmod +x"),
            ("./windows", "the interpreter `/bin/sh\r`", "line ends of Windows"),
            ("./no-env", "the interpreter `pythn3`", "first line"),
        ] {
            let error = check(program, folder.path(), &path).unwrap_err();
            assert!(error.to_string().contains(message), "{program}: {error}");
            assert!(error.hint().is_some_and(|text| text.contains(hint)), "{program}: {:?}", error.hint());
        }
    }
}
