//! The layout of TensorBoard's tab Custom Scalars: categories of charts, each of which draws many curves.
//!
//! `tensorboard/plugins/custom_scalar/layout.proto`, version 1. The tags of a chart of lines are regular expressions that
//! match from the beginning of a tag, over every run that is ticked; those of a margin chart are exact and of one run. Used
//! by the writer for the sweep's own page.

use prost::{Message, Oneof};

use super::message::{DT_STRING, Data, Summary, SummaryMetadata, SummaryValue, TensorProto};

/// Charts below one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// The heading.
    pub title: String,
    /// Its charts.
    pub charts: Vec<Chart>,
    /// Whether it is folded at first.
    pub closed: bool,
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// The curves of one tag in all runs.
    Tag {
        /// Above the chart.
        title: String,
        /// The tag within its run.
        tag: String,
    },
    /// Curves with a band each.
    Margins {
        /// Above the chart.
        title: String,
        /// The curves.
        series: Vec<Margin>,
    },
}

/// A curve with a band around it, by exact tags of the run that has the layout.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Margin {
    /// The middle.
    #[prost(string, tag = "1")]
    pub value: String,
    /// The lower end of the band.
    #[prost(string, tag = "2")]
    pub lower: String,
    /// The upper end of the band.
    #[prost(string, tag = "3")]
    pub upper: String,
}

#[derive(Clone, PartialEq, Message)]
struct LayoutProto {
    #[prost(int32, tag = "1")]
    version: i32,
    #[prost(message, repeated, tag = "2")]
    category: Vec<CategoryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct CategoryProto {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(message, repeated, tag = "2")]
    chart: Vec<ChartProto>,
    #[prost(bool, tag = "3")]
    closed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct ChartProto {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(oneof = "ContentProto", tags = "2, 3")]
    content: Option<ContentProto>,
}

#[derive(Clone, PartialEq, Oneof)]
enum ContentProto {
    #[prost(message, tag = "2")]
    Multiline(MultilineProto),
    #[prost(message, tag = "3")]
    Margin(MarginProto),
}

#[derive(Clone, PartialEq, Message)]
struct MultilineProto {
    #[prost(string, repeated, tag = "1")]
    tag: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct MarginProto {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Margin>,
}

/// The summary of a layout.
pub(super) fn summary(categories: &[Category]) -> Summary {
    let category = categories
        .iter()
        .map(|category| CategoryProto {
            title: category.title.clone(),
            chart: category.charts.iter().map(chart).collect(),
            closed: category.closed,
        })
        .collect();
    let layout = LayoutProto { version: 1, category }.encode_to_vec();
    let tensor = TensorProto { dtype: DT_STRING, string_val: vec![layout], ..Default::default() };
    let metadata = Some(SummaryMetadata::plugin("custom_scalars", Vec::new()));
    let tag = "custom_scalars__config__".to_owned();
    SummaryValue { tag, data: Some(Data::Tensor(tensor)), metadata }.into()
}

fn chart(chart: &Chart) -> ChartProto {
    match chart {
        Chart::Tag { title, tag } => {
            let tag = vec![format!("^{}$", escape(tag))];
            ChartProto {
                title: title.clone(),
                content: Some(ContentProto::Multiline(MultilineProto { tag })),
            }
        }
        Chart::Margins { title, series } => {
            let margin = MarginProto { series: series.clone() };
            ChartProto { title: title.clone(), content: Some(ContentProto::Margin(margin)) }
        }
    }
}

/// A text as a regular expression of Python's that matches it alone.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"_/-".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_one_string_of_its_plugin() {
        let categories = [Category {
            title: "grid".to_owned(),
            charts: vec![
                Chart::Tag { title: "loss".to_owned(), tag: "val.loss".to_owned() },
                Chart::Margins {
                    title: "mean".to_owned(),
                    series: vec![Margin { value: "m".into(), lower: "l".into(), upper: "u".into() }],
                },
            ],
            closed: true,
        }];
        let summary = summary(&categories);
        let Some(Data::Tensor(tensor)) = &summary.value[0].data else { panic!("{summary:?}") };
        let layout = LayoutProto::decode(&tensor.string_val[0][..]).unwrap();
        assert_eq!((layout.version, layout.category[0].closed), (1, true));
        let charts = &layout.category[0].chart;
        let Some(ContentProto::Multiline(lines)) = &charts[0].content else { panic!("{charts:?}") };
        assert_eq!(lines.tag, ["^val\\.loss$"]);
        let Some(ContentProto::Margin(margin)) = &charts[1].content else { panic!("{charts:?}") };
        assert_eq!(margin.series[0].upper, "u");
    }
}
