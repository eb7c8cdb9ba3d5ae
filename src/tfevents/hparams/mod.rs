//! TensorBoard's HParams tab: one experiment record in the logdir, one session in each run directory.
//!
//! The experiment record says which columns the table has, a session says what a run's row holds and how the run ended.
//! The metrics of a row are the last values of scalars that lie in the session's directory or below it. Used by the
//! sweep, which alone knows all runs; `files` writes the records where they belong.
//!
//! Rules that TensorBoard 2.21 sets (read in its source and tried):
//! - One experiment record in a logdir. Of several, any one wins and the other's columns are gone.
//! - A parameter or metric that the experiment record does not name is not shown.
//! - A metric is found by exact group and tag; a wrong name is an empty cell and no error.
//! - A session without an end shows as "unknown". A written status cannot be replaced by a later one, so there is no
//!   [`Status`] for a run that is still going.

mod beside;
mod files;
mod message;
mod read;

use prost::Message;

use super::message::{Summary, SummaryMetadata, SummaryValue};
use crate::spec::Value;
use message::{
    Content, Domain, Experiment, HParam, Interval, Kind, ListValue, Metric, MetricName, PluginData,
    ProtoValue, SessionEnd, SessionStart,
};

pub use beside::{StepOfCurves, copy_session, copy_without_records, set_in_session};
pub use files::{
    append_graph_to_session, append_image_to_session, append_to_session, is_session,
    remove_experiment_records, session_has, write_experiment_record, write_session,
};
pub(super) use read::records_of;
pub use read::{HParamsRecord, Records, has_experiment_record, records_in};

/// From so many values on, TensorBoard asks for a regular expression instead of a tick per value; a range serves better.
const INTERVAL_FROM: usize = 10;

/// A parameter of the table: a column, and a filter beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct HParamInfo {
    /// Its name in every session.
    pub name: String,
    /// Every value that it has in some run, in the order to be shown; repeated ones are taken once.
    pub values: Vec<Value>,
    /// Replaces the name on screen, unless empty.
    pub display_name: String,
    /// Shown beside the filter.
    pub description: String,
}

impl HParamInfo {
    /// A parameter shown under its own name.
    #[must_use]
    pub fn new(name: &str, values: &[Value]) -> Self {
        Self {
            name: name.to_owned(),
            values: values.to_vec(),
            display_name: String::new(),
            description: String::new(),
        }
    }
}

/// A metric of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// The sub-run: a path below the session's directory, `validation`; empty for the directory itself.
    pub group: String,
    /// The tag in that sub-run: `epoch_accuracy`.
    pub tag: String,
    /// Replaces the tag on screen, unless empty.
    pub display_name: String,
    /// Shown beside the column.
    pub description: String,
    /// What the metric was measured on.
    pub dataset: DatasetType,
}

/// What a metric was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetType {
    /// Not stated.
    Unknown,
    /// The training images.
    Training,
    /// The validation images.
    Validation,
}

impl MetricInfo {
    /// The metric with a full tag as [`crate::event::Scalar`] has it: all up to the last slash is the sub-run. The
    /// sub-runs `train` and `validation` say what was measured on.
    #[must_use]
    pub fn new(full_tag: &str, display_name: &str) -> Self {
        let (group, tag) = full_tag.rsplit_once('/').unwrap_or(("", full_tag));
        Self::within(group, tag, display_name)
    }

    /// The metric with this tag in this sub-run; both may have slashes.
    #[must_use]
    pub fn within(group: &str, tag: &str, display_name: &str) -> Self {
        let dataset = match group {
            "train" => DatasetType::Training,
            "validation" => DatasetType::Validation,
            _ => DatasetType::Unknown,
        };
        Self {
            group: group.to_owned(),
            tag: tag.to_owned(),
            display_name: display_name.to_owned(),
            description: String::new(),
            dataset,
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With results.
    Success,
    /// Without, or with those up to the failure.
    Failure,
}

/// The experiment record: the table's columns. `time` is the experiment's creation, seconds since 1970.
#[must_use]
pub fn experiment(
    infos: &[HParamInfo],
    metrics: &[MetricInfo],
    name: &str,
    description: &str,
    time: f64,
) -> Summary {
    let content = Content::Experiment(Experiment {
        description: description.to_owned(),
        time_created_secs: time,
        hparam_infos: infos.iter().map(hparam).collect(),
        metric_infos: metrics.iter().map(metric).collect(),
        name: name.to_owned(),
    });
    record("_hparams_/experiment", content)
}

/// The record that opens a session: the row's parameters.
///
/// Sessions with one `group_name` share a row, their metrics averaged; an empty one gives each its own row, named after
/// the run. A grouped session's own parameters (its seed) should stay out of `hparams`: TensorBoard shows any one of them.
/// `start` is in seconds since 1970.
#[must_use]
pub fn session_start(hparams: &[(String, Value)], group_name: &str, start: f64) -> Summary {
    let content = Content::SessionStart(SessionStart {
        hparams: hparams.iter().map(|(name, value)| (name.clone(), proto(value))).collect(),
        group_name: group_name.to_owned(),
        start_time_secs: start,
    });
    record("_hparams_/session_start_info", content)
}

/// The record that closes a session, to be written once. `end` is in seconds since 1970.
#[must_use]
pub fn session_end(status: Status, end: f64) -> Summary {
    let status = match status {
        Status::Success => 1,
        Status::Failure => 2,
    };
    record("_hparams_/session_end_info", Content::SessionEnd(SessionEnd { status, end_time_secs: end }))
}

/// A value that is all metadata: the plugin reads no data.
fn record(tag: &str, content: Content) -> Summary {
    let content = PluginData { version: 0, content: Some(content) }.encode_to_vec();
    let metadata = Some(SummaryMetadata::plugin("hparams", content));
    SummaryValue { tag: tag.to_owned(), data: None, metadata }.into()
}

fn hparam(info: &HParamInfo) -> HParam {
    let mut values: Vec<&Value> = Vec::new();
    for value in &info.values {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.as_f64()).collect();
    // Set by hand: TensorBoard computes it only where there is no experiment record, and shows such columns first.
    let differs = values.len() > 1;
    let (data_type, domain) = match numbers {
        Some(numbers) if numbers.len() >= INTERVAL_FROM => {
            let min_value = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let max_value = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (3, Domain::Interval(Interval { min_value, max_value }))
        }
        numbers => {
            let bools = values.iter().all(|value| matches!(value, Value::Bool(_)));
            let data_type = if values.is_empty() {
                1
            } else if numbers.is_some() {
                3
            } else if bools {
                2
            } else {
                1
            };
            (data_type, Domain::Discrete(ListValue { values: values.into_iter().map(proto).collect() }))
        }
    };
    HParam {
        name: info.name.clone(),
        display_name: info.display_name.clone(),
        description: info.description.clone(),
        data_type,
        domain: Some(domain),
        differs,
    }
}

fn metric(info: &MetricInfo) -> Metric {
    Metric {
        name: Some(MetricName { group: info.group.clone(), tag: info.tag.clone() }),
        display_name: info.display_name.clone(),
        description: info.description.clone(),
        dataset_type: match info.dataset {
            DatasetType::Unknown => 0,
            DatasetType::Training => 1,
            DatasetType::Validation => 2,
        },
    }
}

fn proto(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Bool(value) => Kind::Bool(*value),
        #[expect(clippy::cast_precision_loss, reason = "the format has doubles alone")]
        Value::Int(value) => Kind::Number(*value as f64),
        Value::Float(value) => Kind::Number(*value),
        Value::Text(value) => Kind::Text(value.clone()),
        Value::Null | Value::List(_) => Kind::Text(value.to_string()),
    };
    ProtoValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plugin's bytes in a summary of one value.
    fn content(summary: &Summary) -> Vec<u8> {
        assert_eq!(summary.value.len(), 1);
        let metadata = summary.value[0].metadata.clone().unwrap();
        let plugin = metadata.plugin_data.unwrap();
        assert_eq!((plugin.plugin_name.as_str(), &summary.value[0].data), ("hparams", &None));
        plugin.content
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes that TensorBoard's own writer makes.
    #[test]
    fn sessions_are_as_tensorboard_writes_them() {
        let start = session_start(&[("lr".to_owned(), Value::Float(0.1))], "g", 0.0);
        assert_eq!(hex(&content(&start)), "1a140a0f0a026c721209119a9999999999b93f220167");
        assert_eq!(start.value[0].tag, "_hparams_/session_start_info");
        let end = session_end(Status::Success, 2.0);
        assert_eq!(hex(&content(&end)), "220b0801110000000000000040");
        assert_eq!(end.value[0].tag, "_hparams_/session_end_info");
        assert_eq!(hex(&content(&session_end(Status::Failure, 2.0))), "220b0802110000000000000040");
    }

    fn decoded(infos: &[HParamInfo], metrics: &[MetricInfo]) -> Experiment {
        let data = PluginData::decode(&content(&experiment(infos, metrics, "tab3", "why", 5.0))[..]).unwrap();
        match data.content {
            Some(Content::Experiment(experiment)) if data.version == 0 => experiment,
            other => panic!("{other:?}"),
        }
    }

    fn kinds(values: &[Value]) -> (i32, Option<Domain>, bool) {
        let info = decoded(&[HParamInfo::new("axis", values)], &[]).hparam_infos.remove(0);
        (info.data_type, info.domain, info.differs)
    }

    fn list(kinds: Vec<Kind>) -> Option<Domain> {
        let values = kinds.into_iter().map(|kind| ProtoValue { kind: Some(kind) }).collect();
        Some(Domain::Discrete(ListValue { values }))
    }

    #[test]
    fn few_values_are_listed_with_their_type() {
        let numbers = list(vec![Kind::Number(32.0), Kind::Number(0.5)]);
        let values = [Value::Int(32), Value::Float(0.5), Value::Int(32)];
        assert_eq!(kinds(&values), (3, numbers, true));
        assert_eq!(kinds(&[Value::Bool(false)]), (2, list(vec![Kind::Bool(false)]), false));
        let mixed = [Value::Text("auto".to_owned()), Value::Int(0)];
        assert_eq!(kinds(&mixed), (1, list(vec![Kind::Text("auto".to_owned()), Kind::Number(0.0)]), true));
        assert_eq!(kinds(&[]), (1, list(vec![]), false));
    }

    #[test]
    fn many_numbers_are_an_interval_and_many_words_stay_a_list() {
        let numbers: Vec<Value> = (0..10).map(Value::Int).collect();
        assert!(matches!(kinds(&numbers[..9]).1, Some(Domain::Discrete(_))));
        let interval = Interval { min_value: 0.0, max_value: 9.0 };
        assert_eq!(kinds(&numbers), (3, Some(Domain::Interval(interval)), true));
        let words: Vec<Value> = (0..10).map(|index| Value::Text(index.to_string())).collect();
        assert!(matches!(kinds(&words).1, Some(Domain::Discrete(_))));
    }

    #[test]
    fn an_experiment_carries_its_name_and_metrics() {
        let metrics = [
            MetricInfo::new("validation/epoch_accuracy", "accuracy"),
            MetricInfo::new("train/epoch_loss", ""),
            MetricInfo::new("loss", ""),
        ];
        let experiment = decoded(&[], &metrics);
        assert_eq!((experiment.name.as_str(), experiment.description.as_str()), ("tab3", "why"));
        assert_eq!(experiment.time_created_secs.to_bits(), 5.0_f64.to_bits());
        let found: Vec<_> = experiment
            .metric_infos
            .iter()
            .map(|metric| {
                let name = metric.name.clone().unwrap();
                (name.group, name.tag, metric.display_name.as_str(), metric.dataset_type)
            })
            .collect();
        let expected = [
            ("validation", "epoch_accuracy", "accuracy", 2),
            ("train", "epoch_loss", "", 1),
            ("", "loss", "", 0),
        ]
        .map(|(group, tag, display, dataset)| (group.to_owned(), tag.to_owned(), display, dataset));
        assert_eq!(found, expected);
    }
}
