//! The devices that a command may use: those of the machine, less the CUDA devices that the built-in trainers
//! cannot use.

use super::{CliError, output};
use crate::{
    device::{self, DeviceChoice, Discovery, Obstacle},
    launch,
    schedule::Slot,
    spec::{Experiment, Precision, Value},
};

/// Looks what there is. The worker is asked whether its libtorch can use CUDA devices, where it would be sent
/// to one: the processor and programs of the user's start without that.
///
/// # Errors
/// [`CliError::Unusable`], where CUDA devices are asked for by name and built-in trainers cannot use them; or
/// where the worker does not answer.
pub(super) fn usable(choice: &DeviceChoice, built_in: bool) -> Result<Discovery, CliError> {
    if !choice.needs_cuda() {
        return Ok(Discovery::cpu_only());
    }
    let discovery = device::discover();
    // Without a worker nothing starts, which is said then.
    let Some(worker) = launch::find_worker().ok().filter(|_| built_in && !discovery.cuda.is_empty()) else {
        return Ok(discovery);
    };
    let probe = launch::probe(&worker)?;
    match (probe.cuda.obstacle(discovery.driver.as_ref(), probe.said.as_deref()), choice) {
        (None, _) => Ok(discovery),
        (Some(obstacle), DeviceChoice::Auto) => Ok(discovery.without_cuda(left_out(&obstacle))),
        (Some(obstacle), _) => Err(CliError::Unusable(obstacle)),
    }
}

/// Why CUDA devices are left out, with the cure.
fn left_out(obstacle: &Obstacle) -> String {
    format!("the CUDA devices are not used: {obstacle}; {}", obstacle.hint())
}

/// Says on stderr what went wrong while looking.
pub(super) fn tell(discovery: &Discovery) {
    for problem in &discovery.problems {
        output::note(&format!("warning: {problem}"));
    }
}

/// Refuses TF32, which CUDA devices alone have, where `auto` comes to the processor. (That `cpu` is no device
/// for it is a mistake of the spec.) `discover` looks for devices, and is asked only where it matters.
///
/// # Errors
/// [`CliError::Usage`]; or where the devices cannot be looked at.
pub(super) fn check_precision(
    experiment: &Experiment,
    discover: impl FnOnce(&DeviceChoice) -> Result<Discovery, CliError>,
) -> Result<(), CliError> {
    let tf32 = Value::Text(Precision::Tf32.as_str().to_owned());
    let swept = experiment.grids.iter().flat_map(|grid| &grid.axes);
    let is_used = experiment.fixed.get("precision") == Some(&tf32)
        || swept.into_iter().any(|axis| axis.name == "precision" && axis.values.contains(&tf32));
    let choice = DeviceChoice::parse(&experiment.schedule.devices)?;
    if experiment.is_command() || !is_used || choice != DeviceChoice::Auto {
        return Ok(());
    }
    let discovery = discover(&choice)?;
    if !discovery.cuda.is_empty() {
        return Ok(());
    }
    Err(CliError::Usage {
        message: format!(
            "`{}`: `precision: tf32` is for CUDA devices alone, and `schedule.devices: auto` is the \
             processor: {}",
            experiment.name,
            discovery.cuda_in_words()
        ),
        hint: Some("a processor has `fp32`, and `bf16` for `grid_cnn`".to_owned()),
    })
}

/// The device of one process, from what the user says: `cpu`, `cuda`, `cuda:N`, or the start of a UUID.
/// Answers with its id.
///
/// # Errors
/// Where it names no device here, several, or one that built-in trainers cannot use.
pub(super) fn one(words: &str) -> Result<String, CliError> {
    let words = words.trim();
    let bare = words.starts_with("GPU-") || words.starts_with("MIG-");
    let choice = DeviceChoice::parse(&if bare { format!("cuda:{words}") } else { words.to_owned() })?;
    let several = match &choice {
        DeviceChoice::Auto => true,
        DeviceChoice::Cpu { slots } => slots.is_some(),
        DeviceChoice::Cuda { devices } => devices.len() > 1,
    };
    if several {
        return Err(CliError::Usage {
            message: format!("`{words}` is not one device"),
            hint: Some("`cpu`, `cuda`, `cuda:0` or the UUID of a CUDA device".to_owned()),
        });
    }
    let discovery = usable(&choice, true)?;
    let placement = device::place(&choice, &discovery, None, 1)?;
    Ok(placement.slots.into_iter().next().map_or_else(|| Slot::CPU.to_owned(), |slot| slot.device))
}
