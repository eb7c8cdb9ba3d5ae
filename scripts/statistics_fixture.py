#!/usr/bin/env python3
"""Writes tests/fixtures/statistics.json: what scipy, statsmodels and scikit-learn say, for the tests of src/stats.

    python3 -m venv /tmp/statistics && /tmp/statistics/bin/pip install scipy statsmodels scikit-learn
    /tmp/statistics/bin/python scripts/statistics_fixture.py
"""

import json
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy.stats import binomtest, spearmanr
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

PLACE = pathlib.Path(__file__).parent.parent / "tests" / "fixtures" / "statistics.json"
random = np.random.default_rng(20221123)


def wilson():
    counts = [(0, 1), (1, 1), (1, 2), (0, 640), (640, 640), (517, 640), (472, 640), (621, 640), (1, 100000)]
    counts += [(int(random.integers(0, n + 1)), n) for n in [3, 10, 28, 100, 640, 1494, 2134, 99999]]
    for hits, trials in counts:
        for level in (0.95, 0.9, 0.99, 0.5):
            low, high = proportion_confint(hits, trials, alpha=1 - level, method="wilson")
            yield {"hits": hits, "trials": trials, "level": level, "low": float(low), "high": float(high)}


def tests():
    pairs = [(0, 0), (1, 0), (0, 5), (0, 6), (4, 4), (5, 4), (9, 21), (12, 31), (40, 61), (200, 260), (500, 620), (900, 1200)]
    pairs += [(3, 1500), (4000, 4200)]
    for first, second in pairs:
        p = float(mcnemar([[100, first], [second, 7]], exact=True).pvalue)
        if first + second:
            other = float(binomtest(first, first + second).pvalue)
            assert abs(p - other) <= 1e-9 * other, (first, second, p, other)
        yield {"only_first": first, "only_second": second, "p": p}


def summaries():
    for values in ([0.5], [0.8078125, 0.7968750, 0.78125], [1e9, 1e9 + 1, 1e9 + 2], random.normal(0.8, 0.02, 12).tolist()):
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        yield {"values": values, "mean": float(np.mean(values)), "deviation": deviation}


def agreements():
    # A generator of its own: the other cases keep their numbers.
    own = np.random.default_rng(20261124)
    for count, digits in ((3, 9), (27, 9), (27, 1), (200, 2)):
        first = own.normal(0, 1, count)
        second = first + own.normal(0, 1, count)
        first, second = np.round(first, digits), np.round(second, digits)
        yield {"pairs": np.stack([first, second], 1).tolist(), "rho": float(spearmanr(first, second).statistic)}


def binary(name, scores, positive):
    scores, positive = np.asarray(scores, np.float32), np.asarray(positive, bool)
    fpr, tpr, thresholds = roc_curve(positive, scores, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(positive, scores)
    return {
        "name": name,
        "scores": [float(score) for score in scores],
        "positive": positive.tolist(),
        # The first threshold is infinite, which JSON cannot say.
        "thresholds": [float(threshold) for threshold in thresholds[1:]],
        "false_positive_rates": fpr.tolist(),
        "true_positive_rates": tpr.tolist(),
        "roc_area": float(auc(fpr, tpr)),
        # By falling threshold, as the ROC curve.
        "precisions": precision[::-1].tolist(),
        "recalls": recall[::-1].tolist(),
        "average_precision": float(average_precision_score(positive, scores)),
    }


def curves():
    yield binary("two images", [0.2, 0.9], [False, True])
    yield binary("all tied", [0.5] * 6, [True, False, True, False, False, True])
    yield binary("perfect", [0.1, 0.2, 0.3, 0.9, 0.95], [False, False, False, True, True])
    yield binary("upside down", [0.1, 0.2, 0.8, 0.9], [True, True, False, False])
    positive = random.random(80) < 0.3
    yield binary("ties", np.round(random.normal(0.35 + 0.25 * positive, 0.2).clip(0, 1), 1), positive)
    positive = random.random(120) < 0.26
    yield binary("like a run", 1 / (1 + np.exp(-random.normal(-1 + 2 * positive, 1.2))), positive)


def several():
    truths = random.integers(0, 4, 60)
    # Sixteenths, so that rows sum to one exactly and ties are common.
    rows = []
    for truth in truths:
        row = random.multinomial(16, np.where(np.arange(4) == truth, 0.4, 0.2)).astype(np.float32) / 16
        rows.append(row)
    rows = np.asarray(rows, np.float32)
    yield {
        "classes": 4,
        "truths": truths.tolist(),
        "probabilities": [float(value) for value in rows.ravel()],
        "roc_area": float(roc_auc_score(truths, rows, multi_class="ovr", average="macro")),
        "average_precision": float(average_precision_score(truths, rows, average="macro")),
    }


warnings.simplefilter("error")
fixture = {
    "made_by": f"scripts/statistics_fixture.py, scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, "
    f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
    "wilson": list(wilson()),
    "mcnemar": list(tests()),
    "summary": list(summaries()),
    "spearman": list(agreements()),
    "binary": list(curves()),
    "several": list(several()),
}
PLACE.write_text(json.dumps(fixture, indent=None, separators=(",", ":")).replace("},{", "},\n{") + "\n")
print(f"{PLACE}: {PLACE.stat().st_size} bytes; {fixture['made_by']}")
