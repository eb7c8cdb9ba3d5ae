//! A project of a user's in a temporary folder, and the program run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a condition is waited for: far beyond what a loaded machine needs.
const DEADLINE: Duration = Duration::from_secs(120);

/// A temporary folder with a spec; the program runs in it.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What a finished command printed.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), environment: Vec::new() }
    }

    /// A folder whose `spec.yaml` is `yaml`, with `{trainer}` replaced by the command of the Python trainer.
    pub(crate) fn with_spec(yaml: &str) -> Self {
        let project = Self::new();
        project.write("spec.yaml", &yaml.replace("{trainer}", &trainer()));
        project
    }

    /// Sets a variable for every command.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create the folder");
        fs::write(&path, text).expect("write the file");
        path
    }

    pub(crate) fn read(&self, relative: &str) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }

    /// `gridboard ARGUMENTS`, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridboard"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("GRIDBOARD_RUNS")
            .env_remove("GRIDBOARD_DATABASE")
            .env_remove("CUDA_VISIBLE_DEVICES")
            .env_remove("COLUMNS")
            .env_remove("LC_ALL")
            .env("GRIDBOARD_CACHE", self.path("cache"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs `gridboard ARGUMENTS` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("start gridboard").into()
    }

    /// Starts `gridboard ARGUMENTS`; its output goes to `out.log` and `err.log`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let log = |name| fs::File::create(self.path(name)).expect("create the log");
        self.command(arguments)
            .stdout(log("out.log"))
            .stderr(log("err.log"))
            .spawn()
            .expect("start gridboard")
    }

    /// Rows of a query against the runs database.
    pub(crate) fn sql(&self, query: &str) -> Vec<Value> {
        self.run(&["sql", "--format", "json", query]).expect(0).json()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The array on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        match serde_json::from_str(&self.stdout) {
            Ok(Value::Array(rows)) => rows,
            other => panic!("an array of objects, not {other:?}\n{}", self.stdout),
        }
    }
}

/// The Python trainer as the head of a YAML flow sequence: `python3, /…/trainer.py`.
pub(crate) fn trainer() -> String {
    format!("python3, {}", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/trainer.py").display())
}

/// Waits until `condition` holds, and says what was waited for if it never does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain until {what}");
        // A poll interval, not a delay that anything depends on.
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, signal).expect("signal the child");
}

/// Whether a process exists and is no zombie.
pub(crate) fn alive(pid: i64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}
