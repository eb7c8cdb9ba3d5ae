//! What is better of a metric, higher or lower, as far as its tag tells. Pure.
//!
//! Called where a spec names a metric without saying its goal. A wrong guess puts the worst run first, so whatever is
//! doubtful tells nothing, and the spec is asked.
//!
//! The rule:
//! 1. The whole tag is taken apart into words: at signs and slashes, between small and capital letters (`valLoss`), and
//!    behind the name of a part of the data (`valloss`). Only whole words count: there is no `loss` in `lossless`.
//! 2. Of the words that tell something, the last one decides: `dice_loss` is a loss. A `score` decides only where nothing else
//!    does: `brier_score`.
//! 3. Nothing is told where an earlier word says lower and the last one higher, since `loss/dice` may be either; where a word
//!    behind says that it is another quantity (`loss_scale`, `reward_std`); and behind a sign that may be one or a class
//!    (`neg_recall`). `neg_mean_squared_error` and `negative log likelihood` turn the goal round.
//! 4. What follows an `at` is a condition: `recall@fpr`.

use super::Goal;

/// Lower is better; words of one phrase are joined by a blank.
#[rustfmt::skip]
const LOWER: &[&str] = &[
    "acer", "ade", "aic", "apcer", "bce", "bic", "bits per", "bpb", "bpc", "bpcer", "bpd", "brier", "ce",
    "cer", "chamfer", "collisions", "cost", "costs", "cross entropy", "crossentropy", "deviance",
    "distance", "distortion", "divergence", "ece", "eer", "emd", "epe", "err", "error", "errors", "fad",
    "failures", "false acceptance", "false alarm", "false alarms", "false discovery", "false negative",
    "false negatives", "false positive", "false positives", "false rejection", "fde", "fdr", "fid", "fnr",
    "fpr", "fvd", "hausdorff", "hd95", "hinge", "huber", "jsd", "kid", "kl", "kld", "latency", "logloss",
    "loss", "losses", "lpips", "mae", "mape", "mase", "mcd", "mce", "misclassification", "misclassified",
    "miss rate", "mistakes", "mpjpe", "mse", "msle", "nll", "nlpd", "nmse", "nrmse", "perplexity", "ppl",
    "regret", "residual", "residuals", "risk", "rmse", "rmsle", "rmspe", "runtime", "smape", "ter",
    "violations", "wape", "wasserstein", "wer", "wmape", "xent",
];

/// Higher is better.
#[rustfmt::skip]
const HIGHER: &[&str] = &[
    "acc", "accuracies", "accuracy", "agreement", "ami", "ap", "ari", "auc", "aucpr", "aucroc", "auprc",
    "auroc", "bertscore", "bleu", "chrf", "cider", "cindex", "comet", "concordance", "corr", "correct",
    "correlation", "dice", "dsc", "elbo", "elo", "em", "exact match", "explained variance", "f1", "f2",
    "fbeta", "fidelity", "fmeasure", "fps", "fscore", "gini", "giou", "gmean", "hit rate", "hitrate",
    "hits", "homogeneity", "iou", "jaccard", "kappa", "kendall", "lift", "likelihood", "log likelihood",
    "loglik", "loglikelihood", "map", "mcc", "meteor", "miou", "mrr", "ndcg", "negative predictive", "nmi",
    "npv", "pass", "pearson", "per sec", "per second", "pesq", "pnl", "positive predictive", "ppv", "prauc",
    "precision", "profit", "psnr", "purity", "r 2", "r squared", "r2", "recall", "return", "returns", "rew",
    "reward", "rewards", "rocauc", "rouge", "rougel", "sdr", "sensitivity", "sharpe", "silhouette",
    "similarity", "sisdr", "snr", "spearman", "specificity", "spice", "ssim", "stoi", "success",
    "successes", "throughput", "tnr", "tpr", "true negative", "true negatives", "true positive",
    "true positives", "utility", "win", "winrate", "wins",
];

/// Higher is better, where no other word tells.
const WEAK: &[&str] = &["fitness", "gain", "performance", "quality", "score", "scores"];

/// Behind a metric: another quantity, whose goal the metric does not tell.
#[rustfmt::skip]
const OTHER_QUANTITY: &[&str] = &[
    "alpha", "budget", "change", "coef", "coeff", "coefficient", "count", "delta", "deviation", "diff",
    "difference", "drop", "entropy", "factor", "free", "gap", "grad", "gradient", "improvement", "lambda",
    "learning", "length", "limit", "margin", "norm", "num", "reduction", "scale", "scaler", "scaling", "sd",
    "seconds", "sem", "size", "smoothing", "std", "stddev", "stderr", "target", "temperature", "thresh",
    "threshold", "time", "uncertainty", "var", "variance", "weight", "weights",
];

/// Directly before a metric: its spread or its change.
const SPREAD: &[&str] = &["delta", "diff", "std", "stddev", "var", "variance"];

/// Parts of the data, which are written in one word with a metric now and then.
pub(crate) const PARTS: &[&str] = &["training", "validation", "train", "valid", "val", "test", "eval", "dev"];

/// Longest phrase of the lists, in words.
const LONGEST: usize = 2;

/// What is better of the metric of this tag; `None` where its words do not tell.
#[must_use]
pub fn goal_of(tag: &str) -> Option<Goal> {
    let words = words(tag);
    let told = told(&words);
    let last = told.last()?;
    if last.goal == Goal::Maximize && !last.is_weak && told.iter().any(|word| word.goal == Goal::Minimize) {
        return None;
    }
    let decisive = told.iter().rev().find(|word| !word.is_weak).unwrap_or(last);
    let (before, behind) = (&words[..decisive.from], &words[decisive.to..]);
    if behind.iter().any(|word| OTHER_QUANTITY.contains(&word.as_str()))
        || before.last().is_some_and(|word| SPREAD.contains(&word.as_str()))
    {
        return None;
    }
    let is_likelihood = ["log likelihood", "likelihood", "loglikelihood", "elbo", "loglik"];
    let is_likelihood = is_likelihood.contains(&words[decisive.from..decisive.to].join(" ").as_str());
    let negated = before.iter().any(|word| ["neg", "negated", "inverted", "minus"].contains(&word.as_str()));
    let negative = before.last().is_some_and(|word| word == "negative");
    match (decisive.goal, negated || negative) {
        (goal, false) => Some(goal),
        (Goal::Minimize, true) => negated.then_some(Goal::Maximize),
        (Goal::Maximize, true) if is_likelihood => Some(Goal::Minimize),
        // `negative` is a class here.
        (Goal::Maximize, true) => (!negated).then_some(Goal::Maximize),
    }
}

/// Whether a tag is that of an accuracy: the share of answers that are right, over data that does not train.
#[must_use]
pub fn is_accuracy(tag: &str) -> bool {
    // Of another share: of each class, of the first five answers, of the training data.
    const OTHER: [&str; 7] = ["balanced", "top", "topk", "macro", "train", "training", "class"];
    let words = words(tag);
    let told = told(&words);
    let decides = told.last().is_some_and(|word| {
        ["accuracy", "acc"].contains(&words[word.from..word.to].join(" ").as_str())
            && goal_of(tag) == Some(Goal::Maximize)
    });
    decides && !words.iter().any(|word| OTHER.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())))
}

/// Whether a tag is of how long something takes, which no two runs have alike.
#[must_use]
pub fn is_of_time(tag: &str) -> bool {
    const WORDS: [&str; 16] = [
        "duration",
        "elapsed",
        "fps",
        "hours",
        "latency",
        "memory",
        "minutes",
        "ms",
        "runtime",
        "sec",
        "second",
        "seconds",
        "speed",
        "throughput",
        "time",
        "utilization",
    ];
    words(tag).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// A word or phrase that tells a goal, with its place among the words.
struct Told {
    goal: Goal,
    is_weak: bool,
    from: usize,
    to: usize,
}

/// The telling words in their order. Of two phrases that begin with one word the longer one is meant.
fn told(words: &[String]) -> Vec<Told> {
    let mut told = Vec::new();
    let mut from = 0;
    'words: while from < words.len() {
        if words[from] == "at" && !told.is_empty() {
            break;
        }
        for length in (1..=LONGEST.min(words.len() - from)).rev() {
            let to = from + length;
            if let Some((goal, is_weak)) = meaning(&words[from..to].join(" ")) {
                told.push(Told { goal, is_weak, from, to });
                from = to;
                continue 'words;
            }
        }
        from += 1;
    }
    told
}

/// What a phrase says, and whether only where nothing else does.
fn meaning(phrase: &str) -> Option<(Goal, bool)> {
    let is_in = |list: &[&str]| list.contains(&phrase);
    match () {
        () if is_in(LOWER) => Some((Goal::Minimize, false)),
        () if is_in(HIGHER) => Some((Goal::Maximize, false)),
        () if is_in(WEAK) => Some((Goal::Maximize, true)),
        () => None,
    }
}

/// The words of a tag in lower case. `@` is the word `at`.
pub(crate) fn words(tag: &str) -> Vec<String> {
    let tag = tag.replace('@', " at ");
    let chunks = tag.split(|letter: char| !letter.is_alphanumeric()).filter(|chunk| !chunk.is_empty());
    chunks.flat_map(words_of_chunk).collect()
}

/// The words of letters and digits in a row: `mAP`, `valLoss`, `AUCScore`, `valloss`, `loss2`.
fn words_of_chunk(chunk: &str) -> Vec<String> {
    let whole = plain(chunk);
    if is_known(&whole) {
        return vec![whole];
    }
    let letters: Vec<char> = chunk.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (place, &letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| letters[before]);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || letters.get(place + 1).is_some_and(|next| next.is_lowercase())
            });
        if begins {
            words.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    words.push(word);
    words.iter().flat_map(|word| apart(&plain(word))).collect()
}

/// In lower case, and without a number behind it, unless it is known with it.
fn plain(word: &str) -> String {
    let word = word.to_lowercase();
    let bare = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if is_known(&word) || bare.is_empty() { word } else { bare.to_owned() }
}

/// The part of the data and the metric that are written in one word, as `valloss`.
fn apart(word: &str) -> Vec<String> {
    let split = PARTS.iter().find_map(|part| {
        let rest = word.strip_prefix(part)?;
        is_known(rest).then(|| vec![(*part).to_owned(), rest.to_owned()])
    });
    split.unwrap_or_else(|| vec![word.to_owned()])
}

fn is_known(word: &str) -> bool {
    meaning(word).is_some()
}

#[cfg(test)]
mod tests;
