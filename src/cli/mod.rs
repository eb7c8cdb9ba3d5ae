//! The command line: one file a verb, whose doc comments are the help text.
//!
//! Data goes to stdout, everything else to stderr. Exit codes are the constants of [`exit`].

mod archive;
mod audit;
mod cancel;
mod cluster;
mod compare;
mod completions;
mod config;
mod confirm;
mod control;
mod corpus;
mod delete;
mod devices;
mod doctor;
mod doctor_database;
mod doctor_files;
mod drain;
mod error;
mod experiments;
mod import;
mod importance;
mod index;
mod layers;
mod listing;
mod marks;
mod note;
mod output;
mod pause;
mod plan;
mod plan_cluster;
mod plan_estimate;
mod plan_notes;
mod predict;
mod progress;
mod replace;
mod report;
mod requeue;
mod rerun;
mod resume;
mod room;
mod run;
mod run_words;
mod runs;
mod schema;
mod serve;
mod setup;
mod show;
mod spec_args;
mod sql;
mod suite;
mod sweeps;
mod tag;
mod tensorboard;
mod tensorboard_link;
mod top;
mod trace;
mod verify;
mod why;

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use tokio::sync::oneshot;

use crate::{
    base::signals::{Signals, hear_children},
    store::{StoreError, behind, choose_database, tell_upgrades},
};
pub use error::{CliError, exit};

/// Turn a YAML grid into trained, tracked and ranked runs.
#[derive(Debug, Parser)]
#[command(name = "gridboard", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 error, 2 usage or spec, 3 finished with failed runs, \
                  4 the runs database was lost or damaged meanwhile, or files and database disagree, 130 interrupted.")]
pub struct Cli {
    /// Where runs and their database are
    #[arg(long, global = true, env = "GRIDBOARD_RUNS", default_value = "runs", value_name = "DIR")]
    runs_dir: PathBuf,
    /// The runs database, where it is not in the runs directory; later commands on this machine find it there
    #[arg(long, global = true, env = "GRIDBOARD_DATABASE", value_name = "FILE")]
    database: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Plan(plan::Args),
    Corpus(audit::Args),
    Top(top::Args),
    Importance(importance::Args),
    Serve(serve::Args),
    Tensorboard(tensorboard::Args),
    Trace(trace::Args),
    Runs(runs::Args),
    Show(show::Args),
    Predict(predict::Args),
    Rerun(rerun::Args),
    Compare(compare::Args),
    Sql(sql::Args),
    Report(report::Args),
    Why(why::Args),
    Cancel(cancel::Args),
    Requeue(requeue::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Drain(drain::Args),
    Tag(tag::Args),
    Note(note::Args),
    Archive(archive::Args),
    Delete(delete::Args),
    Import(import::Args),
    Index(index::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
    Setup(setup::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// Runs the program: parses the arguments, carries out the command and renders its error.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    tell_upgrades(progress::upgrading);
    let result = hear_children().map_err(CliError::Signals).and_then(|()| carry_out(&cli));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn carry_out(cli: &Cli) -> Result<u8, CliError> {
    if let Some(file) = &cli.database {
        choose_database(&cli.runs_dir, file);
    }
    tell_behind(cli);
    match &cli.command {
        Command::Run(args) => run::run(&cli.runs_dir, args),
        Command::Plan(args) => plan::run(&cli.runs_dir, args),
        Command::Corpus(args) => audit::run(&cli.runs_dir, args),
        Command::Top(args) => top::run(&cli.runs_dir, args),
        Command::Importance(args) => importance::run(&cli.runs_dir, args),
        Command::Serve(args) => serve::run(&cli.runs_dir, args),
        Command::Tensorboard(args) => tensorboard::run(&cli.runs_dir, args),
        Command::Runs(args) => runs::run(&cli.runs_dir, args),
        Command::Trace(args) => trace::run(&cli.runs_dir, args),
        Command::Show(args) => show::run(&cli.runs_dir, args),
        Command::Predict(args) => predict::run(&cli.runs_dir, args),
        Command::Rerun(args) => rerun::run(&cli.runs_dir, args),
        Command::Compare(args) => compare::run(&cli.runs_dir, args),
        Command::Sql(args) => sql::run(&cli.runs_dir, args),
        Command::Report(args) => report::run(&cli.runs_dir, args),
        Command::Why(args) => why::run(&cli.runs_dir, args),
        Command::Cancel(args) => cancel::run(&cli.runs_dir, args),
        Command::Requeue(args) => requeue::run(&cli.runs_dir, args),
        Command::Pause(args) => pause::run(&cli.runs_dir, args),
        Command::Resume(args) => resume::run(&cli.runs_dir, args),
        Command::Drain(args) => drain::run(&cli.runs_dir, args),
        Command::Tag(args) => tag::run(&cli.runs_dir, args),
        Command::Note(args) => note::run(&cli.runs_dir, args),
        Command::Archive(args) => archive::run(&cli.runs_dir, args),
        Command::Delete(args) => delete::run(&cli.runs_dir, args),
        Command::Import(args) => import::run(&cli.runs_dir, args),
        Command::Index(args) => index::run(&cli.runs_dir, args),
        Command::Verify(args) => verify::run(&cli.runs_dir, args),
        Command::Doctor(args) => doctor::run(&cli.runs_dir, args),
        Command::Setup(args) => setup::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(args),
    }
}

/// Says before anything else of which experiments another machine's database has what is newer.
fn tell_behind(cli: &Cli) {
    let makes_it_anew = matches!(cli.command, Command::Index(_));
    let needs_none = matches!(cli.command, Command::Setup(_) | Command::Schema(_) | Command::Completions(_));
    if makes_it_anew || needs_none {
        return;
    }
    for (experiment, host) in behind(&cli.runs_dir) {
        let error = StoreError::Behind { experiment, host };
        let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
        output::note(&format!("warning: {error}{hint}"));
    }
}

/// A runtime for the commands that read the database or drive processes: one thread, which is all they need.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)
}

/// How long work has to notice a signal by itself.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Does on a thread of its own what computes or waits for long, so that a signal ends the wait for it, whatever it does: it is
/// left to the end of the process then, which it has a moment to forestall.
///
/// # Errors
/// The work's; [`CliError::Interrupted`] after a signal.
async fn apart<T: Send + 'static>(
    signals: &Signals,
    work: impl FnOnce(&Signals) -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let (sender, mut receiver) = oneshot::channel();
    let (mut heard, for_work) = (signals.clone(), signals.clone());
    std::thread::Builder::new()
        .spawn(move || {
            // Nobody waits for it any more where this fails.
            let _ = sender.send(work(&for_work));
        })
        .map_err(CliError::Runtime)?;
    let done = tokio::select! {
        done = &mut receiver => done,
        () = heard.next() => match tokio::time::timeout(LAST_MOMENT, receiver).await {
            Ok(done) => done,
            Err(_) => return Err(CliError::Interrupted),
        },
    };
    done.unwrap_or_else(|_| Err(CliError::Runtime(io::Error::other("a thread has panicked"))))
}

/// Waits for work that a signal cuts off.
///
/// # Errors
/// The work's; [`CliError::Interrupted`] after a signal.
async fn unless_asked<T>(
    signals: &Signals,
    work: impl Future<Output = Result<T, crate::sweep::SweepError>>,
) -> Result<T, CliError> {
    let mut signals = signals.clone();
    tokio::select! {
        biased;
        () = signals.next() => Err(CliError::Interrupted),
        done = work => Ok(done?),
    }
}

/// The signals of a command that ends in order. To be called before it begins anything.
fn signals() -> Result<Signals, CliError> {
    Signals::listen().map_err(CliError::Signals)
}
