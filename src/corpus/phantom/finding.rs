//! What distinguishes the classes: opacities in the lungs.

use super::super::random::Stream;
use super::{
    anatomy::{gauss, step},
    field::Field,
};

/// The kinds of finding, in the order in which classes from 1 take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Patchy, soft, on both sides, mostly peripheral and low: the look of COVID-19 pneumonia.
    GroundGlass,
    /// One large dense region with a clearer edge.
    Consolidation,
    /// Several small round dense spots.
    Nodules,
    /// Fluid at the base, with a rising meniscus.
    Effusion,
}

const KINDS: [Kind; 4] = [Kind::GroundGlass, Kind::Consolidation, Kind::Nodules, Kind::Effusion];

struct Patch {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    strength: f64,
}

/// The finding of one image.
pub(super) struct Finding {
    kind: Kind,
    patches: Vec<Patch>,
    texture: Field,
}

impl Finding {
    /// The finding of a class in one image; none for class 0.
    ///
    /// Classes 1 to 4 take the four kinds. Each further four repeat them on the right only, on the left only, then on both
    /// sides and smaller, and so on.
    pub(super) fn new(label: u8, strength: f64, stream: &mut Stream) -> Option<Self> {
        let place = usize::from(label.checked_sub(1)?);
        let kind = KINDS[place % KINDS.len()];
        let variant = place / KINDS.len();
        let size = 0.7_f64.powi(i32::try_from(variant / 3).expect("a class is a byte"));
        let mut finding = Self { kind, patches: Vec::new(), texture: Field::new(14, stream) };
        let first = if stream.chance(0.5) { 1.0 } else { -1.0 };
        let sides: &[f64] = match (variant % 3, kind) {
            (0, Kind::GroundGlass | Kind::Nodules) => &[-1.0, 1.0],
            (0, _) => &[first],
            (1, _) => &[-1.0],
            _ => &[1.0],
        };
        for &side in sides {
            finding.add_side(side, size, strength, stream);
        }
        Some(finding)
    }

    fn add_side(&mut self, side: f64, size: f64, strength: f64, stream: &mut Stream) {
        let (count, (inner, outer), (top, bottom), (small, large)) = match self.kind {
            Kind::GroundGlass => (3 + stream.below(3), (0.32, 0.62), (-0.25, 0.48), (0.10, 0.20)),
            Kind::Consolidation => (1, (0.30, 0.50), (-0.35, 0.30), (0.16, 0.24)),
            Kind::Nodules => (3 + stream.below(4), (0.22, 0.60), (-0.50, 0.45), (0.025, 0.05)),
            Kind::Effusion => (1, (0.44, 0.46), (0.20, 0.36), (0.3, 0.3)),
        };
        for _ in 0..count {
            let radius = size * stream.range(small, large);
            self.patches.push(Patch {
                x: side * stream.range(inner, outer),
                y: stream.range(top, bottom),
                width: radius * stream.range(0.8, 1.25),
                height: radius * stream.range(0.8, 1.35),
                strength: strength * stream.range(0.7, 1.3),
            });
        }
    }

    /// How much of the air at a place of the patient is replaced, 0..1.
    pub(super) fn at(&self, x: f64, y: f64) -> f64 {
        let mut clear = 1.0;
        for patch in &self.patches {
            let (across, down) = ((x - patch.x) / patch.width, (y - patch.y) / patch.height);
            let shape = match self.kind {
                Kind::GroundGlass => gauss(across) * gauss(down),
                Kind::Consolidation | Kind::Nodules => step((1.0 - across.hypot(down)) / 0.18),
                // The fluid's level rises towards the flank.
                Kind::Effusion if x * patch.x > 0.0 => {
                    step((y - patch.y + 0.5 * (x.abs() - 0.45).max(0.0)) / 0.04)
                }
                Kind::Effusion => 0.0,
            };
            clear *= 1.0 - (shape * patch.strength).clamp(0.0, 1.0);
        }
        let grain = match self.kind {
            Kind::GroundGlass => 0.8 + 0.35 * self.texture.at(x, y),
            Kind::Consolidation => 1.0 + 0.10 * self.texture.at(x, y),
            Kind::Nodules | Kind::Effusion => 1.0,
        };
        ((1.0 - clear) * grain).clamp(0.0, 1.0)
    }
}
