//! Accuracies and counts as bars: training beside validation, as the paper's Fig. 8, and images per class, as its Fig. 2.
//! What another source states stands beside them in a colour of its own.
//!
//! The layout is `grouped`'s; here is what the bars are.

use super::{
    Figure, FigureError,
    colour::{STATED, TRAIN, VALIDATION},
    grouped::{Chart, Group, Series},
    render,
};

/// The values of one run or one grid point.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What the bars are about.
    pub label: String,
    /// Over the training images; `None`, NaN and infinities are shown as unknown.
    pub train: Option<f64>,
    /// Over the validation images; likewise.
    pub validation: Option<f64>,
    /// What the paper states for the training images. Where no bar has it, the chart has no place for it.
    pub stated: Option<f64>,
}

/// The images of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCount {
    /// The class.
    pub label: String,
    /// Images of the corpus.
    pub images: u64,
    /// Images of the paper's corpus.
    pub stated: Option<u64>,
}

/// The bar chart of accuracies. `category` names what the labels are: an axis of the grid, or "Run".
///
/// # Errors
/// [`FigureError::Empty`] without bars, and what a backend reports.
pub fn accuracy_bars(title: &str, category: &str, bars: &[Bar]) -> Result<Figure, FigureError> {
    if bars.is_empty() {
        return Err(FigureError::Empty("no bar was given"));
    }
    render::figure(&accuracies(title, category, bars).layout()?)
}

/// The bar chart of the images of each class.
///
/// # Errors
/// [`FigureError::Empty`] without classes, and what a backend reports.
pub fn count_bars(title: &str, classes: &[ClassCount]) -> Result<Figure, FigureError> {
    if classes.is_empty() {
        return Err(FigureError::Empty("no class was given"));
    }
    render::figure(&counts(title, classes).layout()?)
}

fn accuracies<'a>(title: &'a str, category: &'a str, bars: &[Bar]) -> Chart<'a> {
    let with_stated = bars.iter().any(|bar| bar.stated.is_some());
    let mut series = vec![Series::new("training", TRAIN), Series::new("validation", VALIDATION)];
    if with_stated {
        series.push(Series { unknown: "not stated", ..Series::new("training, as the paper states", STATED) });
    }
    let groups = bars
        .iter()
        .map(|bar| {
            let mut values = vec![bar.train, bar.validation];
            values.extend(with_stated.then_some(bar.stated));
            Group { label: bar.label.clone(), values }
        })
        .collect();
    Chart {
        title,
        category,
        value_title: "Accuracy",
        series,
        groups,
        at_least: 1.0,
        printed: |value| format!("{value:.3}"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "no corpus has 2^53 images")]
fn counts<'a>(title: &'a str, classes: &[ClassCount]) -> Chart<'a> {
    let with_stated = classes.iter().any(|class| class.stated.is_some());
    let mut series = vec![Series::new("this corpus", VALIDATION)];
    if with_stated {
        series.push(Series { unknown: "not stated", ..Series::new("the paper's corpus", STATED) });
    }
    let groups = classes
        .iter()
        .map(|class| {
            let mut values = vec![Some(class.images as f64)];
            values.extend(with_stated.then_some(class.stated.map(|images| images as f64)));
            Group { label: class.label.clone(), values }
        })
        .collect();
    Chart {
        title,
        category: "Class",
        value_title: "Images",
        series,
        groups,
        at_least: 0.0,
        printed: |value| crate::base::human::grouped(value as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::drawing::{Drawing, Mark};

    fn layout(title: &str, category: &str, bars: &[Bar]) -> Result<Drawing, FigureError> {
        accuracies(title, category, bars).layout()
    }

    fn bars(count: usize, name: &str) -> Vec<Bar> {
        (0..count)
            .map(|n| Bar {
                label: format!("{name}{n}"),
                train: Some(0.9 + 0.003 * n as f64),
                validation: Some(0.95 - 0.004 * n as f64),
                stated: None,
            })
            .collect()
    }

    #[test]
    fn any_number_of_bars_with_any_names_is_legible() {
        for count in [1, 2, 5, 8, 9, 27, 60] {
            for name in ["", "3-conv-128-nodes-1-dense-", &"very-long-run-name-".repeat(8)] {
                layout("tab3: accuracy", "Run", &bars(count, name)).unwrap().check_legible();
            }
        }
    }

    #[test]
    fn unknown_values_say_so_and_draw_no_bar() {
        let mut some = bars(2, "run");
        some[0].validation = None;
        some[1].train = Some(f64::NAN);
        for count in [2, 12] {
            let mut all = bars(count, "run");
            all[..2].clone_from_slice(&some);
            let drawing = layout("t", "Run", &all).unwrap();
            drawing.check_legible();
            assert_eq!(drawing.texts().iter().filter(|text| **text == "unknown").count(), 2);
        }
    }

    #[test]
    fn lengths_of_bars_are_proportional_to_values() {
        let bars = [Bar { label: "a".to_owned(), train: Some(0.4), validation: Some(0.8), stated: None }];
        let drawing = layout("t", "Run", &bars).unwrap();
        let tall = |wanted| {
            drawing.marks.iter().rev().find_map(|mark| match mark {
                Mark::Rect { height, colour, .. } if *colour == wanted => Some(*height),
                _ => None,
            })
        };
        let (train, validation) = (tall(TRAIN).unwrap(), tall(VALIDATION).unwrap());
        assert!((validation - 2.0 * train).abs() < 1e-9, "{train} {validation}");
    }

    #[test]
    fn values_outside_of_shares_stay_on_the_page() {
        for count in [3, 20] {
            let mut all = bars(count, "run");
            all[0].train = Some(97.25);
            all[1].train = Some(-3.0);
            layout("t", "Run", &all).unwrap().check_legible();
        }
    }

    #[test]
    fn what_the_paper_states_has_a_bar_of_its_own_or_says_that_it_is_not_stated() {
        for count in [5, 20] {
            let mut all = bars(count, "run");
            assert!(!layout("t", "Run", &all).unwrap().texts().contains(&"not stated"));
            all[0].stated = Some(0.94);
            let drawing = layout("t", "Run", &all).unwrap();
            drawing.check_legible();
            let texts = drawing.texts();
            assert!(
                texts.contains(&"training, as the paper states") && texts.contains(&"0.940"),
                "{texts:?}"
            );
            assert_eq!(texts.iter().filter(|text| **text == "not stated").count(), count - 1);
        }
    }

    #[test]
    fn counts_of_classes_are_grouped_numbers() {
        let class = |label: &str, images, stated| ClassCount { label: label.to_owned(), images, stated };
        let classes =
            [class("normal", 1575, Some(1575)), class("covid", 559, Some(559)), class("other", 3, None)];
        let drawing = counts("corpus", &classes).layout().unwrap();
        drawing.check_legible();
        let texts = drawing.texts();
        assert_eq!(texts.iter().filter(|text| **text == "1,575").count(), 2);
        assert!(texts.contains(&"not stated") && texts.contains(&"the paper's corpus"));
        let unknown = counts("corpus", &classes[2..]).layout().unwrap();
        assert!(!unknown.texts().contains(&"the paper's corpus"));
    }

    #[test]
    fn nothing_is_refused() {
        assert!(matches!(accuracy_bars("t", "Run", &[]), Err(FigureError::Empty(_))));
        assert!(matches!(count_bars("t", &[]), Err(FigureError::Empty(_))));
    }
}
