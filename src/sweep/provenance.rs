//! What a run's results may depend on beside its parameters, for `run.json`: repository, versions, processor, environment.
//!
//! Asked once per sweep, since none of it changes while one lasts. Everything is best effort: what cannot be told is
//! left out, and never holds a sweep up.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

use crate::{
    base::secret,
    device::Discovery,
    kernels::InstructionSet,
    launch::WORKER_VARIABLE,
    run::{GitState, Provenance, RunSpec},
    schedule::Slot,
    spec::{Axis, Experiment, FAMILY_AXIS, Family, Grid, Notify},
};

/// How long git may take: a sweep does not wait for a network file system.
const GIT_LIMIT: Duration = Duration::from_secs(2);

/// Variables that numeric libraries read, by their beginnings. None that may hold a secret.
const PREFIXES: [&str; 11] = [
    "OMP_",
    "KMP_",
    "GOMP_",
    "MKL_",
    "OPENBLAS_",
    "DNNL_",
    "ONEDNN_",
    "CUDA_",
    "CUBLAS_",
    "CUDNN_",
    "PYTORCH_",
];
/// Others, by name.
const NAMES: [&str; 10] = [
    "ATEN_CPU_CAPABILITY",
    WORKER_VARIABLE,
    "LD_PRELOAD",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONHASHSEED",
    "RAYON_NUM_THREADS",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "XLA_FLAGS",
];

/// What holds for all runs of a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    git: Option<GitState>,
    processor: Option<String>,
    environment: BTreeMap<String, String>,
    /// Model by UUID.
    gpus: BTreeMap<String, String>,
}

impl Surroundings {
    /// Asks git, the kernel and the environment. `folder` is where `gridboard` was started.
    pub(crate) async fn gather(folder: &Path) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .filter(|(name, value)| is_kept(name) && !may_be_secret(name, value))
            .collect();
        let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor_of(&text));
        Self { git: git_state(folder).await, processor, environment, gpus: BTreeMap::new() }
    }

    /// Learns the models of the GPUs.
    pub(crate) fn name_gpus(&mut self, discovery: &Discovery) {
        self.gpus = discovery.cuda.iter().map(|gpu| (gpu.uuid.clone(), gpu.name.clone())).collect();
    }

    /// The provenance of a run on `device` (`cpu` or a UUID).
    #[must_use]
    pub(crate) fn provenance_of(&self, experiment: &Experiment, run: &RunSpec, device: &str) -> Provenance {
        let on_cpu = device == Slot::CPU;
        let device_name = if on_cpu { self.processor.clone() } else { self.gpus.get(device).cloned() };
        let built_in = run.family != Family::Command;
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Provenance {
            spec: narrowed(experiment, run),
            git: self.git.clone(),
            rustc: env!("GRIDBOARD_RUSTC").to_owned(),
            tch: known(env!("GRIDBOARD_TCH")).filter(|_| built_in),
            libtorch: None,
            device_name,
            processor: self.processor.clone(),
            instructions: (built_in && on_cpu).then(|| InstructionSet::best().as_str().to_owned()),
            environment: self.environment.clone(),
        }
    }
}

/// The spec of one run: one grid point and one seed. An axis of ten thousand values is not copied into ten thousand files.
fn narrowed(experiment: &Experiment, run: &RunSpec) -> Experiment {
    let axes = run
        .axes
        .iter()
        .map(|(name, value)| Axis { name: name.clone(), values: vec![value.clone()], range: None })
        .collect();
    Experiment {
        name: experiment.name.clone(),
        dataset: experiment.dataset.clone(),
        // As an axis or fixed, not both.
        family: experiment.family.filter(|_| run.axes.iter().all(|(axis, _)| axis != FAMILY_AXIS)),
        command: experiment.command.clone(),
        env: experiment.env.clone(),
        cwd: experiment.cwd.clone(),
        fixed: experiment.fixed.clone(),
        grids: vec![Grid { axes }],
        search: None,
        exclude: Vec::new(),
        limit: crate::spec::Limit::default(),
        stop: None,
        budget: crate::spec::Budget::default(),
        reuse: experiment.reuse,
        seeds: vec![run.seed],
        rank: experiment.rank.clone(),
        keep: experiment.keep,
        schedule: experiment.schedule.clone(),
        // Who has executed a run is no part of what it is.
        launcher: None,
        retry: experiment.retry.clone(),
        notify: Notify::default(),
    }
}

fn is_kept(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a variable is one that others must not read, whatever library it is for.
fn may_be_secret(name: &str, value: &str) -> bool {
    secret::is_secret_name(name) || secret::in_text(value).is_some()
}

/// The first `model name` of `/proc/cpuinfo`; other architectures than x86 have none there.
fn processor_of(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    let name = line.trim_start().strip_prefix(':')?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

/// Commit and changes of the repository around `folder`; `None` outside of one, without git, or where git takes too long.
async fn git_state(folder: &Path) -> Option<GitState> {
    let asked = async {
        let commit = git(folder, &["rev-parse", "--verify", "HEAD"]).await?;
        let commit = String::from_utf8(commit).ok()?.trim().to_owned();
        let diff = git(folder, &["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "HEAD"])
            .await?;
        let dirty = (!diff.is_empty()).then(|| blake3::hash(&diff).to_hex()[..32].to_owned());
        Some(GitState { commit, dirty })
    };
    tokio::time::timeout(GIT_LIMIT, asked).await.ok().flatten()
}

/// What `git ARGUMENTS` prints, where it succeeds.
async fn git(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        // Looking must not write: another git may be at work here.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    output.await.ok().filter(|output| output.status.success()).map(|output| output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{self, Overrides};

    #[tokio::test]
    async fn git_tells_commit_and_changes_and_silence_outside() {
        let folder = tempfile::tempdir().unwrap();
        // A repository around the temporary folder is none of ours.
        assert_eq!(git_state(folder.path()).await, None);
        let run = async |arguments: &[&str]| {
            let identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"];
            git(folder.path(), &[&identity, arguments].concat()).await.unwrap()
        };
        run(&["init", "-q"]).await;
        assert_eq!(git_state(folder.path()).await, None, "no commit yet");
        fs::write(folder.path().join("a"), "1\n").unwrap();
        run(&["add", "a"]).await;
        run(&["commit", "-q", "-m", "one"]).await;
        let clean = git_state(folder.path()).await.unwrap();
        assert_eq!((clean.commit.len(), clean.dirty.clone()), (40, None));
        fs::write(folder.path().join("untracked"), "x").unwrap();
        assert_eq!(git_state(folder.path()).await, Some(clean.clone()));
        fs::write(folder.path().join("a"), "2\n").unwrap();
        let two = git_state(folder.path()).await.unwrap();
        assert_eq!((&two.commit, two.dirty.as_ref().map(String::len)), (&clean.commit, Some(32)));
        fs::write(folder.path().join("a"), "3\n").unwrap();
        assert_ne!(git_state(folder.path()).await.unwrap().dirty, two.dirty);
    }

    #[test]
    fn the_narrowed_spec_gives_the_run_alone() {
        let text = "
experiment: e
dataset: {phantom: {images: [30, 20]}, image_size: 32}
model: {family: grid_cnn}
train: {epochs: 2}
grid:
  - {conv_layers: [1, 2], layer_size: [4, 8], dense_layers: [0]}
  - {conv_layers: [1], layer_size: [16], dense_layers: [1, 2], learning_rate: [0.1, 0.01]}
seeds: [3, 4]
";
        let experiment = spec::parse(text, Path::new("s.yaml"), &Overrides::default()).unwrap();
        for run in crate::grid::runs(&experiment) {
            let alone: Vec<RunSpec> = crate::grid::runs(&narrowed(&experiment, &run)).collect();
            assert_eq!(alone.len(), 1);
            let RunSpec { id, parameters, seed, .. } = &alone[0];
            assert_eq!((id, parameters, seed), (&run.id, &run.parameters, &run.seed));
        }
    }

    #[test]
    fn only_what_numbers_depend_on_is_kept_of_the_environment() {
        assert!(is_kept("OMP_NUM_THREADS") && is_kept("CUDA_VISIBLE_DEVICES") && is_kept("XLA_FLAGS"));
        assert!(
            !is_kept("NVIDIA_API_KEY")
                && !is_kept("TF_TOKEN_x")
                && !is_kept("HOME")
                && !is_kept("AWS_SECRET")
        );
        // Of those that are kept, none with a secret.
        assert!(may_be_secret("CUDA_API_TOKEN", "x") && may_be_secret("MKL_X", "https://a:b@example.org"));
        assert!(!may_be_secret("OMP_NUM_THREADS", "8") && !may_be_secret("MKL_CBWR", "AVX2"));
    }

    #[test]
    fn the_processor_is_named() {
        let text = "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R)  Platinum 8488C\nmodel name\t: x\n";
        assert_eq!(processor_of(text).as_deref(), Some("Intel(R) Xeon(R) Platinum 8488C"));
        assert_eq!(processor_of("CPU implementer\t: 0x41\n"), None);
    }
}
