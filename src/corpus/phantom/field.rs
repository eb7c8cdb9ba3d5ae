//! Smooth random fields: texture of tissue and opacities.

use super::super::random::Stream;

/// Random values on a square lattice over -1..1, interpolated smoothly between.
pub(super) struct Field {
    cells: usize,
    values: Vec<f64>,
}

impl Field {
    /// A field of `cells` x `cells` cells with standard normal lattice values.
    pub(super) fn new(cells: usize, stream: &mut Stream) -> Self {
        let values = (0..(cells + 1) * (cells + 1)).map(|_| stream.normal()).collect();
        Self { cells, values }
    }

    /// The value at a place; beyond the lattice that of its edge.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "lattices have tens of cells, and places are clamped to them"
    )]
    pub(super) fn at(&self, x: f64, y: f64) -> f64 {
        let cells = self.cells as f64;
        let place = |v: f64| ((v + 1.0) / 2.0 * cells).clamp(0.0, cells - 1e-9);
        let (x, y) = (place(x), place(y));
        let (column, row) = (x as usize, y as usize);
        let ease = |t: f64| t * t * (3.0 - 2.0 * t);
        let (right, down) = (ease(x.fract()), ease(y.fract()));
        let stride = self.cells + 1;
        let corner = |row: usize, column: usize| self.values[row * stride + column];
        let upper = corner(row, column) * (1.0 - right) + corner(row, column + 1) * right;
        let lower = corner(row + 1, column) * (1.0 - right) + corner(row + 1, column + 1) * right;
        upper * (1.0 - down) + lower * down
    }
}
