//! `gridboard import`: a log directory of other programs becomes an experiment.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{CliError, apart, exit, output, progress::RunBar, runtime, signals};
use crate::{
    base::human::counted,
    import::{self, Imported, Request},
    report::Format,
    spec::Goal,
};

/// Bring a TensorBoard log directory in as an experiment
///
/// Any program's: Keras, PyTorch, tensorboardX, Lightning, clu. Its HParams become the axes, `train` and `validation` parts of their run, and
/// `top`, `sql`, `report`, `compare` work on it. Event files are linked to, or copied with --copy; nothing is written into the
/// directory. The same import again takes what has been added since.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The log directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The experiment's name; the directory's where it is absent
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Copy the event files, so that the experiment stands alone
    #[arg(long)]
    copy: bool,
    /// Rank by this metric; else by the best known one that most runs have
    #[arg(long, value_name = "TAG")]
    by: Option<String>,
    /// What is better of it, where its name does not tell
    #[arg(long, value_enum)]
    goal: Option<Better>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

/// What is better.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Better {
    /// Higher values.
    Maximize,
    /// Lower values.
    Minimize,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let bar = RunBar::new("importing");
    let request = Request {
        directory: args.directory.clone(),
        name: args.name.clone(),
        copy: args.copy,
        by: args.by.clone(),
        goal: args.goal.map(|goal| match goal {
            Better::Maximize => Goal::Maximize,
            Better::Minimize => Goal::Minimize,
        }),
    };
    let (dir, told) = (runs_dir.to_owned(), bar.clone());
    let work = apart(&signals, move |signals| {
        let progress = |done: usize, total: usize| told.at(done, total);
        Ok(runtime()?.block_on(import::import(&dir, &request, &progress, signals))?)
    });
    let imported = runtime()?.block_on(work);
    bar.finish();
    let imported = imported?;
    for note in &imported.notes {
        output::note(&format!("warning: {note}"));
    }
    let Imported { name, directory, runs, changed, gone, points, axes, rule, chosen, .. } = &imported;
    let better = match rule.by.goal {
        Goal::Maximize => "higher",
        Goal::Minimize => "lower",
    };
    if args.format == Format::Json {
        output::json(&json!({
            "experiment": name,
            "directory": directory,
            "copied": args.copy,
            "runs": runs,
            "changed": changed,
            "gone": gone,
            "points": points,
            "axes": axes,
            "by": rule.by.tag,
            "goal": rule.by.goal,
            "warnings": imported.notes,
        }))?;
        return Ok(exit::DONE);
    }
    let how = if args.copy { "copied" } else { "linked" };
    output::data(&format!(
        "{name}: {} with {} {how} from {}, {changed} new or changed{}",
        counted(*runs, "run"),
        counted(usize::try_from(*points).unwrap_or(usize::MAX), "point"),
        directory.display(),
        if *gone > 0 { format!(", {gone} gone") } else { String::new() }
    ))?;
    output::data(&format!("axes         {}", axes.join(", ")))?;
    let other = if *chosen { "; --by TAG for another metric" } else { "" };
    output::data(&format!("ranked by    {} ({better} is better{other})", rule.by.tag))?;
    output::data(&format!("look at it   gridboard top {name}"))?;
    Ok(exit::DONE)
}
