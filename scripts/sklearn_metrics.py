#!/usr/bin/env python3
"""Prints the scikit-learn numbers that the tests of src/metrics.rs hold.

    python3 -m venv /tmp/sklearn && /tmp/sklearn/bin/pip install scikit-learn
    /tmp/sklearn/bin/python scripts/sklearn_metrics.py
"""

import warnings

import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, recall_score, roc_auc_score

warnings.simplefilter("ignore")  # undefined ratios are 0 by default, with a warning


def show(name, probabilities, truths):
    probabilities, truths = np.asarray(probabilities, np.float32), np.asarray(truths)
    classes = probabilities.shape[1]
    predicted = (probabilities[:, 1] > 0.5).astype(int) if classes == 2 else probabilities.argmax(axis=1)
    labels = list(range(classes))
    print(f"{name}: truths {truths.tolist()}")
    print("  predicted", predicted.tolist(), "confusion", confusion_matrix(truths, predicted, labels=labels).tolist())
    print("  accuracy", repr(float(accuracy_score(truths, predicted))))
    precision, recall, f1, _ = precision_recall_fscore_support(truths, predicted, labels=labels)
    # Specificity is the recall of "not this class".
    specificity = [recall_score(truths != label, predicted != label) for label in labels]
    for label in labels:
        print("  class", label, [float(x[label]) for x in (precision, recall, specificity, f1)])
    print("  macro", [float(np.mean(x)) for x in (precision, recall, specificity, f1)])
    auc = roc_auc_score(truths, probabilities[:, 1]) if classes == 2 else roc_auc_score(
        truths, probabilities.astype(np.float64) / probabilities.astype(np.float64).sum(1, keepdims=True), multi_class="ovr"
    )
    print("  auc", repr(float(auc)))


print("scikit-learn", sklearn.__version__)
positive = [0.1, 0.4, 0.35, 0.8, 0.65, 0.5, 0.5, 0.9, 0.2, 0.7, 0.35, 0.05]
show("two", [[1 - p, p] for p in positive], [0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0])
show(
    "three",
    [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.5, 0.375, 0.125], [0.25, 0.25, 0.5],
     [0.375, 0.5, 0.125], [0.125, 0.625, 0.25], [0.75, 0.125, 0.125], [0.25, 0.125, 0.625], [0.5, 0.25, 0.25]],
    [0, 1, 2, 1, 2, 0, 1, 0, 1, 2],
)
show("never predicted", [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], [0, 1, 0])
