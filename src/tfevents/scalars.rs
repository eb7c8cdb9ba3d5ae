//! The scalars of one event, in every form that trainers write them.
//!
//! `simple_value` (this crate, tensorboardX, PyTorch's default), and rank-0 float tensors whose tag belongs to the plugin
//! `scalars` (Keras, TensorFlow 2, PyTorch's new style). Used by the reader. Images, text, histograms and the HParams
//! records carry no scalars and are passed over.

use std::collections::HashMap;

use super::{
    message::{DT_DOUBLE, DT_FLOAT, SessionLog},
    record::Corruption,
    wire::{Field, Fields, Malformed},
};

/// One point of a curve, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalarRef<'a> {
    /// As the file names it, without sub-run.
    pub tag: &'a str,
    /// Epoch or batch.
    pub step: i64,
    /// The value; NaN and infinities are kept. Doubles are rounded to f32, which is what TensorBoard shows.
    pub value: f32,
    /// Seconds since 1970; NaN where the event has none. TensorBoard leaves a file at such an event.
    pub wall_time: f64,
}

/// What an event says of curves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a> {
    /// A point.
    Point(ScalarRef<'a>),
    /// A session starts at this step (`SessionLog.START`, a writer's `purge_step`): what the directory's curves have from
    /// there on is void.
    Start(i64),
}

/// Which tags of a directory hold scalars as tensors.
///
/// Writers may name the plugin with the first value of a tag alone, and TensorBoard goes by the first that it sees in a
/// run. So one of these serves all the event files of one directory, in order.
#[derive(Clone, Debug, Default)]
pub struct ScalarTags(HashMap<Box<str>, bool>);

impl ScalarTags {
    /// Whether a tensor under `tag`, with this metadata or none, is a scalar.
    fn admit(&mut self, tag: &str, metadata: Option<&[u8]>) -> Result<bool, Malformed> {
        if let Some(known) = self.0.get(tag) {
            return Ok(*known);
        }
        let Some(metadata) = metadata else { return Ok(false) };
        let scalar = plugin_name(metadata)? == "scalars";
        self.0.insert(tag.into(), scalar);
        Ok(scalar)
    }
}

/// Hands every scalar of an encoded event to `sink`, and the start of a session.
pub(super) fn of_event(
    event: &[u8],
    tags: &mut ScalarTags,
    sink: &mut impl FnMut(Told<'_>),
) -> Result<(), Corruption> {
    let Head { wall_time, step, summary, start } = head(event).map_err(|Malformed| Corruption::NotAnEvent)?;
    if start {
        sink(Told::Start(step));
    }
    let mut values = Fields(summary);
    let mut next = || values.next().map_err(|Malformed| Corruption::NotAnEvent);
    while let Some((number, field)) = next()? {
        if number != 1 {
            continue;
        }
        let value = field.bytes().and_then(|value| scalar(value, tags));
        if let Some((tag, value)) = value.map_err(|Malformed| Corruption::NotAnEvent)? {
            sink(Told::Point(ScalarRef { tag, step, value, wall_time }));
        }
    }
    Ok(())
}

/// What is needed of an event. A message's fields come in any order, so the summary waits for the step.
struct Head<'a> {
    wall_time: f64,
    step: i64,
    summary: &'a [u8],
    /// Whether it is the start of a session.
    start: bool,
}

fn head(event: &[u8]) -> Result<Head<'_>, Malformed> {
    let mut head = Head { wall_time: 0.0, step: 0, summary: &[], start: false };
    let mut fields = Fields(event);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => head.wall_time = field.double()?,
            2 => head.step = field.varint()?.cast_signed(),
            5 => head.summary = field.bytes()?,
            7 => head.start = starts_session(field.bytes()?)?,
            _ => {}
        }
    }
    Ok(head)
}

/// Whether a `SessionLog` has the status START.
fn starts_session(log: &[u8]) -> Result<bool, Malformed> {
    let mut starts = false;
    let mut fields = Fields(log);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            starts = field.varint()? == u64::from(SessionLog::START.cast_unsigned());
        }
    }
    Ok(starts)
}

/// Tag and value of a `Summary.Value`, where it is a scalar.
fn scalar<'a>(value: &'a [u8], tags: &mut ScalarTags) -> Result<Option<(&'a str, f32)>, Malformed> {
    let (mut tag, mut simple, mut tensor, mut metadata) = ("", None, None, None);
    let mut fields = Fields(value);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => tag = field.string()?,
            2 => simple = Some(field.float()?),
            8 => tensor = Some(field.bytes()?),
            9 => metadata = Some(field.bytes()?),
            _ => {}
        }
    }
    if let Some(value) = simple {
        return Ok(Some((tag, value)));
    }
    match tensor {
        Some(tensor) if tags.admit(tag, metadata)? => Ok(rank_0(tensor)?.map(|value| (tag, value))),
        _ => Ok(None),
    }
}

/// `SummaryMetadata.plugin_data.plugin_name`; empty where absent.
fn plugin_name(metadata: &[u8]) -> Result<&str, Malformed> {
    let mut name = "";
    let mut fields = Fields(metadata);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            let mut fields = Fields(field.bytes()?);
            while let Some((number, field)) = fields.next()? {
                if number == 1 {
                    name = field.string()?;
                }
            }
        }
    }
    Ok(name)
}

/// The number in a `TensorProto` of rank 0 and a float type; `None` for any other tensor.
fn rank_0(tensor: &[u8]) -> Result<Option<f32>, Malformed> {
    let (mut dtype, mut content, mut float, mut double) = (0, &[][..], None, None);
    let mut fields = Fields(tensor);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, field) => dtype = field.varint()?,
            (2, field) if has_dimensions(field.bytes()?)? => return Ok(None),
            (4, field) => content = field.bytes()?,
            // A repeated number is packed by every current writer, and one field a number by older ones.
            (5, Field::Bytes(packed)) => float = packed.first_chunk().copied().map(f32::from_le_bytes),
            (5, field) => float = Some(field.float()?),
            (6, Field::Bytes(packed)) => double = packed.first_chunk().copied().map(f64::from_le_bytes),
            (6, field) => double = Some(field.double()?),
            _ => {}
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "curves are f32, here as in TensorBoard's loader")]
    let narrow = |value: f64| value as f32;
    Ok(if dtype == u64::from(DT_FLOAT.cast_unsigned()) {
        content.try_into().map(f32::from_le_bytes).ok().or(float)
    } else if dtype == u64::from(DT_DOUBLE.cast_unsigned()) {
        content.try_into().map(f64::from_le_bytes).ok().or(double).map(narrow)
    } else {
        None
    })
}

/// Whether a `TensorShapeProto` has a dimension, or an unknown number of them.
fn has_dimensions(shape: &[u8]) -> Result<bool, Malformed> {
    let mut fields = Fields(shape);
    while let Some((number, field)) = fields.next()? {
        if number == 2 || (number == 3 && field.varint()? != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::tfevents::message::{
        Data, Dim, Event, Image, Summary, SummaryMetadata, SummaryValue, TensorProto, TensorShape, What,
    };

    type Point = (String, i64, f32, f64);

    fn decode(event: &[u8], tags: &mut ScalarTags) -> Result<Vec<Point>, Corruption> {
        let mut points = Vec::new();
        of_event(event, tags, &mut |told| {
            if let Told::Point(point) = told {
                points.push((point.tag.to_owned(), point.step, point.value, point.wall_time));
            }
        })?;
        Ok(points)
    }

    fn event(values: Vec<SummaryValue>) -> Vec<u8> {
        Event { wall_time: 2.5, step: 7, what: Some(What::Summary(Summary { value: values })) }
            .encode_to_vec()
    }

    fn tensor(tensor: TensorProto, plugin: Option<&str>) -> SummaryValue {
        SummaryValue {
            tag: "loss".to_owned(),
            data: Some(Data::Tensor(tensor)),
            metadata: plugin.map(|name| SummaryMetadata::plugin(name, Vec::new())),
        }
    }

    fn values(value: SummaryValue) -> Vec<f32> {
        decode(&event(vec![value]), &mut ScalarTags::default()).unwrap().iter().map(|point| point.2).collect()
    }

    #[test]
    fn every_form_of_a_scalar_is_read() {
        let float = TensorProto { dtype: DT_FLOAT, float_val: vec![0.5], ..Default::default() };
        assert_eq!(values(tensor(float, Some("scalars"))), [0.5]);
        let content = TensorProto {
            dtype: DT_FLOAT,
            tensor_content: 0.5_f32.to_le_bytes().into(),
            ..Default::default()
        };
        assert_eq!(values(tensor(content, Some("scalars"))), [0.5]);
        let double = TensorProto {
            dtype: DT_DOUBLE,
            double_val: vec![0.1],
            tensor_shape: Some(TensorShape::default()),
            ..Default::default()
        };
        assert_eq!(values(tensor(double, Some("scalars"))), [0.1_f32]);
        let content = TensorProto {
            dtype: DT_DOUBLE,
            tensor_content: 0.1_f64.to_le_bytes().into(),
            ..Default::default()
        };
        assert_eq!(values(tensor(content, Some("scalars"))), [0.1_f32]);
    }

    #[test]
    fn an_unpacked_number_is_read() {
        // dtype = DT_FLOAT, then float_val as a field of its own.
        let bytes = [&[0x08, 1, 0x2d][..], &0.25_f32.to_le_bytes()].concat();
        assert_eq!(rank_0(&bytes), Ok(Some(0.25)));
    }

    #[test]
    fn what_is_no_scalar_is_passed_over() {
        let float = TensorProto { dtype: DT_FLOAT, float_val: vec![0.5], ..Default::default() };
        assert!(values(tensor(float.clone(), Some("histograms"))).is_empty());
        assert!(values(tensor(float.clone(), None)).is_empty());
        let vector =
            TensorProto { tensor_shape: Some(TensorShape { dim: vec![Dim { size: 1 }] }), ..float.clone() };
        assert!(values(tensor(vector, Some("scalars"))).is_empty());
        assert!(values(tensor(TensorProto { dtype: 3, ..float.clone() }, Some("scalars"))).is_empty());
        let empty = TensorProto { float_val: vec![], ..float };
        assert!(values(tensor(empty, Some("scalars"))).is_empty());
        let image = SummaryValue {
            data: Some(Data::Image(Image { encoded: vec![1; 1000], ..Default::default() })),
            ..Default::default()
        };
        assert!(values(image).is_empty());
    }

    #[test]
    fn the_first_metadata_of_a_tag_holds_for_the_later_events() {
        let float = TensorProto { dtype: DT_FLOAT, float_val: vec![0.5], ..Default::default() };
        let mut tags = ScalarTags::default();
        for plugin in [Some("scalars"), None, Some("histograms")] {
            let points = decode(&event(vec![tensor(float.clone(), plugin)]), &mut tags).unwrap();
            assert_eq!(points.len(), 1, "{plugin:?}");
        }
    }

    #[test]
    fn the_summary_may_come_before_the_step() {
        let summary = Summary::from(SummaryValue {
            tag: "a".to_owned(),
            data: Some(Data::SimpleValue(1.5)),
            metadata: None,
        });
        let summary = summary.encode_to_vec();
        let length = u8::try_from(summary.len()).unwrap();
        let bytes = [&[0x2a, length][..], &summary, &[0x10, 9, 0x09], &4.0_f64.to_le_bytes()].concat();
        let points = decode(&bytes, &mut ScalarTags::default()).unwrap();
        assert_eq!(points, [("a".to_owned(), 9, 1.5, 4.0)]);
    }

    #[test]
    fn a_wall_time_that_is_nan_keeps_the_point() {
        let value = SummaryValue { tag: "a".into(), data: Some(Data::SimpleValue(0.5)), metadata: None };
        let what = Some(What::Summary(value.into()));
        let event = Event { wall_time: f64::NAN, step: 3, what }.encode_to_vec();
        let points = decode(&event, &mut ScalarTags::default()).unwrap();
        assert!(matches!(&points[..], [(tag, 3, 0.5, time)] if tag == "a" && time.is_nan()), "{points:?}");
    }

    #[test]
    fn the_start_of_a_session_is_told_with_its_step() {
        let told = |status| {
            let what = Some(What::SessionLog(SessionLog { status }));
            let event = Event { wall_time: 1.0, step: 7, what }.encode_to_vec();
            let mut steps = Vec::new();
            of_event(&event, &mut ScalarTags::default(), &mut |told| steps.push(format!("{told:?}")))
                .unwrap();
            steps
        };
        assert_eq!(told(SessionLog::START), ["Start(7)"]);
        // STOP and CHECKPOINT.
        assert!(told(2).is_empty() && told(3).is_empty());
    }

    #[test]
    fn a_tag_that_is_not_utf_8_is_refused() {
        let bytes = [0x2a, 8, 0x0a, 6, 0x0a, 1, 0xff, 0x15, 0, 0];
        assert_eq!(decode(&bytes, &mut ScalarTags::default()), Err(Corruption::NotAnEvent));
    }

    fn any_value() -> impl Strategy<Value = SummaryValue> {
        let data = prop_oneof![
            any::<f32>().prop_map(|value| Some(Data::SimpleValue(value))),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|encoded| Some(Data::Image(Image { encoded, ..Default::default() }))),
            Just(None),
        ];
        ("[a-zäß/]{0,12}", data).prop_map(|(tag, data)| SummaryValue { tag, data, metadata: None })
    }

    proptest! {
        #[test]
        fn simple_values_are_read_as_prost_wrote_them(
            step in any::<i64>(),
            wall_time in -1e12..1e12,
            summary in proptest::collection::vec(any_value(), 0..5),
        ) {
            let expected: Vec<_> = summary.iter().filter_map(|value| match value.data {
                Some(Data::SimpleValue(number)) => Some((value.tag.clone(), step, number.to_bits(), wall_time)),
                _ => None,
            }).collect();
            let what = Some(What::Summary(Summary { value: summary }));
            let bytes = Event { wall_time, step, what }.encode_to_vec();
            let points = decode(&bytes, &mut ScalarTags::default()).unwrap();
            let points: Vec<_> =
                points.into_iter().map(|(tag, step, value, wall)| (tag, step, value.to_bits(), wall)).collect();
            prop_assert_eq!(points, expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &mut ScalarTags::default());
        }

        #[test]
        fn a_damaged_event_never_panics(
            values in proptest::collection::vec(any_value(), 1..4),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let float = TensorProto { dtype: DT_FLOAT, float_val: vec![0.5], ..Default::default() };
            let mut bytes = event([values, vec![tensor(float, Some("scalars"))]].concat());
            for (index, byte) in damage {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            let _ = decode(&bytes, &mut ScalarTags::default());
        }
    }
}
