//! Two runs side by side: the tables and the JSON of `gridboard compare`.

mod metrics;

use serde_json::{Value as Json, json};

use super::{
    leaderboard::shown_interval,
    render::Format,
    table::{Cell, Column, Table},
};
use crate::{
    base::human::counted,
    metrics::ConfusionMatrix,
    predictions::{Answer, Comparison},
    rank::Tally,
    spec::Parameters,
    stats::SIGNIFICANCE,
};

pub(crate) use metrics::MetricSides;

/// Two runs, and what their predictions say together.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    /// What the two are called.
    pub names: [String; 2],
    /// All their parameters, the seed among them.
    pub parameters: [Parameters; 2],
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Their predictions.
    pub comparison: Comparison,
}

impl Sides {
    /// For the terminal: parameters that differ, accuracies with the test of their difference, the difference of the
    /// confusion matrices, and, if `images`, those that the two answer differently.
    #[must_use]
    pub(crate) fn text(&self, images: bool, width: Option<usize>) -> String {
        let mut tables = vec![
            parameters_table(&self.names, &self.parameters),
            self.results_table(),
            self.difference_table(),
        ];
        if images {
            tables.push(self.images_table());
        }
        let texts: Vec<String> = tables.iter().map(|table| table.render(Format::Table, width)).collect();
        texts.join("\n")
    }

    /// For machines: everything of [`Sides::text`] in full precision; `images` as there.
    #[must_use]
    pub(crate) fn json(&self, images: bool) -> Json {
        let Comparison { first, second, table, disagreements } = &self.comparison;
        let side = |index: usize, matrix: &ConfusionMatrix| {
            let interval = Tally::from(matrix).interval();
            json!({
                "run": self.names[index],
                "correct": matrix.correct(),
                "accuracy": matrix.accuracy(),
                "accuracy_low": interval.map(|interval| interval.low),
                "accuracy_high": interval.map(|interval| interval.high),
                "confusion": rows(matrix.classes(), |truth, predicted| json!(matrix.count(truth, predicted))),
            })
        };
        let parameters: serde_json::Map<String, Json> = differing(&self.parameters)
            .into_iter()
            .map(|(name, values)| (name.to_owned(), json!(values)))
            .collect();
        let mut object = json!({
            "first": side(0, first),
            "second": side(1, second),
            "parameters": parameters,
            "images": table.images(),
            "difference": table.difference(),
            "mcnemar": {
                "both": table.both, "only_first": table.only_first, "only_second": table.only_second,
                "neither": table.neither, "p": table.p(),
            },
            "classes": self.classes,
            "confusion_difference":
                rows(first.classes(), |truth, predicted| json!(self.comparison.difference(truth, predicted))),
            "disagreements": disagreements.len(),
        });
        if images {
            let answer = |answer: &Answer| json!({"predicted": answer.predicted, "probability": answer.probability.map(f64::from)});
            let list = disagreements.iter().map(|row| {
                json!({"image": row.image, "label": row.label, "first": answer(&row.first), "second": answer(&row.second)})
            });
            object["disagreeing_images"] = list.collect();
        }
        object
    }

    fn results_table(&self) -> Table {
        let Comparison { first, second, table, .. } = &self.comparison;
        let both = |read: fn(&ConfusionMatrix) -> Cell| [read(first), read(second)];
        let row = |name: &str, [first, second]: [Cell; 2], difference: Cell| {
            vec![Cell::from(name), first, second, difference]
        };
        let signed = |number: f64| Cell::from(format!("{number:+.4}"));
        let accuracy = |matrix: &ConfusionMatrix| Cell::from(format!("{:.4}", matrix.accuracy()));
        let interval = |matrix: &ConfusionMatrix| {
            Tally::from(matrix).interval().map_or(Cell::Empty, |interval| shown_interval(interval).into())
        };
        let count = |number: u64| Cell::from(number);
        let p = table.p();
        let verdict = if p < SIGNIFICANCE { "distinguishable" } else { "not distinguishable" };
        let p = if p < 0.0005 { format!("{p:.1e}") } else { format!("{p:.3}") };
        Table {
            title: Some(counted(table.images(), "validation image")),
            columns: vec![
                Column::text("result"),
                column(&self.names, 0),
                column(&self.names, 1),
                Column::number("difference"),
            ],
            rows: vec![
                row("accuracy", both(accuracy), table.difference().map_or(Cell::Empty, signed)),
                row("95 % interval", both(interval), Cell::from("")),
                row("right", both(|matrix| Cell::from(matrix.correct())), Cell::from("")),
                row("right alone", [count(table.only_first), count(table.only_second)], Cell::from("")),
            ],
            notes: vec![
                format!("both right on {}, both wrong on {}", table.both, table.neither),
                format!(
                    "{verdict}: exact McNemar p = {p} on {} discordant images",
                    table.only_first + table.only_second
                ),
            ],
        }
    }

    fn difference_table(&self) -> Table {
        let class = |index: usize| self.classes.get(index).cloned().unwrap_or_else(|| index.to_string());
        let k = self.comparison.first.classes();
        let mut columns = vec![Column::text("true class")];
        columns.extend((0..k).map(|index| Column::number(class(index))));
        let signed =
            |number: i64| Cell::from(if number == 0 { "0".to_owned() } else { format!("{number:+}") });
        let row = |truth: usize| {
            let mut cells = vec![Cell::from(class(truth))];
            cells.extend((0..k).map(|predicted| signed(self.comparison.difference(truth, predicted))));
            cells
        };
        Table {
            title: Some(format!("images by predicted class, {} less {}", self.names[0], self.names[1])),
            columns,
            rows: (0..k).map(row).collect(),
            notes: Vec::new(),
        }
    }

    fn images_table(&self) -> Table {
        let class = |index: usize| self.classes.get(index).cloned().unwrap_or_else(|| index.to_string());
        let answer = |answer: Answer| {
            let class = class(answer.predicted);
            Cell::from(
                answer.probability.map_or(class.clone(), |probability| format!("{class} {probability:.3}")),
            )
        };
        let rows: Vec<Vec<Cell>> = self
            .comparison
            .disagreements
            .iter()
            .map(|row| {
                vec![
                    Cell::from(row.image.as_str()),
                    Cell::from(class(row.label)),
                    answer(row.first),
                    answer(row.second),
                ]
            })
            .collect();
        Table {
            title: Some(format!("{} that the two answer differently", counted(rows.len(), "image"))),
            columns: vec![
                Column::text("image"),
                Column::text("class"),
                column(&self.names, 0),
                column(&self.names, 1),
            ],
            rows,
            notes: Vec::new(),
        }
    }
}

/// Parameters that only one has or that differ, with both values.
fn differing(parameters: &[Parameters; 2]) -> Vec<(&str, [Option<&crate::spec::Value>; 2])> {
    let [first, second] = parameters;
    let names: std::collections::BTreeSet<&str> =
        first.keys().chain(second.keys()).map(String::as_str).collect();
    names
        .into_iter()
        .map(|name| (name, [first.get(name), second.get(name)]))
        .filter(|(_, [first, second])| first != second)
        .collect()
}

fn parameters_table(names: &[String; 2], parameters: &[Parameters; 2]) -> Table {
    let cell = |value: Option<&crate::spec::Value>| value.map_or(Cell::Empty, Cell::from);
    let rows: Vec<Vec<Cell>> = differing(parameters)
        .into_iter()
        .map(|(name, [first, second])| vec![Cell::from(name), cell(first), cell(second)])
        .collect();
    let title = if rows.is_empty() { "no parameter differs" } else { "parameters that differ" };
    Table {
        title: Some(title.to_owned()),
        columns: vec![Column::text("parameter"), column(names, 0), column(names, 1)],
        rows,
        notes: Vec::new(),
    }
}

/// A column of numbers for one of the two.
fn column(names: &[String; 2], side: usize) -> Column {
    let name = &names[side];
    Column::number(if names[0] == names[1] { format!("{name} ({})", side + 1) } else { name.clone() })
}

/// `[K, K]` as nested arrays.
fn rows(classes: usize, cell: impl Fn(usize, usize) -> Json) -> Json {
    (0..classes).map(|truth| (0..classes).map(|predicted| cell(truth, predicted)).collect::<Json>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        predictions::{Prediction, Predictions},
        spec::Value,
    };

    fn sides() -> Sides {
        let list = |right: fn(usize) -> bool| {
            let rows = (0..20)
                .map(|image| {
                    let label = usize::from(image % 4 == 0);
                    let predicted = if right(image) { label } else { 1 - label };
                    let probabilities = if predicted == 0 { vec![0.75, 0.25] } else { vec![0.25, 0.75] };
                    Prediction { image: format!("image-{image:02}.png"), label, predicted, probabilities }
                })
                .collect();
            Predictions { rows, classes: vec!["0".to_owned(), "1".to_owned()], warnings: Vec::new() }
        };
        let parameters = |size: i64, extra: bool| {
            let mut parameters = Parameters::from([
                ("layer_size".to_owned(), Value::Int(size)),
                ("epochs".to_owned(), Value::Int(5)),
            ]);
            if extra {
                parameters.insert("kernels".to_owned(), Value::Text("plain".to_owned()));
            }
            parameters
        };
        Sides {
            names: ["one".to_owned(), "two".to_owned()],
            parameters: [parameters(32, true), parameters(64, false)],
            classes: ["normal".to_owned(), "covid".to_owned()].to_vec(),
            comparison: Comparison::between(&list(|image| image != 3), &list(|image| image >= 4)).unwrap(),
        }
    }

    #[test]
    fn two_runs_in_the_terminal() {
        insta::assert_snapshot!(sides().text(true, Some(80)), @r"
        parameters that differ
        ────────────────────────
         parameter     one  two
        ────────────────────────
         kernels     plain    -
         layer_size     32   64
        ────────────────────────

        20 validation images
        ─────────────────────────────────────────────────────
         result                 one          two  difference
        ─────────────────────────────────────────────────────
         accuracy            0.9500       0.8000     +0.1500
         95 % interval  0.764–0.991  0.584–0.919
         right                   19           16
         right alone              3            0
        ─────────────────────────────────────────────────────
        both right on 16, both wrong on 1
        not distinguishable: exact McNemar p = 0.250 on 3 discordant images

        images by predicted class, one less two
        ───────────────────────
         true    normal  covid
         class
        ───────────────────────
         normal      +2     -2
         covid       -1     +1
        ───────────────────────

        3 images that the two answer differently
        ──────────────────────────────────────────────────
         image         class            one           two
        ──────────────────────────────────────────────────
         image-00.png  covid    covid 0.750  normal 0.750
         image-01.png  normal  normal 0.750   covid 0.750
         image-02.png  normal  normal 0.750   covid 0.750
        ──────────────────────────────────────────────────
        ");
    }

    #[test]
    fn two_runs_for_machines() {
        let json = sides().json(true);
        assert_eq!(
            json["mcnemar"],
            json!({"both": 16, "only_first": 3, "only_second": 0, "neither": 1, "p": 0.25})
        );
        assert_eq!(json["parameters"], json!({"kernels": ["plain", null], "layer_size": [32, 64]}));
        assert_eq!(json["confusion_difference"], json!([[2, -2], [-1, 1]]));
        assert_eq!((&json["first"]["accuracy"], &json["difference"]), (&json!(0.95), &json!(0.15)));
        assert_eq!(json["disagreeing_images"].as_array().unwrap().len(), 3);
        assert_eq!(json["disagreeing_images"][0]["image"], "image-00.png");
        assert!(sides().json(false).get("disagreeing_images").is_none());
    }
}
