//! What a user reads about each mistake.

use super::*;

#[test]
fn five_mistakes_are_reported_together() {
    let text = "\
experiment: tab3
dataset:
  images: ../data/covid-xray
  classes: [normal, covid]
  image_sise: 224
  blur: {kernel: 4, sigma: 1.0}
model: {family: grid_cnn}
train: {epochs: five}
grid:
  dense_layers: []
  conv_layers: [1, 2, 2]
  layer_size: [32]
";
    let error = parse(text, Path::new("experiments/tab3.yaml"), &Overrides::default());
    assert_eq!(
        error.expect_err("five mistakes").to_string(),
        "spec `experiments/tab3.yaml` has 5 problems
  line 5, column 3: unknown key `dataset.image_sise`; did you mean `image_size`? known: images, phantom, classes, \
image_size, blur, test, validation_split, stratify, split_seed, group_by, on_error
  line 6, column 18: `dataset.blur.kernel` must be an odd whole number from 1 to 255, not `4`
  line 8, column 17: `train.epochs` must be a whole number from 1 to 1000000, not `five`
  line 10, column 3: axis `dense_layers` has no values
  line 11, column 23: axis `conv_layers` repeats the value `2`"
    );
}

#[test]
fn one_problem_is_one() {
    let error = parse_text("experiment: e\nexperiment: f\nmodel: {family: command, run: [x]}\n");
    assert_eq!(
        error.expect_err("a repeated key").to_string(),
        "spec `/specs/e.yaml` has 1 problem\n  \
         line 2, column 1: key `experiment` is given twice; the first is at line 1, column 1"
    );
}

#[test]
fn what_must_be_there() {
    assert_eq!(
        problems("{}"),
        [
            "line 1, column 1: `experiment` is missing; it is the name of the experiment",
            "line 1, column 1: `model` is missing; it is a mapping with `family`, such as {family: grid_cnn}",
        ]
    );
    assert_eq!(
        problems("experiment: e\nmodel:\n  family: grid_cnn\n  conv_layers: 1\ngrid: {layer_size: [8]}\n"),
        [
            "line 1, column 1: `dataset` is missing; it is a mapping with `images` or `phantom`",
            "line 1, column 1: `train.epochs` is missing; fix it, or sweep it as an axis of `grid`",
            "line 2, column 1: `model.dense_layers` is missing; fix it, or sweep it as an axis of `grid`",
        ]
    );
    assert_eq!(
        problems("experiment: e\nmodel: {family: command}\ndataset: {classes: [a, b]}"),
        [
            "line 2, column 1: `model.run` is missing; it is program and its arguments as a list, such as \
             [python, train.py, --lr, \"{lr}\"]",
            "line 3, column 1: `dataset.images` is missing; it is the folder with a folder per class; or give \
             `dataset.phantom`",
        ]
    );
    assert_eq!(problems(""), ["line 1, column 1: the spec is empty"]);
    assert_eq!(problems("[a]"), ["line 1, column 1: the spec must be a mapping, not a list"]);
}

#[test]
fn axes() {
    let known = "known: conv_layers, layer_size, dense_layers, epochs, batch_size, learning_rate, shuffle, \
                 initial_weights, kernels, precision";
    check("grid: {batch_size: []}", "8: axis `batch_size` has no values");
    check("grid: {batch_size: }", "8: axis `batch_size` has no values");
    check("grid: {batch_size: 32}", "20: axis `batch_size` must be a list of values, not `32`");
    check("grid: {batch_size: [32, 64, 32]}", "29: axis `batch_size` repeats the value `32`");
    check("grid: {learning_rate: [1, 0.1, 1.0]}", "32: axis `learning_rate` repeats the value `1`");
    check(
        "grid: {learning_rate: [.inf]}",
        "24: each value of axis `learning_rate` must be a number over 0, at most 1000, not `.inf`",
    );
    check(
        "grid: {learning_rate: [1.0e+999]}",
        "24: each value of axis `learning_rate` must be a number over 0, at most 1000, not `1.0e+999`",
    );
    check(
        "grid: {batch_size: [32.0]}",
        "21: each value of axis `batch_size` must be a whole number from 1 to 1000000, not `32.0`",
    );
    check(
        "grid: {batch_size: [null]}",
        "21: each value of axis `batch_size` must be a whole number from 1 to 1000000, not nothing",
    );
    check(
        "grid: {shuffle: [true, yes]}",
        "24: each value of axis `shuffle` must be `true` or `false`, not `yes`",
    );
    check(
        "grid: {learnig_rate: [1]}",
        &format!(
            "8: axis `learnig_rate` is not a parameter of `grid_cnn`; did you mean `learning_rate`? {known}"
        ),
    );
    check("grid: {momentum: [1]}", &format!("8: axis `momentum` is not a parameter of `grid_cnn`; {known}"));
    check(
        "grid: {layer_size: [8, 16]}",
        "8: axis `layer_size` is also fixed as `model.layer_size` at line 3, column 60",
    );
    check(
        "grid: [{layer_size: [16]}, {epochs: [2], epochs: [3]}]",
        "42: key `epochs` is given twice; the first is at line 5, column 29",
    );
    check("grid: []", "1: `grid` is an empty list; leave the key out for a single run");
    check("grid: 3", "7: `grid` must be a mapping, not `3`");
}

#[test]
fn parameters() {
    assert_eq!(
        problems(&WHOLE.replace("train: {", "train: {layer_size: 8, epoch: 2, batch_size: 0, ")),
        [
            "line 4, column 9: `train.layer_size` belongs under `model`: `model.layer_size`",
            "line 4, column 24: unknown key `train.epoch`; did you mean `epochs`? known: epochs, batch_size, \
             learning_rate, shuffle, initial_weights, kernels, precision, checkpoint, keep, \
             histograms, pr_curves, batch_curves",
            "line 4, column 46: `train.batch_size` must be a whole number from 1 to 1000000, not `0`",
        ]
    );
    assert_eq!(
        problems(&WHOLE.replace("family: grid_cnn", "family: gridcnn")),
        [
            "line 3, column 17: `model.family` must be `grid_cnn`, `vgg16`, `vgg19`, `resnet18`, `resnet50` or `command`, \
             not `gridcnn`; did you mean `grid_cnn`?"
        ]
    );
}

#[test]
fn seeds_rank_and_schedule() {
    check("seeds: []", "1: `seeds` is empty; give at least one, or leave the key out for `[0]`");
    check("seeds: [1, 2, 1]", "15: `seeds` repeats the seed `1`");
    check("seeds: 3", "8: `seeds` must be a list, not `3`");
    check("seeds: [-1]", "9: each of `seeds` must be a whole number from 0 to 9223372036854775807, not `-1`");
    check("rank: {top: 0}", "13: `rank.top` must be a whole number from 1 to 1000, not `0`");
    check(
        "rank: {by: validation/epoch_acuracy}",
        "12: `rank.by`: `grid_cnn` does not log `validation/epoch_acuracy`; did you mean \
         `validation/epoch_accuracy`? known: validation/epoch_accuracy, validation/epoch_loss, \
         train/epoch_accuracy, train/epoch_loss, train/epoch_learning_rate, batch/loss, \
         train/images_per_second, validation/precision, validation/recall, validation/specificity, \
         validation/f1, validation/auc",
    );
    check(
        "rank: {by: {tag: validation/f1, goal: up}}",
        "39: `rank.by.goal` must be `maximize` or `minimize`, not `up`",
    );
    check(
        "rank: {by: validation/f1, then: validation/f1}",
        "27: `rank.then` is the metric of `rank.by`, `validation/f1`: it breaks no tie",
    );
    check(
        "schedule: {runs_per_device: 0}",
        "29: `schedule.runs_per_device` must be `auto` or a whole number from 1 to 1024, not `0`",
    );
    check(
        "schedule: {grace: 1.5m}",
        "19: `schedule.grace` must be a duration such as `30s`, `5m` or `8h`, not `1.5m`",
    );
    check(
        "schedule: {devices: [0]}",
        "21: `schedule.devices` must be `auto`, `cpu`, `cpu:N`, `cuda` or `cuda:N,N`, not a list",
    );
    check(
        "schedule: {devices: gpu}",
        "21: `schedule.devices`: `gpu` names no devices: known are `auto`, `cpu`, `cpu:N`, `cuda`, `cuda:0,2` and \
         `cuda:GPU-<uuid>`",
    );
    check(
        "schedule: {devices: 'cpu:0'}",
        "21: `schedule.devices`: `cpu:0`: the number of slots is a whole number from 1 to 1024",
    );
}

#[test]
fn dataset() {
    let dataset = |keys: &str| problems(&WHOLE.replace("{phantom: {}}", &format!("{{{keys}}}")));
    let one = |keys: &str, expected: &str| assert_eq!(dataset(keys), [expected], "{keys}");
    one(
        "phantom: {}, images: x",
        "line 2, column 11: `dataset.phantom` and `dataset.images` exclude each other",
    );
    one(
        "images: x",
        "line 2, column 1: `dataset.classes` is missing; it is the list of class names in index order, such as \
         [normal, covid]",
    );
    one("images: x, classes: [a]", "line 2, column 22: `dataset.classes` must name 2 to 256 classes, not 1");
    one("images: x, classes: [a, b, a]", "line 2, column 38: `dataset.classes` repeats the class `a`");
    one(
        "images: x, classes: [a, b/c]",
        "line 2, column 35: each of `dataset.classes` must be a class name (the name of a folder), not `b/c`",
    );
    assert!(dataset("images: x, classes: [0, 1]")[0].contains("in quotes where it is a number"));
    one(
        "phantom: {images: [1, 2, 3]}",
        "line 2, column 21: `dataset.phantom.images` has 3 counts for 2 classes",
    );
    one(
        "phantom: {}, validation_split: 1",
        "line 2, column 42: `dataset.validation_split` must be a number over 0 and under 1, not `1`",
    );
    for (test, shown) in [("0", "`0`"), ("1", "`1`"), ("[0.1]", "a list"), ("true", "`true`")] {
        one(
            &format!("phantom: {{}}, test: {test}"),
            &format!(
                "line 2, column 30: `dataset.test` must be a number over 0 and under 1 or the path of a folder, not {shown}"
            ),
        );
    }
    one(
        "phantom: {}, test: held-out",
        "line 2, column 30: `dataset.test` must be a number where the images are phantoms",
    );
    one(
        "phantom: {}, group_by: \"(\"",
        "line 2, column 34: `dataset.group_by`: `(` is not a regular expression: unclosed group",
    );
    one(
        "phantom: {}, blur: {kernel: 5}",
        "line 2, column 24: `dataset.blur.sigma` is missing; it is a number over 0, at most 1000",
    );
    one(
        "phantom: {}, image_size: 5000",
        "line 2, column 36: `dataset.image_size` must be a whole number from 1 to 4096, not `5000`",
    );
    one(
        "phantom: {}, on_error: ignore",
        "line 2, column 34: `dataset.on_error` must be `fail` or `skip`, not `ignore`",
    );
}

#[test]
fn names_of_experiments() {
    let name = |name: &str| problems(&WHOLE.replace("experiment: e", &format!("experiment: {name}")));
    assert_eq!(
        name("a/b"),
        [
            "line 1, column 13: the name `a/b` must start with a letter and hold letters, digits, `_` and `-`, at \
             most 64 of them"
        ]
    );
    assert_eq!(
        name("Confusion"),
        [
            "line 1, column 13: the name `Confusion` is reserved by the database; reserved: artifacts, attempts, \
             class_metrics, confusion, decisions, devices, events, experiments, grid_points, history, importance, leaderboard, metrics, \
             predictions, runs, scalars, suggestions, tags, sqlite_*"
        ]
    );
    assert_eq!(name("7"), ["line 1, column 13: `experiment` must be text, not `7`"]);
}

#[test]
fn commands() {
    let command = |run: &str, rest: &str| {
        problems(&format!("experiment: e\nmodel:\n  family: command\n  run: {run}\n{rest}\n"))
    };
    assert_eq!(
        command("[python, t.py, \"--lr={lrr}\", \"{seed}\", \"{{x}}\"]", "grid: {lr: [1]}\ntrain: {b: 2}"),
        [
            "line 4, column 23: `{lrr}` names no axis or parameter (write `{{lrr}}` for the text itself); did you \
             mean `lr`? known: b, lr, seed, run, run_dir"
        ]
    );
    assert_eq!(
        command("[x, \"{a}\"]", "grid: [{a: [1]}, {b: [1]}]"),
        ["line 4, column 12: `{a}` has no value in grid 1"]
    );
    assert_eq!(
        command("x --lr 3", ""),
        ["line 4, column 8: `model.run` must be the program and its arguments as a list, such as [python, \
             train.py, --lr, \"{lr}\"], not `x --lr 3`"]
    );
    assert_eq!(command("[]", ""), ["line 4, column 8: `model.run` names no program"]);
    assert_eq!(
        command("[x]", "grid: {\"a b\": [1], rank: [1], lr: [1, 1.0], Lr: [2]}\ntrain: {a-b: 1, a_b: 2}"),
        [
            "line 5, column 8: axis `a b` must start with a letter or `_` and hold letters, digits, `_` and `-`, at \
             most 64",
            "line 5, column 20: axis `rank` is a name that every run has already",
            "line 5, column 39: axis `lr` repeats the value `1`",
            "line 5, column 45: `Lr` and `lr` differ only in case or in `-` and `_`",
            "line 6, column 17: parameter `a_b` is fixed already at line 6, column 9, as `train.a-b`",
        ]
    );
    assert_eq!(
        command(
            "[x]",
            "train: {a: [1], b: null, c: \"\\0\", d: {}, e: [[1]]}\ngrid: {f: [null, null, [1], [1.0]]}"
        ),
        [
            "line 5, column 29: `train.c` must be a finite number, `true`, `false`, `null`, text, or a list of them, not \
             `\\u{0}`",
            "line 5, column 38: `train.d` must be a finite number, `true`, `false`, `null`, text, or a list of them, not \
             a mapping",
            "line 5, column 45: `train.e` must be a finite number, `true`, `false`, `null`, text, or a list of them, not \
             a list",
            "line 6, column 18: axis `f` repeats the value `null`",
            "line 6, column 29: axis `f` repeats the value `[1.0]`",
        ]
    );
}

#[test]
fn syntax_errors_stand_alone_with_their_place() {
    let found = problems("experiment: e\ngrid: {a: [1, 2}\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("line 2, column 11: mismatched bracket"), "{found:?}");
    assert_eq!(problems("a: *b\n").len(), 1);
    assert_eq!(
        problems("a: 1\n---\nb: 2\n"),
        ["line 2, column 1: a spec is one document; found a second `---`"]
    );
    assert_eq!(problems("a: !custom 1\n"), ["line 1, column 12: the tag `!custom` is not supported for `1`"]);
}

#[test]
fn a_file_that_is_not_text_is_refused_at_its_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("e.yaml");
    std::fs::write(&path, b"experiment: e\nname: \xff\n").expect("written");
    let error = load(&path, &Overrides::default()).expect_err("not UTF-8").to_string();
    assert!(error.ends_with("has 1 problem\n  line 2, column 7: the spec is not UTF-8 text"), "{error}");
    let missing = load(&folder.path().join("none.yaml"), &Overrides::default()).expect_err("no file");
    assert!(matches!(missing, SpecError::Read { .. }), "{missing}");
}
