//! The table of grid points as people and machines get it.

use super::*;
use crate::report::{Format, leaderboard::tests::leaderboard};

/// Nine grid points of the paper's grid with three seeds each; the last point lacks two of them.
fn seeded() -> Leaderboard {
    let mut board = leaderboard(25);
    board.seeds = vec![0, 1, 2];
    for row in &mut board.rows {
        (row.seed, row.run) = (
            row.index.get() % 3,
            format!("3-conv-128-nodes-{}-dense-seed-{}", row.index.get() / 3, row.index.get() % 3),
        );
        row.axes =
            board.axes.iter().map(|_| Some(crate::spec::Value::Int(row.index.get() as i64 / 3))).collect();
    }
    board
}

#[test]
fn it_fits_eighty_columns_and_shows_what_is_incomplete() {
    let text = grid_point_table(&seeded(), None).render(Format::Table, Some(80));
    let widest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{text}");
    assert!(text.contains("3-conv-128-nodes-8-dense 1 of 3"), "{text}");
    let whole = text.replace('\n', " ");
    assert!(whole.contains("1 grid point with fewer seeds than asked for"), "{text}");
    assert!(whole.contains("8 grid points not tested against rank 1"), "{text}");
    assert!(
        whole.starts_with("tab3: 9 grid points, mean over 3 seeds, ranked by validation/epoch_accuracy"),
        "{text}"
    );
}

#[test]
fn machines_get_every_mean_and_deviation() {
    let csv = grid_point_table(&seeded(), Some(1)).render(Format::Csv, None);
    let mut lines = csv.lines();
    let header = "rank,grid_point,dense_layers,conv_layers,layer_size,seeds,seeds_wanted,train_accuracy_mean,train_accuracy_deviation,\
                  train_loss_mean,train_loss_deviation,validation_accuracy_mean,validation_accuracy_deviation,\
                  validation_loss_mean,validation_loss_deviation,mcnemar_p,best_mean";
    assert_eq!(lines.next(), Some(header));
    let first: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(first[..7], ["1", "3-conv-128-nodes-0-dense", "0", "0", "0", "3", "3"]);
    // .966, .962 and .958.
    let number = |place: usize| first[place].parse::<f64>().unwrap();
    assert!((number(11) - 0.962).abs() < 1e-7 && (number(12) - 0.004).abs() < 1e-7, "{first:?}");
    assert_eq!(lines.next(), None);
}

#[test]
fn further_metrics_have_a_mean_where_every_seed_has_one() {
    let mut board = seeded();
    board.metrics = vec!["val/f1".to_owned(), "val/auc".to_owned()];
    for row in &mut board.rows {
        let lacks = row.index.get() == 1;
        row.others = vec![Some(0.25 * (row.index.get() % 3) as f64), (!lacks).then_some(f64::from(0.5_f32))];
    }
    let csv = grid_point_table(&board, None).render(Format::Csv, None);
    let header = csv.lines().next().unwrap();
    let place = header.split(',').position(|name| name == "val/f1_mean").expect("a column");
    assert!(header.contains("val/f1_mean,val/f1_deviation,val/auc_mean,val/auc_deviation"), "{header}");
    let cells: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let point =
        |name: &str| cells.iter().find(|cells| cells[1].ends_with(name)).unwrap()[place..place + 3].join(" ");
    assert_eq!(point("-0-dense"), "0.25 0.25 ", "one seed of it has no val/auc");
    assert_eq!(point("-1-dense"), "0.25 0.25 0.5");
}
