"""Training throughput and peak memory of the paper's networks, beside Keras and eager PyTorch, same cores and batch."""

import itertools
import json
import math
import os
import statistics

from common import PROGRAM, fresh, has, row, run, say, script

SIZE, BATCH, TRAIN = 224, 32, 160
# 160 training images and 40 for validation: five whole steps an epoch. The first epoch warms up.
PHANTOM = "phantom: {images: [140, 60], difficulty: 0.5, seed: 0}"
QUICK = [(1, 32, 0), (2, 32, 1), (3, 64, 1)]


def ours(shape, epochs):
    conv, size, dense = shape
    place = fresh("training")
    text = f"experiment: bench\ndataset:\n  {PHANTOM}\n  classes: [normal, covid]\n  image_size: {SIZE}\n"
    text += f"  validation_split: 0.2\nmodel: {{family: grid_cnn, conv_layers: {conv}, layer_size: {size}, "
    text += f"dense_layers: {dense}}}\ntrain: {{epochs: {epochs}, batch_size: {BATCH}, learning_rate: 0.001}}\n"
    text += "schedule: {devices: \"cpu:1\"}\n"
    spec = place / "bench.yaml"
    spec.write_text(text)
    run([PROGRAM, "--runs-dir", place / "runs", "run", spec])

    def ask(query):
        return json.loads(run([PROGRAM, "--runs-dir", place / "runs", "sql", "--format", "json", query]))

    rates = [line["value"] for line in ask(
        "select value from history where tag = 'train/images_per_second' and step > 0")]
    return {"rate": statistics.median(rates), "memory": ask("select peak_memory from runs")[0]["peak_memory"]}


def measure(arguments):
    epochs = 3
    shapes = QUICK if arguments.quick else list(itertools.product([1, 2, 3], [32, 64, 128], [0, 1, 2]))
    names = {f"{conv}-conv-{size}-nodes-{dense}-dense": (conv, size, dense) for conv, size, dense in shapes}
    if arguments.runs:
        names = {name: names[name] for name in arguments.runs.split(",") if name in names}
    rivals = [(module, label) for module, label in [("keras", "Keras"), ("torch", "PyTorch eager")] if has(module)]
    notes = [f"{label} is not installed." for module, label in [("keras", "Keras"), ("torch", "PyTorch eager")]
             if not has(module)]
    rows, ratios = [], {label: [] for _, label in rivals}
    memory = []
    repeats = 1 if arguments.quick else arguments.repeats
    for name, shape in names.items():
        figures = {"Gridboard": []} | {label: [] for _, label in rivals}
        for _ in range(repeats):
            say(f"training {name}")
            figures["Gridboard"].append(ours(shape, epochs))
            for module, label in rivals:
                figures[label].append(script(f"rival_{module}.py", *shape, SIZE, BATCH, TRAIN, epochs))
        rate = {label: statistics.median(one["rate"] for one in all) for label, all in figures.items()}
        peak = {label: statistics.median(one["memory"] or 0 for one in all) / 2**20 for label, all in figures.items()}
        say(f"{name}: " + ", ".join(f"{label} {value:.1f} images/s" for label, value in rate.items()))
        for _, label in rivals:
            one = row(name, rate["Gridboard"], rate[label], label, "images/s", False, "" if label != "Keras" else "> 1")
            rows.append(one)
            ratios[label].append(one["ratio"])
        if not rivals:
            rows.append(row(name, rate["Gridboard"], None, "", "images/s", False))
        if "Keras" in peak:
            memory.append(row(f"{name}, peak memory", peak["Gridboard"], peak["Keras"], "Keras", "MiB", True, "<= Keras"))
    rows += memory
    for label, values in ratios.items():
        if values:
            mean = math.exp(statistics.fmean(math.log(value) for value in values))
            notes.append(f"Geometric mean of the {len(values)} networks against {label}: **{mean:.2f}** times.")
    notes.append(f"{SIZE} x {SIZE}, batch {BATCH}, fp32, {os.cpu_count()} threads each, {TRAIN} images an epoch, the median "
                 f"epoch after the first of {epochs}; validation not counted. Median of {repeats} processes.")
    return rows, notes
