//! The view of an experiment's own name: its SQL, as text. Pure.
//!
//! It depends on the axes and on the rule of the leaderboard; what its columns are called is `rank`'s to say, as for every
//! table. When and where it is made is `views`' business.

use super::series::tag_of;
use crate::{
    event::tags,
    rank::{axis_columns, rule_metrics, standard_metrics},
    spec::{Metric, RESERVED_EXPERIMENTS, RankRule},
};

/// Of two classes, the part of the positive (last) one that was found, in the run of the table `v`.
pub(super) const SENSITIVITY: &str = "(SELECT c.recall FROM _class_metric c WHERE c.run_id = v.run_id AND c.class_index = 1 \
    AND c.support > 0 AND NOT EXISTS (SELECT 1 FROM _class_metric d WHERE d.run_id = v.run_id AND d.class_index = 2))";
/// Of two classes, the part of the other one that was told from it.
pub(super) const SPECIFICITY: &str = "(SELECT c.recall FROM _class_metric c WHERE c.run_id = v.run_id AND c.class_index = 0 \
    AND c.support > 0 AND (SELECT count(*) FROM _class_metric d WHERE d.run_id = v.run_id) = 2)";
/// Area under the ROC curve of two classes: of the predictions, else as the run has written it.
pub(super) const AUC: &str = "CASE WHEN (SELECT count(*) FROM _class_metric c WHERE c.run_id = v.run_id) = 2 THEN \
    coalesce(v.auc, (SELECT value FROM _latest WHERE run_id = v.run_id AND tag_id = \
    (SELECT id FROM _tag WHERE name = 'validation/auc'))) END";

/// After the metrics, from the tables `v` and `q`. The test is shown only as long as it is one against the best run.
const STATISTICS: [(&str, &str); 8] = [
    ("validation_accuracy_low", "v.low"),
    ("validation_accuracy_high", "v.high"),
    ("validation_sensitivity", SENSITIVITY),
    ("validation_specificity", SPECIFICITY),
    ("validation_auc", AUC),
    ("best_epoch", "q.best_epoch"),
    ("best_value", "q.best_value"),
    ("mcnemar_p", "CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.p END"),
];

/// Whether an experiment of this name would hide a view that belongs to every runs database, or SQLite's own tables.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_") || RESERVED_EXPERIMENTS.contains(&name.as_str())
}

/// The view, from its name on: what follows `CREATE VIEW`.
pub(super) fn text(experiment: i64, name: &str, axes: &[String], rule: &RankRule) -> String {
    let mut columns = vec!["k.rank".to_owned(), "r.name AS run".to_owned()];
    columns.extend(axis_columns(axes, rule).iter().enumerate().map(|(place, column)| {
        format!("json_extract(r.axis_values, '$[{place}]') AS {}", identifier(column))
    }));
    columns.extend(["seed", "state"].map(|column| format!("r.{column}")));
    columns.extend(standard_metrics(rule).map(|(column, tag)| latest(tag, column)));
    columns.extend(rule_metrics(rule).into_iter().map(|(tag, column)| latest(tag, &column)));
    columns.extend(STATISTICS.map(|(column, sql)| format!("{sql} AS {column}")));
    format!(
        "{} AS
SELECT {}
FROM _run r JOIN _ranking k ON k.run_id = r.id
LEFT JOIN _validation v ON v.run_id = r.id
LEFT JOIN _statistic q ON q.run_id = r.id
WHERE r.experiment_id = {experiment} AND k.rank IS NOT NULL
ORDER BY k.rank",
        identifier(name),
        columns.join(",\n       ")
    )
}

/// A view with everything in it that one can have: another text is another program's.
pub(super) fn sample() -> String {
    let axes = ["x", "rank", "auc"].map(str::to_owned);
    let rule =
        RankRule { by: Metric::by_tag("auc"), then: Some(Metric::by_tag(tags::VALIDATION_LOSS)), top: 10 };
    let own = RankRule { by: Metric::by_tag("train_loss"), then: Some(Metric::by_tag("run")), top: 10 };
    text(1, "sample", &axes, &rule) + &text(2, "sample", &axes, &own)
}

/// The value of a tag at its highest step.
fn latest(tag: &str, column: &str) -> String {
    format!(
        "(SELECT value FROM _latest WHERE run_id = r.id AND tag_id = {}) AS {}",
        tag_of(&literal(tag)),
        identifier(column)
    )
}

/// A quoted identifier: <https://www.sqlite.org/lang_keywords.html>.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fixed_views_are_reserved_in_any_case() {
        assert!(["runs", "History", "LEADERBOARD", "sqlite_master"].map(is_reserved).iter().all(|&is| is));
        assert!(!is_reserved("tab3"));
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier(r#"a"b-c"#), r#""a""b-c""#);
        assert_eq!(literal("it's"), "'it''s'");
    }
}
