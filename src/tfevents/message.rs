//! The messages of an event file, as far as Gridboard writes them.
//!
//! Field numbers are those of TensorFlow's `event.proto`, `summary.proto`, `tensor.proto` and `tensor_shape.proto`.
//! Written by hand over prost's derive, so that no `protoc` is needed. The reader does not decode into these: it takes
//! the scalars alone out of the bytes (see `scalars`).

use prost::{Message, Oneof};

/// What the first event of every file says.
pub const FILE_VERSION: &str = "brain.Event:2";

/// `DataType` of tensors: 32-bit float.
pub const DT_FLOAT: i32 = 1;
/// `DataType` of tensors: 64-bit float.
pub const DT_DOUBLE: i32 = 2;
/// `DataType` of tensors: byte strings.
pub const DT_STRING: i32 = 7;

/// One record of an event file.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Epoch or batch.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// The content.
    #[prost(oneof = "What", tags = "3, 4, 5, 7")]
    pub what: Option<What>,
}

/// The content of an event.
#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    /// Opens every file: [`FILE_VERSION`].
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// A serialized `GraphDef`.
    #[prost(bytes, tag = "4")]
    GraphDef(Vec<u8>),
    /// Values at the event's step.
    #[prost(message, tag = "5")]
    Summary(Summary),
    /// A note about the session that writes.
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// Marks where a training session starts or stops.
#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// [`SessionLog::START`], or others that Gridboard does not write.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

impl SessionLog {
    /// A session starts at the event's step.
    pub const START: i32 = 1;
}

/// Values that belong to one step.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<SummaryValue>,
}

impl From<SummaryValue> for Summary {
    fn from(value: SummaryValue) -> Self {
        Self { value: vec![value] }
    }
}

/// One value under one tag.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryValue {
    /// The series that the value belongs to.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The data; absent where the metadata says it all.
    #[prost(oneof = "Data", tags = "2, 4, 5, 8")]
    pub data: Option<Data>,
    /// Which plugin shows the tag. TensorBoard keeps what the first value of a tag in a run says.
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<SummaryMetadata>,
}

/// The data of a value.
#[derive(Clone, PartialEq, Oneof)]
pub enum Data {
    /// A scalar, in the form that TensorBoard loads fastest.
    #[prost(float, tag = "2")]
    SimpleValue(f32),
    /// An encoded image.
    #[prost(message, tag = "4")]
    Image(Image),
    /// How many values lie in each of many ranges.
    #[prost(message, tag = "5")]
    Histogram(HistogramProto),
    /// Anything else.
    #[prost(message, tag = "8")]
    Tensor(TensorProto),
}

/// An encoded image.
#[derive(Clone, PartialEq, Message)]
pub struct Image {
    /// Pixels.
    #[prost(uint32, tag = "1")]
    pub height: u32,
    /// Pixels.
    #[prost(uint32, tag = "2")]
    pub width: u32,
    /// Number of channels: [`Image::RGB`].
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// A PNG or JPEG file. TensorBoard does not decode it: it serves the bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded: Vec<u8>,
}

impl Image {
    /// Three channels.
    pub const RGB: i32 = 3;
}

/// A distribution of values: `bucket[i]` of them lie at or below `bucket_limit[i]` and above the limit before.
#[derive(Clone, PartialEq, Message)]
pub struct HistogramProto {
    /// The least value.
    #[prost(double, tag = "1")]
    pub min: f64,
    /// The greatest value.
    #[prost(double, tag = "2")]
    pub max: f64,
    /// Number of values.
    #[prost(double, tag = "3")]
    pub num: f64,
    /// Their sum.
    #[prost(double, tag = "4")]
    pub sum: f64,
    /// The sum of their squares.
    #[prost(double, tag = "5")]
    pub sum_squares: f64,
    /// Upper ends of the ranges, rising.
    #[prost(double, repeated, tag = "6")]
    pub bucket_limit: Vec<f64>,
    /// Numbers of values, as many as limits.
    #[prost(double, repeated, tag = "7")]
    pub bucket: Vec<f64>,
}

/// How a tag is to be shown.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryMetadata {
    /// The plugin and what it wants to know.
    #[prost(message, optional, tag = "1")]
    pub plugin_data: Option<PluginData>,
    /// Replaces the tag on screen.
    #[prost(string, tag = "2")]
    pub display_name: String,
    /// Markdown below the chart.
    #[prost(string, tag = "3")]
    pub description: String,
}

/// A plugin and what it wants to know.
#[derive(Clone, PartialEq, Message)]
pub struct PluginData {
    /// `scalars`, `images`, `text`, `hparams`, `pr_curves`, `custom_scalars`.
    #[prost(string, tag = "1")]
    pub plugin_name: String,
    /// A message of the plugin's own.
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

impl SummaryMetadata {
    /// Metadata that names a plugin and hands it `content`.
    #[must_use]
    pub fn plugin(name: &str, content: Vec<u8>) -> Self {
        Self { plugin_data: Some(PluginData { plugin_name: name.to_owned(), content }), ..Default::default() }
    }
}

/// A tensor: of rank 0 where it has no shape.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// [`DT_FLOAT`], [`DT_DOUBLE`] or [`DT_STRING`].
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    /// The dimensions.
    #[prost(message, optional, tag = "2")]
    pub tensor_shape: Option<TensorShape>,
    /// Numbers as little-endian bytes, row-major.
    #[prost(bytes = "vec", tag = "4")]
    pub tensor_content: Vec<u8>,
    /// 32-bit floats, row-major.
    #[prost(float, repeated, tag = "5")]
    pub float_val: Vec<f32>,
    /// 64-bit floats, row-major.
    #[prost(double, repeated, tag = "6")]
    pub double_val: Vec<f64>,
    /// Byte strings, row-major.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub string_val: Vec<Vec<u8>>,
}

/// The dimensions of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    /// Outermost first; none for rank 0.
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dim>,
}

/// One dimension.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Dim {
    /// Its length.
    #[prost(int64, tag = "1")]
    pub size: i64,
}
