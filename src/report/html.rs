//! A document as one HTML file that needs nothing else: no font, no picture from elsewhere, no network. A short script sorts
//! tables; without it the page is the same.
//!
//! Called by `files`. Figures are inline SVG, drawn on white; a dark page turns their lightness around and leaves photographs
//! as they are. All text is escaped by maud; only the style sheet, the script and the figures' SVG, which are this program's
//! own, go in as they are. The same document gives the same bytes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    document::{Block, Document, Section},
    paper::NOT_STATED,
    table::{Align, Cell, Column, Digits, Table},
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
const SORT: &str = include_str!("sort.js");
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
                    @for text in &document.lead { p.lead { (prose(text)) } }
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
                script { (PreEscaped(SORT)) }
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
                    Block::Prose(text) => p { (prose(text)) },
                    Block::Warning(text) => p.warning role="note" { (prose(text)) },
                    Block::Listing { title, text } => details {
                        summary { (one_line(title)) }
                        pre { (harmless(text)) }
                    },
                    Block::Table { stem, table } => (self::table(stem, table)),
                    Block::Figure { stem, caption, figure } => figure id=(stem) {
                        div.wide.large[figure.width > WIDE] tabindex="0" role="region" aria-label=(one_line(caption)) {
                            (svg(figure, caption))
                        }
                        figcaption { (prose(caption)) }
                    },
                }
            }
        }
    }
}

/// A text with what stands between backticks as code. A backtick without another one stays.
fn prose(text: &str) -> Markup {
    let text = one_line(text);
    let parts: Vec<&str> = text.split('`').collect();
    let paired = parts.len() - 1 + parts.len() % 2;
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place % 2 == 1 && place < paired { code { (part) } }
            @else if place % 2 == 1 { "`" (part) }
            @else { (part) }
        }
    }
}

/// A cell as the page shows it: large whole numbers with a comma between thousands.
fn cell_text(cell: &Cell, digits: Digits) -> String {
    match cell {
        Cell::Int(number) => match u64::try_from(*number) {
            Ok(number) if number >= GROUPED_FROM => human::grouped(number),
            _ => number.to_string(),
        },
        cell => one_line(&shown(cell, digits)),
    }
}

fn table(stem: &str, table: &Table) -> Markup {
    let class = |column: &Column, text: &str| {
        let align = column.align;
        let mut classes = Vec::new();
        classes.extend((align == Align::Right).then_some("number"));
        classes.extend((text == NOT_STATED || text == "-").then_some("unknown"));
        classes.extend((text.chars().count() > LONG).then_some("long"));
        classes.extend((align == Align::Left && text.contains(' ')).then_some("words"));
        classes.extend((column.expendable > 0).then_some("minor"));
        (!classes.is_empty()).then(|| classes.join(" "))
    };
    let table = table.for_people();
    if table.columns.is_empty() {
        return html! {
            @for text in table.title.iter().chain(&table.notes) { p id=[(Some(text) == table.title.as_ref()).then_some(stem)] { (prose(text)) } }
        };
    }
    let label = table.title.as_deref().unwrap_or(stem);
    // What a narrow screen leaves out, as a narrow terminal does.
    let minor: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.expendable > 0)
        .map(|column| one_line(column.shown_name()))
        .collect();
    html! {
        div.wide id=(stem) tabindex="0" role="region" aria-label=(one_line(label)) {
            table {
                @if let Some(title) = &table.title { caption { span { (one_line(title)) } } }
                thead {
                    tr {
                        @for column in &table.columns {
                            th scope="col" class=[class(column, "")] {
                                @if column.shown_name().is_empty() {
                                    span.unseen { (one_line(&column.unheaded())) }
                                } @else {
                                    (one_line(column.shown_name()))
                                }
                            }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in table.cells(row) {
                                @let text = cell_text(cell, column.digits);
                                td class=[class(column, &text)] { (text) }
                            }
                        }
                    }
                }
            }
        }
        @for note in &table.notes { p.note { (prose(note)) } }
        @if !minor.is_empty() { p.note.narrow { "no room for " (minor.join(", ")) ": a wider screen shows them" } }
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
    use crate::figure::{Bar, accuracy_bars};

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
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(page.contains("<script>// Tables are sorted"));
        assert!(page.contains("&lt;script"));
        assert!(!page.contains('\u{1b}') && !page.contains('\u{0}'));
        let attributes = page.matches("aria-label=\"&lt;script src=&quot;http").count();
        assert_eq!(attributes, 3, "{page}");
    }

    #[test]
    fn code_stands_between_backticks_alone() {
        let shown = |text: &str| prose(text).into_string();
        assert_eq!(shown("run `a <b>` now"), "run <code>a &lt;b&gt;</code> now");
        assert_eq!(shown("`a` and `b`"), "<code>a</code> and <code>b</code>");
        assert_eq!(shown("a ` b"), "a ` b");
        assert_eq!(shown("`a` ` b"), "<code>a</code> ` b");
        assert_eq!(shown("plain"), "plain");
    }

    #[test]
    fn a_narrow_screen_leaves_out_what_a_narrow_terminal_does_and_says_so() {
        let columns = vec![Column::text("run"), Column::number("size").expendable(4)];
        let rows = vec![vec![Cell::from("a"), Cell::Int(1)]];
        let markup = table("runs", &Table { columns, rows, ..Table::default() }).into_string();
        assert!(markup.contains("<td>a</td><td class=\"number minor\">1</td>"), "{markup}");
        assert!(markup.contains("no room for size: a wider screen shows them"), "{markup}");
        assert!(!page(&document()).contains("no room for"));
    }

    #[test]
    fn no_heading_is_empty_and_what_scrolls_takes_the_focus() {
        let columns = vec![Column::text("run"), Column::text("against_best_sign").heading("")];
        let markup = table("runs", &Table { columns, ..Table::default() }).into_string();
        assert!(markup.contains("<span class=\"unseen\">against best</span>"), "{markup}");
        let page = page(&document());
        assert_eq!(page.matches("class=\"wide").count(), page.matches("tabindex=\"0\"").count());
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
