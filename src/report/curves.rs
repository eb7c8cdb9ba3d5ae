//! ROC and PR curves of the best runs, from their predictions.
//!
//! Two classes: a curve for each run, of the positive (last) class. More classes: the curves of the best run, each class
//! against the rest, since curves of several runs and classes in one panel would tell nothing apart.

use crate::{
    figure::{self, Figure, FigureError, Named},
    predictions::Prediction,
    stats::{PrCurve, RocCurve, one_vs_rest},
};

/// A run's name and its predictions.
pub(crate) type ScoredRun = (String, Vec<Prediction>);

/// The scores behind one curve.
struct Scored {
    name: String,
    scores: Vec<f32>,
    positive: Vec<bool>,
}

/// The ROC curves of these runs, best first.
///
/// # Errors
/// [`FigureError::Empty`] where no run has both sides of a class, and what a backend reports.
pub(crate) fn roc(experiment: &str, runs: &[ScoredRun], classes: &[String]) -> Result<Figure, FigureError> {
    let curves: Vec<Named<RocCurve>> = scored(runs, classes)
        .into_iter()
        .filter_map(|Scored { name, scores, positive }| {
            Some(Named { name, curve: RocCurve::from_scores(&scores, &positive)? })
        })
        .collect();
    figure::roc_curves(&title(experiment, "ROC", runs, classes), &curves)
}

/// The precision-recall curves of these runs, best first.
///
/// # Errors
/// As [`roc`].
pub(crate) fn pr(experiment: &str, runs: &[ScoredRun], classes: &[String]) -> Result<Figure, FigureError> {
    let scored = scored(runs, classes);
    let shares: Vec<f64> = scored
        .iter()
        .map(|scored| {
            scored.positive.iter().filter(|is| **is).count() as f64 / scored.positive.len().max(1) as f64
        })
        .collect();
    // One line of chance for all, or none.
    let share = shares.first().copied().filter(|first| shares.iter().all(|share| share == first));
    let curves: Vec<Named<PrCurve>> = scored
        .into_iter()
        .filter_map(|Scored { name, scores, positive }| {
            Some(Named { name, curve: PrCurve::from_scores(&scores, &positive)? })
        })
        .collect();
    figure::pr_curves(&title(experiment, "precision and recall", runs, classes), &curves, share)
}

fn title(experiment: &str, what: &str, runs: &[ScoredRun], classes: &[String]) -> String {
    match (n_classes(runs), runs) {
        (0, _) => format!("{experiment}: {what}"),
        (2, runs) => {
            let class = classes.get(1).map_or("class 1", String::as_str);
            let best =
                if runs.len() == 1 { "best run".to_owned() } else { format!("best {} runs", runs.len()) };
            format!("{experiment}: {what} for {class}, {best}")
        }
        (_, runs) => format!("{experiment}: {what}, each class against the rest, {}", runs[0].0),
    }
}

/// Classes of the best run that predicts anything.
fn n_classes(runs: &[ScoredRun]) -> usize {
    runs.iter().find_map(|(_, list)| list.first()).map_or(0, |row| row.probabilities.len())
}

fn scored(runs: &[ScoredRun], classes: &[String]) -> Vec<Scored> {
    let k = n_classes(runs);
    let of_class = |name: String, list: &[Prediction], class: usize| {
        let probabilities: Vec<f32> = list.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        let truths: Vec<usize> = list.iter().map(|row| row.label).collect();
        let (scores, positive) = one_vs_rest(&probabilities, &truths, k, class);
        Scored { name, scores, positive }
    };
    // A run of another number of classes, which only a user's program can write, has no curve beside these.
    let mut runs =
        runs.iter().filter(|(_, list)| list.first().is_some_and(|row| row.probabilities.len() == k));
    if k == 2 {
        return runs.map(|(run, list)| of_class(run.clone(), list, 1)).collect();
    }
    let Some((_, list)) = runs.next() else { return Vec::new() };
    let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    (0..k).map(|class| of_class(name(class), list, class)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, classes: usize) -> ScoredRun {
        let list = (0..30).map(|image| Prediction {
            image: format!("image-{image}"),
            label: image % classes,
            predicted: 0,
            probabilities: (0..classes).map(|class| ((image * (class + 3)) % 10) as f32 / 10.0).collect(),
        });
        (name.to_owned(), list.collect())
    }

    fn classes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn two_classes_compare_runs_and_more_compare_classes() {
        let two = roc("tab3", &[run("best", 2), run("next", 2)], &classes(&["normal", "covid"])).unwrap();
        for text in ["best", "next", "tab3: ROC for covid, best 2 runs"] {
            assert!(two.svg.contains(text), "{text}");
        }
        let three =
            pr("k", &[run("best", 3), run("next", 3)], &classes(&["a-class", "b-class", "c-class"])).unwrap();
        assert!(three.svg.contains("c-class") && !three.svg.contains("next"), "{}", three.svg);
    }

    #[test]
    fn what_has_no_curve_makes_no_figure() {
        assert!(matches!(roc("t", &[], &[]), Err(FigureError::Empty(_))));
        let mut one_sided = run("best", 2);
        one_sided.1.iter_mut().for_each(|row| row.label = 0);
        assert!(matches!(roc("t", &[one_sided], &[]), Err(FigureError::Empty(_))));
        // A run of another shape is left out, not misread.
        let mixed = roc("t", &[run("best", 2), run("odd", 3)], &[]).unwrap();
        assert!(mixed.svg.contains("best") && !mixed.svg.contains("odd"));
    }
}
