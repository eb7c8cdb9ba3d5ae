//! A healthy chest from the front: brightness and where the lungs are.
//!
//! Coordinates run over -1..1 across and down the image. The anatomy is drawn from the class-independent stream of an
//! image, so that nothing but the finding differs between classes.

use super::super::random::Stream;
use super::field::Field;

/// What lies at a place.
pub(super) struct Tissue {
    /// Attenuation: 0 air, 1 bone and metal.
    pub(super) density: f64,
    /// How much of it is lung, 0..1.
    pub(super) lung: f64,
}

/// One patient in one position.
pub(super) struct Anatomy {
    shift: (f64, f64),
    zoom: f64,
    turn: (f64, f64),
    lung_width: f64,
    lung_height: f64,
    /// Height of the diaphragm, of the lung left and right in the image.
    diaphragm: [f64; 2],
    heart: (f64, f64),
    lung_density: f64,
    rib_strength: f64,
    rib_phase: f64,
    rib_slope: f64,
    /// Soft tissue over the lower lungs; 0 in most patients.
    breast: f64,
    vessels: f64,
    coarse: Field,
    fine: Field,
}

impl Anatomy {
    pub(super) fn new(stream: &mut Stream) -> Self {
        let angle = 0.04 * stream.normal().clamp(-2.0, 2.0);
        let diaphragm = stream.range(0.48, 0.68);
        Self {
            shift: (stream.range(-0.05, 0.05), stream.range(-0.05, 0.05)),
            zoom: stream.range(0.93, 1.08),
            turn: angle.sin_cos(),
            lung_width: stream.range(0.29, 0.36),
            lung_height: stream.range(0.62, 0.74),
            diaphragm: [diaphragm - stream.range(0.0, 0.08), diaphragm],
            heart: (stream.range(0.24, 0.37), stream.range(0.24, 0.34)),
            lung_density: stream.range(0.15, 0.24),
            rib_strength: stream.range(0.04, 0.10),
            rib_phase: stream.unit(),
            rib_slope: stream.range(0.25, 0.6),
            breast: if stream.chance(0.4) { stream.range(0.04, 0.13) } else { 0.0 },
            vessels: stream.range(0.06, 0.13),
            coarse: Field::new(7, stream),
            fine: Field::new(26, stream),
        }
    }

    /// From image coordinates to the patient's.
    pub(super) fn locate(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = ((x - self.shift.0) / self.zoom, (y - self.shift.1) / self.zoom);
        let (sin, cos) = self.turn;
        (x * cos + y * sin, y * cos - x * sin)
    }

    /// What lies at a place of the patient.
    pub(super) fn at(&self, x: f64, y: f64) -> Tissue {
        let body = self.body(x, y);
        if body == 0.0 {
            return Tissue { density: 0.0, lung: 0.0 };
        }
        let coarse = self.coarse.at(x, y);
        let fine = self.fine.at(x, y);
        let lung = self.lung(x, y) * body;
        let mut density = 0.60 + 0.03 * coarse;
        density += (self.lung_density + 0.02 * coarse - density) * lung;
        // Vessels: bright ridges of the fine texture, dense at the hila and thinning out.
        let hilum = gauss((x.abs() - 0.15) / 0.16) * gauss((y + 0.02) / 0.24);
        density += lung * self.vessels * (0.35 + 1.4 * hilum) * (1.0 - fine.abs()).max(0.0);
        density += 0.10 * hilum * lung;
        density += self.breast * lung * step((y - 0.12) / 0.12) * gauss((x.abs() - 0.42) / 0.22);
        density += (0.64 - density).max(0.0) * self.mediastinum(x, y);
        density += 0.10 * body * gauss(x / 0.09) * (0.75 + 0.25 * (y * 40.0).sin());
        density += self.bones(x, y) * body;
        Tissue { density: density * body, lung }
    }

    fn body(&self, x: f64, y: f64) -> f64 {
        // Shoulders slope to the neck; below them the flanks are almost straight.
        let neck = 0.24 + 0.95 * step((y + 0.80) / 0.07);
        let width = neck.min(0.93 - 0.06 * y * y);
        step((width - x.abs()) / 0.02)
    }

    fn lung(&self, x: f64, y: f64) -> f64 {
        let side = usize::from(x > 0.0);
        let centre = 0.41 + 0.05 * y;
        // Narrow at the apex, wide at the base.
        let width = self.lung_width * (0.86 + 0.26 * y).clamp(0.45, 1.1);
        let across = (x.abs() - centre).abs() / width;
        let down = (y + 0.10).abs() / self.lung_height;
        let inside = 1.0 - (across.powi(3) + down.powi(3));
        let dome = self.diaphragm[side] + 0.9 * (x.abs() - 0.36).powi(2);
        step(inside / 0.09) * step((dome - y) / 0.025)
    }

    fn mediastinum(&self, x: f64, y: f64) -> f64 {
        let (width, height) = self.heart;
        let heart = 1.0 - ((x - 0.10) / width).powi(2) - ((y - 0.30) / height).powi(2);
        let vessels = step((0.13 - (x - 0.015).abs()) / 0.03);
        step(heart / 0.15).max(vessels)
    }

    fn bones(&self, x: f64, y: f64) -> f64 {
        let out = x.abs();
        // Ribs fall from the spine to the flank, evenly spaced; those of the back are the ones to be seen.
        let place = (y - self.rib_slope * (out - 0.25) - 0.35 * (out - 0.45).powi(2)) / 0.15 + self.rib_phase;
        let rib = gauss((place - place.round()) / 0.16);
        let cage = step((0.80 - out) / 0.04) * step((out - 0.10) / 0.03) * step((0.75 - y) / 0.1);
        let clavicle = gauss((y + 0.60 + 0.22 * (out - 0.35)) / 0.025)
            * step((0.62 - out) / 0.04)
            * step((out - 0.08) / 0.02);
        self.rib_strength * rib * cage + 0.11 * clavicle
    }
}

/// Bell curve of height 1; 0 where it is under 4e-6, which saves most of the exponentials.
pub(super) fn gauss(t: f64) -> f64 {
    if t.abs() > 5.0 { 0.0 } else { (-0.5 * t * t).exp() }
}

/// From 0 to 1, half at 0, most of it within -2..2, all of it within -6..6.
pub(super) fn step(t: f64) -> f64 {
    match t {
        t if t < -6.0 => 0.0,
        t if t > 6.0 => 1.0,
        t => 1.0 / (1.0 + (-2.0 * t).exp()),
    }
}
