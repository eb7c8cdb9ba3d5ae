//! `gridboard corpus`: what is in a corpus, and whether results on it can be trusted.

use std::path::{Path, PathBuf};

use super::{
    CliError, corpus, exit,
    output::{self, write_figure},
    runtime, signals, suite,
};
use crate::{
    base::signals::Signals,
    corpus::{audit::Audit, cache_root},
    figure::{self, ClassCount},
    publish,
    report::{Format, audit_tables, class_table, pair_table},
    spec::{self, Dataset, Experiment, Overrides, Spec, Untold},
    sweep::{self, AuditProgress},
};

/// Check the images of a folder or of a spec: duplicates, groups across the split, what gives the class away
///
/// Prints what Tab. 1 and Fig. 2 of the paper are made of, then what makes results worth less, and last the warnings
/// with their counts. The findings about a spec are kept for its report.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder with a folder of images per class, or the spec of an experiment or of a suite
    #[arg(value_name = "DIR|SPEC")]
    what: PathBuf,
    /// Folder with one folder of images per class, instead of the spec's
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Override a key of the spec: `--set dataset.test=0.15`
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Look for groups across the split: a regular expression as `dataset.group_by`, instead of the spec's
    #[arg(long, value_name = "REGEX")]
    group_by: Option<String>,
    /// Output format; JSON has everything that was found, CSV the classes
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
    /// Print every pair of duplicates instead
    #[arg(long)]
    pairs: bool,
    /// Draw the images of each class (Fig. 2) to this path, as SVG and as PNG
    #[arg(long, value_name = "PATH")]
    figure: Option<PathBuf>,
    /// End with exit code 1 where there is a warning
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let runtime = runtime()?;
    let mut warned = false;
    let mut show = |name: &str, audit: &Audit| {
        warned |= !audit.warnings.is_empty();
        show(name, audit, args)
    };
    if args.what.is_dir() {
        if args.images.is_some() || !args.set.is_empty() {
            return Err(CliError::Usage {
                message: format!("`{}` is a folder: there is no spec to change", args.what.display()),
                hint: Some("`--images` and `--set` go with the spec of an experiment".to_owned()),
            });
        }
        let audit = runtime.block_on(check(Subject::Folder(args.what.clone()), args, &signals))?;
        show(&args.what.display().to_string(), &audit)?;
    } else {
        let experiments = experiments(args)?;
        let mut shown: Vec<(&Dataset, Audit)> = Vec::new();
        for experiment in &experiments {
            let Some(dataset) = &experiment.dataset else { continue };
            // The experiments of a suite mostly share their images.
            let known = shown.iter().find(|(other, _)| *other == dataset).map(|(_, audit)| audit.clone());
            let audit = match known {
                Some(audit) => audit,
                None => {
                    let audit =
                        runtime.block_on(check(Subject::Spec(Box::new(dataset.clone())), args, &signals))?;
                    show(&experiment.name, &audit)?;
                    shown.push((dataset, audit.clone()));
                    audit
                }
            };
            // Another pattern than the spec's is a question of the moment.
            if args.group_by.is_none() {
                let path = publish::keep_audit(runs_dir, &experiment.name, &audit)?;
                output::note(&format!("kept for the report: {}", path.display()));
            }
        }
    }
    Ok(if args.strict && warned { exit::ERROR } else { exit::DONE })
}

/// The experiments of a spec or of a suite; at least one of them has images.
fn experiments(args: &Args) -> Result<Vec<Experiment>, CliError> {
    let overrides = Overrides {
        set: args.set.clone(),
        images: args.images.clone(),
        untold: Untold::Higher,
        ..Overrides::default()
    };
    let experiments = match spec::load_any(&args.what, &overrides)? {
        Spec::Experiment(experiment) => vec![*experiment],
        Spec::Suite(suite) => {
            let plain = args.format == Format::Table && !args.pairs && args.figure.is_none();
            suite::one_format(&suite, plain, "give one of its specs instead")?;
            suite.experiments
        }
    };
    if experiments.iter().all(|experiment| experiment.dataset.is_none()) {
        return Err(CliError::Usage {
            message: format!("`{}` names no images", args.what.display()),
            hint: Some("`dataset.images` does, or give a folder instead of a spec".to_owned()),
        });
    }
    Ok(experiments)
}

enum Subject {
    Folder(PathBuf),
    Spec(Box<Dataset>),
}

/// Checks on threads of its own, so that Ctrl-C is heard.
async fn check(subject: Subject, args: &Args, signals: &Signals) -> Result<Audit, CliError> {
    let root = cache_root()?;
    let group_by = args.group_by.clone();
    corpus::interruptible(signals, move |cancelled| {
        let (preparing, looking) = (corpus::Bar::new("preparing"), corpus::Bar::new("looking at"));
        let progress = AuditProgress { preparing: &preparing, looking: &looking };
        let group_by = group_by.as_deref();
        match &subject {
            Subject::Folder(folder) => sweep::audit_folder(folder, &root, group_by, &progress, cancelled),
            Subject::Spec(dataset) => sweep::audit_dataset(dataset, &root, group_by, &progress, cancelled),
        }
    })
    .await
}

fn show(name: &str, audit: &Audit, args: &Args) -> Result<(), CliError> {
    if let Some(path) = &args.figure {
        let class = |class: &crate::corpus::audit::ClassCensus| ClassCount {
            label: class.class.clone(),
            images: class.images,
            stated: None,
        };
        let classes: Vec<ClassCount> = audit.classes.iter().map(class).collect();
        write_figure(path, &figure::count_bars(&format!("{name}: images of each class"), &classes)?)?;
    }
    if args.pairs {
        return output::table(&pair_table(audit, None), args.format);
    }
    match args.format {
        Format::Json => output::json(audit),
        Format::Table => {
            for (place, (_, table)) in audit_tables(audit).iter().enumerate() {
                if place > 0 {
                    output::data("\n")?;
                }
                output::table(table, Format::Table)?;
            }
            Ok(())
        }
        format => output::table(&class_table(audit), format),
    }
}
