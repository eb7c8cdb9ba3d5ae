//! Two runs side by side by what they have logged, where one of them has no predictions.
//!
//! Used by `gridboard compare` for programs that leave event files alone.

use serde_json::{Value as Json, json};

use super::{column, differing, parameters_table};
use crate::{
    report::{
        Format,
        leaderboard::DECIMALS,
        table::{Cell, Column, Table},
    },
    spec::Parameters,
};

/// Two runs, and their metrics at the last step of each.
#[derive(Clone, Debug)]
pub(crate) struct MetricSides {
    /// What the two are called.
    pub names: [String; 2],
    /// All their parameters, the seed among them.
    pub parameters: [Parameters; 2],
    /// Name of a metric and its last value in both, by name; `None` where a run has none.
    pub metrics: Vec<(String, [Option<f64>; 2])>,
}

impl MetricSides {
    /// For the terminal: parameters that differ, and the metrics with their difference, the first less the second.
    #[must_use]
    pub(crate) fn text(&self, width: Option<usize>) -> String {
        let tables = [parameters_table(&self.names, &self.parameters), self.metrics_table()];
        tables.map(|table| table.render(Format::Table, width)).join("\n")
    }

    /// For machines: the same in full precision.
    #[must_use]
    pub(crate) fn json(&self) -> Json {
        let parameters: serde_json::Map<String, Json> = differing(&self.parameters)
            .into_iter()
            .map(|(name, values)| (name.to_owned(), json!(values)))
            .collect();
        let metrics: serde_json::Map<String, Json> =
            self.metrics.iter().map(|(name, values)| (name.clone(), json!(values))).collect();
        json!({
            "first": {"run": self.names[0]},
            "second": {"run": self.names[1]},
            "parameters": parameters,
            "metrics": metrics,
        })
    }

    fn metrics_table(&self) -> Table {
        let row = |(name, [first, second]): &(String, [Option<f64>; 2])| {
            let difference = first.zip(*second).map(|(first, second)| first - second);
            let signed = |number: f64| Cell::from(format!("{number:+.DECIMALS$}"));
            vec![
                Cell::from(name.as_str()),
                Cell::from(*first),
                Cell::from(*second),
                difference.filter(|number| number.is_finite()).map_or(Cell::Empty, signed),
            ]
        };
        Table {
            title: Some("metrics at the last step".to_owned()),
            columns: vec![
                Column::text("metric"),
                column(&self.names, 0).decimals(DECIMALS),
                column(&self.names, 1).decimals(DECIMALS),
                Column::number("difference"),
            ],
            rows: self.metrics.iter().map(row).collect(),
            notes: vec!["difference: the first run less the second; no test without predictions".to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Value;

    fn sides() -> MetricSides {
        let parameters = |lr| Parameters::from([("lr".to_owned(), Value::Float(lr))]);
        MetricSides {
            names: ["one".to_owned(), "two".to_owned()],
            parameters: [parameters(0.1), parameters(0.01)],
            metrics: vec![
                ("Accuracy/val".to_owned(), [Some(0.75), None]),
                ("Loss/val".to_owned(), [Some(0.5), Some(0.25)]),
            ],
        }
    }

    #[test]
    fn two_runs_by_their_metrics() {
        insta::assert_snapshot!(sides().text(Some(80)), @r"
        parameters that differ
        ──────────────────────
         parameter  one   two
        ──────────────────────
         lr         0.1  0.01
        ──────────────────────

        metrics at the last step
        ──────────────────────────────────────────
         metric           one     two  difference
        ──────────────────────────────────────────
         Accuracy/val  0.7500       -           -
         Loss/val      0.5000  0.2500     +0.2500
        ──────────────────────────────────────────
        difference: the first run less the second; no test without predictions
        ");
    }

    #[test]
    fn the_same_for_machines() {
        let json = sides().json();
        assert_eq!(json["metrics"], json!({"Accuracy/val": [0.75, null], "Loss/val": [0.5, 0.25]}));
        assert_eq!(json["parameters"], json!({"lr": [0.1, 0.01]}));
    }
}
