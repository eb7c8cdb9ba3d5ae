//! A document as one HTML file that needs nothing else: no script, no font, no picture from elsewhere, no network.
//!
//! Called by `files`. Figures are inline SVG on a white ground, so that they look alike in a light and in a dark page and
//! on paper. All text is escaped by maud; only the style sheet and the figures' SVG, which this program draws itself, go
//! in as they are. The same document gives the same bytes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    document::{Block, Document, Section},
    paper::NOT_STATED,
    table::{Align, Cell, Table},
    text::shown,
};
use crate::{
    base::{
        human,
        text::{harmless, one_line},
    },
    figure::Figure,
};

const STYLE: &str = include_str!("style.css");
/// A cell of more letters is broken into lines; names are not.
const LONG: usize = 48;
/// Whole numbers from here on have commas: not those that name an epoch, a width or a batch.
const GROUPED_FROM: u64 = 10_000;
/// Figures wider than this, in pixels, keep that width on a narrow screen and scroll.
const WIDE: u32 = 560;

/// The file.
#[must_use]
pub(super) fn page(document: &Document) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (one_line(&document.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (one_line(&document.title)) }
                    @for text in &document.lead { p.lead { (one_line(text)) } }
                    @if document.sections.len() > 1 {
                        nav aria-label="Contents" {
                            ol {
                                @for section in &document.sections {
                                    li { a href=(format!("#section-{}", section.id)) { (one_line(&section.title)) } }
                                }
                            }
                        }
                    }
                    @for section in &document.sections { (self::section(section)) }
                }
            }
        }
    };
    markup.into_string() + "\n"
}

fn section(section: &Section) -> Markup {
    html! {
        section id=(format!("section-{}", section.id)) {
            h2 { (one_line(&section.title)) }
            @for block in &section.blocks {
                @match block {
                    Block::Prose(text) => p { (one_line(text)) },
                    Block::Warning(text) => p.warning role="note" { (one_line(text)) },
                    Block::Listing { title, text } => details {
                        summary { (one_line(title)) }
                        pre { (harmless(text)) }
                    },
                    Block::Table { stem, table } => (self::table(stem, table)),
                    Block::Figure { stem, caption, figure } => figure id=(stem) {
                        div.wide.large[figure.width > WIDE] { (svg(figure, caption)) }
                        figcaption { (one_line(caption)) }
                    },
                }
            }
        }
    }
}

/// A cell as the page shows it: large whole numbers with a comma between thousands.
fn cell_text(cell: &Cell, decimals: Option<usize>) -> String {
    match cell {
        Cell::Int(number) => match u64::try_from(*number) {
            Ok(number) if number >= GROUPED_FROM => human::grouped(number),
            _ => number.to_string(),
        },
        cell => one_line(&shown(cell, decimals)),
    }
}

fn table(stem: &str, table: &Table) -> Markup {
    let class = |align: Align, text: &str| {
        let mut classes = Vec::new();
        classes.extend((align == Align::Right).then_some("number"));
        classes.extend((text == NOT_STATED || text == "-").then_some("unknown"));
        classes.extend((text.chars().count() > LONG).then_some("long"));
        (!classes.is_empty()).then(|| classes.join(" "))
    };
    let table = table.for_people();
    html! {
        div.wide id=(stem) {
            table {
                @if let Some(title) = &table.title { caption { (one_line(title)) } }
                thead {
                    tr {
                        @for column in &table.columns {
                            th scope="col" class=[class(column.align, "")] {
                                (one_line(column.shown_name()))
                            }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in table.cells(row) {
                                @let text = cell_text(cell, column.decimals);
                                td class=[class(column.align, &text)] { (text) }
                            }
                        }
                    }
                }
            }
        }
        @for note in &table.notes { p.note { (one_line(note)) } }
    }
}

/// The figure's SVG as an element of the page: named for readers who do not see it, and without the name space, which
/// HTML neither needs nor heeds.
fn svg(figure: &Figure, name: &str) -> Markup {
    let name = html! { (one_line(name)) }.into_string().replace('"', "&quot;");
    let svg = figure.svg.trim_end().replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
    PreEscaped(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{name}\" "), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        figure::{Bar, accuracy_bars},
        report::table::Column,
    };

    const HOSTILE: &str = "<script src=\"http://evil/x.js\">alert('a')</script>\"'&]]>\u{1b}[31m\u{0}";

    fn document() -> Document {
        let mut section = Section::new("one", HOSTILE);
        section.prose(HOSTILE);
        section.warning(HOSTILE);
        section.blocks.push(Block::Listing { title: HOSTILE.to_owned(), text: format!("a\nb {HOSTILE}") });
        let bar = Bar { label: HOSTILE.to_owned(), train: Some(0.5), validation: None, stated: Some(0.4) };
        section.figure("bars", HOSTILE, accuracy_bars(HOSTILE, HOSTILE, &[bar])).expect("a figure");
        section.table(
            "table",
            Table {
                title: Some(HOSTILE.to_owned()),
                columns: vec![Column::text(HOSTILE), Column::number("paper")],
                rows: vec![
                    vec![Cell::from(HOSTILE), Cell::from(NOT_STATED)],
                    vec![Cell::from("x")],
                    vec![Cell::from("y"), Cell::Int(8_667_264)],
                ],
                notes: vec![HOSTILE.to_owned()],
            },
        );
        let other = Section::new("two", "Other");
        Document { title: HOSTILE.to_owned(), lead: vec![HOSTILE.to_owned()], sections: vec![section, other] }
    }

    #[test]
    fn nothing_of_a_hostile_text_becomes_markup() {
        let page = page(&document());
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script"));
        assert!(!page.contains('\u{1b}') && !page.contains('\u{0}'));
        let attributes = page.matches("aria-label=\"&lt;script src=&quot;http").count();
        assert_eq!(attributes, 1, "{page}");
    }

    #[test]
    fn unknown_cells_are_marked_and_rows_are_whole() {
        let page = page(&document());
        assert!(page.contains("<td class=\"number unknown\">not stated</td>"), "{page}");
        assert!(page.contains("<td>x</td><td class=\"number unknown\">-</td>"), "{page}");
        assert!(
            page.contains("<a href=\"#section-two\">Other</a>")
                && page.contains("<section id=\"section-two\">")
        );
    }
}
