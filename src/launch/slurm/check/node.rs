//! The node's side of a check: `gridboard __check_node FOLDER NONCE`, which the check's batch script becomes. It looks at what the
//! question names, in the order in which a run would need it, and stops at what is not there.

use std::{env, fs, io, io::Write as _, path::Path, process::ExitCode};

use super::question::{Answer, Problem, Question, SHARE};
use crate::{
    base::{
        error::with_causes,
        files::{Durability, write_whole},
        human,
        program::{host, version},
    },
    launch::{check_programs, probe, slurm::script::CHECK},
    spec::{self, Overrides, Spec},
};

/// What Slurm names the GPUs of a job with: NVIDIA's, AMD's, Intel's.
const GPU_VARIABLES: [&str; 3] = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"];

/// What the arguments of this process ask for, if that is to check a node: then it does so.
#[must_use]
pub fn check_node_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != CHECK {
        return None;
    }
    let (folder, nonce) = (arguments.next()?, arguments.next()?.into_string().ok()?);
    let folder = Path::new(&folder);
    let mut found = Vec::new();
    let problem = look(folder, &nonce, &mut found).err();
    // As Slurm calls it: a site may have names of its own for its nodes.
    let host = env::var("SLURMD_NODENAME").unwrap_or_else(|_| host().to_owned());
    let is_fine = problem.is_none();
    let answer = Answer { nonce, host, found, problem };
    let written = serde_json::to_vec_pretty(&answer).map_err(io::Error::other).and_then(|json| {
        write_whole(&folder.join(Answer::FILE), &[&json], Durability::Synced).map_err(io::Error::other)
    });
    if let Err(error) = &written {
        // On the job's own standard error, which Slurm keeps in a file.
        let _ = writeln!(io::stderr(), "gridboard: cannot write the answer: {error}");
    }
    Some(if is_fine && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at everything that the question names.
fn look(folder: &Path, nonce: &str, found: &mut Vec<String>) -> Result<(), Problem> {
    let question = Question::read(folder);
    let question = question.ok().filter(|question| question.nonce == nonce).ok_or_else(|| {
        let what = format!("what was just written to `{}` is not seen there", folder.display());
        Problem::new(what, SHARE)
    })?;
    let runs = &question.runs;
    tempfile::Builder::new().prefix(".check-").tempfile_in(runs).map_err(|error| {
        let what = format!("nothing can be written to the runs directory `{}`: {error}", runs.display());
        Problem::new(what, SHARE)
    })?;
    found.push("the runs directory".to_owned());
    if question.version != version() {
        return Err(Problem::new(
            format!("this program is {}, and {} has asked", version(), question.version),
            "one program has to be seen by all: install it on a file system that the nodes share",
        ));
    }
    found.push("this program".to_owned());
    if question.gpus > 0 {
        gpus(question.gpus)?;
        found.push(human::counted(question.gpus, "GPU"));
    }
    if let Some(worker) = &question.worker {
        trainer(worker, question.gpus)?;
        found.push("its trainer".to_owned());
    }
    if let Some(path) = &question.spec {
        program(path)?;
        found.push("the program of `model.run`".to_owned());
    }
    for path in &question.files {
        readable(path).map_err(|error| {
            Problem::new(
                format!("`{}` cannot be read: {error}", path.display()),
                "prepared images lie beside the runs, unless GRIDBOARD_CACHE names a folder: the nodes have to see it",
            )
        })?;
    }
    if !question.files.is_empty() {
        found.push("the images".to_owned());
    }
    Ok(())
}

/// Whether Slurm says which GPUs are the job's.
fn gpus(wanted: u32) -> Result<(), Problem> {
    let told = GPU_VARIABLES.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    if told {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "the job has asked for {}, and {} is not set: runs would share them",
            human::counted(wanted, "GPU"),
            GPU_VARIABLES[0]
        ),
        "the site's gres.conf has to name the GPUs' files; ask its administrator",
    ))
}

/// Whether the built-in trainer starts here with its libtorch, and can use the job's GPUs.
fn trainer(worker: &Path, gpus: u32) -> Result<(), Problem> {
    let probe = probe(worker).map_err(|error| {
        let hint = format!(
            "`{}` and its libtorch have to lie where the nodes see them; `gridboard setup` brings them into the home folder",
            worker.display()
        );
        Problem::new(with_causes(&error), hint)
    })?;
    if gpus == 0 {
        return Ok(());
    }
    let devices = probe.cuda.devices;
    if !probe.cuda.available || devices < i64::from(gpus) {
        let said = probe.said.unwrap_or_else(|| match probe.cuda.built {
            true => format!("it sees {}", human::counted(devices.max(0), "CUDA device")),
            false => "it is built without CUDA".to_owned(),
        });
        return Err(Problem::new(
            format!("the trainer's libtorch cannot use the job's GPUs: {said}"),
            "`srun gridboard doctor` there says more; a libtorch with CUDA is brought by `gridboard setup --cuda`",
        ));
    }
    Ok(())
}

/// Whether the program of a `command` is found here, after the setup lines.
fn program(spec: &Path) -> Result<(), Problem> {
    let loaded = spec::load_any(spec, &Overrides::default());
    let experiment = match loaded {
        Ok(Spec::Experiment(experiment)) => experiment,
        Ok(Spec::Suite(_)) => return Ok(()),
        Err(error) => {
            return Err(Problem::new(format!("`{}` cannot be read: {error}", spec.display()), SHARE));
        }
    };
    check_programs(&experiment).map_err(|error| {
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        Problem::new(
            with_causes(&error),
            format!("launcher.slurm.setup may load it (`module load`, `source activate`){hint}"),
        )
    })
}

/// Opens a file, or all files of a folder.
fn readable(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return fs::File::open(path).map(drop);
    }
    let mut count = 0;
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_file() {
            fs::File::open(path)?;
            count += 1;
        }
    }
    if count == 0 { Err(io::Error::new(io::ErrorKind::NotFound, "the folder is empty")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut Question)) -> (Result<(), Problem>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let mut question = Question {
            nonce: "beef".to_owned(),
            version: version().to_owned(),
            runs: folder.path().to_owned(),
            worker: None,
            files: Vec::new(),
            spec: None,
            gpus: 0,
        };
        change(&mut question);
        let json = serde_json::to_vec(&question).unwrap();
        fs::write(folder.path().join(Question::FILE), json).unwrap();
        let mut found = Vec::new();
        let looked = look(folder.path(), "beef", &mut found);
        (looked, found)
    }

    fn problem(change: impl FnOnce(&mut Question)) -> String {
        asked(change).0.unwrap_err().what
    }

    #[test]
    fn what_is_there_is_told_and_what_is_not_is_a_sentence() {
        let (looked, found) = asked(|_| {});
        assert_eq!((looked, found), (Ok(()), vec!["the runs directory".into(), "this program".into()]));
        assert!(problem(|question| question.nonce = "old".to_owned()).contains("is not seen there"));
        let other = problem(|question| question.version = "0.0.1".to_owned());
        assert!(other.contains("and 0.0.1 has asked"), "{other}");
        let runs = problem(|question| question.runs = "/nowhere/runs".into());
        assert!(runs.starts_with("nothing can be written to the runs directory `/nowhere/runs`"), "{runs}");
        let images = problem(|question| question.files = vec!["/nowhere/images".into()]);
        assert!(images.starts_with("`/nowhere/images` cannot be read: No such file"), "{images}");
        let worker = problem(|question| question.worker = Some("/nowhere/gridboard-worker".into()));
        assert!(worker.starts_with("cannot start the worker `/nowhere/gridboard-worker`"), "{worker}");
    }

    #[test]
    fn the_images_are_opened_one_by_one() {
        let images = tempfile::tempdir().unwrap();
        let path = images.path().to_owned();
        assert!(problem(|question| question.files = vec![path.clone()]).contains("the folder is empty"));
        fs::write(path.join("images.npy"), "").unwrap();
        let (looked, found) = asked(|question| question.files = vec![path.clone(), path.join("images.npy")]);
        assert_eq!((looked, found.last().map(String::as_str)), (Ok(()), Some("the images")));
    }
}
