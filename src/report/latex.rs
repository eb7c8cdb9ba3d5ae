//! Tables for LaTeX: no wider than a column of text, whatever they hold.
//!
//! Used by `render` alone. A table is set small and close, its headings on several lines, its long texts in paragraphs; what a
//! line of an article has no room for is left out as in a terminal, and what is still too wide is scaled down.

use std::fmt::Write as _;

use super::{
    columns::fitting,
    table::{Align, Table},
    text::{break_words, display_width, latex, shown_rows},
};
use crate::base::text::one_line;

/// Letters of `\footnotesize` in a line of an article of 10 points, less the space between columns.
const LINE: usize = 78;
/// A text that is longer is set as a paragraph.
const LONG: usize = 36;
/// The part of the line that the paragraphs of a row share.
const PARAGRAPHS: f64 = 0.6;
/// In titles and notes a word that is longer may be broken anywhere.
const LONGEST_WORD: usize = 24;

/// The preamble of a file of its own: what it needs, and rules where booktabs is not there.
const HEAD: &str = "% \\usepackage{graphicx}, and booktabs for finer rules\n\
                    \\providecommand{\\toprule}{\\hline}\\providecommand{\\midrule}{\\hline}\
                    \\providecommand{\\bottomrule}{\\hline}\n\
                    \\begin{table}\n  \\centering\\footnotesize\\sloppy\\setlength{\\tabcolsep}{3pt}\n";

/// The table.
pub(super) fn render(table: &Table) -> String {
    if table.columns.is_empty() {
        let lines = table.title.iter().chain(&table.notes);
        return lines.map(|text| format!("\\par\\noindent {}\n", breakable(text, LONGEST_WORD))).collect();
    }
    let table = fitting(table, Some(LINE));
    let plain = shown_rows(&table, one_line);
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|place| plain.iter().map(|row| display_width(&row[place])).max().unwrap_or(0))
        .collect();
    let long = |place: usize| table.columns[place].align == Align::Left && widths[place] > LONG;
    let paragraphs = (0..table.columns.len()).filter(|&place| long(place)).count();
    // So many letters at least fit each paragraph.
    let longest = ((0.8 * PARAGRAPHS * LINE as f64) as usize / paragraphs.max(1)).max(4);
    let mut shape = String::new();
    for (place, column) in table.columns.iter().enumerate() {
        match column.align {
            _ if long(place) => {
                // The paragraphs of a row share a part of the line.
                let _ = write!(shape, "p{{{:.2}\\linewidth}}", PARAGRAPHS / paragraphs as f64);
            }
            Align::Right => shape.push('r'),
            Align::Left => shape.push('l'),
        }
    }
    let mut text = String::from(HEAD);
    if let Some(title) = &table.title {
        let _ = writeln!(text, "  \\caption{{{}}}", breakable(title, LONGEST_WORD));
    }
    // Wider than the line only where columns cannot give way.
    text.push_str("  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n");
    let _ = writeln!(text, "  \\begin{{tabular}}{{@{{}}{shape}@{{}}}}\n    \\toprule");
    let headings = table.columns.iter().zip(&widths).map(|(column, width)| {
        let lines = break_words(&one_line(column.shown_name()), (*width).min(LONG));
        let lines: Vec<String> = lines.lines().map(latex).collect();
        let side = if column.align == Align::Right { 'r' } else { 'l' };
        match lines.len() {
            0 | 1 => lines.concat(),
            _ => {
                let lines: Vec<String> = lines.into_iter().map(guarded).collect();
                format!("\\shortstack[{side}]{{{}}}", lines.join("\\\\"))
            }
        }
    });
    text.push_str(&line(headings.collect()));
    text.push_str("    \\midrule\n");
    for row in plain {
        let cell = |(place, cell): (usize, String)| match long(place) {
            true => format!("\\raggedright {}\\relax", breakable(&cell, longest)),
            false => latex(&cell),
        };
        text.push_str(&line(row.into_iter().enumerate().map(cell).collect()));
    }
    text.push_str("    \\bottomrule\n  \\end{tabular}}\n");
    for note in &table.notes {
        let _ = writeln!(text, "  \\par\\smallskip\\raggedright {}", breakable(note, LONGEST_WORD));
    }
    text.push_str("\\end{table}\n");
    text
}

fn line(fields: Vec<String>) -> String {
    // `\raggedright` gives `\\` another meaning, `\tabularnewline` keeps its own.
    format!("    {} \\tabularnewline\n", guarded(fields.join(" & ")))
}

/// Behind `\\` and the rules, LaTeX takes what begins with [ or * for an argument, also on the next line.
fn guarded(text: String) -> String {
    if text.starts_with(['[', '*']) { format!("{{}}{text}") } else { text }
}

/// A text whose words of more than `longest` letters may be broken behind signs, or after so many letters.
fn breakable(text: &str, longest: usize) -> String {
    let text = one_line(text);
    let word = |word: &str| {
        if display_width(word) <= longest {
            return latex(word);
        }
        let mut parts = String::new();
        let mut since = 0;
        let mut rest = String::new();
        for letter in word.chars() {
            rest.push(letter);
            since += 1;
            if matches!(letter, '/' | '_' | '-' | ',' | '.' | '=') || since >= longest {
                parts += &latex(&rest);
                parts += "\\allowbreak{}";
                rest.clear();
                since = 0;
            }
        }
        parts + &latex(&rest)
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
