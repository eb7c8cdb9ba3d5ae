//! `gridboard tensorboard`: start TensorBoard on experiments, with the switches that suit them.
//!
//! One experiment is its own log directory. Several, the best runs alone, or one whose programs may write HParams records of their
//! own, are a folder of links that follows the runs while TensorBoard is alive, and goes with it.

use std::{
    env, io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{CliError, exit, experiments, listing, output, runtime, signals, tensorboard_link};
use crate::{
    base::{
        error::with_causes,
        human,
        signals::{Signals, ask_to_end},
    },
    run::ExperimentDir,
    store::{ExperimentRecord, Reader},
    sweep::{BoardError, MOST_TICKED, Mirror, View},
};

/// How often the folder of links follows the runs.
const REFRESH: Duration = Duration::from_secs(10);
/// The ports that TensorBoard tries where none is named.
const FIRST_PORTS: RangeInclusive<u16> = 6006..=6016;
/// How long TensorBoard has to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);
/// Points and pictures of a tag that TensorBoard is to keep; its own thousand and ten thin long curves out, and matrices.
const SAMPLES: &str = "scalars=5000,images=100,text=500";

/// Start TensorBoard on an experiment, on several, or on their best runs
///
/// Without a name: on the only experiment, or on all of them. Several experiments are one table of HParams, with a column that
/// tells them apart. TensorBoard is looked for in .venv, in the virtual environment that is active, and on the path. What stands
/// behind `--` is handed to it: `gridboard tensorboard -- --host 0.0.0.0`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiments
    experiments: Vec<String>,
    /// Only so many runs of each experiment, the best
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top: Option<u32>,
    /// Port to listen on; the first that is free from 6006 on without this
    #[arg(long)]
    port: Option<u16>,
    /// Print the command instead, where it needs no folder of links
    #[arg(long)]
    dry_run: bool,
    /// Further arguments for TensorBoard
    #[arg(last = true)]
    more: Vec<String>,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    runtime()?.block_on(async {
        let mut reader = Reader::open(runs_dir).await?;
        let records = if args.experiments.is_empty() {
            experiments::all_or_only(&mut reader, runs_dir, true).await?
        } else {
            let mut records = Vec::new();
            for name in &args.experiments {
                let record = experiments::named(&mut reader, runs_dir, name).await?;
                if records.iter().all(|known: &ExperimentRecord| known.key != record.key) {
                    records.push(record);
                }
            }
            records
        };
        let program = find()?;
        if let ([record], None) = (records.as_slice(), args.top) {
            let dir = ExperimentDir::new(runs_dir, &record.name);
            let is_named = args.more.iter().any(|argument| argument.starts_with("--port"));
            let port = args.port.or_else(|| free_port().filter(|_| !is_named));
            if args.dry_run {
                let arguments = arguments(dir.path(), &record.name, port, args);
                output::data(&format!("{} {}", program.display(), arguments.join(" ")))?;
                return Ok(exit::DONE);
            }
            // Programs may write HParams records of their own, also later on.
            let mirror = match record.spec.is_command() {
                true => {
                    let folder = folder_of_links()?;
                    let mut mirror = Mirror::new(&dir, folder.path());
                    mirror.refresh().map_err(BoardError::from)?;
                    Some((folder, mirror))
                }
                false => None,
            };
            let logdir = mirror.as_ref().map_or(dir.path(), |(folder, _)| folder.path());
            let mut child = start(&program, &arguments(logdir, &record.name, port, args))?;
            if let (Some(port), Some([table, best])) =
                (port.filter(|port| *port > 0), tensorboard_link::fragments(&mut reader, &dir, record).await?)
            {
                output::note(&format!(
                    "TensorBoard ticks no run by itself where there are more than {MOST_TICKED}; with the table, and with the ten best, ticked:\n\
                     http://localhost:{port}/{table}\nhttp://localhost:{port}/{best}"
                ));
            }
            let following = mirror.map(|(folder, mirror)| Following::Mirror { mirror, _folder: folder });
            return ended(wait(&mut child, signals, following).await?);
        }
        if args.dry_run {
            return Err(CliError::Usage {
                message:
                    "`--dry-run` has nothing to print: this needs a folder of links that lives as long as \
                          TensorBoard"
                        .to_owned(),
                hint: Some("name one experiment, without `--top`".to_owned()),
            });
        }
        let folder = folder_of_links()?;
        let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
        let title = listing::shortened(&names, 3);
        let top = args.top.and_then(|top| usize::try_from(top).ok());
        let mut view = View::new(folder.path(), records.clone(), top);
        let runs = view.refresh(&mut reader, runs_dir).await?;
        output::note(&format!("{} of {title}", human::counted(runs, "run")));
        let mut child = start(&program, &arguments(folder.path(), &title, args.port, args))?;
        let following = Following::View { view: Box::new(view), reader, runs_dir };
        ended(wait(&mut child, signals, Some(following)).await?)
    })
}

/// A folder of links that follows its runs.
enum Following<'a> {
    /// Of several experiments, or of the best runs.
    View { view: Box<View>, reader: Reader, runs_dir: &'a Path },
    /// Of an experiment whose programs may write HParams records; the folder goes with it.
    Mirror { mirror: Mirror, _folder: TempDir },
}

impl Following<'_> {
    async fn refresh(&mut self) -> Result<(), BoardError> {
        match self {
            Self::View { view, reader, runs_dir } => view.refresh(reader, runs_dir).await.map(|_| ()),
            Self::Mirror { mirror, .. } => Ok(mirror.refresh()?),
        }
    }
}

/// A folder for links, which is removed when it is dropped.
fn folder_of_links() -> Result<TempDir, CliError> {
    let folder = tempfile::Builder::new().prefix("gridboard-tensorboard-").tempdir();
    folder.map_err(|source| CliError::Write { path: env::temp_dir(), source })
}

/// TensorBoard's program, or how to get it.
fn find() -> Result<PathBuf, CliError> {
    let name = Path::new("tensorboard");
    let in_environment = |folder: PathBuf| folder.join("bin").join(name);
    let path = env::var_os("PATH").unwrap_or_default();
    let candidates = [PathBuf::from(".venv")]
        .into_iter()
        .chain(env::var_os("VIRTUAL_ENV").map(PathBuf::from))
        .map(in_environment)
        .chain(env::split_paths(&path).map(|folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| CliError::TensorBoard {
        message: "there is no `tensorboard` in .venv, in an active virtual environment or on the path"
            .to_owned(),
        hint: Some("python3 -m venv .venv && .venv/bin/pip install tensorboard".to_owned()),
    })
}

fn arguments(dir: &Path, title: &str, port: Option<u16>, args: &Args) -> Vec<String> {
    let mut arguments = vec![
        "--logdir".to_owned(),
        dir.display().to_string(),
        "--reload_interval".to_owned(),
        "5".to_owned(),
        "--samples_per_plugin".to_owned(),
        SAMPLES.to_owned(),
        "--window_title".to_owned(),
        format!("Gridboard:{}", title.replace(' ', "")),
    ];
    if let Some(port) = port {
        arguments.extend(["--port".to_owned(), port.to_string()]);
    }
    arguments.extend(args.more.iter().cloned());
    arguments
}

/// The first free port that TensorBoard would take.
fn free_port() -> Option<u16> {
    FIRST_PORTS.into_iter().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

fn start(program: &Path, arguments: &[String]) -> Result<Child, CliError> {
    Command::new(program).args(arguments).kill_on_drop(true).spawn().map_err(|error| CliError::TensorBoard {
        message: format!("cannot start `{}`: {error}", program.display()),
        hint: None,
    })
}

/// Waits until TensorBoard has ended, or is asked to; `None` for the latter.
async fn wait(
    child: &mut Child,
    mut signals: Signals,
    mut following: Option<Following<'_>>,
) -> Result<Option<ExitStatus>, CliError> {
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => {
                end(child).await;
                return Ok(None);
            }
            status = child.wait() => return status.map(Some).map_err(CliError::Runtime),
            () = tokio::time::sleep(REFRESH), if following.is_some() => {
                let Some(following) = &mut following else { continue };
                if let Err(error) = following.refresh().await && !told {
                    told = true;
                    output::note(&format!("warning: the folder of links is not up to date: {}", with_causes(&error)));
                }
            }
        }
    }
}

/// Asks TensorBoard to end. Ctrl-C in a terminal has told it already.
async fn end(child: &mut Child) {
    if let Some(pid) = child.id() {
        ask_to_end(pid);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _: io::Result<()> = child.kill().await;
    }
}

fn ended(status: Option<ExitStatus>) -> Result<u8, CliError> {
    match status {
        None => Ok(exit::DONE),
        Some(status) if status.success() => Ok(exit::DONE),
        Some(status) => {
            Err(CliError::TensorBoard { message: format!("TensorBoard ended with {status}"), hint: None })
        }
    }
}
