"""Training throughput and peak memory of the paper's networks, beside Keras and eager PyTorch, same cores and batch; and
what bf16 gains over our own fp32."""

import itertools
import json
import math
import os
import pathlib
import statistics

from common import PROGRAM, fresh, has, row, run, say, script

SIZE, BATCH = 224, 32
QUICK = [(1, 32, 0), (2, 32, 1), (3, 64, 1)]
# Epochs of ours; the first warms up. The rivals have one step for that, and measure the same number of epochs.
EPOCHS = 3


def steps(shape):
    """Steps of an epoch: fewer where one takes a rival many seconds."""
    conv, size, _ = shape
    return 10 if size == 32 or (conv == 1 and size == 64) else 3


def ours(shape, precision="fp32"):
    conv, size, dense = shape
    place = fresh("training")
    # Two classes of this many images, of which a fifth validates: whole batches train.
    per_class = steps(shape) * BATCH * 5 // 8
    text = "experiment: bench\ndataset:\n"
    text += f"  phantom: {{images: [{per_class}, {per_class}], difficulty: 0.5, seed: 0}}\n"
    text += f"  classes: [normal, covid]\n  image_size: {SIZE}\n"
    text += f"  validation_split: 0.2\nmodel: {{family: grid_cnn, conv_layers: {conv}, layer_size: {size}, "
    text += f"dense_layers: {dense}}}\ntrain: {{epochs: {EPOCHS}, batch_size: {BATCH}, learning_rate: 0.001, "
    text += f"precision: {precision}}}\nschedule: {{devices: \"cpu:1\"}}\n"
    spec = place / "bench.yaml"
    spec.write_text(text)
    run([PROGRAM, "--runs-dir", place / "runs", "run", spec])

    def ask(query):
        return json.loads(run([PROGRAM, "--runs-dir", place / "runs", "sql", "--format", "json", query]))

    rates = [line["value"] for line in ask(
        "select value from history where tag = 'train/images_per_second' and step > 0")]
    return {"rate": statistics.median(rates), "memory": ask("select peak_memory from runs")[0]["peak_memory"]}


def has_bf16():
    return "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()


def measure(arguments):
    shapes = QUICK if arguments.quick else list(itertools.product([1, 2, 3], [32, 64, 128], [0, 1, 2]))
    names = {f"{conv}-conv-{size}-nodes-{dense}-dense": (conv, size, dense) for conv, size, dense in shapes}
    if arguments.runs:
        unknown = [name for name in arguments.runs.split(",") if name not in names]
        if unknown:
            raise SystemExit(f"bench: no network `{unknown[0]}` among {', '.join(names)}")
        names = {name: names[name] for name in arguments.runs.split(",")}
    rivals = [(module, label) for module, label in [("keras", "Keras"), ("torch", "PyTorch eager")] if has(module)]
    notes = [f"{label} is not installed." for module, label in [("keras", "Keras"), ("torch", "PyTorch eager")]
             if not has(module)]
    if not has_bf16():
        notes.append("This processor has no AVX-512 BF16: bf16 is not measured.")
    rows, ratios = [], {label: [] for _, label in rivals}
    memory, halves, gains = [], [], []
    repeats = 1 if arguments.quick else arguments.repeats
    for name, shape in names.items():
        conv, size, dense = shape
        # Without a later convolution there is nothing that bf16 would change.
        rounds = has_bf16() and conv > 1
        figures = {"Gridboard": [], **({"bf16": []} if rounds else {})} | {label: [] for _, label in rivals}
        for _ in range(repeats):
            say(f"training {name}")
            figures["Gridboard"].append(ours(shape))
            if rounds:
                figures["bf16"].append(ours(shape, "bf16"))
            for module, label in rivals:
                figures[label].append(
                    script(f"rival_{module}.py", *shape, SIZE, BATCH, steps(shape) * BATCH, EPOCHS - 1 if
                           steps(shape) > 3 else 1))
        rate = {label: statistics.median(one["rate"] for one in all) for label, all in figures.items()}
        peak = {label: statistics.median(one["memory"] or 0 for one in all) / 2**20 for label, all in figures.items()}
        say(f"{name}: " + ", ".join(f"{label} {value:.1f} images/s" for label, value in rate.items()))
        for _, label in rivals:
            one = row(name, rate["Gridboard"], rate[label], label, "images/s", False, "" if label != "Keras" else "> 1")
            rows.append(one)
            ratios[label].append(one["ratio"])
        if not rivals:
            rows.append(row(name, rate["Gridboard"], None, "", "images/s", False))
        if rounds:
            one = row(f"{name}, bf16", rate["bf16"], rate["Gridboard"], "Gridboard, fp32", "images/s", False)
            halves.append(one)
            gains.append(one["ratio"])
        if "Keras" in peak:
            memory.append(row(f"{name}, peak memory", peak["Gridboard"], peak["Keras"], "Keras", "MiB", True, "<= Keras"))
    rows += halves + memory
    for label, values in ratios.items():
        if values:
            slowest = min(values)
            notes.append(f"Geometric mean of the {len(values)} networks against {label}: **{mean(values):.2f}** times; "
                         f"the least is {slowest:.2f}.")
    if memory:
        notes.append(f"Peak memory is at most {max(one['ours'] / one['rival'] for one in memory):.2f} of Keras'.")
    if gains:
        notes.append(f"bf16 is {mean(gains):.2f} times as fast as fp32, geometric mean of the {len(gains)} networks with a "
                     "later convolution, which is where it multiplies.")
    notes.append(f"{SIZE} x {SIZE}, batch {BATCH}, fp32 but where it says bf16, {os.cpu_count()} threads each. Steps of an "
                 "epoch: 10, or 3 where they are slow; ours the median epoch after the first of three, the rivals after a "
                 f"step to warm up; validation not counted. Median of {repeats} processes, run in turns.")
    return rows, notes


def mean(values):
    """Geometric."""
    return math.exp(statistics.fmean(math.log(value) for value in values))
