//! What one attempt is started with: program, arguments, environment.
//!
//! Made by the sweep from a run's `run.json`; pure but for the name of the working directory. A plan for every run can be
//! made before anything starts, so that a mistake in a command is found at once.
//!
//! # Environment of an attempt
//!
//! An attempt inherits Gridboard's environment and working directory: relative paths in a command are relative to where
//! Gridboard was started. On top of it come
//!
//! - `GRIDBOARD_RUN_DIR` (absolute), `GRIDBOARD_RUN`, `GRIDBOARD_EXPERIMENT`, `GRIDBOARD_SEED`, `GRIDBOARD_ATTEMPT`,
//!   `GRIDBOARD_DEVICE` (`cpu` or a UUID), `GRIDBOARD_THREADS`;
//! - for a command, `GRIDBOARD_STATE_DIR`, a folder that is kept between the attempts of the run, and `GRIDBOARD_RESUME`,
//!   which is 1 where there is something in it, else empty;
//! - for a command, what `model.env` names, and `GRIDBOARD_PARAM_<NAME>` for every parameter: upper case, everything but letters and digits as `_`;
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
    run::{RunDir, RunFile},
    schedule::Slot,
    spec::{self, Family, Precision, Value, command::substitute},
};

/// Everything that an attempt is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Standard input.
    pub stdin: Stdin,
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
            stdin: Stdin::Lifeline,
            run_dir,
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
    /// parameter has that name.
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
        let mut words = command.iter().map(|word| OsString::from(substitute(word, value)));
        let program = words.next().filter(|program| !program.is_empty()).ok_or(PlanError::NoProgram)?;
        let mut env = environment(&run_dir, file);
        env.extend(parameter_variables(file)?);
        Ok(Self {
            run,
            attempt: file.attempt,
            program,
            args: words.collect(),
            env,
            stdin: Stdin::Null,
            run_dir,
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
            }
        }
        Ok(self)
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
        let variable = |name: &str| {
            let value = self.env.iter().find(|(key, _)| key == name);
            value.map(|(_, value)| value.to_string_lossy()).unwrap_or_default()
        };
        let (device, threads) = (variable("GRIDBOARD_DEVICE"), variable("GRIDBOARD_THREADS"));
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
    set("GRIDBOARD_RUN", &file.run);
    set("GRIDBOARD_SEED", &file.seed.to_string());
    set("GRIDBOARD_ATTEMPT", &file.attempt.to_string());
    set("GRIDBOARD_DEVICE", &file.device);
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
    for (name, value) in &file.parameters {
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
pub(crate) mod tests {
    use super::*;
    use crate::{run::Keeping, spec::Parameters};

    /// A run of the experiment `tab3` on the processor.
    pub(crate) fn run_file(parameters: &[(&str, Value)]) -> RunFile {
        let parameters: Parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        RunFile {
            experiment: "tab3".into(),
            run: "lr-0.1-seed-7".into(),
            id: "0123456789abcdef".into(),
            attempt: 2,
            seed: 7,
            family: Family::Command,
            axes: parameters.clone(),
            parameters,
            dataset: None,
            device: Slot::CPU.into(),
            threads: 3,
            version: String::new(),
            host: String::new(),
            started: 0.0,
            keeping: Keeping::default(),
            provenance: None,
        }
    }

    #[test]
    fn variables_of_the_spec_come_from_the_text_or_from_the_caller() {
        let plan = |env: &[(&str, &str)]| {
            let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            let command = ["program".to_owned()];
            let plan = LaunchPlan::command(0, &command, Path::new("/runs/x"), &run_file(&[])).unwrap();
            plan.with_variables(&env)
        };
        let whole =
            plan(&[("PLAIN", "text"), ("COPY", "$PATH"), ("PRICE", "$$5"), ("OMP_NUM_THREADS", "99")])
                .unwrap();
        assert_eq!((variable(&whole, "PLAIN"), variable(&whole, "PRICE")), (Some("text"), Some("$5")));
        assert_eq!(variable(&whole, "COPY"), std::env::var("PATH").ok().as_deref());
        assert_eq!(variable(&whole, "OMP_NUM_THREADS"), Some("3"), "Gridboard's own stays");
        assert!(!whole.title().contains("PATH"), "the log has the command alone");
        let error = plan(&[("TOKEN", "$GRIDBOARD_TEST_NOT_THERE")]).unwrap_err().to_string();
        assert!(error.contains("`model.env.TOKEN` is `$GRIDBOARD_TEST_NOT_THERE`"), "{error}");
    }

    fn variable<'a>(plan: &'a LaunchPlan, name: &str) -> Option<&'a str> {
        let mut found = plan.env.iter().filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.to_str().expect("text"));
        assert!(found.next().is_none(), "{name} is set twice");
        value
    }

    #[test]
    fn a_command_is_told_what_it_may_resume_from() {
        for (resumes, word) in [(false, ""), (true, "1")] {
            let command = ["program".to_owned()];
            let plan = LaunchPlan::command(0, &command, Path::new("/runs/x"), &run_file(&[])).unwrap();
            let own = BTreeMap::from([("GRIDBOARD_RESUME".to_owned(), "mine".to_owned())]);
            let plan = plan.with_state(resumes).with_variables(&own).unwrap();
            assert_eq!(variable(&plan, "GRIDBOARD_STATE_DIR"), Some("/runs/x/state"));
            assert_eq!(variable(&plan, "GRIDBOARD_RESUME"), Some(word));
        }
    }

    #[test]
    fn a_command_gets_the_values_of_its_run() {
        let file = run_file(&[
            ("lr", Value::Float(0.1)),
            ("batch-size", Value::Int(32)),
            ("name", Value::Text("a b".into())),
        ]);
        let command = ["python3", "t.py", "--lr={lr}", "{name}", "{seed}", "{run}", "{{run}}", "{run_dir}"];
        let command = command.map(str::to_owned);
        let plan = LaunchPlan::command(5, &command, Path::new("/runs/x"), &file).expect("a plan");
        assert_eq!((plan.run, plan.attempt, plan.stdin), (5, 2, Stdin::Null));
        assert_eq!(plan.program, "python3");
        assert_eq!(plan.args, ["t.py", "--lr=0.1", "a b", "7", "lr-0.1-seed-7", "{run}", "/runs/x"]);
        for (name, value) in [
            ("GRIDBOARD_RUN_DIR", "/runs/x"),
            ("GRIDBOARD_RUN", "lr-0.1-seed-7"),
            ("GRIDBOARD_EXPERIMENT", "tab3"),
            ("GRIDBOARD_SEED", "7"),
            ("GRIDBOARD_ATTEMPT", "2"),
            ("GRIDBOARD_DEVICE", "cpu"),
            ("GRIDBOARD_THREADS", "3"),
            ("GRIDBOARD_PARAM_LR", "0.1"),
            ("GRIDBOARD_PARAM_BATCH_SIZE", "32"),
            ("GRIDBOARD_PARAM_NAME", "a b"),
            ("CUDA_VISIBLE_DEVICES", ""),
            ("OMP_NUM_THREADS", "3"),
            ("RAYON_NUM_THREADS", "3"),
        ] {
            assert_eq!(variable(&plan, name), Some(value), "{name}");
        }
        assert_eq!(variable(&plan, "CUDA_DEVICE_ORDER"), None);
        assert_eq!(
            plan.title(),
            "--- gridboard: attempt 2 on cpu, threads: 3: python3 t.py --lr=0.1 \"a b\" 7 lr-0.1-seed-7 \"{run}\" /runs/x"
        );
    }

    #[test]
    fn a_parameter_hides_the_place_of_its_name() {
        let file = run_file(&[("seed", Value::Int(99))]);
        let command = ["train".to_owned(), "{seed}".to_owned()];
        let plan = LaunchPlan::command(0, &command, Path::new("x"), &file).expect("a plan");
        assert_eq!(plan.args, ["99"]);
        assert_eq!(variable(&plan, "GRIDBOARD_SEED"), Some("7"));
    }

    #[test]
    fn the_worker_trains_the_absolute_directory_on_its_only_device() {
        let file = RunFile { device: "GPU-1a".into(), ..run_file(&[("lr", Value::Float(0.1))]) };
        let plan =
            LaunchPlan::worker(0, Path::new("/bin/worker"), Path::new("runs/x"), &file).expect("a plan");
        let run_dir = std::env::current_dir().unwrap().join("runs/x");
        assert_eq!(plan.program, "/bin/worker");
        assert_eq!(plan.args, [OsString::from("train"), run_dir.clone().into()]);
        assert_eq!((plan.stdin, &plan.run_dir), (Stdin::Lifeline, &run_dir));
        assert_eq!(variable(&plan, "CUDA_VISIBLE_DEVICES"), Some("GPU-1a"));
        assert_eq!(variable(&plan, "CUDA_DEVICE_ORDER"), Some("PCI_BUS_ID"));
        assert_eq!(variable(&plan, "GRIDBOARD_PARAM_LR"), None);
    }

    #[test]
    fn tf32_is_what_the_precision_says() {
        let plan = |device: &str, precision: Option<&str>| {
            let parameters: Vec<(&str, Value)> =
                precision.map(|word| ("precision", Value::Text(word.into()))).into_iter().collect();
            let family = Family::GridCnn;
            let file = RunFile { device: device.into(), family, ..run_file(&parameters) };
            let plan = LaunchPlan::worker(0, Path::new("w"), Path::new("x"), &file).expect("a plan");
            [FORBID_TF32.0, ALLOW_TF32.0].map(|name| variable(&plan, name).map(str::to_owned))
        };
        let (zero, one) = (Some("0".to_owned()), Some("1".to_owned()));
        assert_eq!(plan("GPU-1a", None), [zero.clone(), None]);
        assert_eq!(plan("GPU-1a", Some("fp32")), [zero, None]);
        assert_eq!(plan("GPU-1a", Some("tf32")), [None, one]);
        assert_eq!(plan("cpu", Some("tf32")), [None, None]);
    }

    #[test]
    fn mistakes_are_found_before_the_start() {
        let check = |command: &[&str], parameters: &[(&str, Value)], expected: &str| {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            let error = LaunchPlan::command(0, &command, Path::new("x"), &run_file(parameters));
            assert_eq!(error.expect_err("a mistake").to_string(), expected);
        };
        let one = Value::Int(1);
        check(&[], &[], "the command is empty");
        check(&[""], &[], "the command is empty");
        check(
            &["t"],
            &[("a-b", one.clone()), ("a.b", one)],
            "parameters `a-b` and `a.b` are both `GRIDBOARD_PARAM_A_B` in the environment of the command",
        );
    }
}
