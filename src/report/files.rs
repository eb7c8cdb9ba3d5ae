//! Writes the files of a report: tables, figures, and the confusion matrix of every run.
//!
//! Called at the end of a sweep and by `gridboard report`. Everything is made from the input alone, so the same input
//! gives the same bytes; each file is written beside its place and renamed, so a reader never sees half of one.

use std::{
    collections::HashMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::{
    curves::{self, ScoredRun},
    grid_points::{grid_point_table, top_table},
    leaderboard::{full_table, leaderboard_table},
    table::{Format, Table},
};
use crate::{
    figure::{self, Bar, Figure, FigureError, Panel, Quantity, Series, SheetEntry},
    metrics::ConfusionMatrix,
    rank::{Leaderboard, Row},
};

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct ReportInput {
    /// All runs.
    pub leaderboard: Leaderboard,
    /// Run name and validation counts, of every run that has them, ranked or not.
    pub confusion: Vec<(String, ConfusionMatrix)>,
    /// The curves, of every run that has them.
    pub curves: Vec<RunCurves>,
    /// Tab. 1 of the paper: what was loaded; absent without a dataset.
    pub corpus: Option<Table>,
    /// The predictions of the best runs that have any, best first.
    pub predictions: Vec<ScoredRun>,
}

/// The four curves of a run: (epoch from 0, value), by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunCurves {
    /// The run's name.
    pub run: String,
    /// `train/epoch_accuracy`.
    pub train_accuracy: Vec<(i64, f64)>,
    /// `train/epoch_loss`.
    pub train_loss: Vec<(i64, f64)>,
    /// `validation/epoch_accuracy`.
    pub validation_accuracy: Vec<(i64, f64)>,
    /// `validation/epoch_loss`.
    pub validation_loss: Vec<(i64, f64)>,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or folder could not be written; the ones before it are in place.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A figure could not be drawn.
    #[error("cannot draw `{path}`")]
    Figure {
        /// The figure's path without its extension.
        path: PathBuf,
        /// Why.
        source: FigureError,
    },
    /// A run's name is no plain folder name, so its figure has no place.
    #[error("`{run}` is not a folder name, so its confusion matrix has no place")]
    RunName {
        /// The name.
        run: String,
    },
}

/// Confusion matrices beyond these are left out of the sheet: six rows fill a page.
const MOST_MATRICES: usize = 30;
/// Bars beyond these are left out of the chart: it would be taller than a page.
const MOST_BARS: usize = 60;
/// Curves beyond these are left out: their grey lines would only make the file large.
const MOST_CURVES: usize = 500;
/// The formats of a table's files.
const TABLE_FILES: [(Format, &str); 4] =
    [(Format::Markdown, "md"), (Format::Csv, "csv"), (Format::Json, "json"), (Format::Latex, "tex")];
/// The figures of the report's folder.
const FIGURES: [&str; 6] =
    ["top_ten_confusion", "accuracy_bars", "accuracy_curves", "loss_curves", "roc_curves", "pr_curves"];

/// Writes the report into `dir` (`runs/<experiment>/report`) and each run's confusion matrix into its folder beside
/// `dir`. Figures that have nothing to show are not written, and removed where an earlier report left them.
/// Returns the files written, in the order of writing.
///
/// # Errors
/// See [`ReportError`].
pub fn write(dir: &Path, input: &ReportInput) -> Result<Vec<PathBuf>, ReportError> {
    let mut writer = Writer { written: Vec::new() };
    let leaderboard = &input.leaderboard;
    let top = Some(leaderboard.rule.top);
    writer.table(&dir.join("top_ten"), &top_table(leaderboard, top))?;
    if leaderboard.several_seeds() {
        writer.table(&dir.join("top_ten_runs"), &leaderboard_table(leaderboard, top))?;
        let points = grid_point_table(leaderboard, None).render(Format::Csv, None);
        writer.file(&dir.join("grid_points.csv"), points.as_bytes())?;
    }
    let all = full_table(leaderboard).render(Format::Csv, None);
    writer.file(&dir.join("leaderboard.csv"), all.as_bytes())?;
    if let Some(corpus) = &input.corpus {
        writer.table(&dir.join("corpus"), corpus)?;
    }

    let experiment = leaderboard.experiment.as_str();
    let [sheet, bars, accuracy, loss, roc, pr] = FIGURES.map(|name| dir.join(name));
    writer.figure(&sheet, confusion_sheet(input, experiment))?;
    writer.figure(&bars, accuracy_bars(leaderboard, experiment))?;
    let by_epoch = ranked_curves(input);
    writer.figure(&accuracy, draw_curves(&by_epoch, leaderboard, Quantity::Accuracy))?;
    writer.figure(&loss, draw_curves(&by_epoch, leaderboard, Quantity::Loss))?;
    writer.figure(&roc, curves::roc(experiment, &input.predictions, &leaderboard.classes))?;
    writer.figure(&pr, curves::pr(experiment, &input.predictions, &leaderboard.classes))?;

    let experiment_dir = dir.parent().unwrap_or(dir);
    for (run, matrix) in &input.confusion {
        let place = experiment_dir.join(folder_name(run)?).join("confusion_matrix");
        writer.figure(&place, figure::confusion_matrix(matrix, &leaderboard.classes, run))?;
    }
    Ok(writer.written)
}

/// The run's name, where it is a plain folder name.
fn folder_name(run: &str) -> Result<&str, ReportError> {
    let mut parts = Path::new(run).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) if name == run => Ok(run),
        _ => Err(ReportError::RunName { run: run.to_owned() }),
    }
}

/// The ranked rows, best first.
fn ranked(leaderboard: &Leaderboard) -> Vec<&Row> {
    let mut rows: Vec<&Row> = leaderboard.rows.iter().filter(|row| row.rank.is_some()).collect();
    rows.sort_by_key(|row| row.rank);
    rows
}

fn confusion_sheet(input: &ReportInput, experiment: &str) -> Result<Figure, FigureError> {
    let matrices: HashMap<&str, &ConfusionMatrix> =
        input.confusion.iter().map(|(run, matrix)| (run.as_str(), matrix)).collect();
    let entries: Vec<SheetEntry> = ranked(&input.leaderboard)
        .into_iter()
        .filter_map(|row| {
            let rank = row.rank.filter(|rank| *rank <= input.leaderboard.rule.top)?;
            let matrix = *matrices.get(row.run.as_str())?;
            Some(SheetEntry { rank, run: row.run.clone(), matrix: matrix.clone() })
        })
        .take(MOST_MATRICES)
        .collect();
    let title = format!("{experiment}: confusion matrices of the best {} runs", entries.len());
    let title =
        if entries.len() == 1 { format!("{experiment}: confusion matrix of the best run") } else { title };
    figure::confusion_sheet(&title, &entries, &input.leaderboard.classes)
}

/// Bars in grid order with the axis' values below, where one axis alone was swept (as in Fig. 8); else by rank with the
/// runs' names.
fn accuracy_bars(leaderboard: &Leaderboard, experiment: &str) -> Result<Figure, FigureError> {
    let mut rows = ranked(leaderboard);
    rows.retain(|row| row.train_accuracy.is_some() || row.validation_accuracy.is_some());
    let all = rows.len();
    rows.truncate(MOST_BARS);
    let one_axis = leaderboard.axes.len() == 1 && {
        let seeds: std::collections::HashSet<u64> = rows.iter().map(|row| row.seed).collect();
        seeds.len() <= 1
    };
    let category = if one_axis { leaderboard.axes[0].as_str() } else { "Run" };
    if one_axis {
        rows.sort_by_key(|row| row.index);
    }
    let bars: Vec<Bar> = rows
        .into_iter()
        .map(|row| {
            let value = row.axes.first().and_then(Option::as_ref).filter(|_| one_axis);
            Bar {
                label: value.map_or_else(|| row.run.clone(), ToString::to_string),
                train: row.train_accuracy,
                validation: row.validation_accuracy,
            }
        })
        .collect();
    let part = if all > MOST_BARS { format!(", best {MOST_BARS} of {all} runs") } else { String::new() };
    figure::accuracy_bars(&format!("{experiment}: accuracy at the last epoch{part}"), category, &bars)
}

/// The curves of the ranked runs, best first.
fn ranked_curves(input: &ReportInput) -> Vec<&RunCurves> {
    let curves: HashMap<&str, &RunCurves> =
        input.curves.iter().map(|curves| (curves.run.as_str(), curves)).collect();
    ranked(&input.leaderboard).iter().filter_map(|row| curves.get(row.run.as_str()).copied()).collect()
}

fn draw_curves(
    curves: &[&RunCurves],
    leaderboard: &Leaderboard,
    quantity: Quantity,
) -> Result<Figure, FigureError> {
    let drawn = &curves[..curves.len().min(MOST_CURVES)];
    let panel = |title: &str, points: fn(&RunCurves) -> &[(i64, f64)]| Panel {
        title: title.to_owned(),
        series: drawn
            .iter()
            .map(|run| Series {
                name: run.run.clone(),
                points: points(run).iter().map(|&(epoch, value)| (epoch as f64, value)).collect(),
            })
            .collect(),
    };
    let (word, panels) = match quantity {
        Quantity::Accuracy => (
            "accuracy",
            [
                panel("Training", |run| &run.train_accuracy),
                panel("Validation", |run| &run.validation_accuracy),
            ],
        ),
        Quantity::Loss => (
            "loss",
            [panel("Training", |run| &run.train_loss), panel("Validation", |run| &run.validation_loss)],
        ),
    };
    let part = if curves.len() > drawn.len() {
        format!(", best {} of {} runs", drawn.len(), curves.len())
    } else {
        String::new()
    };
    figure::curves(&format!("{}: {word} by epoch{part}", leaderboard.experiment), quantity, &panels)
}

/// Writes files and remembers them.
struct Writer {
    written: Vec<PathBuf>,
}

impl Writer {
    fn table(&mut self, stem: &Path, table: &Table) -> Result<(), ReportError> {
        for (format, extension) in TABLE_FILES {
            self.file(&stem.with_extension(extension), table.render(format, None).as_bytes())?;
        }
        Ok(())
    }

    /// Writes both forms of a figure, or removes them where there is nothing to draw.
    fn figure(&mut self, stem: &Path, figure: Result<Figure, FigureError>) -> Result<(), ReportError> {
        let (svg, png) = (stem.with_extension("svg"), stem.with_extension("png"));
        match figure {
            Ok(figure) => {
                self.file(&svg, figure.svg.as_bytes())?;
                self.file(&png, &figure.png)
            }
            Err(FigureError::Empty(_)) => [svg, png].into_iter().try_for_each(remove),
            Err(source) => Err(ReportError::Figure { path: stem.to_owned(), source }),
        }
    }

    fn file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
        replace(path, bytes).map_err(|source| ReportError::Write { path: path.to_owned(), source })?;
        self.written.push(path.to_owned());
        Ok(())
    }
}

/// Writes a file beside its place and renames it there. Nothing is synced: a report lost with the machine's power is
/// made again from the database.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::PermissionsExt as _};

    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // The umask applies, as for any other file; temporary files are private otherwise.
    let mut file = tempfile::Builder::new()
        .prefix(".report-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes a file that may not be there.
fn remove(path: PathBuf) -> Result<(), ReportError> {
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ReportError::Write { path, source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
