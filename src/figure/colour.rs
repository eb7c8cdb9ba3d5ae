//! The colours of the figures, and the blue colour map of the confusion matrices.
//!
//! Used by every figure; knows nothing of layout.

pub(super) use plotters::style::RGBColor as Colour;

/// Text, axes.
pub(super) const INK: Colour = Colour(26, 26, 26);
/// Secondary text.
pub(super) const SOFT_INK: Colour = Colour(64, 64, 64);
/// Grid lines.
pub(super) const GRID: Colour = Colour(226, 226, 226);
/// Series that are context, not subject.
pub(super) const CONTEXT: Colour = Colour(196, 196, 196);
/// Cells without any image.
pub(super) const NOTHING: Colour = Colour(240, 240, 240);
/// The page.
pub(super) const PAPER: Colour = Colour(255, 255, 255);
/// Training values in bar charts.
pub(super) const TRAIN: Colour = Colour(158, 202, 225);
/// Validation values in bar charts.
pub(super) const VALIDATION: Colour = Colour(33, 113, 181);

/// What the paper states, beside what was measured here.
pub(super) const STATED: Colour = Colour(230, 145, 56);

/// Ten colours that stay apart for most colour-blind readers and in grey print order: Tableau 10.
pub(super) const SERIES: [Colour; 10] = [
    Colour(31, 119, 180),
    Colour(214, 39, 40),
    Colour(44, 160, 44),
    Colour(148, 103, 189),
    Colour(255, 127, 14),
    Colour(23, 190, 207),
    Colour(140, 86, 75),
    Colour(227, 119, 194),
    Colour(188, 189, 34),
    Colour(70, 70, 70),
];

/// `Blues` of ColorBrewer, nine anchors from 0 to 1.
const BLUES: [Colour; 9] = [
    Colour(247, 251, 255),
    Colour(222, 235, 247),
    Colour(198, 219, 239),
    Colour(158, 202, 225),
    Colour(107, 174, 214),
    Colour(66, 146, 198),
    Colour(33, 113, 181),
    Colour(8, 81, 156),
    Colour(8, 48, 107),
];

/// The colour map at `share`, which is clamped to 0..=1.
pub(super) fn blues(share: f64) -> Colour {
    let place = share.clamp(0.0, 1.0) * (BLUES.len() - 1) as f64;
    let index = (place as usize).min(BLUES.len() - 2);
    let part = place - index as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    let (Colour(r0, g0, b0), Colour(r1, g1, b1)) = (BLUES[index], BLUES[index + 1]);
    Colour(mix(r0, r1), mix(g0, g1), mix(b0, b1))
}

/// From orange at -1 over paper at 0 to blue at 1; clamped. The two ends differ for colour-blind readers and in grey.
pub(super) fn balance(share: f64) -> Colour {
    const LESS: Colour = Colour(217, 95, 2);
    let Colour(r, g, b) = if share < 0.0 { LESS } else { VALIDATION };
    let part = share.abs().min(1.0);
    let mix = |end: u8| (255.0 + (f64::from(end) - 255.0) * part).round() as u8;
    Colour(mix(r), mix(g), mix(b))
}

/// Black or white, whichever has the higher contrast on `ground` (WCAG 2.2 relative luminance).
pub(super) fn readable_on(ground: Colour) -> Colour {
    let on_white = 1.05 / (luminance(ground) + 0.05);
    let on_ink = (luminance(ground) + 0.05) / (luminance(INK) + 0.05);
    if on_white > on_ink { PAPER } else { INK }
}

/// Relative luminance of an sRGB colour, 0..=1 (WCAG 2.2).
pub(super) fn luminance(Colour(r, g, b): Colour) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_the_map_always_has_the_contrast_that_wcag_asks_for() {
        for step in 0..=100 {
            let ground = blues(f64::from(step) / 100.0);
            let (a, b) = (luminance(ground), luminance(readable_on(ground)));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.0, "{step}: {contrast}");
        }
    }

    #[test]
    fn the_map_darkens_all_the_way_and_clamps() {
        let tones: Vec<f64> = (0..=100).map(|step| luminance(blues(f64::from(step) / 100.0))).collect();
        assert!(tones.windows(2).all(|pair| pair[0] > pair[1]), "{tones:?}");
        assert_eq!(blues(-1.0), blues(0.0));
        assert_eq!(blues(2.0), BLUES[8]);
    }
}
