//! What the paper states, as data, each with the place where it does; and which part of it an experiment repeats.
//!
//! Basalamah and Rahman, "An Optimized CNN Model Architecture for Detecting Coronavirus (COVID-19) with X-Ray Images",
//! Computer Systems Science and Engineering 40(1), 2022, pp. 375-388, doi:10.32604/csse.2022.016949 (CC BY 4.0). Its tables
//! and figures are images whose contents are not available as text: what is not here is not known, and the report shows
//! it as [`NOT_STATED`].
//!
//! Used by the pages of the report. An experiment is recognised by its grid, not by its name.

use std::collections::BTreeSet;

use crate::spec::{Experiment, Source, Value};

/// In the place of a figure that the paper does not state, or that is not known.
pub(crate) const NOT_STATED: &str = "not stated";

/// How the report names the paper.
pub(crate) const CITATION: &str = "Basalamah and Rahman, \u{201c}An Optimized CNN Model Architecture for Detecting Coronavirus \
    (COVID-19) with X-Ray Images\u{201d}, Computer Systems Science and Engineering 40(1), 2022, pp. 375\u{2013}388, \
    doi:10.32604/csse.2022.016949";

/// Images with COVID-19, and the patients they are of (section on the data; Fig. 2).
pub(crate) const COVID_IMAGES: u64 = 559;
/// Patients of [`COVID_IMAGES`].
pub(crate) const COVID_PATIENTS: u64 = 342;
/// Images without findings (Fig. 2).
pub(crate) const NORMAL_IMAGES: u64 = 1575;
/// Images that train: 70 %.
pub(crate) const TRAIN_IMAGES: u64 = 1494;
/// Images that validate: 30 %.
pub(crate) const VALIDATION_IMAGES: u64 = 640;
/// Side of the images, pixels.
pub(crate) const IMAGE_SIZE: u32 = 224;

/// Widths of the analysis sweep and their training accuracies (Fig. 8).
pub(crate) const LAYER_SIZES: [(i64, f64); 5] =
    [(16, 0.94), (32, 0.96), (64, 0.95), (128, 0.96), (256, 0.94)];
/// Depth of the analysis sweep: (convolutions, dense layers). The paper does not state it; this is the tutorial's.
const ANALYSIS_DEPTH: (i64, i64) = (2, 1);

/// The grid of the optimisation sweep (Tab. 3).
pub(crate) const DENSE_LAYERS: [i64; 3] = [0, 1, 2];
/// The grid of the optimisation sweep (Tab. 3).
pub(crate) const CONV_LAYERS: [i64; 3] = [1, 2, 3];
/// The grid of the optimisation sweep (Tab. 3).
pub(crate) const GRID_SIZES: [i64; 3] = [32, 64, 128];
/// Its runs.
pub(crate) const COMBINATIONS: usize = 27;

/// The architectures of Tab. 4 by the names that `model.family` has for them, and their accuracies.
pub(crate) const ARCHITECTURES: [(&str, &str, f64); 5] = [
    ("vgg16", "VGG-16", 0.96),
    ("vgg19", "VGG-19", 0.72),
    ("resnet18", "ResNet18", 0.91),
    ("resnet50", "ResNet50", 0.93),
    ("grid_cnn", "optimised CNN", 0.97),
];
/// Accuracy of the best network of the optimisation sweep (Tab. 4).
pub(crate) const BEST_ACCURACY: f64 = 0.97;

/// The parts of the paper that an experiment can repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Fig. 8: one network at several widths.
    Analysis,
    /// Tab. 3, Fig. 9, Tab. 5: the grid of depths and widths.
    Optimisation,
    /// Tab. 4: the five architectures.
    Architectures,
}

/// The part of the paper that an experiment repeats, whole or with some of its values; `None` for one of another shape.
#[must_use]
pub(crate) fn part(spec: &Experiment) -> Option<Part> {
    let within = |name: &str, known: &[i64]| {
        let values = whole_numbers(spec, name);
        values.is_some_and(|values| values.len() > 1 && values.iter().all(|value| known.contains(value)))
    };
    let only = |name: &str, value: i64| whole_numbers(spec, name) == Some(BTreeSet::from([value]));
    if families(spec).len() > 1 {
        return Some(Part::Architectures);
    }
    if spec.is_command() {
        return None;
    }
    if within("dense_layers", &DENSE_LAYERS)
        && within("conv_layers", &CONV_LAYERS)
        && within("layer_size", &GRID_SIZES)
    {
        return Some(Part::Optimisation);
    }
    let sizes = LAYER_SIZES.map(|(size, _)| size);
    let analysis = within("layer_size", &sizes)
        && only("conv_layers", ANALYSIS_DEPTH.0)
        && only("dense_layers", ANALYSIS_DEPTH.1);
    analysis.then_some(Part::Analysis)
}

/// Whether the figures of an experiment stand beside the paper's: X-rays in two classes. Phantoms say nothing about them.
#[must_use]
pub(crate) fn is_comparable(spec: &Experiment) -> bool {
    spec.dataset.as_ref().is_some_and(|dataset| {
        matches!(dataset.source, Source::Images(_))
            && dataset.classes.len() == 2
            && dataset.classes.iter().all(|class| class_images(class).is_some())
    })
}

/// Images of the paper's class that is called something like `class`.
#[must_use]
pub(crate) fn class_images(class: &str) -> Option<u64> {
    let class = class.to_lowercase();
    if class.contains("covid") {
        Some(COVID_IMAGES)
    } else if class.contains("normal") && !class.contains("abnormal") {
        Some(NORMAL_IMAGES)
    } else {
        None
    }
}

/// Training accuracy that Fig. 8 gives for a width.
#[must_use]
pub(crate) fn layer_size_accuracy(size: i64) -> Option<f64> {
    LAYER_SIZES.iter().find(|(known, _)| *known == size).map(|(_, accuracy)| *accuracy)
}

/// Name and accuracy in Tab. 4 of an architecture.
#[must_use]
pub(crate) fn architecture(family: &str) -> Option<(&'static str, f64)> {
    ARCHITECTURES.iter().find(|(known, ..)| *known == family).map(|(_, name, accuracy)| (*name, *accuracy))
}

/// Accuracy of the constant answer that names the larger class: what no network should be below.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of images")]
pub(crate) fn constant_accuracy() -> f64 {
    NORMAL_IMAGES as f64 / (NORMAL_IMAGES + COVID_IMAGES) as f64
}

/// The values that a parameter takes, swept or fixed; `None` where one is no whole number.
fn whole_numbers(spec: &Experiment, name: &str) -> Option<BTreeSet<i64>> {
    values(spec, name)
        .into_iter()
        .map(|value| match value {
            Value::Int(value) => Some(*value),
            _ => None,
        })
        .collect()
}

/// The values that a parameter takes over all grids; a fixed value is one of them where a grid does not sweep it.
fn values<'a>(spec: &'a Experiment, name: &str) -> Vec<&'a Value> {
    let fixed = spec.fixed.get(name);
    spec.grids
        .iter()
        .flat_map(|grid| match grid.axes.iter().find(|axis| axis.name == name) {
            Some(axis) => axis.values.iter().collect(),
            None => fixed.into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

/// The architectures of Tab. 4 among the values of the axis `family`.
fn families(spec: &Experiment) -> BTreeSet<String> {
    values(spec, "family")
        .into_iter()
        .map(ToString::to_string)
        .filter(|name| architecture(name).is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Overrides, load, parse};

    fn shipped(name: &str, set: &[&str]) -> Experiment {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(name);
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        load(&path, &Overrides { set, ..Overrides::default() }).expect("a shipped spec")
    }

    #[test]
    fn experiments_are_recognised_by_their_grid() {
        assert_eq!(part(&shipped("tab3.yaml", &["experiment=other"])), Some(Part::Optimisation));
        assert_eq!(part(&shipped("tab3.yaml", &["grid.layer_size=[32, 64]"])), Some(Part::Optimisation));
        assert_eq!(part(&shipped("tab3.yaml", &["grid.layer_size=[32, 48]"])), None);
        assert_eq!(part(&shipped("fig8_layer_sizes.yaml", &[])), Some(Part::Analysis));
        assert_eq!(part(&shipped("fig8_layer_sizes.yaml", &["grid.epochs=[2]"])), Some(Part::Analysis));
        assert_eq!(part(&shipped("fig8_layer_sizes.yaml", &["model.conv_layers=3"])), None);
        let command = "experiment: tab3\nmodel: {family: command, run: [x]}\ngrid: {layer_size: [16, 32]}";
        let command = parse(command, Path::new("x.yaml"), &Overrides::default()).expect("a spec");
        assert_eq!(part(&command), None);
    }

    #[test]
    fn phantoms_and_other_classes_do_not_stand_beside_the_paper() {
        assert!(is_comparable(&shipped("tab3.yaml", &[])));
        assert!(is_comparable(&shipped("tab3.yaml", &["dataset.classes=[COVID-19, NORMAL]"])));
        assert!(!is_comparable(&shipped("tab3.yaml", &["dataset.classes=[normal, pneumonia]"])));
        assert!(!is_comparable(&shipped("tab3.yaml", &["dataset.classes=[abnormal, covid]"])));
        assert!(!is_comparable(&shipped("quickstart.yaml", &[])));
    }

    #[test]
    fn the_counts_agree_with_each_other() {
        assert_eq!(NORMAL_IMAGES + COVID_IMAGES, TRAIN_IMAGES + VALIDATION_IMAGES);
        assert_eq!(DENSE_LAYERS.len() * CONV_LAYERS.len() * GRID_SIZES.len(), COMBINATIONS);
        assert!((constant_accuracy() - 0.738).abs() < 0.0005);
        assert_eq!(architecture("grid_cnn"), Some(("optimised CNN", BEST_ACCURACY)));
    }
}
