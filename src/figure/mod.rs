//! Figures: confusion matrices and their differences, accuracy bars, training, ROC and PR curves, slices and contours over axes, and
//! X-rays, each as SVG and PNG.
//!
//! The only home of plotters. Called by the trainer (the small confusion matrix of each epoch) and by `report`. A
//! figure function lays its marks out once in a `drawing::Drawing` (logical pixels, text measured with the font that
//! ships in the program), and `render` replays that list onto both backends, so SVG and PNG show the same thing and
//! the bytes depend on the input alone. Nothing here touches a file, a clock or a system font.

mod axis;
mod bars;
mod cells;
mod colour;
mod confusion;
mod contours;
mod curves;
mod difference;
mod drawing;
mod facets;
mod gallery;
mod glyphs;
mod grouped;
mod landscape;
mod render;
mod separation;
mod sheet;
mod text;
mod thin;

pub use bars::{Bar, ClassCount, accuracy_bars, count_bars};
pub use confusion::{confusion_matrix, confusion_matrix_png};
pub use contours::contours;
pub use curves::{Panel, Quantity, Series, curves};
pub use difference::difference_matrix;
pub use facets::{GridCurve, Key, MOST as MOST_KEY_VALUES, grid_curves};
pub use gallery::{GalleryEntry, gallery};
pub use landscape::{Extent, Metric, Seen, SweptAxis, slices};
pub use separation::{Named, pr_curves, roc_curves};
pub use sheet::{SheetEntry, confusion_sheet};

/// A finished figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Width in logical pixels, which is the width that the SVG states.
    pub width: u32,
    /// Height in logical pixels.
    pub height: u32,
    /// The SVG document.
    pub svg: String,
    /// The PNG file, at twice the logical size for print.
    pub png: Vec<u8>,
}

/// Why a figure could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// There is nothing to draw.
    #[error("there is nothing to draw: {0}")]
    Empty(&'static str),
    /// An axis has more values than panels, colours or strokes can tell apart.
    #[error("`{name}` has {values} values, and a figure tells {most} apart")]
    TooManyValues {
        /// The axis.
        name: String,
        /// Its values.
        values: usize,
        /// What can be told apart.
        most: usize,
    },
    /// The class names do not belong to the matrix.
    #[error("the confusion matrix has {classes} classes, but {names} class names were given")]
    ClassNames {
        /// Classes of the matrix.
        classes: usize,
        /// Names given.
        names: usize,
    },
    /// The built-in font could not be read.
    #[error("the built-in font cannot be used: {0}")]
    Font(String),
    /// A backend failed.
    #[error("cannot draw the figure as {backend}: {message}")]
    Backend {
        /// `SVG` or `PNG`.
        backend: &'static str,
        /// What the backend said.
        message: String,
    },
    /// The picture is larger than any screen, printer or PNG reader takes.
    #[error("a figure of {width} x {height} pixels is too large")]
    TooLarge {
        /// Logical pixels.
        width: u32,
        /// Logical pixels.
        height: u32,
    },
}
