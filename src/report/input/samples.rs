//! A report's input as tests need it.

use std::path::Path;

use crate::{
    corpus::{ClassRow, LoadingTable},
    metrics::ConfusionMatrix,
    predictions::Prediction,
    report::{About, ReportInput, RunCurves, RunFacts, leaderboard::tests::leaderboard},
    run::{RunIndex, RunKey},
};

pub(in crate::report) fn input(ranked: u32) -> ReportInput {
    let leaderboard = leaderboard(ranked);
    let rows = leaderboard.rows.iter().filter(|row| row.rank.is_some());
    let confusion = rows
        .clone()
        .map(|row| {
            let mut matrix = ConfusionMatrix::new(2);
            (0..40 + row.index.get() as usize)
                .for_each(|n| matrix.add(n % 2, usize::from(n % 7 == 0) ^ (n % 2)));
            (row.run.clone(), matrix)
        })
        .collect();
    let points = |start: f64| (0..5).map(|epoch| (epoch, start / (epoch + 1) as f64)).collect::<Vec<_>>();
    let curves = rows
        .map(|row| RunCurves {
            others: Vec::new(),
            run: row.run.clone(),
            train_accuracy: points(0.9),
            train_loss: points(0.6),
            validation_accuracy: points(0.8),
            validation_loss: points(0.7),
        })
        .collect();
    let predictions = leaderboard.rows.iter().filter(|row| row.rank.is_some()).take(10);
    let predictions = predictions.map(|row| (row.run.clone(), scored(40, row.index.get()))).collect();
    ReportInput {
        leaderboard,
        confusion,
        curves,
        about: about(),
        predictions,
        test: Vec::new(),
        xrays: None,
        slots: Vec::new(),
    }
}

/// Tab. 3 of the paper on its own corpus, its runs trained.
pub(in crate::report) fn about() -> About {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/tab3.yaml");
    let spec = crate::spec::load(&path, &crate::spec::Overrides::default()).expect("a shipped spec");
    let class = |name: &str, index, images, validation| ClassRow {
        name: name.to_owned(),
        index,
        images,
        train: images - validation,
        validation,
        test: 0,
    };
    let loading = LoadingTable {
        classes: vec![class("normal", 0, 1575, 472), class("covid", 1, 559, 168)],
        shape: [2134, 224, 224],
        train: 1494,
        validation: 640,
        test: 0,
        test_folder: None,
        skipped: 0,
    };
    let run = |index: u64| RunFacts {
        key: RunKey::new(index as i64),
        index: RunIndex::new(index),
        family: "grid_cnn".to_owned(),
        parameters: Some(12_617_089),
        started: Some(1000.0 + index as f64),
        finished: Some(1060.5 + index as f64),
        seconds: Some(60.5),
        version: Some("0.1.0 (abc)".to_owned()),
        threads: Some(2),
        ..RunFacts::default()
    };
    let network = crate::model::GridCnn { conv_layers: 1, dense_layers: 0, layer_size: 32 };
    let layers = crate::model::layers(&network, 224, 2).expect("large enough");
    About {
        spec,
        loading: Some(loading),
        audit: None,
        fingerprint: Some("f00".to_owned()),
        runs: (0..27).map(run).collect(),
        layers,
    }
}

/// What a run with some noise says of so many images of two classes.
fn scored(images: u64, noise: u64) -> Vec<Prediction> {
    let prediction = |image: u64| {
        let score = (0.5 * (image % 2) as f32 + ((image * 37 + noise * 11) % 50) as f32 / 100.0).min(1.0);
        Prediction {
            image: format!("image-{image}"),
            label: (image % 2) as usize,
            predicted: usize::from(score > 0.5),
            probabilities: vec![1.0 - score, score],
        }
    };
    (0..images).map(prediction).collect()
}
