//! Writes the files of a report: `report.html`, its tables and figures one by one, and the confusion matrix of every run.
//!
//! Called at the end of a sweep and by `gridboard report`. Everything is made from the input alone, so the same input
//! gives the same bytes; each file is written beside its place and renamed, so a reader never sees half of one. What the
//! report says is `page`'s.

use std::path::{Component, Path, PathBuf};

use super::{
    document::{Block, Document, DrawError},
    grid_points::grid_point_table,
    html,
    input::ReportInput,
    leaderboard::full_table,
    page,
    render::Format,
    table::Table,
};
use crate::{
    base::files::{Durability, FileError, remove_if_there, write_whole},
    figure::{self, Figure, FigureError},
};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or folder could not be written; the ones before it are in place.
    #[error(transparent)]
    Write(#[from] FileError),
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

/// The report itself.
pub(crate) const PAGE: &str = "report.html";
/// The formats of a table's files.
const TABLE_FILES: [(Format, &str); 4] =
    [(Format::Markdown, "md"), (Format::Csv, "csv"), (Format::Json, "json"), (Format::Latex, "tex")];

impl ReportError {
    fn drawing(dir: &Path, error: DrawError) -> Self {
        Self::Figure { path: dir.join(error.stem), source: error.source }
    }
}

/// Writes the report into `dir` (`runs/<experiment>/report`) and each run's confusion matrix into its folder beside
/// `dir`. Figures that have nothing to show are not written, and removed where an earlier report left them.
/// Returns the files written, in the order of writing.
///
/// # Errors
/// See [`ReportError`].
pub(crate) fn write(dir: &Path, input: &ReportInput) -> Result<Vec<PathBuf>, ReportError> {
    let document = page::experiment(input).map_err(|error| ReportError::drawing(dir, error))?;
    let mut writer = Writer { written: Vec::new() };
    let leaderboard = &input.leaderboard;
    writer.document(dir, &document)?;
    if leaderboard.several_seeds() {
        let points = grid_point_table(leaderboard, None).render(Format::Csv, None);
        writer.file(&dir.join("grid_points.csv"), points.as_bytes())?;
    }
    let all = full_table(leaderboard).render(Format::Csv, None);
    writer.file(&dir.join("leaderboard.csv"), all.as_bytes())?;
    writer.remove_others(dir, page::FIGURES.map(str::to_owned))?;

    let experiment_dir = dir.parent().unwrap_or(dir);
    for (run, matrix) in &input.confusion {
        let place = experiment_dir.join(folder_name(run)?).join("confusion_matrix");
        writer.figure(&place, figure::confusion_matrix(matrix, &leaderboard.classes, run))?;
    }
    Ok(writer.written)
}

/// Writes the report of a suite into `dir` (`runs/<suite>.report`): the same document over all its experiments but those
/// that are `missing`, which were not run yet.
/// Returns the files written, in the order of writing.
///
/// # Errors
/// See [`ReportError`].
pub(crate) fn write_suite(
    dir: &Path,
    name: &str,
    inputs: &[ReportInput],
    missing: &[String],
) -> Result<Vec<PathBuf>, ReportError> {
    let inputs: Vec<&ReportInput> = inputs.iter().collect();
    let document = page::suite(name, &inputs, missing).map_err(|error| ReportError::drawing(dir, error))?;
    let mut writer = Writer { written: Vec::new() };
    writer.document(dir, &document)?;
    let names = inputs.iter().map(|input| input.leaderboard.experiment.as_str());
    let figures = names.flat_map(|name| page::FIGURES.map(|stem| format!("{name}-{stem}")));
    writer.remove_others(dir, figures)?;
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

/// Writes files and remembers them.
struct Writer {
    written: Vec<PathBuf>,
}

impl Writer {
    /// The page, and every table and figure of it in files of its own.
    fn document(&mut self, dir: &Path, document: &Document) -> Result<(), ReportError> {
        self.file(&dir.join(PAGE), html::page(document).as_bytes())?;
        for block in document.sections.iter().flat_map(|section| &section.blocks) {
            match block {
                Block::Table { stem, table } => self.table(&dir.join(stem), table)?,
                Block::Figure { stem, figure, .. } => {
                    self.file(&dir.join(format!("{stem}.svg")), figure.svg.as_bytes())?;
                    self.file(&dir.join(format!("{stem}.png")), &figure.png)?;
                }
                Block::Prose(_) | Block::Warning(_) | Block::Listing { .. } => {}
            }
        }
        Ok(())
    }

    /// Removes the figures among these that were not written now.
    fn remove_others(&self, dir: &Path, stems: impl IntoIterator<Item = String>) -> Result<(), ReportError> {
        let files = stems.into_iter().flat_map(|stem| [format!("{stem}.svg"), format!("{stem}.png")]);
        files
            .map(|file| dir.join(file))
            .filter(|path| !self.written.contains(path))
            .try_for_each(|path| Ok(remove_if_there(&path)?))
    }

    fn table(&mut self, stem: &Path, table: &Table) -> Result<(), ReportError> {
        for (format, extension) in TABLE_FILES {
            // Not `with_extension`: a stem may hold a point.
            let mut path = stem.as_os_str().to_owned();
            path.push(format!(".{extension}"));
            self.file(Path::new(&path), table.render(format, None).as_bytes())?;
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
            Err(FigureError::Empty(_)) => {
                [svg, png].into_iter().try_for_each(|path| Ok(remove_if_there(&path)?))
            }
            Err(source) => Err(ReportError::Figure { path: stem.to_owned(), source }),
        }
    }

    fn file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
        write_whole(path, &[bytes], Durability::Written)?;
        self.written.push(path.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
