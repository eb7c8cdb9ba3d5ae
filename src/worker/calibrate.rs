//! How fast a network trains beside others like it: what the choice of a placement is made of.
//!
//! Started by the orchestrator, several at once: says `ready` after a first step, waits for a line on stdin, so that all
//! measure at the same time, says its images per second, and goes on training until stdin ends, so that none measures
//! alone. Trains on noise from memory; reads `run.json` and nothing else, and writes no file.

use std::{
    io::{self, BufRead, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use gridboard::{
    run::{RunDir, RunFile},
    spec::Train,
};

use crate::{
    data::Images,
    engine::{BatchResult, Engine, training_images},
    error::TrainError,
    machine,
    train::read_run_file,
};

/// Measures the run that `run_dir/run.json` describes, for `seconds` and one step at least. Returns the exit code.
pub(crate) fn calibrate(run_dir: &Path, seconds: f64) -> u8 {
    machine::keep_memory();
    let measured = read_run_file(run_dir).and_then(|run| {
        machine::set_threads(run.threads);
        measure(&run, Duration::from_secs_f64(seconds))
    });
    match measured {
        Ok(()) => 0,
        Err(error) => {
            // A log that cannot be written leaves nobody to tell.
            let _ = writeln!(io::stderr(), "gridboard-worker: {}", error.one_line());
            1
        }
    }
}

fn measure(run: &RunFile, time: Duration) -> Result<(), TrainError> {
    let settings = Train::from_parameters(&run.parameters)?;
    let missing =
        || TrainError::RunFile { path: RunDir::RUN_FILE.into(), problem: "`dataset` is missing".to_owned() };
    let dataset = run.dataset.as_ref().ok_or_else(missing)?;
    let (side, classes) = (dataset.image_size as usize, dataset.classes.len().max(1));
    // As the engine takes it: no batch is larger than the images that train.
    let batch = settings.fitting(training_images(&dataset.split)).batch_size as usize;
    // Any bytes will do that are not all alike.
    let pixels: Vec<u8> =
        (0..batch * side * side).map(|at| ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let labels: Vec<u8> = (0..batch).map(|row| (row % classes) as u8).collect();
    let device = machine::device(&run.device)?;
    let images = Images::new(&pixels, &labels, side, device)?;
    let mut engine = Engine::from_run(run, device)?;
    let rows: Vec<usize> = (0..batch).collect();
    let order = images.order(&rows)?;
    let mut step = || {
        for batch in order.batches(batch) {
            BatchResult::wait([engine.train(batch)?])?;
        }
        Ok::<_, TrainError>(())
    };
    step()?;
    say("ready");
    let over = until_stdin_ends();
    let begun = Instant::now();
    let mut steps = 0_u32;
    while steps == 0 || begun.elapsed() < time {
        step()?;
        steps += 1;
    }
    say(&format!("{:.3}", f64::from(steps) * batch as f64 / begun.elapsed().as_secs_f64()));
    while !over.load(Ordering::Relaxed) {
        step()?;
    }
    Ok(())
}

/// Waits for the first line of stdin; the flag is raised at its end.
fn until_stdin_ends() -> Arc<AtomicBool> {
    let over = Arc::new(AtomicBool::new(false));
    let mut input = io::stdin().lock();
    // Where there is no line, the end has come already.
    let _ = input.read_line(&mut String::new());
    drop(input);
    let flag = over.clone();
    thread::spawn(move || {
        // What cannot be read has nobody at its other end either.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        flag.store(true, Ordering::Relaxed);
    });
    over
}

fn say(line: &str) {
    // Where nobody listens, stdin ends.
    let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
}
