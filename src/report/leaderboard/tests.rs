//! The leaderboard's tables as people and machines get them.

use std::collections::HashSet;

use super::*;
use crate::{
    event::tags,
    rank::{Best, Diagnosis, Omitted, Tally},
    report::Format,
    run::{RunIndex, RunKey, RunState},
    spec::{RankRule, Value},
    stats::McNemar,
};

/// `ranked` runs of the paper's grid in rank order, then a failed and a pending one.
pub(in crate::report) fn leaderboard(ranked: u32) -> Leaderboard {
    let run = |place: u32, rank: Option<u32>| {
        let (dense, conv, size) = (place / 9 % 3, place % 3 + 1, 32 << (place / 3 % 3));
        let metric = |base: f32, step: f32| rank.map(|rank| f64::from(base + step * rank as f32));
        Row {
            rank,
            run: format!("{conv}-conv-{size}-nodes-{dense}-dense"),
            key: RunKey::new(place.into()),
            index: RunIndex::new(place.into()),
            axes: [i64::from(dense), i64::from(conv), size].map(|value| Some(Value::Int(value))).to_vec(),
            seed: 0,
            state: if rank.is_some() { RunState::Completed } else { RunState::Failed },
            train_accuracy: metric(0.99, -0.003),
            train_loss: metric(0.02, 0.007),
            validation_accuracy: metric(0.97, -0.004),
            validation_loss: metric(0.08, 0.01),
            by: metric(0.97, -0.004),
            then: metric(0.08, 0.01),
            step: rank.map(|_| 4),
            // Every other run was better at an earlier epoch.
            best: rank.map(|rank| match rank % 2 {
                0 => Best { step: 2, value: f64::from(0.98 - 0.004 * rank as f32) },
                _ => Best { step: 4, value: f64::from(0.97 - 0.004 * rank as f32) },
            }),
            others: Vec::new(),
            diagnosis: Diagnosis::default(),
            tally: metric(0.97, -0.004)
                .map(|accuracy| Tally { images: 640, correct: (accuracy * 640.0).round() as u64 }),
            hits: None,
            standing: match rank {
                None => Standing::Unranked,
                Some(1) => Standing::Best,
                Some(rank) => Standing::Tested { table: McNemar::default(), p: 1.0 / f64::from(rank * rank) },
            },
            reason: None,
            problem: None,
        }
    };
    let mut rows: Vec<Row> = (0..ranked).map(|place| run(place, Some(place + 1))).collect();
    let failed = Row { reason: Some("exited with status 134".to_owned()), ..run(ranked, None) };
    let pending =
        Row { state: RunState::Pending, reason: Some("not run yet".to_owned()), ..run(ranked + 1, None) };
    rows.extend([failed, pending]);
    Leaderboard {
        experiment: "tab3".to_owned(),
        axes: ["dense_layers", "conv_layers", "layer_size"].map(str::to_owned).to_vec(),
        classes: ["normal", "covid"].map(str::to_owned).to_vec(),
        rule: RankRule {
            by: Metric::by_tag(tags::VALIDATION_ACCURACY),
            then: Some(Metric::by_tag(tags::VALIDATION_LOSS)),
            top: 10,
        },
        seeds: vec![0],
        rows,
        omitted: Omitted::default(),
        metrics: Vec::new(),
        notes: Vec::new(),
    }
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn the_head_in_the_terminal() {
    insta::assert_snapshot!(leaderboard_table(&leaderboard(5), Some(3)).render(Format::Table, Some(80)), @r"
    tab3: best 3 of 7 runs, ranked by validation/epoch_accuracy at the last epoch
    (higher is better), then validation/epoch_loss (lower is better), then name
    ────────────────────────────────────────────────────────────────────────────────
    rank run                      train  train   val. 95 %            val.     best
                                   acc.   loss   acc. interval        loss   @epoch
    ────────────────────────────────────────────────────────────────────────────────
       1 1-conv-32-nodes-0-dense 0.9870 0.0270 0.9660 0.949–0.977   0.0900     last
       2 2-conv-32-nodes-0-dense 0.9840 0.0340 0.9620 0.945–0.975 = 0.1000 0.9720@2
       3 3-conv-32-nodes-0-dense 0.9810 0.0410 0.9580 0.939–0.971 = 0.1100     last
    ────────────────────────────────────────────────────────────────────────────────
    95 % interval: Wilson, over 640 validation images
    = marks runs that the test cannot tell from rank 1 (exact McNemar, p >= 0.05)
    best @epoch: shown if an earlier epoch was better; not used for ranking
    selection bias: these images chose and scored the runs; expect less on new
    images
    2 runs not ranked
    no room for dense_layers, conv_layers, layer_size, mcnemar_p: --format csv has
    what they tell
    ");
}

#[test]
fn where_nothing_ranks_people_read_a_sentence() {
    let mut none = leaderboard(1);
    none.rows.remove(0);
    let table = leaderboard_table(&none, Some(10));
    let sentence = "tab3: none of 2 runs ranks by validation/epoch_accuracy (higher is better)";
    assert_eq!(table.render(Format::Table, Some(80)), format!("{sentence}\n"));
    assert_eq!(table.render(Format::Markdown, None).trim_end(), sentence);
    let latex = table.render(Format::Latex, None);
    assert!(latex.contains("none of 2 runs") && !latex.contains("tabular"), "{latex}");
    assert!(table.render(Format::Csv, None).starts_with("rank,run,dense_layers,"));
    none.seeds = vec![0, 1];
    let points = crate::report::grid_points::grid_point_table(&none, Some(10));
    assert!(points.title.as_deref().unwrap().starts_with("tab3: none of "), "{:?}", points.title);
    assert!(points.notes.is_empty() && points.for_people().columns.is_empty());
}

#[test]
fn it_fits_eighty_columns_for_the_whole_grid() {
    let text = leaderboard_table(&leaderboard(25), None).render(Format::Table, Some(80));
    // The title is a sentence and may be longer.
    let widest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{text}");
    assert!(text.contains("3-conv-128-nodes-1-dense"), "a name is broken:\n{text}");
}

#[test]
fn machines_get_exact_names_and_full_precision() {
    let csv = leaderboard_table(&leaderboard(5), Some(1)).render(Format::Csv, None);
    insta::assert_snapshot!(csv, @r##"
    rank,run,dense_layers,conv_layers,layer_size,train_accuracy,train_loss,validation_accuracy,validation_accuracy_low,validation_accuracy_high,validation_images,mcnemar_p,against_best,validation_loss,validation_sensitivity,validation_specificity,validation_auc,best_epoch,best_value
    1,1-conv-32-nodes-0-dense,0,1,32,0.9869999885559082,0.026999998837709427,0.9660000205039978,0.9485023483244267,0.977191379276893,640,,best,0.08999999612569809,,,,4,0.9660000205039978
    "##);
}

#[test]
fn all_runs_have_state_and_reason() {
    let table = full_table(&leaderboard(2));
    assert_eq!(table.rows.len(), 4);
    let end = table.columns.len() - 2;
    assert_eq!(names(&table)[end..], ["state", "reason"]);
    assert_eq!(table.rows[2][0], Cell::Empty);
    assert_eq!(table.rows[2][end..], [Cell::from("failed"), Cell::from("exited with status 134")]);
    assert_eq!(table.rows[0][end..], [Cell::from("completed"), Cell::Empty]);
}

#[test]
fn runs_that_do_not_rank_are_listed_with_their_reason() {
    let table = unranked_table(&leaderboard(2), None).unwrap();
    insta::assert_snapshot!(table.render(Format::Table, None), @r##"
    tab3: 2 runs not ranked
    ──────────────────────────────────────────────────────────
     run                      state    reason
    ──────────────────────────────────────────────────────────
     3-conv-32-nodes-0-dense  failed   exited with status 134
     1-conv-64-nodes-0-dense  pending  not run yet
    ──────────────────────────────────────────────────────────
    "##);
    let mut all_ranked = leaderboard(2);
    all_ranked.rows.truncate(2);
    assert_eq!(unranked_table(&all_ranked, None), None);
}

#[test]
fn a_head_reads_like_the_whole_leaderboard() {
    let mut whole = leaderboard(25);
    whole.seeds = vec![0, 7];
    whole.rows[24].seed = 7;
    let mut head = whole.clone();
    head.rows.drain(3..25);
    head.rows.truncate(4);
    head.omitted = Omitted { ranked: 22, unranked: 1 };
    assert_eq!(leaderboard_table(&head, Some(3)), leaderboard_table(&whole, Some(3)));
    assert_eq!(unranked_table(&head, Some(1)), unranked_table(&whole, Some(1)));
    let unranked = unranked_table(&head, Some(1)).unwrap();
    assert_eq!(unranked.title.as_deref(), Some("tab3: 2 runs not ranked"));
    assert_eq!(unranked.notes, ["and 1 more: gridboard runs"]);
}

#[test]
fn a_rule_of_its_own_adds_its_columns() {
    let mut leaderboard = leaderboard(2);
    leaderboard.rule.by = Metric::by_tag("validation/f1");
    leaderboard.rule.then = None;
    leaderboard.rows[0].by = Some(0.5);
    let table = leaderboard_table(&leaderboard, None);
    let place = names(&table).iter().position(|name| *name == "validation/f1").unwrap();
    assert_eq!(table.rows[0][place], Cell::Float(0.5));
    let title = table.title.unwrap();
    assert_eq!(
        title,
        "tab3: 2 runs, ranked by validation/f1 at the last epoch (higher is better), then name"
    );
}

#[test]
fn several_seeds_get_a_column_and_colliding_axes_another_name() {
    let mut leaderboard = leaderboard(2);
    leaderboard.rows[1].seed = u64::MAX;
    leaderboard.seeds = vec![0, u64::MAX];
    leaderboard.axes[0] = "run".to_owned();
    leaderboard.axes[1] = "train_loss".to_owned();
    let table = leaderboard_table(&leaderboard, None);
    assert_eq!(names(&table)[..6], ["rank", "run", "run_axis", "train_loss_axis", "layer_size", "seed"]);
    assert!(table.render(Format::Csv, None).contains("18446744073709551615"));
    let distinct: HashSet<&str> = names(&table).into_iter().collect();
    assert_eq!(distinct.len(), table.columns.len());
}

#[test]
fn a_union_of_grids_leaves_axes_unknown() {
    let mut leaderboard = leaderboard(1);
    leaderboard.rows[0].axes[1] = None;
    assert_eq!(leaderboard_table(&leaderboard, None).rows[0][3], Cell::Empty);
}

/// The rows of the table as people read them, at so many columns.
fn shown(leaderboard: &Leaderboard, width: usize) -> String {
    leaderboard_table(leaderboard, None).render(Format::Table, Some(width)).replace('\n', " ")
}

#[test]
fn intervals_signs_and_best_epochs_at_any_width() {
    let board = leaderboard(5);
    let table = leaderboard_table(&board, None);
    let column = |name: &str| names(&table).iter().position(|found| *found == name).unwrap();
    let cells = |name: &str| table.rows.iter().map(|row| row[column(name)].clone()).collect::<Vec<_>>();
    let texts = |cells: [&str; 5]| cells.map(Cell::from).to_vec();
    // p is 1, .25, .11, .0625 and .04.
    assert_eq!(cells("against_best_sign"), texts(["", "=", "=", "=", ""]));
    assert_eq!(cells("best_at"), texts(["last", "0.9720@2", "last", "0.9640@2", "last"]));
    assert_eq!(cells("validation_accuracy_interval")[0], Cell::from("0.949–0.977"));
    let wide = shown(&board, 200);
    assert!(wide.contains("layers") && wide.contains("95 %") && !wide.contains("no room"), "{wide}");
    let narrow = shown(&board, 80);
    assert!(narrow.contains("no room for dense_layers, conv_layers, layer_size, mcnemar_p"), "{narrow}");
    assert!(narrow.contains("0.949–0.977") && narrow.contains("0.9720@2"), "{narrow}");
}

#[test]
fn what_is_not_known_is_said() {
    let mut board = leaderboard(4);
    for row in &mut board.rows {
        (row.tally, row.best) = (None, None);
        row.standing = if row.rank == Some(1) { Standing::Best } else { Standing::BestUnknown };
    }
    let text = shown(&board, 200);
    assert!(text.contains("no intervals and no tests against rank 1: no predictions are stored"), "{text}");
    assert!(!text.contains("95 %") && !text.contains("@epoch") && text.contains("layers"), "{text}");

    let mut board = leaderboard(4);
    (board.rows[1].standing, board.rows[1].tally) = (Standing::NoPredictions, None);
    board.rows[2].standing = Standing::OtherImages;
    board.rows[3].tally = Some(Tally { images: 640, correct: 300 });
    let text = shown(&board, 200);
    for note in [
        "? 1 run not tested against rank 1: no predictions are stored",
        "? 1 run not tested against rank 1: validated on other images",
        "the stored predictions of 1 run do not have the accuracy of the last epoch",
    ] {
        assert!(text.contains(note), "{note} in {text}");
    }
}
