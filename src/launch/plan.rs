//! What one attempt is started with: program, arguments, environment.
//!
//! Made by the sweep from a run's `run.json`; pure but for the name of the working directory. A plan for every run can be
//! made before anything starts, so that a mistake in a command is found at once.
//!
//! # Environment of an attempt
//!
//! An attempt inherits Gridboard's environment and working directory: relative paths in a command are relative to where
//! Gridboard was started, or to `model.cwd`. On top of it come
//!
//! - `GRIDBOARD_RUN_DIR` (absolute), `GRIDBOARD_RUN`, `GRIDBOARD_EXPERIMENT`, `GRIDBOARD_SEED`, `GRIDBOARD_ATTEMPT`,
//!   `GRIDBOARD_DEVICE` (`cpu` or a UUID), on a CUDA device `GRIDBOARD_DEVICE_INDEX` (its number in the order of the PCI bus, as
//!   `nvidia-smi` has it), `GRIDBOARD_THREADS`;
//! - for a command, `GRIDBOARD_STATE_DIR`, a folder that is kept between the attempts of the run, and `GRIDBOARD_RESUME`,
//!   which is 1 where there is something in it, else empty;
//! - for a command, what `model.env` names, and `GRIDBOARD_PARAM_<NAME>` for every parameter but `null` ones: upper case, everything but letters and digits as `_`;
//! - the device as the only one that CUDA shows: `CUDA_VISIBLE_DEVICES` is its UUID, and empty on the processor;
//! - for a built-in trainer on CUDA, by `train.precision`, whether f32 may be multiplied as TF32: `NVIDIA_TF32_OVERRIDE` is
//!   0, or `TORCH_ALLOW_TF32_CUBLAS_OVERRIDE` is 1;
//! - the number of threads for the libraries that ask the environment: `OMP_NUM_THREADS` and its like.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use crate::{
    event::Resumed,
    run::{RunDir, RunFile},
    schedule::Slot,
    spec::{
        self, Family, Precision, Value,
        command::{only_place, substitute},
    },
};

/// Everything that an attempt is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchPlan {
    /// Index of the run in the grid: its name towards the launcher.
    pub run: u64,
    /// From 1.
    pub attempt: u32,
    /// The run's directory, absolute; it exists when the attempt starts.
    pub run_dir: PathBuf,
    /// A path, or a name that is looked up on `PATH`.
    pub program: OsString,
    /// Arguments, the program's name not among them.
    pub args: Vec<OsString>,
    /// Variables that are set on top of Gridboard's own.
    pub env: Vec<(String, OsString)>,
    /// Where it is started; `None` for Gridboard's own working directory.
    pub folder: Option<PathBuf>,
    /// Standard input.
    pub stdin: Stdin,
    /// Whether it was told when to pause, and ends by itself then.
    pub pauses: bool,
    /// Those of the variables whose values are the caller's, by the names that they have there: what may be a secret is written
    /// into no file.
    pub inherited: BTreeMap<String, String>,
    /// Estimate of the memory that it needs, bytes; 0 where it is not known.
    pub memory: u64,
    /// How long it takes at most by what is known of others, seconds; `None` where nothing is.
    pub seconds: Option<f64>,
    /// Start, seconds since 1970, as in its run file.
    pub started: f64,
    /// Where it goes on with an earlier attempt.
    pub resumed: Option<Resumed>,
}

/// Standard input of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// A pipe that ends when Gridboard does.
    Lifeline,
    /// Empty.
    Null,
}

/// Why an attempt cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no program.
    #[error("the command is empty")]
    NoProgram,
    /// Two parameters make the same variable.
    #[error("parameters `{one}` and `{other}` are both `{variable}` in the environment of the command")]
    SameVariable {
        /// The first parameter.
        one: String,
        /// The second.
        other: String,
        /// The variable.
        variable: String,
    },
    /// `model.env` names a variable of the caller's that is not there.
    #[error(
        "`model.env.{name}` is `${from}`, and there is no variable `{from}` in the environment of gridboard"
    )]
    NoVariable {
        /// The variable of the program.
        name: String,
        /// That of the caller.
        from: String,
    },
    /// The run's directory cannot be made absolute.
    #[error("run directory `{}`: {error}", path.display())]
    RunDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The variables by which numeric libraries learn their number of threads.
const THREAD_VARIABLES: [&str; 4] =
    ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"];

/// The run's name.
pub(super) const RUN: &str = "GRIDBOARD_RUN";
/// Its device.
pub(super) const DEVICE: &str = "GRIDBOARD_DEVICE";

/// The parameter that says how a built-in trainer rounds on CUDA.
const PRECISION: &str = "precision";
/// NVIDIA's libraries multiply f32 as f32, whatever libtorch asks for: by default it lets cuDNN take TF32
/// (docs.nvidia.com/cuda/cublas, "Floating Point Computation Modes").
const FORBID_TF32: (&str, &str) = ("NVIDIA_TF32_OVERRIDE", "0");
/// libtorch lets cuBLAS take TF32 too, as it lets cuDNN by default (`at::Context`, `float32_matmul_precision`).
const ALLOW_TF32: (&str, &str) = ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1");

impl LaunchPlan {
    /// A built-in trainer: `gridboard-worker train RUN_DIR`.
    ///
    /// # Errors
    /// If the run's directory is empty or the working directory is gone.
    pub fn worker(run: u64, worker: &Path, run_dir: &Path, file: &RunFile) -> Result<Self, PlanError> {
        let run_dir = absolute(run_dir)?;
        Ok(Self {
            run,
            attempt: file.attempt,
            program: worker.into(),
            args: vec!["train".into(), run_dir.clone().into()],
            env: environment(&run_dir, file),
            folder: None,
            stdin: Stdin::Lifeline,
            pauses: false,
            run_dir,
            inherited: BTreeMap::new(),
            memory: 0,
            seconds: None,
            started: file.started,
            resumed: None,
        })
    }

    /// A built-in network that is asked, not trained: `gridboard-worker predict RUN_DIR`, with its run's threads, on its
    /// run's device or on `device`.
    ///
    /// # Errors
    /// As [`Self::worker`].
    pub fn predictor(
        worker: &Path,
        run_dir: &Path,
        file: &RunFile,
        device: Option<&str>,
    ) -> Result<Self, PlanError> {
        let mut file = file.clone();
        if let Some(device) = device {
            device.clone_into(&mut file.device);
        }
        let mut plan = Self::worker(0, worker, run_dir, &file)?;
        plan.args =
            vec!["predict".into(), plan.run_dir.clone().into(), "--device".into(), file.device.into()];
        // Another sweep takes whatever has its run's directory in the environment for an attempt that was left over.
        plan.env.retain(|(name, _)| name != "GRIDBOARD_RUN_DIR");
        Ok(plan)
    }

    /// A `command` trainer. Its arguments may name, in braces, every parameter, and `seed`, `run` and `run_dir` where no
    /// parameter has that name. An argument that is only its place is left out for `null` and `false`, and becomes several for
    /// a list.
    ///
    /// # Errors
    /// If there is no program, or two parameters make the same variable.
    pub fn command(run: u64, command: &[String], run_dir: &Path, file: &RunFile) -> Result<Self, PlanError> {
        let run_dir = absolute(run_dir)?;
        let value = |name: &str| match file.parameters.get(name) {
            Some(value) => Some(value.to_string()),
            None => match name {
                "seed" => Some(file.seed.to_string()),
                "run" => Some(file.run.clone()),
                "run_dir" => Some(run_dir.to_string_lossy().into_owned()),
                _ => None,
            },
        };
        let filled = |word: &String| match only_place(word).and_then(|name| file.parameters.get(name)) {
            Some(Value::Null | Value::Bool(false)) => Vec::new(),
            Some(Value::List(items)) => items.iter().map(|item| item.to_string().into()).collect(),
            _ => vec![OsString::from(substitute(word, value))],
        };
        let mut words = command.iter().flat_map(filled);
        let program = words.next().filter(|program| !program.is_empty()).ok_or(PlanError::NoProgram)?;
        let mut env = environment(&run_dir, file);
        env.extend(parameter_variables(file)?);
        Ok(Self {
            run,
            attempt: file.attempt,
            program,
            args: words.collect(),
            env,
            folder: None,
            stdin: Stdin::Null,
            pauses: false,
            run_dir,
            inherited: BTreeMap::new(),
            memory: 0,
            seconds: None,
            started: file.started,
            resumed: None,
        })
    }

    /// The same with the variables of `model.env`, those of the caller among them. What Gridboard sets itself stays.
    ///
    /// # Errors
    /// [`PlanError::NoVariable`].
    pub fn with_variables(mut self, variables: &BTreeMap<String, String>) -> Result<Self, PlanError> {
        for (name, text) in variables {
            let value = match spec::command::variable(text) {
                Some(from) => std::env::var_os(from)
                    .ok_or_else(|| PlanError::NoVariable { name: name.clone(), from: from.to_owned() })?,
                None => OsString::from(text.strip_prefix('$').unwrap_or(text)),
            };
            if self.env.iter().all(|(known, _)| known != name) {
                self.env.push((name.clone(), value));
                if let Some(from) = spec::command::variable(text) {
                    self.inherited.insert(name.clone(), from.to_owned());
                }
            }
        }
        Ok(self)
    }

    /// The same, started in this folder; `None` for Gridboard's own.
    #[must_use]
    pub fn in_folder(self, folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_owned), ..self }
    }

    /// The same of a worker, told to keep its state and end once so many epochs are done.
    #[must_use]
    pub fn pausing_after(mut self, epochs: Option<u64>) -> Self {
        let told = epochs.map(|epochs| ["--pause-after".into(), epochs.to_string().into()]);
        self.pauses = told.is_some();
        self.args.extend(told.into_iter().flatten());
        self
    }

    /// The same, expected to take so many seconds; `None` where nothing is known of that.
    #[must_use]
    pub fn expected_to_take(self, seconds: Option<f64>) -> Self {
        Self { seconds, ..self }
    }

    /// The same, with what is known of it beside its program: an estimate of its memory, bytes, and where it goes on.
    #[must_use]
    pub fn with_needs(self, memory: u64, resumed: Option<Resumed>) -> Self {
        Self { memory, resumed, ..self }
    }

    /// The text of a variable that is set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = self.env.iter().find(|(key, _)| key == name);
        value.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    /// The same, told the number of its CUDA device.
    #[must_use]
    pub fn on_device(mut self, index: Option<&str>) -> Self {
        self.env.extend(index.map(|index| ("GRIDBOARD_DEVICE_INDEX".to_owned(), index.into())));
        self
    }

    /// The same with the folder in which a command keeps what it resumes from, and whether there is something in it.
    #[must_use]
    pub fn with_state(mut self, resumes: bool) -> Self {
        let folder = RunDir::new(&self.run_dir).state_dir();
        self.env.push(("GRIDBOARD_STATE_DIR".to_owned(), folder.into()));
        // Set in any case: it may be in Gridboard's own environment.
        self.env.push(("GRIDBOARD_RESUME".to_owned(), if resumes { "1" } else { "" }.into()));
        self
    }

    /// The line that precedes the attempt in the run's log: `--- gridboard: attempt 1 on cpu, 2 threads: python3 t.py`.
    pub(super) fn title(&self) -> String {
        let variable = |name: &str| self.variable(name).unwrap_or_default();
        let (device, threads) = (variable(DEVICE), variable("GRIDBOARD_THREADS"));
        let mut title = format!("--- gridboard: attempt {} on {device}, threads: {threads}:", self.attempt);
        for word in std::iter::once(&self.program).chain(&self.args) {
            let word = word.to_string_lossy();
            let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%".contains(c);
            let written = if !word.is_empty() && word.chars().all(plain) {
                write!(title, " {word}")
            } else {
                write!(title, " {word:?}")
            };
            written.expect("writing to a string does not fail");
        }
        title
    }
}

fn absolute(run_dir: &Path) -> Result<PathBuf, PlanError> {
    std::path::absolute(run_dir).map_err(|error| PlanError::RunDir { path: run_dir.to_owned(), error })
}

/// What every attempt gets.
pub(super) fn environment(run_dir: &Path, file: &RunFile) -> Vec<(String, OsString)> {
    let threads = file.threads.to_string();
    let mut env: Vec<(String, OsString)> = Vec::with_capacity(16 + file.parameters.len());
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.into()));
    set("GRIDBOARD_EXPERIMENT", &file.experiment);
    set(RUN, &file.run);
    set("GRIDBOARD_SEED", &file.seed.to_string());
    set("GRIDBOARD_ATTEMPT", &file.attempt.to_string());
    set(DEVICE, &file.device);
    set("GRIDBOARD_THREADS", &threads);
    if file.device == Slot::CPU {
        set("CUDA_VISIBLE_DEVICES", "");
    } else {
        set("CUDA_VISIBLE_DEVICES", &file.device);
        set("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
        if file.family != Family::Command {
            let (variable, value) = match file.parameters.get(PRECISION) {
                Some(Value::Text(precision)) if precision != Precision::Fp32.as_str() => ALLOW_TF32,
                _ => FORBID_TF32,
            };
            set(variable, value);
        }
    }
    for variable in THREAD_VARIABLES {
        set(variable, &threads);
    }
    env.push(("GRIDBOARD_RUN_DIR".to_owned(), run_dir.into()));
    env
}

/// `GRIDBOARD_PARAM_<NAME>` for every parameter.
fn parameter_variables(file: &RunFile) -> Result<Vec<(String, OsString)>, PlanError> {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    let mut variables = Vec::with_capacity(file.parameters.len());
    for (name, value) in file.parameters.iter().filter(|(_, value)| **value != Value::Null) {
        let plain: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let variable = format!("GRIDBOARD_PARAM_{plain}");
        if let Some(one) = names.insert(variable.clone(), name) {
            return Err(PlanError::SameVariable { one: one.to_owned(), other: name.clone(), variable });
        }
        variables.push((variable, value.to_string().into()));
    }
    Ok(variables)
}

#[cfg(test)]
pub(crate) mod tests;
