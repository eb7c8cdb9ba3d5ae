//! `gridboard setup`: libtorch for the built-in trainer of an installed package.
//!
//! `scripts/setup.sh` brings libtorch, here as in a checkout, so both have the same one; this puts it into the user's folder and
//! the package's worker beside it, in the place where [`launch::find_worker`] looks.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{CliError, exit, output};
use crate::{device, launch};

/// What brings libtorch.
const SCRIPT: &str = include_str!("../../scripts/setup.sh");

/// Bring libtorch for the built-in trainer of an installed package, without root
///
/// Says first how much it downloads, and where to. Needs bash and Python 3 with pip. Programs of your own do not need it. In a
/// checkout scripts/setup.sh does the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The libtorch with CUDA, also where no driver is found
    #[arg(long, conflicts_with = "cpu")]
    cuda: bool,
    /// The libtorch for processors, also beside a driver
    #[arg(long)]
    cpu: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    let program = env::current_exe().map_err(at("find this program"))?;
    let beside = launch::beside(&program);
    if beside.is_file() {
        output::note(&format!(
            "`{}` lies beside this program and has its libtorch: there is nothing to set up",
            beside.display()
        ));
        return Ok(exit::DONE);
    }
    let (variant, packaged) = choose(args, &program)?;
    let folder = launch::user_folder().ok_or_else(|| CliError::Setup {
        message: "neither XDG_DATA_HOME nor HOME has an absolute path, so there is no place for libtorch"
            .to_owned(),
        hint: None,
    })?;
    bring(variant, &folder)?;
    let worker = launch::set_up_in(&folder);
    install(&packaged, &worker)?;
    let (facts, _) = launch::ask_worker(&worker, "doctor")?;
    let version = facts["libtorch"]["version"].as_str().unwrap_or("of an unknown version");
    output::note(&format!("the built-in trainer is in place, with libtorch {version}: {}", worker.display()));
    Ok(exit::DONE)
}

/// Which libtorch, and the worker of the package that is linked to it.
fn choose(args: &Args, program: &Path) -> Result<(&'static str, PathBuf), CliError> {
    let known = launch::packaged(program);
    let there: Vec<&(&str, PathBuf)> = known.iter().filter(|(_, file)| file.is_file()).collect();
    let has = |wanted: &str| there.iter().any(|(variant, _)| *variant == wanted);
    let wanted = match (args.cuda, args.cpu) {
        (true, _) => "cuda",
        (_, true) => "cpu",
        _ if has("cuda") && (!has("cpu") || device::discover().driver.is_some()) => "cuda",
        _ => "cpu",
    };
    let found = there.iter().find(|(variant, _)| *variant == wanted);
    found.map(|found| (*found).clone()).ok_or_else(|| {
        let others: Vec<&str> =
            known.iter().map(|(variant, _)| *variant).filter(|variant| has(variant)).collect();
        let message = match others[..] {
            [] => format!("`{}` is not from a package with a built-in trainer", program.display()),
            _ => format!("this package has no trainer for `{wanted}`, only for `{}`", others.join("`, `")),
        };
        let hint = "a checkout builds one: scripts/setup.sh, then cargo build --release (docs/install.md)";
        CliError::Setup { message, hint: Some(hint.to_owned()) }
    })
}

/// Has the script bring libtorch into the folder. What it says goes to stderr.
fn bring(variant: &str, folder: &Path) -> Result<(), CliError> {
    let status = Command::new("bash")
        .args(["-c", SCRIPT, "setup", "--no-venv", &format!("--{variant}"), "--into"])
        .arg(folder)
        // The worker finds the one in the folder alone.
        .env_remove("LIBTORCH")
        .env_remove("LIBTORCH_USE_PYTORCH")
        .status()
        .map_err(at("start bash"))?;
    match status.success() {
        true => Ok(()),
        false => Err(CliError::Setup { message: "libtorch could not be brought".to_owned(), hint: None }),
    }
}

/// Copies the worker to where it finds libtorch; never a half one, never one that is running overwritten.
fn install(packaged: &Path, worker: &Path) -> Result<(), CliError> {
    let folder = worker.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).map_err(at("create the trainer's folder"))?;
    let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(at("create the trainer"))?;
    let mut source = fs::File::open(packaged).map_err(at("open the package's trainer"))?;
    io::copy(&mut source, &mut copy).map_err(at("copy the trainer"))?;
    copy.as_file().set_permissions(fs::Permissions::from_mode(0o755)).map_err(at("copy the trainer"))?;
    copy.persist(worker).map_err(|error| at("copy the trainer")(error.error))?;
    Ok(())
}

fn at(what: &'static str) -> impl FnOnce(io::Error) -> CliError {
    move |error| CliError::Setup { message: format!("cannot {what}: {error}"), hint: None }
}
