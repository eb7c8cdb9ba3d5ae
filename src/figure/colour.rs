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
pub(super) const CONTEXT: Colour = Colour(186, 186, 186);
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

/// Colours that colour-blind readers tell apart, in the order of use: those of Okabe and Ito (2008), "Color Universal Design",
/// <https://jfly.uni-koeln.de/color/>, but for their yellow, which is too light on paper; then brown and grey. Markers and
/// strokes tell them apart besides.
pub(super) const SERIES: [Colour; 9] = [
    Colour(0, 114, 178),
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(230, 159, 0),
    Colour(86, 180, 233),
    Colour(0, 0, 0),
    Colour(136, 84, 44),
    Colour(170, 170, 170),
];

/// So many of the best runs are in colour, the others grey: more lines than that nobody follows.
pub(super) const BEST: usize = 3;

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

    /// As the commonest colour-blind men see them: Viénot, Brettel and Mollon (1999), for deuteranopia.
    #[test]
    fn the_colours_of_series_stay_apart_without_green() {
        let seen = |Colour(r, g, b): Colour| {
            let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
            let (r, g, b) = (linear(r), linear(g), linear(b));
            let yellow = 0.292_75 * r + 0.707_25 * g;
            let blue = -0.022_33 * r + 0.022_33 * g + b;
            [yellow.max(0.0).powf(1.0 / 2.2), blue.max(0.0).powf(1.0 / 2.2)]
        };
        let apart = |one: Colour, other: Colour| {
            let (a, b) = (seen(one), seen(other));
            (a[0] - b[0]).hypot(a[1] - b[1])
        };
        for (index, &one) in SERIES.iter().enumerate() {
            for (place, &other) in SERIES.iter().enumerate().skip(index + 1) {
                let least = if place < BEST { 0.25 } else { 0.07 };
                assert!(apart(one, other) > least, "{one:?} {other:?}: {}", apart(one, other));
            }
        }
        // A usual red and green are one olive.
        assert!(apart(Colour(214, 39, 40), Colour(44, 160, 44)) < 0.15);
    }

    #[test]
    fn the_map_darkens_all_the_way_and_clamps() {
        let tones: Vec<f64> = (0..=100).map(|step| luminance(blues(f64::from(step) / 100.0))).collect();
        assert!(tones.windows(2).all(|pair| pair[0] > pair[1]), "{tones:?}");
        assert_eq!(blues(-1.0), blues(0.0));
        assert_eq!(blues(2.0), BLUES[8]);
    }
}
