//! Precision-recall curves as TensorBoard's plugin `pr_curves` reads them.
//!
//! A tensor `[6, T]` of 32-bit floats, row-major, whose rows are true positives, false positives, true negatives, false
//! negatives, precision and recall at T thresholds that the plugin takes to lie evenly from 0 to 1; the metadata holds
//! `PrCurvePluginData` (`tensorboard/plugins/pr_curve/plugin_data.proto`). Without a positive call, precision is 0 as in
//! TensorBoard's own `summary.py`, and the plugin leaves those columns out at the end.

use prost::Message;

use super::message::{DT_FLOAT, Dim, SummaryMetadata, TensorProto, TensorShape};

/// What the plugin wants to know of a tag.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct PrCurvePluginData {
    /// 0, the only one.
    #[prost(int32, tag = "1")]
    version: i32,
    /// T.
    #[prost(uint32, tag = "2")]
    num_thresholds: u32,
}

/// The tensor and the metadata of a curve, from true positives, false positives, true negatives and false negatives at each
/// threshold.
#[expect(
    clippy::cast_precision_loss,
    reason = "the format has 32-bit floats; counts of images are far below 2^24"
)]
pub(super) fn of_counts(counts: &[[u64; 4]]) -> (TensorProto, SummaryMetadata) {
    let ratio = |part: u64, rest: u64| if part == 0 { 0.0 } else { part as f32 / (part + rest) as f32 };
    let column = |&[tp, fp, tn, fn_]: &[u64; 4]| {
        [tp as f32, fp as f32, tn as f32, fn_ as f32, ratio(tp, fp), ratio(tp, fn_)]
    };
    let columns: Vec<[f32; 6]> = counts.iter().map(column).collect();
    let tensor_content =
        (0..6).flat_map(|row| columns.iter().flat_map(move |column| column[row].to_le_bytes())).collect();
    let size = |size: usize| Dim { size: i64::try_from(size).unwrap_or(i64::MAX) };
    let tensor = TensorProto {
        dtype: DT_FLOAT,
        tensor_shape: Some(TensorShape { dim: vec![size(6), size(counts.len())] }),
        tensor_content,
        ..Default::default()
    };
    let num_thresholds = u32::try_from(counts.len()).unwrap_or(u32::MAX);
    let content = PrCurvePluginData { version: 0, num_thresholds }.encode_to_vec();
    (tensor, SummaryMetadata::plugin("pr_curves", content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_one_another_and_undefined_ratios_are_zero() {
        let (tensor, metadata) = of_counts(&[[2, 2, 0, 0], [1, 0, 2, 1], [0, 0, 2, 2]]);
        let numbers: Vec<f32> = tensor
            .tensor_content
            .chunks(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let rows: Vec<&[f32]> = numbers.chunks(3).collect();
        assert_eq!(
            rows,
            [
                [2.0, 1.0, 0.0],
                [2.0, 0.0, 0.0],
                [0.0, 2.0, 2.0],
                [0.0, 1.0, 2.0],
                [0.5, 1.0, 0.0],
                [1.0, 0.5, 0.0]
            ]
        );
        // Field 2 as a varint; version 0 is left out.
        assert_eq!(metadata.plugin_data.unwrap().content, [0x10, 3]);
        assert_eq!(tensor.tensor_shape.unwrap().dim.iter().map(|dim| dim.size).collect::<Vec<_>>(), [6, 3]);
    }
}
