//! Long curves with no more points than a figure shows.
//!
//! Called by the figures of curves, on points as they are drawn. A column of the figure keeps the first, the lowest, the
//! highest and the last point of a curve that runs through it: the line covers the same pixels, and spikes stay (the M4
//! aggregation of Jugel, Jerzak, Hackenbroich and Markl, "M4: A Visualization-Oriented Time Series Data Aggregation",
//! PVLDB 7(10), 2014).

/// Columns as wide as a pixel of the PNG, logical pixels.
pub(super) const COLUMN: f64 = 0.5;

/// The points that are drawn of a path whose x grows, with columns of this width. In their order; a path without a crowded
/// column is left as it is.
pub(super) fn thin(path: &[(f64, f64)], column: f64) -> Vec<(f64, f64)> {
    let place = |point: &(f64, f64)| (point.0 / column).floor();
    let mut kept = Vec::new();
    for crowd in path.chunk_by(|a, b| place(a) == place(b)) {
        if crowd.len() <= 4 {
            kept.extend_from_slice(crowd);
            continue;
        }
        let by_height = |a: &usize, b: &usize| crowd[*a].1.total_cmp(&crowd[*b].1);
        let lowest = (0..crowd.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..crowd.len()).max_by(by_height).unwrap_or(0);
        let mut places = [0, lowest, highest, crowd.len() - 1];
        places.sort_unstable();
        kept.extend(
            places
                .iter()
                .enumerate()
                .filter(|(n, place)| *n == 0 || places[n - 1] != **place)
                .map(|(_, place)| crowd[*place]),
        );
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_crowded_column_keeps_its_ends_and_its_extremes() {
        let crowd = [(0.0, 5.0), (0.1, 4.0), (0.2, 9.0), (0.3, 1.0), (0.4, 5.0), (0.5, 6.0), (1.5, 2.0)];
        assert_eq!(thin(&crowd, 1.0), [(0.0, 5.0), (0.2, 9.0), (0.3, 1.0), (0.5, 6.0), (1.5, 2.0)]);
        assert_eq!(thin(&crowd, 0.1), crowd, "wide enough");
        assert_eq!(thin(&[], 1.0), []);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_of_the_curve_and_spans_it(
            heights in prop::collection::vec(-1e3..1e3f64, 1..400),
            column in 0.5..50.0f64,
        ) {
            let path: Vec<(f64, f64)> = heights.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
            let kept = thin(&path, column);
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, none twice");
            prop_assert!(kept.iter().all(|point| path.contains(point)));
            prop_assert_eq!((kept.first(), kept.last()), (path.first(), path.last()));
            let span = |points: &[(f64, f64)]| {
                points.iter().fold((f64::MAX, f64::MIN), |(low, high), point| (low.min(point.1), high.max(point.1)))
            };
            prop_assert_eq!(span(&kept), span(&path));
            let columns = (path.len() as f64 / column).ceil() + 1.0;
            prop_assert!(kept.len() as f64 <= 4.0 * columns);
        }
    }
}
