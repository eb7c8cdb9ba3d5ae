//! Families as axes: which parameters belong to which, and what a user reads where they do not fit.

use super::{schema::faults, *};

const DATASET: &str = "experiment: e\ndataset: {phantom: {}}\n";

/// The whole of Tab. 4 in small.
const UNION: &str = "train: {epochs: 1}
grid:
  - {family: [vgg16, vgg19, resnet18, resnet50]}
  - {family: [grid_cnn], conv_layers: [3], layer_size: [64], dense_layers: [1]}
";

fn found(rest: &str) -> Vec<String> {
    problems(&format!("{DATASET}{rest}"))
}

fn names(rest: &str) -> Vec<String> {
    crate::grid::runs(&accept(&format!("{DATASET}{rest}"))).map(|run| run.name).collect()
}

#[test]
fn five_architectures_are_one_experiment() {
    let text = format!("{DATASET}{UNION}");
    let experiment = accept(&text);
    assert_eq!(experiment.family, None);
    let order = [Family::Vgg16, Family::Vgg19, Family::Resnet18, Family::Resnet50, Family::GridCnn];
    assert_eq!(experiment.families(), order);
    let runs: Vec<_> = crate::grid::runs(&experiment).collect();
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["vgg16", "vgg19", "resnet18", "resnet50", "3-conv-64-nodes-1-dense"]);
    assert_eq!(runs.iter().map(|run| run.family).collect::<Vec<_>>(), order);
    assert_eq!(faults(&text), Vec::<String>::new());
    assert_eq!(faults(&text.replace("[grid_cnn]", "[grid_cn]")).len(), 1);
    // Nobody says the family of the second grid.
    assert_eq!(faults(&text.replace("family: [grid_cnn], ", "")), [": anyOf"]);
}

/// Whether the family is an axis or not, what is trained is the same, and so is its id.
#[test]
fn a_swept_family_gives_the_ids_of_a_fixed_one() {
    let swept = accept(&format!("{DATASET}{UNION}"));
    let fixed = |rest: &str| accept(&format!("{DATASET}train: {{epochs: 1}}\n{rest}"));
    let id = |experiment: &Experiment, index| crate::grid::nth(experiment, index).expect("a run").id;
    let grid_cnn = "model: {family: grid_cnn, conv_layers: 3, layer_size: 64, dense_layers: 1}";
    assert_eq!(id(&swept, 4), id(&fixed(grid_cnn), 0));
    assert_eq!(id(&swept, 3), id(&fixed("model: {family: resnet50}"), 0));
    // Where one grid sweeps it and another has the fixed one, a run of both is one run.
    let both = fixed("model: {family: vgg16}\ngrid: [{family: [vgg19, vgg16]}, {batch_size: [32]}]");
    let runs: Vec<_> = crate::grid::runs(&both).map(|run| (run.name, run.family)).collect();
    assert_eq!(runs, [("vgg19".to_owned(), Family::Vgg19), ("vgg16".to_owned(), Family::Vgg16)]);
    let other = fixed("model: {family: vgg16}\ngrid: [{family: [vgg19]}, {batch_size: [16]}]");
    let run = crate::grid::nth(&other, 1).expect("two runs");
    // Every run has a value in the column that the axis makes.
    assert_eq!(run.parameters.get(FAMILY_AXIS), Some(&Value::Text("vgg16".to_owned())));
    assert_eq!((run.name.as_str(), run.family), ("vgg16-batch_size-16", Family::Vgg16));
}

#[test]
fn names_tell_seeds_files_and_other_axes() {
    assert_eq!(
        names("model: {family: resnet18}\ntrain: {epochs: 1}\nseeds: [1, 2]\n"),
        ["resnet18-seed-1", "resnet18-seed-2"]
    );
    assert_eq!(
        names(
            "model: {family: vgg16}\ntrain: {epochs: 1}\n\
             grid: {initial_weights: [../w/vgg16-397923af.pth], freeze: [none, backbone]}\n"
        ),
        [
            "vgg16-initial_weights-vgg16-397923af-freeze-none",
            "vgg16-initial_weights-vgg16-397923af-freeze-backbone"
        ]
    );
}

#[test]
fn parameters_that_a_family_does_not_have_are_mistakes() {
    assert_eq!(
        found("model: {family: vgg16, conv_layers: 3}\ntrain: {epochs: 1}\n"),
        ["line 3, column 24: unknown key `model.conv_layers`; known: family"]
    );
    assert_eq!(
        found(
            "model: {family: grid_cnn, conv_layers: 1, layer_size: 8, dense_layers: 0}\n\
             train: {epochs: 1, freeze: none}\n"
        ),
        [
            "line 4, column 20: unknown key `train.freeze`; known: epochs, batch_size, learning_rate, shuffle, \
          initial_weights, kernels, precision, checkpoint, keep, \
             histograms, pr_curves, batch_curves"
        ]
    );
    assert_eq!(
        found("model: {conv_layers: 3, layer_size: 64, dense_layers: 1}\ntrain: {epochs: 1}\ngrid: {family: [grid_cnn, vgg16]}\n"),
        ["conv_layers", "layer_size", "dense_layers"].map(|name| format!(
            "line 3, column {}: `model.{name}` is not a parameter of `vgg16`; make it an axis of the grids that sweep \
             only `grid_cnn`",
            match name {
                "conv_layers" => 9,
                "layer_size" => 25,
                _ => 41,
            }
        ))
    );
    assert_eq!(
        found("train: {epochs: 1}\ngrid: {family: [vgg16, resnet18], layer_size: [8]}\n"),
        [
            "line 4, column 35: axis `layer_size` is not a parameter of `vgg16`, `resnet18`; known: epochs, batch_size, \
          learning_rate, shuffle, initial_weights, kernels, precision, freeze, backbone_learning_rate"
        ]
    );
    assert_eq!(
        found(
            "train: {epochs: 1}\ngrid:\n  - {family: [vgg16], layer_size: [8]}\n  - {family: [grid_cnn], conv_layers: [1], dense_layers: [1], layer_size: [8]}\n"
        ),
        [
            "line 5, column 23: axis `layer_size` is not a parameter of `vgg16`; put it into a grid that sweeps only \
          `grid_cnn`"
        ]
    );
}

#[test]
fn parameters_that_a_family_lacks_are_mistakes() {
    assert_eq!(
        found("train: {epochs: 1}\ngrid: {family: [vgg16, grid_cnn]}\n"),
        ["conv_layers", "layer_size", "dense_layers"].map(|name| format!(
            "line 1, column 1: `{name}` is missing, which `grid_cnn` needs; make it an axis of grid 0"
        ))
    );
    assert_eq!(
        found("model: {family: resnet18}\n"),
        ["line 1, column 1: `train.epochs` is missing; fix it, or sweep it as an axis of `grid`"]
    );
    assert_eq!(
        found("train: {epochs: 1}\ngrid: [{family: [vgg16]}, {batch_size: [8]}]\n"),
        [
            "line 1, column 1: `model.family` is missing; fix it, or sweep it as an axis of `grid` (grid 1 has no such \
          axis)"
        ]
    );
}

#[test]
fn a_family_axis_is_read_like_any_other() {
    let families = "`grid_cnn`, `vgg16`, `vgg19`, `resnet18`, `resnet50`";
    assert_eq!(
        found("train: {epochs: 1}\ngrid: {family: [vgg16, resnet, vgg16, command]}\n"),
        [
            format!("line 4, column 24: each value of axis `family` must be one of {families}, not `resnet`"),
            "line 4, column 32: axis `family` repeats the value `vgg16`".to_owned(),
            format!(
                "line 4, column 39: each value of axis `family` must be one of {families}, not `command`"
            ),
        ]
    );
    assert_eq!(
        found("model: {family: vgg16}\ntrain: {epochs: 1}\ngrid: {family: [vgg19]}\n"),
        ["line 5, column 8: axis `family` is also fixed as `model.family` at line 3, column 9"]
    );
    assert_eq!(
        problems("experiment: e\nmodel: {family: command, run: [x]}\ngrid: {family: [vgg16]}\n"),
        ["line 3, column 8: axis `family` is a name that every run has already"]
    );
}

#[test]
fn values_that_do_not_go_together_are_mistakes() {
    let with = |train: &str| found(&format!("model: {{family: vgg16}}\ntrain: {{epochs: 1, {train}}}\n"));
    assert_eq!(
        with("kernels: fused"),
        [
            "line 4, column 20: `kernels`: there are no fused kernels for `vgg16`, only for `grid_cnn`; `auto` and `plain` \
          compute them with libtorch"
        ]
    );
    assert_eq!(
        with("precision: bf16"),
        [
            "line 4, column 20: `precision`: bf16 is for `grid_cnn`, not for `vgg16`, which have `fp32`, and `tf32` on CUDA"
        ]
    );
    assert_eq!(
        with("freeze: backbone"),
        ["line 4, column 20: `freeze: backbone` would train the head on features of random weights; give \
          `train.initial_weights`, a file of trained ones"]
    );
    assert_eq!(
        with("freeze: backbone, initial_weights: w.pth, backbone_learning_rate: 1.0e-5"),
        [
            "line 4, column 62: `backbone_learning_rate` has no effect: the backbone is frozen at line 4, column 20"
        ]
    );
    let on = |devices: &str, rest: &str| {
        found(&format!(
            "model: {{family: vgg16}}\ntrain: {{epochs: 1{rest}\nschedule: {{devices: {devices}}}\n"
        ))
    };
    assert_eq!(
        on("cpu:2", ", precision: tf32}"),
        ["line 4, column 20: `precision`: tf32 is for CUDA devices, and `schedule.devices` is `cpu:2`"]
    );
    assert_eq!(
        on("cpu", "}\ngrid: {precision: [fp32, tf32]}"),
        ["line 5, column 8: `precision`: tf32 is for CUDA devices, and `schedule.devices` is `cpu`"]
    );
    for devices in ["auto", "\"cuda:1\""] {
        let train = "model: {family: vgg16}\ntrain: {epochs: 1, precision: tf32}";
        accept(&format!("{DATASET}{train}\nschedule: {{devices: {devices}}}\n"));
    }
    let swept = "model: {family: vgg16}\ntrain: {epochs: 1, initial_weights: w.pth, backbone_learning_rate: 1.0e-5}\n\
                 grid: {kernels: [auto, plain], freeze: [none, backbone]}\n";
    assert_eq!(names(swept).len(), 4);
}
