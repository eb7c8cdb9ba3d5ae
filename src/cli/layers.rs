//! `gridboard show RUN --layers`: the layers of a run's network, Tab. 2 of the paper. From arithmetic alone, so for runs that
//! never started too.

use serde_json::{Value as Json, json};

use super::{CliError, output};
use crate::{
    model::{Architecture, Layer},
    report::{Format, layers_table, totals},
    spec::Experiment,
    store::RunRecord,
};

/// Prints the layers.
///
/// # Errors
/// [`CliError::Usage`] for a `command` run, whose network is its own affair.
pub(super) fn show(run: &RunRecord, experiment: Option<&Experiment>, format: Format) -> Result<(), CliError> {
    let layers = layers(run, experiment)?;
    if format != Format::Json {
        let title = format!("The layers of {}", run.spec.name);
        return output::table(&layers_table(title, &layers), format);
    }
    let rows: Vec<Json> = layers
        .iter()
        .map(|layer| {
            json!({
                "layer": layer.name, "kind": layer.kind.to_string(), "activation": layer.activation.to_string(),
                "output_shape": layer.output_shape, "parameters": layer.parameters, "flops": layer.flops,
            })
        })
        .collect();
    let (parameters, flops) = totals(&layers);
    output::data(&format!(
        "{:#}",
        json!({
            "experiment": run.experiment, "run": run.spec.name, "family": run.spec.family, "layers": rows,
            "parameters": parameters, "flops_per_image": flops,
        })
    ))
}

fn layers(run: &RunRecord, experiment: Option<&Experiment>) -> Result<Vec<Layer>, CliError> {
    let unknown = |why: String| CliError::Usage {
        message: format!("the layers of `{}` are not known: {why}", run.spec.name),
        hint: None,
    };
    let network = Architecture::from_parameters(run.spec.family, &run.spec.parameters)
        .map_err(|error| unknown(error.to_string()))?
        .ok_or_else(|| unknown("its trainer is a program of your own".to_owned()))?;
    let dataset = experiment.and_then(|experiment| experiment.dataset.as_ref());
    let dataset = dataset.ok_or_else(|| unknown("its experiment has no images".to_owned()))?;
    let classes = u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX);
    network.layers(dataset.image_size, classes).map_err(|error| unknown(error.to_string()))
}
