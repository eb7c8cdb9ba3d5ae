//! `--set`, `--images` and `--devices`.

use super::*;

fn set(assignments: &[&str]) -> Overrides {
    Overrides { set: assignments.iter().map(|text| (*text).to_owned()).collect(), ..Overrides::default() }
}

fn with(overrides: &Overrides) -> Experiment {
    parse(WHOLE, Path::new("/specs/e.yaml"), overrides).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn values_are_put_over_those_of_the_file() {
    let experiment = with(&set(&[
        "dataset.image_size=64",
        "train.epochs=3",
        "grid.batch_size=[16, 32]",
        "seeds=[0,1]",
        "dataset.blur={kernel: 3, sigma: 0.5}",
        "rank.by=validation/f1",
        "schedule.devices=cuda:0,2",
    ]));
    let dataset = experiment.dataset.as_ref().expect("a dataset");
    assert_eq!(dataset.image_size, 64);
    assert_eq!(dataset.blur, Some(Blur { kernel: 3, sigma: 0.5 }));
    assert_eq!(experiment.fixed["epochs"], Value::Int(3));
    assert_eq!(experiment.grids[0].axes[0].values, [Value::Int(16), Value::Int(32)]);
    assert_eq!(experiment.seeds, [0, 1]);
    assert_eq!(experiment.rank.by.tag, "validation/f1");
    assert_eq!(experiment.schedule.devices, "cuda:0,2");
}

#[test]
fn null_takes_a_parameter_or_an_axis_out() {
    let swept = with(&set(&["model.layer_size=null", "grid.layer_size=[8, 16]"]));
    assert!(!swept.fixed.contains_key("layer_size"));
    let text = format!("{WHOLE}\ngrid: {{batch_size: [1, 2], shuffle: [true, false]}}\n");
    let fixed = parse(&text, Path::new("e.yaml"), &set(&["grid.batch_size=", "train.batch_size=4"]));
    let fixed = fixed.expect("no axis in the way");
    assert_eq!(crate::grid::axis_names(&fixed), ["shuffle"]);
    assert_eq!(fixed.fixed["batch_size"], Value::Int(4));
}

#[test]
fn a_list_of_grids_is_reached_by_index() {
    let text = format!("{WHOLE}\ngrid: [{{batch_size: [1]}}, {{batch_size: [2]}}]\n");
    let experiment = parse(&text, Path::new("e.yaml"), &set(&["grid.1.batch_size=[3]"])).expect("valid");
    assert_eq!(experiment.grids[1].axes[0].values, [Value::Int(3)]);
    assert_eq!(
        problems_with(&text, &set(&["grid.batch_size=[3]"])),
        ["--set grid.batch_size=[3]: `batch_size` is no index into a list of 2 items; write a number from 0"]
    );
}

#[test]
fn problems_of_an_override_name_the_flag() {
    assert_eq!(
        problems_with(
            WHOLE,
            &set(&[
                "epochs",
                "train..x=1",
                "train.epochs=0",
                "train.epoch=1",
                "seeds.a=1",
                "rank.top=[",
                "seeds=[1,1]"
            ])
        ),
        [
            "--set epochs: must be `KEY.PATH=VALUE`, such as `train.epochs=3`",
            "--set rank.top=[: the value is not YAML: unclosed bracket '['",
            "--set seeds=[1,1]: `seeds` repeats the seed `1`",
            "--set train..x=1: must be `KEY.PATH=VALUE` without empty keys",
            "--set train.epoch=1: unknown key `train.epoch`; did you mean `epochs`? known: epochs, batch_size, \
             learning_rate, shuffle, initial_weights, kernels, precision, checkpoint, keep, \
             histograms, pr_curves, batch_curves",
            "--set train.epochs=0: `train.epochs` must be a whole number from 1 to 1000000, not `0`",
        ]
    );
}

#[test]
fn images_replace_the_source_and_are_relative_to_the_working_directory() {
    let overrides = Overrides { images: Some("some/images".into()), ..Overrides::default() };
    let here = std::env::current_dir().expect("a working directory").join("some/images");
    let text = WHOLE.replace("{phantom: {}}", "{phantom: {}, classes: [a, b]}");
    let experiment = parse(&text, Path::new("/specs/e.yaml"), &overrides).expect("valid");
    assert_eq!(experiment.dataset.map(|dataset| dataset.source), Some(Source::Images(here.clone())));
    let text = WHOLE.replace("{phantom: {}}", "{images: ../data, classes: [a, b]}");
    let source = |overrides: &Overrides| {
        let experiment = parse(&text, Path::new("/specs/e.yaml"), overrides).expect("valid");
        experiment.dataset.map(|dataset| dataset.source)
    };
    assert_eq!(source(&overrides), Some(Source::Images(here)));
    assert_eq!(source(&Overrides::default()), Some(Source::Images("/specs/../data".into())));
}

#[test]
fn devices_replace_those_of_the_spec() {
    let overrides = Overrides { devices: Some("cpu:2".to_owned()), ..Overrides::default() };
    assert_eq!(with(&overrides).schedule.devices, "cpu:2");
    let overrides = Overrides { devices: Some(String::new()), ..Overrides::default() };
    assert_eq!(
        problems_with(WHOLE, &overrides),
        [
            "--devices : `schedule.devices` must be `auto`, `cpu`, `cpu:N`, `cuda` or `cuda:N,N`, not empty text"
        ]
    );
}

#[test]
fn wrong_devices_are_reported_at_their_flag() {
    let text = format!("{WHOLE}\nschedule: {{devices: tpu}}\n");
    let fault = "`schedule.devices`: `cuda:0,1,0` names CUDA device `0` twice";
    assert_eq!(
        problems_with(&text, &set(&["schedule.devices=cuda:0,1,0"])),
        [format!("--set schedule.devices=cuda:0,1,0: {fault}")]
    );
    let overrides = Overrides { devices: Some("cuda:0,1,0".to_owned()), ..Overrides::default() };
    assert_eq!(problems_with(&text, &overrides), [format!("--devices cuda:0,1,0: {fault}")]);
}
