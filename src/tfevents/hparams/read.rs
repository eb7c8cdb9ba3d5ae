//! HParams records that other programs have written: TensorFlow's `hp.hparams`, PyTorch's and tensorboardX's `add_hparams`,
//! clu's `write_hparams`. All are the plugin's own messages.

use std::{fs::File, path::Path};

use prost::Message;

use super::{
    Status,
    files::FIRST_RECORDS,
    message::{Content, Kind, PluginData},
};
use crate::{
    spec::Value,
    tfevents::{
        RecordReader,
        message::{Event, What},
        wire::Fields,
    },
};

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum HParamsRecord {
    /// The columns of the tab.
    Experiment {
        /// Its metrics: sub-run and tag.
        metrics: Vec<(String, String)>,
    },
    /// A session has begun.
    Start {
        /// Its parameters. What is no number, text or switch is left out, as the tab does.
        hparams: Vec<(String, Value)>,
        /// Seconds since 1970; `None` where the program does not say.
        started: Option<f64>,
    },
    /// A session has ended.
    End {
        /// How, where the program says.
        status: Option<Status>,
        /// Seconds since 1970; `None` where the program does not say.
        ended: Option<f64>,
    },
}

/// The records in an encoded event.
pub(in crate::tfevents) fn records_of(event: &[u8]) -> Vec<HParamsRecord> {
    if !has_record(event) {
        return Vec::new();
    }
    let Ok(Event { what: Some(What::Summary(summary)), .. }) = Event::decode(event) else {
        return Vec::new();
    };
    let content = |value: crate::tfevents::message::SummaryValue| {
        let plugin = value.metadata?.plugin_data?;
        if plugin.plugin_name != "hparams" {
            return None;
        }
        PluginData::decode(&plugin.content[..]).ok()?.content
    };
    summary.value.into_iter().filter_map(content).map(record).collect()
}

/// Whether a value of an event is under a tag of the plugin: most events are not decoded for it.
fn has_record(event: &[u8]) -> bool {
    let mut fields = Fields(event);
    while let Ok(Some((number, field))) = fields.next() {
        let Some(summary) = (number == 5).then(|| field.bytes().ok()).flatten() else { continue };
        let mut values = Fields(summary);
        while let Ok(Some((_, value))) = values.next() {
            let mut value = Fields(value.bytes().unwrap_or_default());
            while let Ok(Some((number, field))) = value.next() {
                if number == 1 && field.string().is_ok_and(|tag| tag.starts_with("_hparams_/")) {
                    return true;
                }
            }
        }
    }
    false
}

fn record(content: Content) -> HParamsRecord {
    let time = |seconds: f64| (seconds > 0.0).then_some(seconds);
    match content {
        Content::Experiment(experiment) => HParamsRecord::Experiment {
            metrics: experiment
                .metric_infos
                .into_iter()
                .filter_map(|metric| metric.name)
                .map(|name| (name.group, name.tag))
                .collect(),
        },
        Content::SessionStart(start) => HParamsRecord::Start {
            hparams: start
                .hparams
                .into_iter()
                .filter_map(|(name, value)| Some((name, known(value.kind?)?)))
                .collect(),
            started: time(start.start_time_secs),
        },
        Content::SessionEnd(end) => HParamsRecord::End {
            status: match end.status {
                1 => Some(Status::Success),
                2 => Some(Status::Failure),
                _ => None,
            },
            ended: time(end.end_time_secs),
        },
    }
}

/// The message knows one kind of number.
fn known(kind: Kind) -> Option<Value> {
    const WHOLE: f64 = (1_u64 << 53) as f64;
    match kind {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Kind::Number(number) if number.fract() == 0.0 && number.abs() <= WHOLE => {
            Some(Value::Int(number as i64))
        }
        Kind::Number(number) => number.is_finite().then_some(Value::Float(number)),
        Kind::Text(text) => Some(Value::Text(text)),
        Kind::Bool(switch) => Some(Value::Bool(switch)),
    }
}

/// Whether a program has written an experiment record into this event file, among its first records: PyTorch's `add_hparams`
/// makes a file of its own and begins it with one. TensorBoard shows an arbitrary one of several.
#[must_use]
pub fn has_experiment_record(path: &Path) -> bool {
    looked_at(path, "_hparams_/experiment") == Records::Some
}

/// HParams records at the front of an event file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// There are some.
    Some,
    /// There are none.
    None,
    /// The file has not begun yet.
    NotYet,
}

/// Whether an event file begins with HParams records.
#[must_use]
pub fn records_in(path: &Path) -> Records {
    looked_at(path, "_hparams_/")
}

fn looked_at(path: &Path, prefix: &str) -> Records {
    let Ok(file) = File::open(path) else { return Records::NotYet };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Records::NotYet;
    }
    let mut reader = RecordReader::new(file, 0);
    for place in 0..FIRST_RECORDS {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            // The first record is the version of the format.
            Ok(None) if place < 2 => return Records::NotYet,
            _ => break,
        };
        let Ok(Event { what: Some(What::Summary(summary)), .. }) = Event::decode(record) else { continue };
        if summary.value.iter().any(|value| value.tag.starts_with(prefix)) {
            return Records::Some;
        }
    }
    Records::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfevents::{
        hparams::{HParamInfo, MetricInfo, experiment, session_end, session_start},
        message::Summary,
    };

    fn read(summary: Summary) -> Vec<HParamsRecord> {
        let event = Event { wall_time: 1.0, step: 0, what: Some(What::Summary(summary)) };
        records_of(&event.encode_to_vec())
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let values = [
            ("lr".to_owned(), Value::Float(0.5)),
            ("layers".to_owned(), Value::Int(3)),
            ("optimizer".to_owned(), Value::Text("adam".to_owned())),
            ("bias".to_owned(), Value::Bool(true)),
        ];
        let [HParamsRecord::Start { hparams, started: Some(7.0) }] =
            &read(session_start(&values, "g", 7.0))[..]
        else {
            panic!("a start")
        };
        let mut expected = values.to_vec();
        expected.sort_by(|left, right| left.0.cmp(&right.0));
        assert_eq!(*hparams, expected);
        assert_eq!(
            read(session_end(Status::Failure, 9.0)),
            [HParamsRecord::End { status: Some(Status::Failure), ended: Some(9.0) }]
        );
        let info = [HParamInfo::new("lr", &[Value::Float(0.5)])];
        let metrics = [MetricInfo::new("validation/loss", "")];
        assert_eq!(
            read(experiment(&info, &metrics, "x", "", 1.0)),
            [HParamsRecord::Experiment { metrics: vec![("validation".to_owned(), "loss".to_owned())] }]
        );
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        assert_eq!(records_of(b"\xff\xff"), []);
        let other = crate::tfevents::message::SummaryValue {
            tag: "_hparams_/experiment".to_owned(),
            data: None,
            metadata: None,
        };
        assert_eq!(read(other.into()), []);
    }
}
