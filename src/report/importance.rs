//! What mattered, as tables: the importance of each axis, and of pairs of axes.

use super::table::{Cell, Column, Table};
use crate::rank::{Importances, Measure};

/// The importance of each axis, the greatest first.
#[must_use]
pub(crate) fn importance_table(of: &Importances, title: Option<String>) -> Table {
    let has_seeds = of.axes.iter().any(|(_, part)| part.seeds.is_some());
    let mut columns = vec![Column::text("axis"), Column::number("importance").decimals(3)];
    if has_seeds {
        columns.push(Column::number("importance_low").heading("low").decimals(3));
        columns.push(Column::number("importance_high").heading("high").decimals(3));
    }
    if of.main.is_some() {
        columns.push(Column::number("explained").heading("explains alone").decimals(3));
        if has_seeds {
            columns.push(Column::number("explained_low").heading("low").decimals(3));
            columns.push(Column::number("explained_high").heading("high").decimals(3));
        }
    }
    let mut order: Vec<usize> = (0..of.axes.len()).collect();
    order.sort_by(|a, b| of.axes[*b].1.value.total_cmp(&of.axes[*a].1.value));
    let rows = order.into_iter().map(|place| {
        let (axis, part) = &of.axes[place];
        let mut row = vec![Cell::from(axis)];
        row.extend(cells(*part, has_seeds));
        if let Some(main) = &of.main {
            row.extend(cells(main[place], has_seeds));
        }
        row
    });
    let rows = rows.collect();
    let mut notes = vec![format!(
        "importance by PED-ANOVA over {} points: what tells the best tenth from all; the parts add up to 1",
        of.points
    )];
    if of.main.is_some() {
        notes.push("explains alone: the share of the variance over the whole grid, exact".to_owned());
    }
    if has_seeds {
        notes.push("low and high: the lowest and the highest by one seed alone".to_owned());
    }
    if of.left_out > 0 {
        notes.push(format!("{} ranked runs lack a value of an axis and are left out", of.left_out));
    }
    Table { title, columns, rows, notes }
}

/// What pairs of axes explain beyond both alone, the greatest first; `None` where the grid is not whole, or has one axis.
#[must_use]
pub(crate) fn interaction_table(of: &Importances) -> Option<Table> {
    let has_seeds = of.pairs.iter().any(|(.., share)| share.seeds.is_some());
    let mut pairs: Vec<_> = of.pairs.iter().collect();
    pairs.sort_by(|(.., a), (.., b)| b.value.total_cmp(&a.value));
    let mut columns = vec![Column::text("axis"), Column::text("with")];
    columns.push(Column::number("explained").heading("explain together").decimals(3));
    if has_seeds {
        columns.push(Column::number("explained_low").heading("low").decimals(3));
        columns.push(Column::number("explained_high").heading("high").decimals(3));
    }
    let rows: Vec<Vec<Cell>> = pairs
        .into_iter()
        .map(|(first, second, share)| {
            let mut row = vec![Cell::from(first), Cell::from(second)];
            row.extend(cells(*share, has_seeds));
            row
        })
        .collect();
    let notes = vec!["the share of the variance beyond what both explain alone".to_owned()];
    (!rows.is_empty()).then_some(Table { title: None, columns, rows, notes })
}

fn cells(measure: Measure, has_seeds: bool) -> Vec<Cell> {
    let mut cells = vec![Cell::Float(measure.value)];
    if has_seeds {
        let (low, high) = measure.seeds.unzip();
        cells.extend([Cell::from(low), Cell::from(high)]);
    }
    cells
}
