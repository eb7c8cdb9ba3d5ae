//! The font of the figures and what depends on its widths: measuring, shortening, wrapping.
//!
//! The font is Ubuntu Light from `epaint_default_fonts` (Latin, Greek, Cyrillic), embedded in the program, so that
//! figures need no font of the system and come out the same everywhere. A PNG shows an empty box for a letter that the
//! font lacks; an SVG names fallbacks and leaves the choice to its viewer.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::FigureError;

/// Name under which the font is registered; the SVG carries it as it is, so it lists fallbacks of similar widths.
pub(super) const FAMILY: &str = "Ubuntu Light, Ubuntu, Helvetica, Arial, sans-serif";

/// Height of the font over its em square (`hhea`: ascent 932, descent -189, 1000 units): what ab_glyph calls its size.
pub(super) const HEIGHT_PER_EM: f64 = 1.121;

/// Distance of two baselines, per em.
pub(super) const LINE: f64 = 1.25;

/// Text is measured at this size and scaled, since plotters truncates widths to whole pixels.
const MEASURED_AT: f64 = 200.0;

/// Registers the font, once per process.
///
/// # Errors
/// Where the embedded bytes are no font.
pub(super) fn prepare() -> Result<(), FigureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let done = *REGISTERED
        .get_or_init(|| register_font(FAMILY, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok());
    if done { Ok(()) } else { Err(FigureError::Font("the embedded bytes are no font".to_owned())) }
}

/// The font for a backend that calls the height of the font its size.
pub(super) fn font(size: f64) -> FontDesc<'static> {
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal)
}

/// Width of a line of text in the pixels that `size` (of the em square) is given in.
pub(super) fn width(text: &str, size: f64) -> Result<f64, FigureError> {
    prepare()?;
    let ((left, _), (right, _)) = font(MEASURED_AT * HEIGHT_PER_EM)
        .layout_box(text)
        .map_err(|error| FigureError::Font(error.to_string()))?;
    Ok(f64::from(right - left + 1) * size / MEASURED_AT)
}

/// Width of the widest of the texts, 0 for none.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a str>, size: f64) -> Result<f64, FigureError> {
    texts.into_iter().try_fold(0.0, |most: f64, text| Ok(most.max(width(text, size)?)))
}

/// The text with control characters (which XML forbids) and line breaks as spaces.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text, its middle replaced by `…` where it is wider than `room`: the ends of run names tell them apart.
pub(super) fn elide(text: &str, size: f64, room: f64) -> Result<String, FigureError> {
    if width(text, size)? <= room {
        return Ok(text.to_owned());
    }
    let letters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| -> String {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
    };
    let (mut fits, mut over) = (0, letters.len());
    while over - fits > 1 {
        let middle = usize::midpoint(fits, over);
        if width(&shortened(middle), size)? <= room { fits = middle } else { over = middle }
    }
    Ok(shortened(fits))
}

/// The text on at most `lines` lines no wider than `room`, broken behind spaces, `_`, `-`, `/` and `,`; what does not
/// fit is elided.
pub(super) fn wrap(text: &str, size: f64, room: f64, lines: usize) -> Result<Vec<String>, FigureError> {
    let mut done: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while done.len() + 1 < lines && width(rest, size)? > room {
        let mut cut = None;
        for (index, c) in rest.char_indices() {
            if matches!(c, ' ' | '_' | '-' | '/' | ',') {
                let end = index + c.len_utf8();
                if width(rest[..end].trim_end(), size)? > room {
                    break;
                }
                cut = Some(end);
            }
        }
        let Some(end) = cut.filter(|&end| end < rest.len()) else { break };
        done.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    done.push(elide(rest, size, room)?);
    Ok(done)
}

/// The largest size from `size` down to `smallest` at which the text is no wider than `room`.
pub(super) fn shrink(text: &str, size: f64, smallest: f64, room: f64) -> Result<f64, FigureError> {
    Ok(size.min(size * room / width(text, size)?).max(smallest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn widths_scale_with_the_size_and_the_letters() {
        let one = width("0.97", 10.0).unwrap();
        assert!((width("0.97", 20.0).unwrap() - 2.0 * one).abs() < 0.2);
        assert!(width("0.9700", 10.0).unwrap() > one);
        assert!((15.0..25.0).contains(&one), "{one}");
    }

    #[test]
    fn long_names_lose_their_middle_and_keep_their_ends() {
        let short = elide("3-conv-128-nodes-1-dense-seed-17", 12.0, 110.0).unwrap();
        assert!(short.starts_with("3-conv") && short.ends_with("seed-17") && short.contains('…'), "{short}");
        assert_eq!(elide("covid", 12.0, 110.0).unwrap(), "covid");
    }

    #[test]
    fn wrapping_breaks_behind_separators() {
        let room = width("pneumonia", 12.0).unwrap() + 1.0;
        assert_eq!(wrap("bacterial_pneumonia", 12.0, room, 2).unwrap(), ["bacterial_", "pneumonia"]);
        assert_eq!(wrap("covid", 12.0, room, 2).unwrap(), ["covid"]);
    }

    proptest! {
        #[test]
        fn what_was_wrapped_fits(text in "\\PC{0,60}", room in 30.0..200.0f64) {
            for line in wrap(&text, 12.0, room, 2).unwrap() {
                prop_assert!(width(&line, 12.0).unwrap() <= room || line == "…", "{line}");
            }
        }

        #[test]
        fn printable_text_has_no_control_characters(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
