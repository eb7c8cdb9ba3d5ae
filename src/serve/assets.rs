//! The page itself, embedded: its document, scripts and style sheet, and uPlot, which the build takes from npm.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::problem::Problem;

include!(concat!(env!("OUT_DIR"), "/vendor.rs"));

/// What stands in the document for the path that the page is below.
const BASE: &str = "{base}";

macro_rules! web {
    ($name:literal) => {
        ($name, include_str!(concat!("web/", $name)))
    };
}

const DOCUMENT: &str = include_str!("web/index.html");

const FILES: &[(&str, &str)] = &[
    web!("app.js"),
    web!("address.js"),
    web!("api.js"),
    web!("charts.js"),
    web!("colours.js"),
    web!("compare.js"),
    web!("curves.js"),
    web!("dom.js"),
    web!("experiment.js"),
    web!("filter.js"),
    web!("format.js"),
    web!("heatmap.js"),
    web!("model.js"),
    web!("numbers.js"),
    web!("parallel.js"),
    web!("run.js"),
    web!("strip.js"),
    web!("table.js"),
    web!("within.js"),
    web!("style.css"),
    web!("icon.svg"),
];

/// Whether the build had the library of the page.
pub(crate) fn has_page() -> bool {
    UPLOT.is_some()
}

/// The document, for a page whose address ends in `base`.
pub(super) fn document(base: &str) -> Response {
    with_type("text/html; charset=utf-8", DOCUMENT.replace(BASE, base))
}

/// A file of the page.
///
/// # Errors
/// Where there is none of this name.
pub(super) fn file(name: &str) -> Result<Response, Problem> {
    let [script, style, licence] = UPLOT.unwrap_or_default();
    let text = match name {
        "uplot.js" => script,
        "uplot.css" => style,
        "uplot-licence.txt" => licence,
        _ => FILES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| *text)
            .ok_or_else(|| Problem::missing(format!("there is no file `{name}`")))?,
    };
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    Ok(with_type(kind, text))
}

fn with_type(kind: &'static str, text: impl IntoResponse) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
