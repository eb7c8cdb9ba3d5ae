//! A report before it has a form: sections of prose, tables and figures.
//!
//! The pages (`page`) fill it, `html` makes one file of it, and `files` writes every table and figure of it beside that
//! file under its stem. It knows neither experiments nor formats.

use super::table::Table;
use crate::figure::{Figure, FigureError};

/// A report.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Document {
    /// The heading.
    pub(super) title: String,
    /// Paragraphs below it.
    pub(super) lead: Vec<String>,
    /// In order.
    pub(super) sections: Vec<Section>,
}

/// A part of a report with a heading of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section {
    /// Unique in the document: letters, digits, `_` and `-`.
    pub(super) id: String,
    /// The heading.
    pub(super) title: String,
    /// In order.
    pub(super) blocks: Vec<Block>,
}

/// What a section is made of. All text is plain and may hold anything; forms escape it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    /// A paragraph.
    Prose(String),
    /// A paragraph that must not be overlooked.
    Warning(String),
    /// Text that keeps its line breaks, under a heading that opens it.
    Listing {
        /// What it is.
        title: String,
        /// The text.
        text: String,
    },
    /// A table; its title is its caption.
    Table {
        /// Name of its files without their extension, unique in the document.
        stem: String,
        /// The table.
        table: Table,
    },
    /// A figure.
    Figure {
        /// Name of its files without their extension, unique in the document.
        stem: String,
        /// Below the figure, and what a reader hears who does not see it.
        caption: String,
        /// The figure.
        figure: Figure,
    },
}

/// A figure that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the figure `{stem}`")]
pub(super) struct DrawError {
    /// Name of its files without their extension.
    pub(super) stem: String,
    /// Why.
    pub(super) source: FigureError,
}

impl Section {
    /// A section without blocks.
    #[must_use]
    pub(super) fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), blocks: Vec::new() }
    }

    /// Adds a paragraph.
    pub(super) fn prose(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Prose(text.into()));
    }

    /// Adds a paragraph that must not be overlooked.
    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Warning(text.into()));
    }

    /// Adds a table.
    pub(super) fn table(&mut self, stem: impl Into<String>, table: Table) {
        self.blocks.push(Block::Table { stem: stem.into(), table });
    }

    /// Adds a figure, or nothing where there is nothing to draw.
    ///
    /// # Errors
    /// Any other reason why there is no figure.
    pub(super) fn figure(
        &mut self,
        stem: impl Into<String>,
        caption: impl Into<String>,
        figure: Result<Figure, FigureError>,
    ) -> Result<(), DrawError> {
        match figure {
            Ok(figure) => {
                self.blocks.push(Block::Figure { stem: stem.into(), caption: caption.into(), figure });
                Ok(())
            }
            Err(FigureError::Empty(_)) => Ok(()),
            Err(source) => Err(DrawError { stem: stem.into(), source }),
        }
    }
}
