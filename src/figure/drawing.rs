//! The display list of a figure: rectangles, paths, discs, text and photographs, in logical pixels.
//!
//! Filled by the figure functions, replayed by `render`. It is a plain value, so a test can ask whether any text
//! leaves the page or touches another.

use super::{FigureError, colour::Colour, text};

/// A figure before it is rendered. The origin is the upper left corner.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    /// Logical pixels.
    pub(super) width: u32,
    /// Logical pixels.
    pub(super) height: u32,
    /// In the order of painting.
    pub(super) marks: Vec<Mark>,
    /// Photographs: on the page, below every mark.
    pub(super) pictures: Vec<Picture>,
}

/// A gray photograph in a rectangle of the page, whose shape it takes.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Left and top, logical pixels.
    pub(super) place: (f64, f64),
    /// Width and height, logical pixels.
    pub(super) size: (f64, f64),
    pub(super) image: image::GrayImage,
}

/// One thing to paint. Lengths in logical pixels.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A filled rectangle.
    Rect { x: f64, y: f64, width: f64, height: f64, colour: Colour },
    /// An open line through two or more points.
    Path { points: Vec<(f64, f64)>, colour: Colour, stroke: f64 },
    /// A filled circle.
    Disc { x: f64, y: f64, radius: f64, colour: Colour },
    /// A line of text.
    Text(Label),
}

/// Which part of a text its position names, along the direction of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
#[derive(Clone, Debug)]
pub(super) struct Label {
    /// Without control characters.
    pub(super) text: String,
    /// Position of the anchor on the baseline.
    pub(super) x: f64,
    /// Position of the anchor on the baseline.
    pub(super) y: f64,
    /// Size of the em square.
    pub(super) size: f64,
    pub(super) colour: Colour,
    pub(super) anchor: Anchor,
    /// Written upwards (turned by 90 degrees against the clock).
    pub(super) upwards: bool,
}

/// Half the height of capitals and digits of the font, per em: from a line's middle down to its baseline.
const HALF_CAPITAL: f64 = 0.346;

impl Drawing {
    /// An empty page, its size rounded up to whole pixels.
    pub(super) fn new(width: f64, height: f64) -> Self {
        let (width, height) = (width.ceil().max(1.0) as u32, height.ceil().max(1.0) as u32);
        Self { width, height, marks: Vec::new(), pictures: Vec::new() }
    }

    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        self.marks.push(Mark::Rect { x, y, width, height, colour });
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour, stroke: f64) {
        self.path(vec![from, to], colour, stroke);
    }

    pub(super) fn path(&mut self, points: Vec<(f64, f64)>, colour: Colour, stroke: f64) {
        self.marks.push(Mark::Path { points, colour, stroke });
    }

    pub(super) fn disc(&mut self, x: f64, y: f64, radius: f64, colour: Colour) {
        self.marks.push(Mark::Disc { x, y, radius, colour });
    }

    /// A marker of a series: its shape tells it apart where its colour does not.
    pub(super) fn marker(&mut self, series: usize, (x, y): (f64, f64), radius: f64, colour: Colour) {
        // Shapes with corners are made of strips: a backend's thick lines have ragged joints.
        const STRIPS: usize = 8;
        let mut strips = |half_width: fn(f64) -> f64| {
            let height = 2.3 * radius / STRIPS as f64;
            for strip in 0..STRIPS {
                let down = (strip as f64 + 0.5) / STRIPS as f64;
                let half = 1.3 * radius * half_width(down);
                self.rect(x - half, y - 1.15 * radius + strip as f64 * height, 2.0 * half, height, colour);
            }
        };
        match series % 5 {
            0 => self.disc(x, y, radius, colour),
            1 => self.rect(x - 0.9 * radius, y - 0.9 * radius, 1.8 * radius, 1.8 * radius, colour),
            2 => strips(|down| down),
            3 => {
                let r = 1.1 * radius;
                self.line((x - r, y - r), (x + r, y + r), colour, radius * 0.6);
                self.line((x - r, y + r), (x + r, y - r), colour, radius * 0.6);
            }
            _ => strips(|down| 1.0 - (2.0 * down - 1.0).abs()),
        }
    }

    /// The outline of a rectangle.
    pub(super) fn frame(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        let (right, bottom) = (x + width, y + height);
        self.line((x, y), (right, y), colour, 1.0);
        self.line((right, y), (right, bottom), colour, 1.0);
        self.line((right, bottom), (x, bottom), colour, 1.0);
        self.line((x, bottom), (x, y), colour, 1.0);
    }

    /// A line of text whose digits and capitals are centred on `y`.
    pub(super) fn text(&mut self, text: &str, (x, y): (f64, f64), size: f64, anchor: Anchor, colour: Colour) {
        let y = y + HALF_CAPITAL * size;
        let text = text::printable(text);
        self.marks.push(Mark::Text(Label { text, x, y, size, colour, anchor, upwards: false }));
    }

    /// A line of text written upwards whose digits and capitals are centred on `x`.
    pub(super) fn text_upwards(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: Colour,
    ) {
        let x = x + HALF_CAPITAL * size;
        let text = text::printable(text);
        self.marks.push(Mark::Text(Label { text, x, y, size, colour, anchor, upwards: true }));
    }

    /// Lines of text below each other, the first centred on `y`.
    pub(super) fn text_lines(
        &mut self,
        lines: &[String],
        (x, y): (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: Colour,
    ) {
        for (index, line) in lines.iter().enumerate() {
            self.text(line, (x, y + index as f64 * size * text::LINE), size, anchor, colour);
        }
    }

    /// A title of one or two lines over the whole page, the first line centred on `y`; a longer one is elided.
    pub(super) fn title(&mut self, title: &str, y: f64, size: f64) -> Result<(), FigureError> {
        let width = f64::from(self.width);
        let lines = text::wrap(title, size, width - 24.0, 2)?;
        self.text_lines(&lines, (width / 2.0, y), size, Anchor::Middle, super::colour::INK);
        Ok(())
    }
}

#[cfg(test)]
impl Label {
    /// Left, top, right, bottom of the ink, as far as the font's metrics tell.
    pub(super) fn bounds(&self) -> (f64, f64, f64, f64) {
        let length = text::width(&self.text, self.size).expect("the built-in font measures");
        let start = match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -length / 2.0,
            Anchor::End => -length,
        };
        let (above, below) = (0.70 * self.size, 0.18 * self.size);
        if self.upwards {
            (self.x - above, self.y - start - length, self.x + below, self.y - start)
        } else {
            (self.x + start, self.y - above, self.x + start + length, self.y + below)
        }
    }
}

#[cfg(test)]
impl Drawing {
    /// Fails when a text or a mark leaves the page, or when two texts touch.
    pub(super) fn check_legible(&self) {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        let inside = |(left, top, right, bottom): (f64, f64, f64, f64), what: &dyn std::fmt::Debug| {
            assert!(
                left >= 0.0 && top >= 0.0 && right <= width && bottom <= height,
                "{what:?} leaves the page of {width} x {height}: {left} {top} {right} {bottom}"
            );
        };
        for picture in &self.pictures {
            let ((x, y), (width, height)) = (picture.place, picture.size);
            inside((x, y, x + width, y + height), picture);
        }
        let mut boxes = Vec::new();
        for mark in &self.marks {
            match mark {
                Mark::Text(label) => {
                    assert!(label.size >= 6.5, "too small to read: {label:?}");
                    inside(label.bounds(), label);
                    boxes.push((label, label.bounds()));
                }
                Mark::Rect { x, y, width, height, .. } => inside((*x, *y, x + width, y + height), mark),
                Mark::Disc { x, y, radius, .. } => {
                    inside((x - radius, y - radius, x + radius, y + radius), mark);
                }
                Mark::Path { points, .. } => {
                    points.iter().for_each(|&(x, y)| inside((x, y, x, y), mark));
                }
            }
        }
        for (index, (label, a)) in boxes.iter().enumerate() {
            for (other, b) in &boxes[index + 1..] {
                let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
                assert!(apart, "{label:?} touches {other:?}");
            }
        }
    }

    /// All texts, in the order of painting.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Text(label) => Some(label.text.as_str()),
                _ => None,
            })
            .collect()
    }
}
