//! From logits to loss and its gradient, as Keras computes them from the logits of a sigmoid or softmax.
//!
//! One logit an image stands for two classes (the logit of class 1), K logits for K. In f64 inside: few numbers, and the
//! subtractions are then of no consequence.

/// Cross-entropy of one image from its logits.
///
/// # Panics
/// Where the label is no class.
#[must_use]
pub fn cross_entropy(logits: &[f32], label: usize) -> f32 {
    match *logits {
        [logit] => {
            assert!(label < 2, "label {label} of two classes");
            // log(1 + exp(s)), with s the logit under the sign of the other class.
            let s = if label == 1 { -f64::from(logit) } else { f64::from(logit) };
            (s.max(0.0) + (-s.abs()).exp().ln_1p()) as f32
        }
        _ => {
            let largest = largest(logits);
            let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
            (sum.ln() + largest - f64::from(logits[label])) as f32
        }
    }
}

fn largest(logits: &[f32]) -> f64 {
    logits.iter().copied().fold(f64::NEG_INFINITY, |largest, logit| largest.max(f64::from(logit)))
}

/// Probabilities of the classes of one image.
#[must_use]
pub fn probabilities(logits: &[f32]) -> Vec<f32> {
    match *logits {
        [logit] => {
            let positive = (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32;
            vec![1.0 - positive, positive]
        }
        _ => {
            let largest = largest(logits);
            let exps: Vec<f64> = logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).collect();
            let sum: f64 = exps.iter().sum();
            exps.into_iter().map(|exp| (exp / sum) as f32).collect()
        }
    }
}

/// Predicted class of one image: for two classes the second where its probability is over one half, else the most
/// probable, the first of equals.
#[must_use]
pub fn predicted(logits: &[f32]) -> usize {
    match *logits {
        [_] => usize::from(probabilities(logits)[1] > 0.5),
        _ => {
            let mut best = 0;
            for (class, logit) in logits.iter().enumerate() {
                if *logit > logits[best] {
                    best = class;
                }
            }
            best
        }
    }
}

/// Gradient of the mean cross-entropy of a batch by its logits `[n][K]`: (probability - truth) / n.
///
/// # Panics
/// Where a label is no class, or labels and logits are not of equally many images.
pub fn gradient(logits: &[f32], labels: &[usize], gradient: &mut [f32]) {
    let n = labels.len();
    assert!(logits.len() == gradient.len() && n > 0 && logits.len().is_multiple_of(n));
    let outputs = logits.len() / n;
    let rows = logits.chunks_exact(outputs).zip(gradient.chunks_exact_mut(outputs));
    for ((logits, gradient), label) in rows.zip(labels) {
        if let [logit] = *logits {
            assert!(*label < 2, "label {label} of two classes");
            let probability = 1.0 / (1.0 + (-f64::from(logit)).exp());
            // Without the subtraction of nearly equal numbers where the answer is right.
            let difference = if *label == 1 { -1.0 / (1.0 + f64::from(logit).exp()) } else { probability };
            gradient[0] = (difference / n as f64) as f32;
        } else {
            let largest = largest(logits);
            let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
            for (class, (logit, gradient)) in logits.iter().zip(gradient).enumerate() {
                let probability = (f64::from(*logit) - largest).exp() / sum;
                *gradient = ((probability - f64::from(u8::from(class == *label))) / n as f64) as f32;
            }
        }
    }
}
