//! What the columns of a leaderboard are called, the same in SQL and in every table: fixed ones, those of the axes, and those
//! of the rule's metrics, none twice.
//!
//! Used by the store for the view of an experiment and by `report` for its tables. Pure.

use crate::{
    event::tags,
    spec::{Metric, RankRule},
};

/// The columns that every leaderboard has or may have, beside those of axes and metrics.
const FIXED: [&str; 27] = [
    "rank",
    "run",
    "grid_point",
    "seed",
    "seeds",
    "seeds_of",
    "seeds_wanted",
    "state",
    "reason",
    "train_accuracy",
    "train_loss",
    "validation_accuracy",
    "validation_accuracy_low",
    "validation_accuracy_high",
    "validation_loss",
    "validation_images",
    "validation_sensitivity",
    "validation_specificity",
    "validation_auc",
    "best_epoch",
    "best_value",
    "best_mean",
    "mcnemar_p",
    "against_best",
    "validation_accuracy_interval",
    "against_best_sign",
    "best_at",
];

/// The standard metrics: column and tag.
const STANDARD: [(&str, &str); 4] = [
    ("train_accuracy", tags::TRAIN_ACCURACY),
    ("train_loss", tags::TRAIN_LOSS),
    ("validation_accuracy", tags::VALIDATION_ACCURACY),
    ("validation_loss", tags::VALIDATION_LOSS),
];

/// The metrics of the rule, its first one first.
fn metrics(rule: &RankRule) -> impl Iterator<Item = &Metric> {
    [Some(&rule.by), rule.then.as_ref()].into_iter().flatten()
}

/// The four standard metrics, column and tag. Where the rule ranks by a tag that is called exactly like one of these columns,
/// the column is that metric: the spec says which one is meant.
#[must_use]
pub fn standard_metrics(rule: &RankRule) -> [(&'static str, &'static str); 4] {
    STANDARD.map(|(column, tag)| {
        let named = metrics(rule).any(|metric| metric.tag == column);
        (column, if named { column } else { tag })
    })
}

/// The metrics of the rule that are not among the standard ones, each once: tag and column. The column is called like the tag,
/// with the suffix `_metric` where a fixed column has that name. No notice is taken of case, as in SQL.
#[must_use]
pub fn rule_metrics(rule: &RankRule) -> Vec<(&str, String)> {
    let standard = standard_metrics(rule).map(|(_, tag)| tag);
    let mut columns: Vec<(&str, String)> = Vec::new();
    for Metric { tag, .. } in metrics(rule) {
        if standard.contains(&tag.as_str()) || columns.iter().any(|(known, _)| known == tag) {
            continue;
        }
        let mut column = tag.clone();
        while is_fixed(&column) || columns.iter().any(|(_, known)| known.eq_ignore_ascii_case(&column)) {
            column.push_str("_metric");
        }
        columns.push((tag, column));
    }
    columns
}

/// The columns of the axes: the axes' names, with the suffix `_axis` where a name is that of another column.
#[must_use]
pub fn axis_columns(axes: &[String], rule: &RankRule) -> Vec<String> {
    let mut taken: Vec<String> =
        rule_metrics(rule).into_iter().map(|(_, column)| column.to_ascii_lowercase()).collect();
    let mut columns = Vec::with_capacity(axes.len());
    for axis in axes {
        let mut column = axis.clone();
        // An axis of the plain name further on keeps it.
        while is_fixed(&column)
            || taken.contains(&column.to_ascii_lowercase())
            || (column != *axis && axes.iter().any(|other| other.eq_ignore_ascii_case(&column)))
        {
            column.push_str("_axis");
        }
        taken.push(column.to_ascii_lowercase());
        columns.push(column);
    }
    columns
}

fn is_fixed(column: &str) -> bool {
    FIXED.iter().any(|fixed| fixed.eq_ignore_ascii_case(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(by: &str, then: Option<&str>) -> RankRule {
        RankRule { by: Metric::by_tag(by), then: then.map(Metric::by_tag), top: 10 }
    }

    fn columns(axes: &[&str], rule: &RankRule) -> Vec<String> {
        axis_columns(&axes.iter().map(|&axis| axis.to_owned()).collect::<Vec<_>>(), rule)
    }

    #[test]
    fn axes_keep_their_names_unless_taken() {
        let rule = rule(tags::VALIDATION_ACCURACY, None);
        assert_eq!(columns(&["dense_layers", "layer_size"], &rule), ["dense_layers", "layer_size"]);
        assert_eq!(
            columns(&["rank", "Seed", "lr", "LR"], &rule),
            ["rank_axis", "Seed_axis", "lr", "LR_axis"]
        );
        assert_eq!(columns(&["rank", "rank_axis"], &rule), ["rank_axis_axis", "rank_axis"]);
        assert_eq!(columns(&["reason", "seeds_wanted"], &rule), ["reason_axis", "seeds_wanted_axis"]);
    }

    #[test]
    fn metrics_give_way_to_fixed_columns_and_axes_to_metrics() {
        let rule = rule("Run", Some("rank"));
        let named = |tag: &'static str, column: &str| (tag, column.to_owned());
        assert_eq!(rule_metrics(&rule), [named("Run", "Run_metric"), named("rank", "rank_metric")]);
        assert_eq!(columns(&["run", "rank_metric"], &rule), ["run_axis", "rank_metric_axis"]);
        let plain = self::rule("validation/auc", Some(tags::VALIDATION_LOSS));
        assert_eq!(rule_metrics(&plain), [named("validation/auc", "validation/auc")]);
        assert_eq!(columns(&["validation/auc"], &plain), ["validation/auc_axis"]);
        let twice = self::rule("AUC", Some("auc"));
        assert_eq!(rule_metrics(&twice), [named("AUC", "AUC"), named("auc", "auc_metric")]);
    }

    #[test]
    fn a_standard_column_is_the_metric_that_the_rule_calls_so() {
        let usual = rule(tags::VALIDATION_ACCURACY, None);
        assert_eq!(standard_metrics(&usual), STANDARD);
        let own = rule("validation_accuracy", Some("train_loss"));
        let expected = [
            ("train_accuracy", tags::TRAIN_ACCURACY),
            ("train_loss", "train_loss"),
            ("validation_accuracy", "validation_accuracy"),
            ("validation_loss", tags::VALIDATION_LOSS),
        ];
        assert_eq!(standard_metrics(&own), expected);
        assert!(rule_metrics(&own).is_empty());
    }
}
