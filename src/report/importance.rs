//! What mattered, as tables and figures: the importance of each axis, and of pairs of axes; where good values lie along the most
//! important ones.

use super::table::{Cell, Column, Table};
use crate::{
    figure::{self, Figure, FigureError, Quantity, SweptAxis},
    rank::{Extent, Importances, Measure},
    spec::{Goal, Metric, is_accuracy},
};

/// How many axes are sliced.
const SLICED: usize = 2;

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
    let rows = of.order().into_iter().map(|place| {
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
    let mut columns = vec![Column::text("axis"), Column::text("with")];
    columns.push(Column::number("explained").heading("explain together").decimals(3));
    if has_seeds {
        columns.push(Column::number("explained_low").heading("low").decimals(3));
        columns.push(Column::number("explained_high").heading("high").decimals(3));
    }
    let rows: Vec<Vec<Cell>> = of
        .order_of_pairs()
        .into_iter()
        .map(|place| &of.pairs[place])
        .map(|(first, second, share)| {
            let mut row = vec![Cell::from(first), Cell::from(second)];
            row.extend(cells(*share, has_seeds));
            row
        })
        .collect();
    let notes = vec!["the share of the variance beyond what both explain alone".to_owned()];
    (!rows.is_empty()).then_some(Table { title: None, columns, rows, notes })
}

/// The grid points along the two most important axes, one beside the other.
///
/// # Errors
/// [`FigureError::Empty`] where there is nothing to draw, and what a backend reports.
pub(crate) fn slice_plot(of: &Importances, experiment: &str, by: &Metric) -> Result<Figure, FigureError> {
    let order: Vec<usize> = of.order().into_iter().take(SLICED).collect();
    let axes: Vec<SweptAxis> = order.iter().map(|place| swept(of, *place)).collect();
    figure::slices(&format!("{experiment}: {} along the axes", by.tag), drawn(by), &axes, &seen(of, &order))
}

/// Where good values lie over the two most important axes.
///
/// # Errors
/// [`FigureError::Empty`] with fewer than two axes, and what a backend reports.
pub(crate) fn contour_plot(of: &Importances, experiment: &str, by: &Metric) -> Result<Figure, FigureError> {
    let order = of.order();
    let &[first, second, ..] = order.as_slice() else {
        return Err(FigureError::Empty("contours take two axes"));
    };
    let (first_axis, second_axis) = (swept(of, first), swept(of, second));
    let title = format!("{experiment}: {} over two axes", by.tag);
    figure::contours(&title, drawn(by), [&first_axis, &second_axis], &seen(of, &[first, second]))
}

fn swept(of: &Importances, place: usize) -> SweptAxis {
    let extent = match &of.extents[place] {
        Extent::Range(range) => {
            figure::Extent::Range { low: range.from, high: range.to, is_log: range.is_log }
        }
        Extent::Values(values) => figure::Extent::Values(values.iter().map(ToString::to_string).collect()),
    };
    SweptAxis { name: of.axes[place].0.replace('_', " "), extent }
}

/// The points on some of the axes.
fn seen(of: &Importances, places: &[usize]) -> Vec<figure::Seen> {
    let on = |at: &[f64]| places.iter().map(|place| at[*place]).collect();
    of.seen.iter().map(|(at, value)| (on(at), *value)).collect()
}

fn drawn(by: &Metric) -> figure::Metric<'_> {
    let quantity = match by.goal {
        _ if is_accuracy(&by.tag) => Quantity::Accuracy,
        Goal::Minimize => Quantity::Loss,
        Goal::Maximize => Quantity::Other,
    };
    figure::Metric { name: &by.tag, quantity, is_lower_better: by.goal == Goal::Minimize }
}

fn cells(measure: Measure, has_seeds: bool) -> Vec<Cell> {
    let mut cells = vec![Cell::Float(measure.value)];
    if has_seeds {
        let (low, high) = measure.seeds.unzip();
        cells.extend([Cell::from(low), Cell::from(high)]);
    }
    cells
}
