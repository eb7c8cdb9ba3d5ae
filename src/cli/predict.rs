//! `gridboard predict`: what a run's network says of images.

use std::path::{Path, PathBuf};

use super::{
    CliError, corpus, devices, exit,
    output::{self, write_figure},
    runtime, show, signals,
};
use crate::{
    base::human::{counted, grouped},
    corpus::{BadFile, read_image},
    launch,
    predict::{self, Answer, ImageFile, Shown, TrainedRun},
    report::{Cell, Column, Format, Table},
    run::RunDir,
    store::Reader,
};

/// Class and probability of images, by a run's trained network
///
/// Images are decoded, resized and blurred exactly as the run's corpus was. Files that are no images are
/// listed on stderr, the rest is predicted, and the exit code is 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its name, `experiment/name`, the start of its content id, or its directory
    run: String,
    /// Image files, and folders of them at any depth
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Compare with the class that an image's folder is named after, and mark errors
    #[arg(long)]
    labelled: bool,
    /// Draw the X-rays with their predictions: PATH.svg and PATH.png
    #[arg(long, value_name = "PATH")]
    figure: Option<PathBuf>,
    /// Most X-rays of the figure: wrong answers up to half, evenly chosen
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=300))]
    figure_images: u16,
    /// Where to compute instead of the run's own device: `cpu`, `cuda:0`, or the UUID of a CUDA device
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let run = TrainedRun::open(&directory(runs_dir, &args.run)?)?;
    let preprocess = run.preprocess()?;
    let files = predict::image_files(&args.images, &run.dataset.classes)?;
    if args.labelled && files.iter().all(|file| file.label.is_none()) {
        let classes: Vec<String> = run.dataset.classes.iter().map(|class| format!("`{class}`")).collect();
        return Err(CliError::NotFound {
            message: "`--labelled` finds no class: no image is in a folder of a class' name".to_owned(),
            hint: Some(format!("the run's classes are {}", classes.join(", "))),
        });
    }
    let worker = launch::find_worker()?;
    let device = args.device.as_deref().map(devices::one).transpose()?;
    let load = |place: usize| {
        let file: &ImageFile = &files[place];
        file.problem.clone().map_or_else(|| Ok(preprocess.apply(&read_image(&file.path)?.1.image)), Err)
    };
    let bar = corpus::Bar::new("predicting");
    let answers = predict::ask(&worker, &run, device.as_deref(), files.len(), load, &bar, &signals)?;

    let bad: Vec<BadFile> = files
        .iter()
        .zip(&answers)
        .filter_map(|(file, answer)| {
            let reason = answer.as_ref().err()?.clone();
            Some(BadFile { file: file.path.display().to_string(), reason })
        })
        .collect();
    output::table(&table(&files, &answers, &run, args), args.format)?;
    if let Some(path) = &args.figure {
        let shown = shown(&files, &answers, args.labelled);
        let (chosen, note) = predict::choose(&shown, usize::from(args.figure_images));
        let title = format!("{}/{}: predicted classes", run.file.experiment, run.file.run);
        let figure = predict::xrays(
            &title,
            &note,
            &chosen,
            &run.dataset.classes,
            run.dataset.image_size,
            // It was loaded before; a file that is gone since then has the wrong size, which is said.
            |place| load(place).unwrap_or_default(),
        )?;
        write_figure(path, &figure)?;
    }
    if bad.is_empty() { Ok(exit::DONE) } else { Err(CliError::NoImages { total: files.len(), bad }) }
}

/// A run's directory: the argument itself, or where the database says that the run is.
///
/// # Errors
/// Where it names no run, or several.
pub(super) fn directory(runs_dir: &Path, wanted: &str) -> Result<PathBuf, CliError> {
    let path = Path::new(wanted);
    if RunDir::new(path).run_file().is_file() {
        return Ok(path.to_owned());
    }
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let run = show::one(&mut store, runs_dir, wanted).await?;
        Ok(runs_dir.join(&run.experiment).join(&run.spec.name))
    })
}

/// One row an answer. Machines get a column a class, as in `predictions.csv`; people the predicted class' probability.
fn table(files: &[ImageFile], answers: &[Result<Answer, String>], run: &TrainedRun, args: &Args) -> Table {
    let classes = &run.dataset.classes;
    let machine = args.format != Format::Table;
    let mut columns = vec![Column::text("image"), Column::text("predicted")];
    columns.push(Column::number("probability").decimals(4));
    if args.labelled {
        columns.extend([Column::text("label"), Column::text("correct")]);
    }
    if machine {
        columns.extend((0..classes.len()).map(|class| Column::number(format!("probability_{class}"))));
    }
    let (mut labelled, mut correct, mut predicted) = (0, 0, vec![0_u64; classes.len()]);
    let mut rows = Vec::with_capacity(answers.len());
    for (file, answer) in files.iter().zip(answers) {
        let Ok(answer) = answer else { continue };
        predicted[answer.predicted] += 1;
        let probability = |class: usize| Cell::Float(f64::from(answer.probabilities[class]));
        let mut row = vec![
            Cell::from(file.path.display().to_string()),
            Cell::from(&classes[answer.predicted]),
            probability(answer.predicted),
        ];
        if args.labelled {
            let right = file.label.map(|label| label == answer.predicted);
            labelled += u64::from(right.is_some());
            correct += u64::from(right == Some(true));
            row.push(file.label.map_or(Cell::Empty, |label| Cell::from(&classes[label])));
            row.push(match right {
                None => Cell::Empty,
                Some(right) if machine => Cell::Bool(right),
                Some(true) => Cell::from("yes"),
                Some(false) => Cell::from("NO"),
            });
        }
        if machine {
            row.extend((0..classes.len()).map(probability));
        }
        rows.push(row);
    }
    let counts: Vec<String> =
        classes.iter().zip(&predicted).map(|(class, count)| format!("{} {class}", grouped(*count))).collect();
    let mut notes = vec![format!("{}: {}", counted(rows.len(), "image"), counts.join(", "))];
    if args.labelled {
        #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
        let accuracy = correct as f64 / labelled.max(1) as f64;
        let (right, of) = (grouped(correct), grouped(labelled));
        notes.push(if labelled == 0 {
            "none of them is in a folder of a class' name".to_owned()
        } else {
            format!("{right} of {of} in a folder of a class' name are right: accuracy {accuracy:.4}")
        });
    }
    Table { title: None, columns, rows, notes }
}

/// The answers for the figure; the truth only where it was asked for.
fn shown(files: &[ImageFile], answers: &[Result<Answer, String>], labelled: bool) -> Vec<Shown> {
    let both = files.iter().zip(answers).enumerate();
    both.filter_map(|(place, (file, answer))| {
        let answer = answer.as_ref().ok()?;
        let probability = answer.probabilities[answer.predicted];
        let truth = file.label.filter(|_| labelled);
        Some(Shown { place, predicted: answer.predicted, probability, truth })
    })
    .collect()
}
