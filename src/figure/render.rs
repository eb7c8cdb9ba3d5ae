//! Replays a drawing onto plotters' SVG and bitmap backends.
//!
//! Called by the figure functions; knows nothing of what is drawn. The bitmap is painted at twice the resolution of
//! the PNG and averaged down, which smooths the edges that plotters leaves rough.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops::{FilterType as ResizeFilter, resize},
};
use plotters::{
    backend::{BitMapBackend, DrawingBackend, SVGBackend},
    style::{
        Color, FontTransform, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    Figure, FigureError,
    colour::{Colour, PAPER},
    drawing::{Anchor, Drawing, Label, Mark, Picture},
    glyphs, text,
};

/// Device pixels of print output per logical pixel.
const PRINT_SCALE: u32 = 2;
/// Painted pixels per PNG pixel, along each side.
const OVERSAMPLING: u32 = 2;
/// Device pixels of the SVG's view box per logical pixel: plotters' coordinates are whole numbers.
const SVG_SCALE: u32 = 8;
/// No figure has a longer side, in logical pixels.
const LONGEST_SIDE: u32 = 8_000;
/// Painted pixels above which a figure is painted without oversampling, to bound memory.
const LARGE: u64 = 60_000_000;

/// plotters-svg divides the size by 1.24 to get the em, and moves a top-anchored text down by `0.76em`.
const SVG_SIZE_PER_EM: f64 = 1.24;
const SVG_BASELINE_PER_EM: f64 = 0.76;

/// Who sets text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    /// The viewer of an SVG.
    Viewer,
    /// We do, glyph by glyph.
    Glyphs,
}

/// Both forms of a drawing, the PNG at print resolution.
pub(super) fn figure(drawing: &Drawing) -> Result<Figure, FigureError> {
    let (width, height) = (drawing.width, drawing.height);
    Ok(Figure { width, height, svg: svg(drawing)?, png: png(drawing, PRINT_SCALE)? })
}

/// The SVG document.
fn svg(drawing: &Drawing) -> Result<String, FigureError> {
    check_size(drawing)?;
    let (width, height) = (drawing.width * SVG_SCALE, drawing.height * SVG_SCALE);
    let mut document = String::new();
    let mut backend = SVGBackend::with_string(&mut document, (width, height));
    paint_page(drawing, &mut backend, f64::from(SVG_SCALE))
        .and_then(|()| paint(drawing, &mut backend, f64::from(SVG_SCALE), Setting::Viewer))
        .and_then(|()| backend.present().map_err(|error| error.to_string()))
        .map_err(|message| FigureError::Backend { backend: "SVG", message })?;
    drop(backend);
    if !drawing.pictures.is_empty() {
        // Behind the page, which is the first rectangle, and before the first mark.
        let page = document.find("/>").map_or(0, |page| page + 2);
        document.insert_str(page, &svg_pictures(&drawing.pictures)?);
    }
    let document = with_lengths(&document, drawing)?;
    // The view box keeps the fine coordinates; the stated size is the logical one.
    Ok(document.replacen(
        &format!("width=\"{width}\" height=\"{height}\""),
        &format!("width=\"{}\" height=\"{}\"", drawing.width, drawing.height),
        1,
    ))
}

/// The document with the length of each text: a viewer without the font of the figures fits its own into the same room.
fn with_lengths(document: &str, drawing: &Drawing) -> Result<String, FigureError> {
    const ELEMENT: &str = "<text ";
    let labels: Vec<&Label> = drawing
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Text(label) => Some(label),
            _ => None,
        })
        .collect();
    let mut parts = document.split(ELEMENT);
    let mut out = parts.next().unwrap_or_default().to_owned();
    let parts: Vec<&str> = parts.collect();
    // A text that the backend leaves out would shift all others.
    if parts.len() != labels.len() {
        return Ok(document.to_owned());
    }
    for (part, label) in parts.into_iter().zip(labels) {
        let length = text::width(&label.text, label.size)? * f64::from(SVG_SCALE);
        out += ELEMENT;
        if label.text.chars().count() > 1 {
            let _ = write!(out, "textLength=\"{length:.0}\" lengthAdjust=\"spacingAndGlyphs\" ");
        }
        out += part;
    }
    Ok(out)
}

/// The photographs as elements that hold their pixels: the document needs no other file.
fn svg_pictures(pictures: &[Picture]) -> Result<String, FigureError> {
    let mut elements = String::new();
    for Picture { place, size, image } in pictures {
        let mut file = Vec::new();
        PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive)
            .write_image(image, image.width(), image.height(), ExtendedColorType::L8)
            .map_err(|error| FigureError::Backend { backend: "SVG", message: error.to_string() })?;
        let [x, y, width, height] =
            [place.0, place.1, size.0, size.1].map(|length| (length * f64::from(SVG_SCALE)).round());
        let data = BASE64_STANDARD.encode(file);
        // Writing to a string cannot fail.
        let _ = write!(
            elements,
            "\n<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
             preserveAspectRatio=\"none\" href=\"data:image/png;base64,{data}\"/>"
        );
    }
    Ok(elements)
}

/// Paints the photographs at the scale of the bitmap, averaged where they shrink and interpolated where they grow.
fn blit_pictures(pictures: &[Picture], backend: &mut BitMapBackend<'_>, scale: f64) -> Result<(), String> {
    for Picture { place, size, image } in pictures {
        let at = |x: f64| (x * scale).round();
        let (left, top) = (at(place.0), at(place.1));
        let width = (at(place.0 + size.0) - left).max(1.0) as u32;
        let height = (at(place.1 + size.1) - top).max(1.0) as u32;
        let sized = resize(image, width, height, ResizeFilter::Triangle);
        let rgb: Vec<u8> = sized.iter().flat_map(|&gray| [gray; 3]).collect();
        backend
            .blit_bitmap((left as i32, top as i32), (width, height), &rgb)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The PNG file, `scale` pixels per logical pixel.
pub(super) fn png(drawing: &Drawing, scale: u32) -> Result<Vec<u8>, FigureError> {
    check_size(drawing)?;
    let (width, height) = (drawing.width * scale, drawing.height * scale);
    let area = u64::from(width) * u64::from(height);
    let factor = if area * u64::from(OVERSAMPLING * OVERSAMPLING) > LARGE { 1 } else { OVERSAMPLING };
    let size = (width * factor, height * factor);
    let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
    let failed = |message: String| FigureError::Backend { backend: "PNG", message };
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, size);
        let scale = f64::from(scale * factor);
        paint_page(drawing, &mut backend, scale)
            .and_then(|()| blit_pictures(&drawing.pictures, &mut backend, scale))
            .and_then(|()| paint(drawing, &mut backend, scale, Setting::Glyphs))
            .and_then(|()| backend.present().map_err(|error| error.to_string()))
            .map_err(failed)?;
    }
    if factor == 2 {
        pixels = halve(&pixels, size.0 as usize);
    }
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Up)
        .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| failed(error.to_string()))?;
    Ok(file)
}

fn check_size(drawing: &Drawing) -> Result<(), FigureError> {
    let (width, height) = (drawing.width, drawing.height);
    if width > LONGEST_SIDE || height > LONGEST_SIDE {
        return Err(FigureError::TooLarge { width, height });
    }
    Ok(())
}

/// Averages 2 x 2 blocks of an RGB image whose sides are even.
fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    /// Bytes of 32 pixels. Most of a figure is flat colour, where a whole stretch is its first half.
    const STRETCH: usize = 96;
    let stride = width * 3;
    let mut half = Vec::with_capacity(pixels.len() / 4);
    for rows in pixels.chunks_exact(2 * stride) {
        let (upper, lower) = rows.split_at(stride);
        for (above, below) in upper.chunks(STRETCH).zip(lower.chunks(STRETCH)) {
            if above == below && above[3..] == above[..above.len() - 3] {
                half.extend_from_slice(&above[..above.len() / 2]);
            } else {
                average(above, below, &mut half);
            }
        }
    }
    half
}

/// Averages 2 x 2 pixels along two rows of an even number of RGB pixels.
fn average(above: &[u8], below: &[u8], out: &mut Vec<u8>) {
    for (a, b) in above.chunks_exact(6).zip(below.chunks_exact(6)) {
        for channel in 0..3 {
            let sum = u16::from(a[channel])
                + u16::from(a[channel + 3])
                + u16::from(b[channel])
                + u16::from(b[channel + 3]);
            out.push(((sum + 2) / 4) as u8);
        }
    }
}

/// Paints the page, in the colour of paper. The message of a failure is the backend's.
fn paint_page<B: DrawingBackend>(drawing: &Drawing, backend: &mut B, scale: f64) -> Result<(), String> {
    let page = [drawing.width, drawing.height].map(|side| (f64::from(side) * scale).round() as i32);
    let paper = ShapeStyle { color: PAPER.to_rgba(), filled: true, stroke_width: 0 };
    backend.draw_rect((0, 0), (page[0], page[1]), &paper, true).map_err(|error| error.to_string())
}

/// Paints every mark. The message of a failure is the backend's.
fn paint<B: DrawingBackend>(
    drawing: &Drawing,
    backend: &mut B,
    scale: f64,
    setting: Setting,
) -> Result<(), String> {
    let at = |x: f64, y: f64| ((x * scale).round() as i32, (y * scale).round() as i32);
    let fill = |colour: Colour| ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 0 };
    for mark in &drawing.marks {
        match mark {
            Mark::Rect { x, y, width, height, colour } => {
                backend.draw_rect(at(*x, *y), at(x + width, y + height), &fill(*colour), true)
            }
            Mark::Path { points, colour, stroke } => {
                let mut points: Vec<_> = points.iter().map(|&(x, y)| at(x, y)).collect();
                points.dedup();
                let stroke_width = (stroke * scale).round().max(1.0) as u32;
                let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width };
                if points.len() < 2 { Ok(()) } else { backend.draw_path(points, &style) }
            }
            Mark::Disc { x, y, radius, colour } => {
                let radius = (radius * scale).round().max(1.0) as u32;
                backend.draw_circle(at(*x, *y), radius, &fill(*colour), true)
            }
            Mark::Text(label) if setting == Setting::Glyphs => {
                glyphs::draw(backend, label, scale)?;
                Ok(())
            }
            Mark::Text(label) => {
                let down = SVG_BASELINE_PER_EM * label.size;
                let (x, y) =
                    if label.upwards { (label.x - down, label.y) } else { (label.x, label.y - down) };
                let style = text_style(label, SVG_SIZE_PER_EM * label.size * scale);
                backend.draw_text(&label.text, &style, at(x, y))
            }
        }
        .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn text_style(label: &Label, size: f64) -> TextStyle<'_> {
    let along = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let turn = if label.upwards { FontTransform::Rotate270 } else { FontTransform::None };
    TextStyle::from(text::font(size)).color(&label.colour).transform(turn).pos(Pos::new(along, VPos::Top))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::colour::{INK, VALIDATION};

    fn sample() -> Drawing {
        let mut drawing = Drawing::new(120.0, 80.0);
        drawing.rect(10.0, 10.0, 40.0, 20.0, VALIDATION);
        drawing.path(vec![(10.0, 70.0), (60.0, 40.0), (110.0, 70.0)], INK, 1.5);
        drawing.disc(60.0, 40.0, 3.0, INK);
        drawing.text("a < b & \u{1b}c", (60.0, 60.0), 10.0, Anchor::Middle, INK);
        drawing.text_upwards("up", (100.0, 40.0), 10.0, Anchor::Middle, INK);
        drawing
    }

    fn decode(png: &[u8]) -> image::RgbImage {
        image::load_from_memory(png).unwrap().to_rgb8()
    }

    /// Rows and columns that hold ink, in a rectangle of the picture.
    fn ink_bounds(picture: &image::RgbImage) -> (u32, u32, u32, u32) {
        let dark = |pixel: &image::Rgb<u8>| pixel.0[0] < 128;
        let points: Vec<_> =
            picture.enumerate_pixels().filter(|(_, _, p)| dark(p)).map(|(x, y, _)| (x, y)).collect();
        let xs = points.iter().map(|p| p.0);
        let ys = points.iter().map(|p| p.1);
        (xs.clone().min().unwrap(), ys.clone().min().unwrap(), xs.max().unwrap(), ys.max().unwrap())
    }

    #[test]
    fn the_same_drawing_gives_the_same_bytes_and_twice_the_size() {
        let one = figure(&sample()).unwrap();
        assert_eq!(one, figure(&sample()).unwrap());
        assert_eq!(decode(&one.png).dimensions(), (240, 160));
        assert!(
            one.svg.starts_with("<svg width=\"120\" height=\"80\" viewBox=\"0 0 960 640\""),
            "{}",
            one.svg
        );
        assert!(one.svg.contains("a &lt; b &amp;  c"), "{}", one.svg);
    }

    #[test]
    fn rectangles_land_where_they_were_put() {
        let picture = decode(&png(&sample(), 2).unwrap());
        assert_eq!(picture.get_pixel(21, 21).0, [33, 113, 181]);
        assert_eq!(picture.get_pixel(18, 21).0, [255, 255, 255]);
        assert_eq!(picture.get_pixel(98, 58).0, [33, 113, 181]);
    }

    /// A photograph of four gray values, larger and smaller than it is: in the PNG at its place, in the SVG as a file.
    #[test]
    fn photographs_lie_between_the_page_and_the_marks() {
        let image = image::GrayImage::from_raw(2, 2, vec![0, 80, 160, 240]).unwrap();
        let mut drawing = Drawing::new(40.0, 30.0);
        drawing.pictures.push(Picture { place: (10.0, 5.0), size: (16.0, 16.0), image: image.clone() });
        drawing.pictures.push(Picture { place: (30.0, 5.0), size: (0.5, 0.5), image });
        drawing.rect(14.0, 9.0, 2.0, 2.0, VALIDATION);
        let picture = decode(&png(&drawing, 2).unwrap());
        let gray = |x, y| picture.get_pixel(x, y).0[0];
        assert_eq!([gray(21, 11), gray(50, 11), gray(21, 40), gray(50, 40)], [0, 80, 160, 240]);
        assert_eq!(picture.get_pixel(29, 19).0, [33, 113, 181], "the mark is above");
        assert_eq!((gray(19, 11), gray(52, 11)), (255, 255), "the page is around");
        assert_eq!(gray(60, 10), 120, "four pixels on one are their mean");

        let svg = svg(&drawing).unwrap();
        let first = svg.find("<image x=\"80\" y=\"40\" width=\"128\" height=\"128\"").unwrap();
        assert!(svg.find("<rect").unwrap() < first && first < svg.rfind("<rect").unwrap(), "{svg}");
        let (_, data) = svg.split_once("data:image/png;base64,").unwrap();
        let file = BASE64_STANDARD.decode(data.split_once('"').unwrap().0).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().into_luma8().into_raw(), [0, 80, 160, 240]);
    }

    #[test]
    fn text_is_centred_in_both_directions_and_inside_its_bounds() {
        for upwards in [false, true] {
            let mut drawing = Drawing::new(100.0, 100.0);
            if upwards {
                drawing.text_upwards("HEH", (50.0, 50.0), 20.0, Anchor::Middle, INK);
            } else {
                drawing.text("HEH", (50.0, 50.0), 20.0, Anchor::Middle, INK);
            }
            let (left, top, right, bottom) = ink_bounds(&decode(&png(&drawing, 4).unwrap()));
            assert!((f64::from(left + right) / 2.0 - 200.0).abs() < 2.0, "{left} {right}");
            assert!((f64::from(top + bottom) / 2.0 - 200.0).abs() < 2.0, "{top} {bottom}");
            let Mark::Text(label) = &drawing.marks[0] else { panic!("a text") };
            let bounds = label.bounds();
            assert!(f64::from(left) >= bounds.0 * 4.0 - 2.0 && f64::from(right) <= bounds.2 * 4.0 + 2.0);
            assert!(f64::from(top) >= bounds.1 * 4.0 - 2.0 && f64::from(bottom) <= bounds.3 * 4.0 + 2.0);
        }
    }

    #[test]
    fn flat_stretches_are_averaged_as_any_other() {
        let mut pixels: Vec<u8> = (0..2 * 100 * 3).map(|byte| (byte % 251) as u8).collect();
        // Flat over the first stretch, and flat but for its last byte over the second.
        for row in pixels.chunks_exact_mut(300) {
            row[..192].fill(40);
        }
        pixels[191] = 44;
        let mut plain = Vec::new();
        average(&pixels[..300], &pixels[300..], &mut plain);
        assert_eq!(halve(&pixels, 100), plain);
        assert_eq!(plain[95], 41);
    }

    #[test]
    fn a_page_larger_than_any_reader_takes_is_refused() {
        let error = figure(&Drawing::new(20_000.0, 10.0)).unwrap_err();
        assert_eq!(error.to_string(), "a figure of 20000 x 10 pixels is too large");
    }
}
