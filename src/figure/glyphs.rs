//! Text in a bitmap: every glyph at its place, bearings, kerning and fractions of a pixel included.
//!
//! Used by `render` for the PNG. plotters' own bitmap text leaves the left bearing of each glyph out and cuts positions to
//! whole pixels, so that letters run into each other ("accuracyb y epoch"); an SVG is set by its viewer.

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use plotters::{backend::DrawingBackend, style::Color as _};

use super::{
    FigureError,
    drawing::{Anchor, Label},
    text::HEIGHT_PER_EM,
};

/// The font of the figures.
fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).ok()).as_ref()
}

/// Paints a label, `scale` pixels for each logical one. The message of a failure is the backend's.
pub(super) fn draw<B: DrawingBackend>(backend: &mut B, label: &Label, scale: f64) -> Result<(), String> {
    let no_font = || FigureError::Font("the embedded bytes are no font".to_owned()).to_string();
    let font = font().ok_or_else(no_font)?;
    let size = PxScale::from((label.size * HEIGHT_PER_EM * scale) as f32);
    let scaled = font.as_scaled(size);
    // Where each glyph begins, from the start of the line.
    let mut places = Vec::new();
    let (mut along, mut before) = (0.0, None);
    for letter in label.text.chars() {
        let glyph = font.glyph_id(letter);
        along += before.map_or(0.0, |before| scaled.kern(before, glyph));
        places.push((glyph, along));
        along += scaled.h_advance(glyph);
        before = Some(glyph);
    }
    let start = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -along / 2.0,
        Anchor::End => -along,
    };
    let (x, y) = ((label.x * scale) as f32, (label.y * scale) as f32);
    // A line that is written upwards is set level around the origin, and turned as its pixels are painted.
    let (left, baseline) = if label.upwards { (start, 0.0) } else { (x + start, y) };
    let (turn_x, turn_y) = (x.round() as i32, y.round() as i32);
    for (glyph, place) in places {
        let glyph = glyph.with_scale_and_position(size, point(left + place, baseline));
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let bounds = outline.px_bounds();
        let (first_x, first_y) = (bounds.min.x as i32, bounds.min.y as i32);
        let mut painted = Ok(());
        outline.draw(|dx, dy, coverage| {
            let (px, py) = (first_x + dx as i32, first_y + dy as i32);
            let pixel = if label.upwards { (turn_x + py, turn_y - px - 1) } else { (px, py) };
            let colour = label.colour.mix(f64::from(coverage.clamp(0.0, 1.0))).to_backend_color();
            if painted.is_ok() && coverage > 0.0 {
                painted = backend.draw_pixel(pixel, colour).map_err(|error| error.to_string());
            }
        });
        painted?;
    }
    Ok(())
}
