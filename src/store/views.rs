//! The view of an experiment's own name: its SQL, as text. Pure.
//!
//! The fixed views are in the migration; this one depends on the axes and on the rule of the leaderboard.

use crate::{
    event::tags,
    spec::{Metric, RESERVED_EXPERIMENTS, RankRule},
};

/// Columns before and after those of the axes.
const BEFORE: [&str; 2] = ["rank", "run"];
const AFTER: [&str; 2] = ["seed", "state"];

/// The leaderboard's standard metrics: column and tag.
pub(super) const STANDARD: [(&str, &str); 4] = [
    ("train_accuracy", tags::TRAIN_ACCURACY),
    ("train_loss", tags::TRAIN_LOSS),
    ("validation_accuracy", tags::VALIDATION_ACCURACY),
    ("validation_loss", tags::VALIDATION_LOSS),
];

/// Behind the metrics, from the tables `v` and `q`. The test is shown only as long as it is one against the best run.
const STATISTICS: [(&str, &str); 5] = [
    ("validation_accuracy_low", "v.low"),
    ("validation_accuracy_high", "v.high"),
    ("best_epoch", "q.best_epoch"),
    ("best_value", "q.best_value"),
    ("mcnemar_p", "CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.p END"),
];

/// Whether an experiment of this name would hide a view that belongs to every runs database, or SQLite's own tables.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_") || RESERVED_EXPERIMENTS.contains(&name.as_str())
}

/// The columns of the axes in the experiment's view: the axes' names, with the suffix `_axis` where a name is that of
/// another column. SQLite takes no notice of case.
#[must_use]
pub fn axis_columns(axes: &[String]) -> Vec<String> {
    let statistics = STATISTICS.map(|(column, _)| column);
    let fixed = BEFORE.into_iter().chain(AFTER).chain(STANDARD.map(|(column, _)| column)).chain(statistics);
    let mut taken: Vec<String> = fixed.map(str::to_owned).collect();
    let mut columns = Vec::with_capacity(axes.len());
    for axis in axes {
        let mut column = axis.clone();
        // An axis of the plain name further on keeps it.
        while taken.contains(&column.to_ascii_lowercase())
            || (column != *axis && axes.iter().any(|other| other.eq_ignore_ascii_case(&column)))
        {
            column.push_str("_axis");
        }
        taken.push(column.to_ascii_lowercase());
        columns.push(column);
    }
    columns
}

/// Drops and makes the view: two statements.
pub(super) fn experiment_view(experiment: i64, name: &str, axes: &[String], rule: &RankRule) -> String {
    let mut columns = vec!["k.rank".to_owned(), "r.name AS run".to_owned()];
    columns.extend(axis_columns(axes).iter().enumerate().map(|(place, column)| {
        format!("json_extract(r.axis_values, '$[{place}]') AS {}", identifier(column))
    }));
    columns.extend(AFTER.map(|column| format!("r.{column}")));
    columns.extend(STANDARD.map(|(column, tag)| latest(tag, column)));
    let others = [Some(&rule.by), rule.then.as_ref()].into_iter().flatten();
    let mut tags: Vec<&str> = STANDARD.map(|(_, tag)| tag).to_vec();
    for Metric { tag, .. } in others {
        if !tags.contains(&tag.as_str()) {
            tags.push(tag);
            columns.push(latest(tag, tag));
        }
    }
    columns.extend(STATISTICS.map(|(column, sql)| format!("{sql} AS {column}")));
    let view = identifier(name);
    format!(
        "DROP VIEW IF EXISTS {view};
CREATE VIEW {view} AS
SELECT {}
FROM _run r JOIN _ranking k ON k.run_id = r.id
LEFT JOIN _validation v ON v.run_id = r.id
LEFT JOIN _statistic q ON q.run_id = r.id
WHERE r.experiment_id = {experiment} AND k.rank IS NOT NULL
ORDER BY k.rank",
        columns.join(",\n       ")
    )
}

/// The value of a tag at its highest step.
fn latest(tag: &str, column: &str) -> String {
    format!(
        "(SELECT value FROM _latest WHERE run_id = r.id AND tag_id = (SELECT id FROM _tag WHERE name = {})) AS {}",
        literal(tag),
        identifier(column)
    )
}

/// A quoted identifier: <https://www.sqlite.org/lang_keywords.html>.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(axes: &[&str]) -> Vec<String> {
        axis_columns(&axes.iter().map(|&axis| axis.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn axes_keep_their_names_unless_taken() {
        assert_eq!(columns(&["dense_layers", "layer_size"]), ["dense_layers", "layer_size"]);
        assert_eq!(columns(&["rank", "Seed", "lr", "LR"]), ["rank_axis", "Seed_axis", "lr", "LR_axis"]);
        assert_eq!(columns(&["rank", "rank_axis"]), ["rank_axis_axis", "rank_axis"]);
    }

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
