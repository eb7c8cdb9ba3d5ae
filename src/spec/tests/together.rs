//! One mistake hides no other, whatever section it is in.

use super::*;

#[test]
fn a_misspelt_family_hides_nothing() {
    let text = "\
experiment: e
dataset:
  phantom: {images: [20]}
  classes: [normal, covid, normal]
  validation_split: 1.5
  group_by: \"([\"
model: {family: grid_cn, dense_layers: 0}
train: {epochs: 0, batch_size: \"x\", learning_rate: .inf, epoch: 3}
grid:
  conv_layers: []
  layer_size: [8, 8]
rank: {by: validation/epoch_acuracy}
schedule: {devices: gpu}
";
    let expected = [
        ("line 3, column 13: `dataset.phantom.images` has 1 count for 3 classes", ""),
        ("line 4, column 28: `dataset.classes` repeats the class `normal`", ""),
        ("line 5, column 21: `dataset.validation_split` must be a number over 0 and under 1, not `1.5`", ""),
        (
            "line 6, column 13: `dataset.group_by`: `([` is not a regular expression: ",
            "unclosed character class",
        ),
        (
            "line 7, column 17: `model.family` must be `grid_cnn`, `vgg16`, `vgg19`, `resnet18`, `resnet50` or `command`, ",
            "not `grid_cn`; did you mean `grid_cnn`?",
        ),
        ("line 8, column 17: `train.epochs` must be a whole number from 1 to 1000000, not `0`", ""),
        ("line 8, column 32: `train.batch_size` must be a whole number from 1 to 1000000, not `x`", ""),
        ("line 8, column 52: `train.learning_rate` must be a number over 0, at most 1000, not `.inf`", ""),
        (
            "line 8, column 58: unknown key `train.epoch`; did you mean `epochs`? known: epochs, batch_size, ",
            "initial_weights, kernels, precision, checkpoint, keep, \
             histograms, pr_curves, batch_curves",
        ),
        ("line 10, column 3: axis `conv_layers` has no values", ""),
        ("line 11, column 19: axis `layer_size` repeats the value `8`", ""),
        (
            "line 12, column 12: `rank.by`: `grid_cnn` does not log `validation/epoch_acuracy`; did you mean ",
            "validation/auc",
        ),
        ("line 13, column 21: `schedule.devices`: `gpu` names no devices: ", "`cuda:GPU-<uuid>`"),
    ];
    let found = problems(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (problem, (start, end)) in found.iter().zip(expected) {
        assert!(problem.starts_with(start) && problem.ends_with(end), "{problem}\n{start}..{end}");
    }
}

#[test]
fn a_family_that_nobody_can_guess_makes_no_false_mistakes() {
    let family = "line 2, column 17: `model.family` must be `grid_cnn`, `vgg16`, `vgg19`, `resnet18`, `resnet50` or `command`, \
                  not `perceptron`";
    let rest =
        "depth: 3}\ntrain: {momentum: 0.9, layer_size: 8}\ngrid: {gamma: [1, 2]}\nrank: {by: test/f1}\n";
    assert_eq!(problems(&format!("experiment: e\nmodel: {{family: perceptron, {rest}")), [family]);
    let run = "run: [x, \"{gamma}\"], epochs: many, ";
    assert_eq!(problems(&format!("experiment: e\nmodel: {{family: perceptron, {run}{rest}")), [family]);
}

#[test]
fn a_family_that_nobody_can_guess_hides_nothing_either() {
    let rest = "train: {epochs: 0, momentum: [1]}\ngrid: {batch_size: [x], gamma: [], delta: [1, 1]}\nrank: {top: 0}\n";
    let mistakes = [
        "line 3, column 17: `train.epochs` must be a whole number from 1 to 1000000, not `0`",
        "line 3, column 30: `train.momentum` must be a finite number, `true`, `false` or text, not a list",
        "line 4, column 21: each value of axis `batch_size` must be a whole number from 1 to 1000000, not `x`",
        "line 4, column 25: axis `gamma` has no values",
        "line 4, column 47: axis `delta` repeats the value `1`",
        "line 5, column 13: `rank.top` must be a whole number from 1 to 1000, not `0`",
    ];
    for (model, place, what) in [
        ("model: {family: perceptron}", "line 2, column 17", "or `command`, not `perceptron`"),
        ("model: {family: 3}", "line 2, column 17", "or `command`, not `3`"),
        ("model: {}", "line 2, column 1", "`model.family` is missing"),
        ("model: grid_cnn", "line 2, column 8", "`model` must be a mapping"),
        ("", "line 1, column 1", "`model` is missing"),
    ] {
        let found = problems(&format!("experiment: e\n{model}\n{rest}"));
        assert!(found[0].starts_with(place) && found[0].contains(what), "{found:#?}");
        assert_eq!(found[1..], mistakes, "{model}");
    }
}

#[test]
fn each_key_of_the_dataset_is_read_whatever_the_others_are() {
    let scalars = [
        ("image_size: 0", "`dataset.image_size` must be"),
        ("blur: {kernel: 2, sigma: 0}", "`dataset.blur.kernel` must be"),
        ("validation_split: 0", "`dataset.validation_split` must be"),
        ("stratify: 1", "`dataset.stratify` must be"),
        ("split_seed: -1", "`dataset.split_seed` must be"),
        ("group_by: 3", "`dataset.group_by` must be"),
        ("on_error: fial", "not `fial`; did you mean `fail`?"),
    ];
    let lines: String = scalars.iter().map(|(line, _)| format!("  {line}\n")).collect();
    for (source, hidden) in [
        ("images: x\n  classes: [a, a]", &["repeats the class"][..]),
        ("images: x\n  classes: a", &["`dataset.classes` must be a list"]),
        ("images: 3", &["`dataset.classes` is missing", "`dataset.images` must be"]),
        ("images: x\n  phantom: {seed: -1}", &["`dataset.phantom.seed` must be", "exclude each other"]),
        ("classes: [a, b]", &["`dataset.images` is missing"]),
        ("phantom: 3", &["`dataset.phantom` must be a mapping"]),
        (
            "phantom: {images: [0, 1, 2], difficulty: 2, seed: x, sede: 1}",
            &[
                "has 3 counts for 2 classes",
                "each of",
                "phantom.difficulty",
                "phantom.seed` must",
                "phantom.sede`",
            ],
        ),
    ] {
        let text = WHOLE.replace("dataset: {phantom: {}}", &format!("dataset:\n  {source}\n{lines}"));
        let found = problems(&text);
        let expected =
            hidden.iter().copied().chain(scalars.map(|(_, what)| what)).chain(["blur.sigma` must"]);
        for what in expected.clone() {
            assert!(found.iter().any(|problem| problem.contains(what)), "{what}: {found:#?}");
        }
        assert_eq!(found.len(), expected.count(), "{found:#?}");
    }
}

#[test]
fn one_bad_grid_hides_no_other_and_a_bad_goal_not_its_tag() {
    let text =
        format!("{WHOLE}\ngrid: [3, {{batch_size: [0]}}]\nrank: {{by: {{tag: x/y, goal: maximise}}}}\n");
    let found = problems(&text);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!(found[0], "line 5, column 8: `grid.0` must be a mapping, not `3`");
    assert!(found[1].starts_with("line 5, column 25: each value of axis `batch_size` must be"), "{found:#?}");
    assert!(
        found[2].starts_with("line 6, column 18: `rank.by`: `grid_cnn` does not log `x/y`"),
        "{found:#?}"
    );
    assert!(found[3].ends_with("not `maximise`; did you mean `maximize`?"), "{found:#?}");
}

#[test]
fn quoted_numbers_and_switches_are_called_text() {
    let dataset = "{phantom: {}, image_size: \"32\", stratify: 'true', split_seed: 'x'}";
    assert_eq!(
        problems(&WHOLE.replace("{phantom: {}}", dataset)),
        [
            "line 2, column 36: `dataset.image_size` must be a whole number from 1 to 4096, not the text `32`",
            "line 2, column 52: `dataset.stratify` must be `true` or `false`, not the text `true`",
            "line 2, column 72: `dataset.split_seed` must be a whole number from 0 to 9223372036854775807, not `x`",
        ]
    );
    check(
        "grid: {batch_size: [16, \"0.5\"]}",
        "25: each value of axis `batch_size` must be a whole number from 1 to 1000000, not the text `0.5`",
    );
}
