//! The specs in `experiments/`.

use super::{schema::faults, *};

fn shipped() -> Vec<(String, Experiment, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut specs: Vec<_> = std::fs::read_dir(folder)
        .expect("experiments/")
        .map(|entry| entry.expect("an entry").path())
        // The suite has tests of its own.
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "paper"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let experiment = load(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (stem, experiment, std::fs::read_to_string(&path).expect("text"))
        })
        .collect();
    specs.sort_by(|a, b| a.0.cmp(&b.0));
    specs
}

#[test]
fn all_parse_can_be_built_and_fit_the_schema() {
    let specs = shipped();
    let sizes: Vec<(&str, u128)> =
        specs.iter().map(|(stem, experiment, _)| (stem.as_str(), crate::grid::count(experiment))).collect();
    for (stem, size) in [("fig8_layer_sizes", 30), ("quickstart", 27), ("tab3", 27)] {
        assert!(sizes.contains(&(stem, size)), "{sizes:?}");
    }
    for (stem, experiment, text) in &specs {
        assert_eq!(&experiment.name, stem);
        assert_eq!(crate::grid::check(experiment), Ok(()));
        assert_eq!(faults(text), Vec::<String>::new(), "{stem}");
    }
}

#[test]
fn tab3_is_the_papers_grid() {
    let (_, tab3, _) = shipped().into_iter().find(|(stem, ..)| stem == "tab3").expect("tab3.yaml");
    let dataset = tab3.dataset.as_ref().expect("a dataset");
    assert_eq!((dataset.image_size, dataset.validation_split), (224, 0.3));
    assert_eq!(dataset.classes, ["normal", "covid"]);
    let names: Vec<String> = crate::grid::runs(&tab3).map(|run| run.name).collect();
    assert_eq!(names[0], "1-conv-32-nodes-0-dense");
    assert_eq!(names[1], "1-conv-64-nodes-0-dense");
    assert_eq!(names[3], "2-conv-32-nodes-0-dense");
    assert_eq!(names[26], "3-conv-128-nodes-2-dense");
    let train = Train::from_parameters(&tab3.fixed).expect("whole");
    assert_eq!((train.epochs, train.batch_size, train.learning_rate), (5, 32, 0.001));
}
