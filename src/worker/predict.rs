//! `gridboard-worker predict`: a run's trained network on images from stdin.
//!
//! The language is `gridboard::predictions::protocol`'s. Images come ready for the network, as a corpus has them: files are
//! decoded and resized by the orchestrator, with the code that made the corpus. Nothing is written but answers.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use gridboard::{
    corpus::npy,
    predictions::protocol::{Answers, Hello},
    run::{RunDir, RunFile},
};
use tch::Device;

use crate::{
    data::Images, engine::Engine, error::TrainError, evaluate::evaluate, machine, stop::Stop,
    train::read_run_file, weights,
};

/// Answers for the images on stdin until it ends. Returns the exit code.
pub(crate) fn predict(run_dir: &Path, device: Option<&str>) -> u8 {
    machine::keep_memory();
    let result = read_run_file(run_dir).and_then(|run| {
        machine::set_threads(run.threads);
        let device = machine::device(device.unwrap_or(&run.device))?;
        answer(run_dir, &run, device, &mut io::stdin().lock(), &mut io::stdout().lock())
    });
    match result {
        Ok(()) => 0,
        Err(error) => {
            // A stderr that cannot be written leaves nobody to tell.
            let _ = writeln!(io::stderr(), "gridboard-worker: {}", error.one_line());
            1
        }
    }
}

/// Loads the network, greets, and answers array by array.
///
/// # Errors
/// What `run.json`, the checkpoint or an array lacks; [`TrainError::Stream`] where nobody reads or writes any more.
fn answer(
    run_dir: &Path,
    run: &RunFile,
    device: Device,
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), TrainError> {
    let dataset = run.dataset.as_ref().ok_or_else(|| TrainError::RunFile {
        path: RunDir::new(run_dir).run_file(),
        problem: "`dataset` is missing".to_owned(),
    })?;
    let (side, classes) = (dataset.image_size as usize, dataset.classes.len());
    let mut engine = Engine::from_run(run, device)?;
    weights::load(&RunDir::new(run_dir).checkpoint(), &mut engine)?;
    let batch = engine.evaluation_batch(side);
    say(output, &Hello { id: run.id.clone(), classes, image_size: dataset.image_size, batch })?;
    while let Some(npy::Array { shape, data: pixels }) = npy::read_from(input).map_err(TrainError::Stream)? {
        let n = match shape[..] {
            [n, height, width] if [height, width] == [side as u64; 2] => n as usize,
            _ => {
                let problem =
                    format!("an array of shape {shape:?} came, images [n, {side}, {side}] are taken");
                return Err(TrainError::Stream(problem));
            }
        };
        // Nobody knows the classes here; the loss that they would make is not told.
        let labels = vec![0; n];
        let images = Images::new(&pixels, &labels, side, device)?;
        let rows: Vec<usize> = (0..n).collect();
        let all = evaluate(&mut engine, &images.order(&rows)?, classes, &Stop::default())?;
        say(output, &Answers::new(all.predicted, &all.probabilities, classes))?;
    }
    Ok(())
}

/// Writes one line and hands it over.
fn say(output: &mut impl Write, message: &impl serde::Serialize) -> Result<(), TrainError> {
    let mut line = serde_json::to_vec(message).expect("finite numbers and text are JSON");
    line.push(b'\n');
    let written = output.write_all(&line).and_then(|()| output.flush());
    written.map_err(|error| TrainError::Stream(format!("nobody takes the answers: {error}")))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Cursor};

    use gridboard::{corpus::MappedCorpus, predictions, spec::Value};

    use super::*;
    use crate::{
        data::tests::write_corpus,
        train::{Account, tests::run_file, train},
    };

    /// A trained run of `n` images in a folder, and its validation images one behind the other.
    fn trained(folder: &Path, kernels: &str, classes: usize, n: usize) -> (RunFile, Vec<u8>) {
        let labels: Vec<u8> = (0..n).map(|row| (row / 2 % classes) as u8).collect();
        let dataset = write_corpus(folder, 12, &labels, classes);
        let text = Value::Text(kernels.to_owned());
        let parameters = [("kernels", text), ("layer_size", Value::Int(6)), ("dense_layers", Value::Int(1))];
        let run = run_file(Some(dataset.clone()), &parameters);
        fs::write(folder.join("run.json"), serde_json::to_string(&run).unwrap()).unwrap();
        train(folder, &run, &Stop::default(), &mut Account::default()).unwrap();
        let mapped = MappedCorpus::open(&dataset.cache).unwrap();
        let pixels = (0..n).filter(|row| row % 3 == 2).flat_map(|row| mapped.image(row).to_vec()).collect();
        (run, pixels)
    }

    fn array(pixels: &[u8]) -> Vec<u8> {
        let n = (pixels.len() / 144) as u64;
        [npy::header(&[n, 12, 12]), pixels.to_vec()].concat()
    }

    fn ask(folder: &Path, run: &RunFile, input: Vec<u8>) -> Result<(Hello, Vec<Answers>), TrainError> {
        let mut output = Vec::new();
        answer(folder, run, Device::Cpu, &mut Cursor::new(input), &mut output)?;
        let text = String::from_utf8(output).unwrap();
        let mut lines = text.lines();
        let hello = serde_json::from_str(lines.next().unwrap()).unwrap();
        Ok((hello, lines.map(|line| serde_json::from_str(line).unwrap()).collect()))
    }

    /// Predicted class and probabilities of an image.
    type Row = (usize, Vec<f64>);

    /// What the training wrote of its validation images, and what the checkpoint says of them in arrays of `sizes`.
    fn both(folder: &Path, (run, pixels): &(RunFile, Vec<u8>), sizes: &[usize]) -> (Vec<Row>, Vec<Row>) {
        let (mut arrays, mut rest) = (Vec::new(), &pixels[..]);
        for size in sizes {
            let (piece, others) = rest.split_at(144 * size);
            arrays.extend(array(piece));
            rest = others;
        }
        assert!(rest.is_empty());
        let (_, answers) = ask(folder, run, arrays).unwrap();
        assert_eq!(answers.len(), sizes.len());
        let ours =
            answers.into_iter().flat_map(|all| all.predicted.into_iter().zip(all.probabilities)).collect();
        let widened = |row: predictions::Prediction| {
            (row.predicted, row.probabilities.into_iter().map(f64::from).collect())
        };
        let written = predictions::read(&folder.join("predictions.csv"), &[]).unwrap().rows;
        (written.into_iter().map(widened).collect(), ours)
    }

    /// Our kernels compute each image by itself.
    #[test]
    fn with_fused_kernels_the_checkpoint_repeats_the_predictions_to_the_last_bit_in_any_pieces() {
        for classes in [2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let trained = trained(folder.path(), "fused", classes, 60);
            for sizes in [&[20][..], &[8, 12], &[3, 1, 7, 9]] {
                let (expected, ours) = both(folder.path(), &trained, sizes);
                assert_eq!(ours, expected, "{classes} classes, {sizes:?}");
            }
        }
    }

    /// libtorch cuts a batch up as the processor has it, so the last bits are those of the training where the batches are,
    /// and not elsewhere on every processor.
    #[test]
    fn with_plain_kernels_the_batches_of_the_validation_repeat_its_predictions_to_the_last_bit() {
        for classes in [2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let trained = trained(folder.path(), "plain", classes, 801);
            let (hello, _) = ask(folder.path(), &trained.0, Vec::new()).unwrap();
            assert_eq!(
                (hello.classes, hello.image_size, hello.id.as_str()),
                (classes, 12, trained.0.id.as_str())
            );
            assert_eq!(hello.batch, 256, "two batches, and the second is smaller");
            for sizes in [&[267][..], &[256, 11]] {
                let (expected, ours) = both(folder.path(), &trained, sizes);
                assert_eq!(ours, expected, "{classes} classes, {sizes:?}");
            }
            for sizes in [&[100, 167][..], &[1, 5, 250, 11]] {
                let (expected, ours) = both(folder.path(), &trained, sizes);
                assert_eq!(ours.len(), expected.len());
                let far = |(ours, expected): (&Row, &Row)| {
                    ours.1.iter().zip(&expected.1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
                };
                let worst = ours.iter().zip(&expected).map(far).fold(0.0, f64::max);
                assert!(worst < 1e-6, "{classes} classes, {sizes:?}: {worst}");
            }
        }
    }

    #[test]
    fn what_is_no_image_or_no_checkpoint_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (run, pixels) = trained(folder.path(), "fused", 2, 60);
        let message = |input| ask(folder.path(), &run, input).unwrap_err().one_line();
        let other = [npy::header(&[1, 144]), vec![0; 144]].concat();
        assert!(message(other).ends_with("shape [1, 144] came, images [n, 12, 12] are taken"));
        assert!(message(array(&pixels)[..500].to_vec()).contains("ends after"));
        fs::remove_file(RunDir::new(folder.path()).checkpoint()).unwrap();
        assert!(message(Vec::new()).starts_with("failed to read the weights"));
    }
}
