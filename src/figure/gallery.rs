//! X-rays with what the network says of them (Fig. 11 of the paper): small multiples, six to a row, wrong answers marked.
//!
//! An error shows three times, so that it survives grey print and a glance: a red frame, a cross in the corner, and the
//! true class below.

use image::GrayImage;

use super::{
    Figure, FigureError,
    colour::{Colour, INK, PAPER, SOFT_INK},
    drawing::{Anchor, Drawing, Picture},
    render, text,
};

/// One X-ray.
#[derive(Clone, Debug)]
pub struct GalleryEntry {
    /// The image, 0 black to 255 white; shown as a square.
    pub image: GrayImage,
    /// Predicted class.
    pub predicted: String,
    /// Its probability, 0..=1.
    pub probability: f32,
    /// True class, where it is known.
    pub truth: Option<String>,
}

impl GalleryEntry {
    fn is_wrong(&self) -> bool {
        self.truth.as_ref().is_some_and(|truth| *truth != self.predicted)
    }
}

const ACROSS: usize = 6;
/// Side of an X-ray: 224 pixels at print resolution, the paper's own size.
const SIDE: f64 = 112.0;
const GAP: f64 = 16.0;
const MARGIN: f64 = 20.0;
const TEXT: f64 = 11.0;
/// Two lines below an X-ray.
const CAPTION: f64 = 2.0 * TEXT * text::LINE + 6.0;
const WRONG: Colour = Colour(203, 24, 29);

/// The figure, in the order of the entries; `note` stands below them.
///
/// # Errors
/// [`FigureError::Empty`] without entries, [`FigureError::TooLarge`] for more rows than a page of any kind has.
pub fn gallery(title: &str, entries: &[GalleryEntry], note: &str) -> Result<Figure, FigureError> {
    if entries.is_empty() {
        return Err(FigureError::Empty("no image was given"));
    }
    render::figure(&layout(title, entries, note)?)
}

fn layout(title: &str, entries: &[GalleryEntry], note: &str) -> Result<Drawing, FigureError> {
    let columns = entries.len().min(ACROSS);
    let rows = entries.len().div_ceil(columns);
    let across = columns as f64 * (SIDE + GAP) - GAP;
    // Title and note want more room than one or two X-rays take.
    let width = (across + 2.0 * MARGIN).max(440.0);
    let left = (width - across) / 2.0;
    let titles = text::wrap(title, 16.0, width - 24.0, 2)?.len() as f64;
    let top = 20.0 + titles * 16.0 * text::LINE;
    let notes = if note.is_empty() { Vec::new() } else { text::wrap(note, TEXT, width - 2.0 * MARGIN, 4)? };
    let row = SIDE + CAPTION + 12.0;
    let height = top + rows as f64 * row + notes.len() as f64 * TEXT * text::LINE + 10.0;
    let mut drawing = Drawing::new(width, height);
    drawing.title(title, 20.0, 16.0)?;
    for (index, entry) in entries.iter().enumerate() {
        let x = left + (index % columns) as f64 * (SIDE + GAP);
        let y = top + (index / columns) as f64 * row;
        draw(&mut drawing, entry, (x, y))?;
    }
    let below = (MARGIN, top + rows as f64 * row + 4.0);
    drawing.text_lines(&notes, below, TEXT, Anchor::Start, SOFT_INK);
    Ok(drawing)
}

fn draw(drawing: &mut Drawing, entry: &GalleryEntry, (x, y): (f64, f64)) -> Result<(), FigureError> {
    drawing.pictures.push(Picture { place: (x, y), size: (SIDE, SIDE), image: entry.image.clone() });
    let wrong = entry.is_wrong();
    if wrong {
        outline(drawing, (x, y), 3.0, WRONG);
        cross(drawing, (x + SIDE - 9.0, y + 9.0));
    } else {
        drawing.frame(x, y, SIDE, SIDE, INK);
    }
    let middle = x + SIDE / 2.0;
    let first = y + SIDE + 6.0 + TEXT * text::LINE / 2.0;
    let probability = format!(" {:.2}", entry.probability);
    let room = SIDE + GAP - 4.0;
    let name = text::elide(&entry.predicted, TEXT, room - text::width(&probability, TEXT)?)?;
    let colour = if wrong { WRONG } else { INK };
    drawing.text(&format!("{name}{probability}"), (middle, first), TEXT, Anchor::Middle, colour);
    if let Some(truth) = entry.truth.as_ref().filter(|_| wrong) {
        let truth = text::elide(&format!("true: {truth}"), TEXT, room)?;
        drawing.text(&truth, (middle, first + TEXT * text::LINE), TEXT, Anchor::Middle, WRONG);
    }
    Ok(())
}

/// A frame of `thick` around a square of [`SIDE`], outside of it.
fn outline(drawing: &mut Drawing, (x, y): (f64, f64), thick: f64, colour: Colour) {
    let (outer, long) = (SIDE + 2.0 * thick, thick);
    drawing.rect(x - thick, y - thick, outer, long, colour);
    drawing.rect(x - thick, y + SIDE, outer, long, colour);
    drawing.rect(x - thick, y, long, SIDE, colour);
    drawing.rect(x + SIDE, y, long, SIDE, colour);
}

/// A white cross on a red disc.
fn cross(drawing: &mut Drawing, (x, y): (f64, f64)) {
    const ARM: f64 = 3.2;
    drawing.disc(x, y, 7.0, WRONG);
    drawing.line((x - ARM, y - ARM), (x + ARM, y + ARM), PAPER, 1.8);
    drawing.line((x - ARM, y + ARM), (x + ARM, y - ARM), PAPER, 1.8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(predicted: &str, truth: Option<&str>, gray: u8) -> GalleryEntry {
        let image = GrayImage::from_pixel(8, 8, image::Luma([gray]));
        let (predicted, truth) = (predicted.to_owned(), truth.map(str::to_owned));
        GalleryEntry { image, predicted, probability: 0.973, truth }
    }

    #[test]
    fn any_number_of_images_and_any_names_are_legible() {
        let long = "bacterial pneumonia of the left lower lobe";
        let note =
            "shown: all 12 wrong answers of the 640 validation images, and 12 of the 628 right ones, evenly";
        for count in [1, 2, 5, 6, 7, 24, 60] {
            for (predicted, truth) in
                [("covid", Some("normal")), (long, Some(long)), (long, Some("x")), ("a", None)]
            {
                let entries = vec![entry(predicted, truth, 90); count];
                for title in
                    ["t", "tab3/3-conv-128-nodes-1-dense-learning_rate-0.001-seed-17: validation X-rays"]
                {
                    layout(title, &entries, note).unwrap().check_legible();
                }
            }
        }
    }

    #[test]
    fn only_wrong_answers_are_marked() {
        let entries =
            [entry("covid", Some("covid"), 0), entry("covid", Some("normal"), 0), entry("covid", None, 0)];
        let drawing = layout("t", &entries, "").unwrap();
        let truths: Vec<_> = drawing.texts().into_iter().filter(|text| text.starts_with("true")).collect();
        assert_eq!(truths, ["true: normal"]);
        assert_eq!(drawing.texts().iter().filter(|text| **text == "covid 0.97").count(), 3);
        let red = |x: u32, figure: &Figure| {
            let picture = image::load_from_memory(&figure.png).unwrap().to_rgb8();
            picture.rows().nth(100).unwrap().skip(x as usize).take(8).any(|pixel| pixel.0 == [203, 24, 29])
        };
        let figure = gallery("t", &entries, "").unwrap();
        let left = (f64::from(figure.width) - 3.0 * (SIDE + GAP) + GAP) / 2.0;
        let edge = |index: f64| (2.0 * (left + index * (SIDE + GAP))) as u32 - 7;
        assert_eq!([0.0, 1.0, 2.0].map(|index| red(edge(index), &figure)), [false, true, false]);
    }

    #[test]
    fn nothing_to_show_is_said() {
        assert!(matches!(gallery("t", &[], ""), Err(FigureError::Empty(_))));
    }
}
