//! A logistic regression, and how well it tells classes apart on images that it was not fitted to.
//!
//! What it minimises is scikit-learn's `LogisticRegression(C=1)` on columns that `StandardScaler` has scaled: the sum of the
//! logistic losses plus half the squared weights, the intercept free. By Newton's method; the problem is convex, so the
//! answer is the minimum, whoever finds it. Several classes are told one against the rest. Pure; called by `shortcuts`.

use crate::{corpus::random::Stream, metrics::roc_auc_binary};

/// Most Newton steps; a dozen are usual.
const MAX_STEPS: usize = 100;
/// Largest component of the gradient at which the minimum counts as reached, per image.
const TOLERANCE: f64 = 1e-9;

/// Deals images to `folds` folds: the same number of each class to each, give or take one; the same for ever.
pub(super) fn deal(labels: &[u8], folds: usize) -> Vec<usize> {
    let mut stream = Stream::new("gridboard audit folds v1", &[]);
    let mut fold_of = vec![0; labels.len()];
    let mut next = 0;
    for label in 0..=labels.iter().copied().max().unwrap_or(0) {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&image| labels[image] == label).collect();
        stream.shuffle(&mut members);
        for image in members {
            fold_of[image] = next % folds;
            next += 1;
        }
    }
    fold_of
}

/// The mean over folds and classes of the area under the ROC curve of each fold, fitted to the others. `columns` has a
/// number for each image, `[d][n]`. `None` where a fold lacks a class.
pub(super) fn cross_validated_auc(
    columns: &[Vec<f64>],
    labels: &[u8],
    classes: usize,
    fold_of: &[usize],
) -> Option<f64> {
    let folds = fold_of.iter().max()? + 1;
    // The last of two classes is the positive one; of more, each in turn.
    let positives: Vec<usize> = if classes == 2 { vec![1] } else { (0..classes).collect() };
    let mut sum = 0.0;
    for fold in 0..folds {
        let (held_out, training): (Vec<usize>, Vec<usize>) =
            (0..labels.len()).partition(|&image| fold_of[image] == fold);
        let scaled = Scaled::standardize(columns, &training);
        let (fitted, scored) = (scaled.rows(&training), scaled.rows(&held_out));
        for &positive in &positives {
            let is = |images: &[usize]| -> Vec<bool> {
                images.iter().map(|&image| usize::from(labels[image]) == positive).collect()
            };
            let weights = fit(&fitted, &is(&training), columns.len() + 1);
            let scores: Vec<f32> =
                scored.chunks_exact(columns.len() + 1).map(|row| dot(row, &weights) as f32).collect();
            sum += roc_auc_binary(&scores, &is(&held_out))?;
        }
    }
    Some(sum / (folds * positives.len()) as f64)
}

/// Columns, and the mean and the scale that training images give them.
struct Scaled<'a> {
    columns: &'a [Vec<f64>],
    scales: Vec<(f64, f64)>,
}

impl<'a> Scaled<'a> {
    fn standardize(columns: &'a [Vec<f64>], training: &[usize]) -> Self {
        let count = training.len() as f64;
        let scale = |column: &Vec<f64>| {
            let mean = training.iter().map(|&image| column[image]).sum::<f64>() / count;
            let variance = training.iter().map(|&image| (column[image] - mean).powi(2)).sum::<f64>() / count;
            // A column that does not vary says nothing, whatever it is divided by.
            (mean, if variance > 1e-20 { variance.sqrt() } else { 1.0 })
        };
        Self { columns, scales: columns.iter().map(scale).collect() }
    }

    /// Row-major `[images, 1 + d]`, the first column all ones.
    fn rows(&self, images: &[usize]) -> Vec<f64> {
        let mut rows = Vec::with_capacity(images.len() * (self.columns.len() + 1));
        for &image in images {
            rows.push(1.0);
            rows.extend(
                self.columns
                    .iter()
                    .zip(&self.scales)
                    .map(|(column, (mean, scale))| (column[image] - mean) / scale),
            );
        }
        rows
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The weights of the minimum, `[d]`; `rows` is row-major `[n, d]` and its first column the intercept's.
fn fit(rows: &[f64], positive: &[bool], d: usize) -> Vec<f64> {
    let mut weights = vec![0.0; d];
    let mut loss = objective(rows, positive, &weights);
    for _ in 0..MAX_STEPS {
        let (gradient, mut hessian) = derivatives(rows, positive, &weights);
        if gradient.iter().all(|part| part.abs() <= TOLERANCE * positive.len() as f64) {
            break;
        }
        let Some(step) = solve(&mut hessian, &gradient) else { break };
        // A full step overshoots where the curve is flat; half of it, or a half of that, does not.
        let mut length = 1.0;
        loop {
            let tried: Vec<f64> =
                weights.iter().zip(&step).map(|(weight, step)| weight - length * step).collect();
            let tried_loss = objective(rows, positive, &tried);
            if tried_loss <= loss {
                (weights, loss) = (tried, tried_loss);
                break;
            }
            length /= 2.0;
            if length < 1e-6 {
                return weights;
            }
        }
    }
    weights
}

/// ln(1 + e^-m) without overflow.
fn logistic_loss(margin: f64) -> f64 {
    (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
}

fn objective(rows: &[f64], positive: &[bool], weights: &[f64]) -> f64 {
    let losses = rows.chunks_exact(weights.len()).zip(positive).map(|(row, &positive)| {
        let score = dot(row, weights);
        logistic_loss(if positive { score } else { -score })
    });
    losses.sum::<f64>() + 0.5 * dot(&weights[1..], &weights[1..])
}

/// Gradient `[d]` and Hessian `[d, d]` (its lower triangle) of the objective.
fn derivatives(rows: &[f64], positive: &[bool], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let d = weights.len();
    let (mut gradient, mut hessian) = (vec![0.0; d], vec![0.0; d * d]);
    for (row, &positive) in rows.chunks_exact(d).zip(positive) {
        let probability = 1.0 / (1.0 + (-dot(row, weights)).exp());
        let residual = probability - f64::from(u8::from(positive));
        let curvature = probability * (1.0 - probability);
        for (at, &value) in row.iter().enumerate() {
            gradient[at] += residual * value;
            let line = &mut hessian[at * d..=at * d + at];
            line.iter_mut().zip(row).for_each(|(sum, other)| *sum += curvature * value * other);
        }
    }
    for at in 1..d {
        gradient[at] += weights[at];
        hessian[at * d + at] += 1.0;
    }
    (gradient, hessian)
}

/// Solves `matrix x = right` by Cholesky's decomposition, in place; `matrix` is symmetric, its lower triangle is read.
/// `None` where it is not positive definite.
fn solve(matrix: &mut [f64], right: &[f64]) -> Option<Vec<f64>> {
    let d = right.len();
    for row in 0..d {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| matrix[row * d + k] * matrix[column * d + k]).sum();
            let rest = matrix[row * d + column] - known;
            if row != column {
                matrix[row * d + column] = rest / matrix[column * d + column];
            } else if rest > 0.0 {
                matrix[row * d + row] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut x = right.to_vec();
    for row in 0..d {
        let known: f64 = (0..row).map(|k| matrix[row * d + k] * x[k]).sum();
        x[row] = (x[row] - known) / matrix[row * d + row];
    }
    for row in (0..d).rev() {
        let known: f64 = (row + 1..d).map(|k| matrix[k * d + row] * x[k]).sum();
        x[row] = (x[row] - known) / matrix[row * d + row];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_have_their_share_of_every_class() {
        let labels = [vec![0; 33], vec![1; 12]].concat();
        let fold_of = deal(&labels, 5);
        for fold in 0..5 {
            let of =
                |label| (0..45).filter(|&image| fold_of[image] == fold && labels[image] == label).count();
            assert!((6..=7).contains(&of(0)) && (2..=3).contains(&of(1)), "fold {fold}");
        }
        assert_eq!(deal(&labels, 5), fold_of);
    }

    /// The gradient vanishes at the minimum, and the intercept alone is the log odds.
    #[test]
    fn the_minimum_is_found() {
        let positive: Vec<bool> = (0..40).map(|image| image % 4 == 0).collect();
        let alone = fit(&[1.0; 40], &positive, 1);
        assert!((alone[0] - (10.0_f64 / 30.0).ln()).abs() < 1e-9, "{alone:?}");
        let rows: Vec<f64> = (0..40)
            .flat_map(|image| [1.0, f64::from(image % 7) - 3.0, f64::from(image % 4) * 10.0])
            .collect();
        let weights = fit(&rows, &positive, 3);
        let (gradient, _) = derivatives(&rows, &positive, &weights);
        assert!(gradient.iter().all(|part| part.abs() < 1e-6), "{gradient:?}");
    }

    #[test]
    fn what_separates_is_told_and_noise_is_not() {
        let labels: Vec<u8> = (0..200).map(|image| u8::from(image % 3 == 0)).collect();
        let noise = |seed: u32| {
            (0..200_u32)
                .map(|image| f64::from((image.wrapping_add(seed).wrapping_mul(2_654_435_761)) >> 8 & 0xffff))
                .collect::<Vec<f64>>()
        };
        let fold_of = deal(&labels, 5);
        let signal: Vec<f64> = labels.iter().map(|&label| f64::from(label)).collect();
        let auc = |columns: &[Vec<f64>]| cross_validated_auc(columns, &labels, 2, &fold_of).unwrap();
        assert!(auc(&[noise(1), signal]) > 0.999);
        let chance = auc(&[noise(1), noise(77)]);
        assert!((0.35..0.65).contains(&chance), "{chance}");
        // A constant column tells nothing.
        assert!((auc(&[vec![3.0; 200]]) - 0.5).abs() < 1e-12);
    }
}
