#!/usr/bin/env python3
"""Records what scikit-learn says of the features of the corpus audit: tests/fixtures/shortcuts/{features.csv,auc.json}.

    .bench-venv/bin/python scripts/sklearn_shortcuts.py ../shared/corpus/covid-xray

Every third X-ray: its size, bytes, mean and contrast. All of them are gray JPEG files, so the format is drawn here. The
columns are built as `src/corpus/audit/features.rs` says, and given to StandardScaler and LogisticRegression(C=1) in five
stratified folds, which are recorded too.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CUTS = [0.2, 0.4, 0.6, 0.8]
MAX_WORDS = 12


def number(values):
    edges = np.unique(np.quantile(values, CUTS))
    bins = np.digitize(values, edges)
    return [bins == bin for bin in range(len(edges) + 1)] + [values]


def words(values):
    known, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_WORDS]
    return [values == known[place] for place in order]


def main():
    corpus = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(["normal", "covid"]):
        for path in sorted((corpus / name).iterdir())[::3]:
            image = Image.open(path).convert("L")
            pixels = np.asarray(image, dtype=float)
            form = "png" if rng.random() < [0.2, 0.35][label] else "jpeg"
            rows.append([label, form, *image.size, path.stat().st_size, pixels.mean(), pixels.std()])
    labels = np.array([row[0] for row in rows])
    forms = np.array([row[1] for row in rows])
    width, height, length, mean, contrast = np.array([row[2:] for row in rows], dtype=float).T
    sizes = np.array([f"{int(w)} x {int(h)}" for w, h in zip(width, height)])
    features = {
        "file format": words(forms),
        "image dimensions": number(width) + number(height) + number(width / height) + words(sizes),
        "mean gray level": number(mean),
        "contrast": number(contrast),
        "bytes per pixel": number(length / (width * height)),
    }
    features["all of these"] = [column for columns in features.values() for column in columns]

    folds = np.empty(len(rows), dtype=int)
    splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels)):
        folds[held_out] = fold
    found = {}
    for name, columns in features.items():
        x = np.array(columns, dtype=float).T
        areas = []
        for fold in range(5):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000))
            model.fit(x[folds != fold], labels[folds != fold])
            # Images of one size have one score: what BLAS makes of the last bits must not order them.
            scores = np.round(model.decision_function(x[folds == fold]), 9)
            areas.append(roc_auc_score(labels[folds == fold], scores))
        found[name] = float(np.mean(areas))

    folder = Path(__file__).parent.parent / "tests/fixtures/shortcuts"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "features.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "format", "width", "height", "bytes", "mean", "contrast", "fold"])
        for row, fold in zip(rows, folds):
            writer.writerow([*row[:5], repr(float(row[5])), repr(float(row[6])), fold])
    (folder / "auc.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
