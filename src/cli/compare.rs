//! `gridboard compare`: two runs side by side.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{CliError, exit, output, runtime, show};
use crate::{
    figure,
    predictions::{Comparison, Predictions},
    publish::checked_predictions,
    rank::without_numbered_folders,
    report::{Format, MetricSides, Sides},
    spec::Value,
    store::{Point, Reader, RunRecord},
    tags::SYSTEM_FOLDER,
};

/// Compare two runs on the validation images that both predicted
///
/// Shows the parameters that differ, both accuracies with 95 % Wilson intervals, the exact McNemar test of their
/// difference, and the difference of their confusion matrices. Where one has no predictions: the parameters that differ,
/// and the metrics at the last step.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run: its name, `experiment/name`, or the start of its content id
    first: String,
    /// The run to compare it with
    second: String,
    /// List the images that the two answer differently
    #[arg(long, alias = "images")]
    disagreements: bool,
    /// Draw the difference of the confusion matrices: FILE.svg or FILE.png, or both without an extension
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
    /// Output format; csv is not offered, since this is no list
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let files = args.figure.as_deref().map(figure_files).transpose()?;
    let sides = match runtime()?.block_on(sides(runs_dir, args))? {
        Found::Predictions(sides) => sides,
        Found::Metrics(sides) if args.format == Format::Json => {
            output::json(&sides.json())?;
            return Ok(exit::DONE);
        }
        Found::Metrics(sides) => {
            output::data(&sides.text(output::terminal_width()))?;
            return Ok(exit::DONE);
        }
    };
    if let Some(files) = files {
        let [first, second] = &sides.names;
        let figure = figure::difference_matrix(&sides.comparison, &sides.classes, first, second)
            .map_err(CliError::Figure)?;
        for path in files {
            let bytes = if has_extension(&path, "png") { &figure.png[..] } else { figure.svg.as_bytes() };
            std::fs::write(&path, bytes).map_err(|source| CliError::Write { path: path.clone(), source })?;
            output::note(&format!("wrote {}", path.display()));
        }
    }
    if args.format == Format::Json {
        output::json(&sides.json(args.disagreements))?;
    } else {
        output::data(&sides.text(args.disagreements, output::terminal_width()))?;
    }
    Ok(exit::DONE)
}

/// What two runs can be compared by.
enum Found {
    Predictions(Sides),
    Metrics(MetricSides),
}

async fn sides(runs_dir: &Path, args: &Args) -> Result<Found, CliError> {
    let mut store = Reader::open(runs_dir).await?;
    let runs = [
        show::one(&mut store, runs_dir, &args.first).await?,
        show::one(&mut store, runs_dir, &args.second).await?,
    ];
    let names = if runs[0].experiment == runs[1].experiment {
        runs.each_ref().map(|run| run.spec.name.clone())
    } else {
        runs.each_ref().map(|run| format!("{}/{}", run.experiment, run.spec.name))
    };
    let parameters = runs.each_ref().map(|run| {
        let mut parameters = run.spec.parameters.clone();
        // Seeds are whole numbers up to 2^63 in the database.
        let seed =
            i64::try_from(run.spec.seed).map_or_else(|_| Value::Text(run.spec.seed.to_string()), Value::Int);
        parameters.insert("seed".to_owned(), seed);
        parameters
    });
    let by_predictions = args.disagreements || args.figure.is_some();
    if !by_predictions && runs.iter().any(|run| run.predictions.is_none()) {
        let [first, second] = [store.last_points(runs[0].key).await?, store.last_points(runs[1].key).await?];
        if !first.is_empty() && !second.is_empty() {
            let values = |points: Vec<(String, Point)>| -> HashMap<String, f64> {
                let metrics = points.into_iter().filter(|(tag, _)| !tag.starts_with(SYSTEM_FOLDER));
                metrics.map(|(tag, point)| (tag, point.value)).collect()
            };
            let metrics = beside(&values(first), &values(second));
            return Ok(Found::Metrics(MetricSides { names, parameters, metrics }));
        }
    }
    let lists = [read(&mut store, runs_dir, &runs[0]).await?, read(&mut store, runs_dir, &runs[1]).await?];
    let comparison = Comparison::between(&lists[0], &lists[1]).map_err(|source| CliError::Incomparable {
        message: format!("`{}` and `{}` cannot be compared: {source}", names[0], names[1]),
        hint: Some("runs of one experiment are validated on the same images".to_owned()),
    })?;
    let classes = lists[0].classes.clone();
    Ok(Found::Predictions(Sides { names, parameters, classes, comparison }))
}

/// The metrics of two runs by name: of one that differs in the numbers of its folders alone, the name without them.
fn beside(first: &HashMap<String, f64>, second: &HashMap<String, f64>) -> Vec<(String, [Option<f64>; 2])> {
    let only = |name: &str, values: &HashMap<String, f64>, other: &HashMap<String, f64>| {
        let alike = |tag: &&String| without_numbered_folders(tag) == name && !other.contains_key(*tag);
        let mut alike = values.keys().filter(alike);
        let one = alike.next().map(|tag| values[tag]);
        one.filter(|_| alike.next().is_none())
    };
    let mut metrics: BTreeMap<String, [Option<f64>; 2]> = BTreeMap::new();
    for tag in first.keys().chain(second.keys()) {
        let values = [first.get(tag).copied(), second.get(tag).copied()];
        let bare = without_numbered_folders(tag);
        match [only(&bare, first, second), only(&bare, second, first)] {
            both @ [Some(_), Some(_)] if values.contains(&None) => metrics.insert(bare, both),
            _ => metrics.insert(tag.clone(), values),
        };
    }
    metrics.into_iter().collect()
}

/// The predictions of a run.
async fn read(store: &mut Reader, runs_dir: &Path, run: &RunRecord) -> Result<Predictions, CliError> {
    let Some(file) = &run.predictions else {
        let hint = match run.state {
            state if state.has_results() => {
                "a command has predictions where it writes a predictions.csv into $GRIDBOARD_RUN_DIR"
                    .to_owned()
            }
            state => format!("it is {state}; predictions are stored when a run is completed"),
        };
        return Err(CliError::Incomparable {
            message: format!("run `{}/{}` has no predictions", run.experiment, run.spec.name),
            hint: Some(hint),
        });
    };
    let classes = store.experiment(&run.experiment).await?.map(|record| record.classes).unwrap_or_default();
    let counted = store.confusion(run.key).await?;
    let (read, warnings) = checked_predictions(&runs_dir.join(file), &classes, counted.as_ref());
    let Some(read) = read else {
        let (experiment, name) = (&run.experiment, &run.spec.name);
        return Err(CliError::Incomparable {
            message: warnings.join("\n"),
            hint: Some(format!("gridboard rerun {experiment}/{name} makes predictions that can be believed")),
        });
    };
    for warning in &warnings {
        output::note(&format!("warning: {warning}"));
    }
    Ok(read)
}

/// The files that the figure goes to.
fn figure_files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if has_extension(path, "svg") || has_extension(path, "png") {
        return Ok(vec![path.to_owned()]);
    }
    match path.extension() {
        None => Ok(["svg", "png"].map(|extension| path.with_extension(extension)).to_vec()),
        Some(_) => Err(CliError::Usage {
            message: format!("`{}` is neither an SVG nor a PNG file", path.display()),
            hint: Some("end the name of the figure in .svg or .png, or in neither for both".to_owned()),
        }),
    }
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_numbered_folders_stand_side_by_side() {
        let of = |tags: &[(&str, f64)]| tags.iter().map(|(tag, value)| ((*tag).to_owned(), *value)).collect();
        let first = of(&[("v1/loss", 0.5), ("acc", 0.25), ("fold1/f1", 0.1), ("fold2/f1", 0.2)]);
        let second = of(&[("v2/loss", 0.75), ("fold1/f1", 0.3), ("fold2/f1", 0.4)]);
        let expected = [
            ("acc", [Some(0.25), None]),
            ("fold1/f1", [Some(0.1), Some(0.3)]),
            ("fold2/f1", [Some(0.2), Some(0.4)]),
            ("loss", [Some(0.5), Some(0.75)]),
        ];
        assert_eq!(beside(&first, &second), expected.map(|(name, values)| (name.to_owned(), values)));
    }
}
