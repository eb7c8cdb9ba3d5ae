"""What the sections share: where things are, how to time a process, and the rows of the results."""

import importlib.util
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "scripts" / "bench"
WORK = ROOT / ".bench-work"
PROGRAM = ROOT / "target" / "release" / "gridboard"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def has(module):
    """Whether a rival is installed."""
    return importlib.util.find_spec(module) is not None


def fresh(name):
    """An empty folder below the work folder."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def seconds(command, **options):
    """Wall time of a command that must succeed; its output is kept for the error alone."""
    begun = time.perf_counter()
    run(command, **options)
    return time.perf_counter() - begun


def run(command, **options):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def script(name, *arguments, **options):
    """The JSON that one of the scripts beside this file prints, in a process of its own."""
    environment = dict(options.pop("env", os.environ), CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    try:
        output = run([sys.executable, HERE / name, *arguments], env=environment, **options)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name} took more than {error.timeout:.0f} s") from None
    return json.loads(output.strip().splitlines()[-1])


def alternately(repeats, **pairs):
    """Runs every callable once a round, so that a busy minute hits all alike; the median of each."""
    times = {name: [] for name in pairs}
    for _ in range(repeats):
        for name, work in pairs.items():
            times[name].append(work())
    return {name: statistics.median(values) for name, values in times.items()}


def spec(folder, name, text):
    path = folder / f"{name}.yaml"
    path.write_text(f"experiment: {name}\n{text}")
    return path


def noop_spec(folder, name, runs, devices="cpu:2", command="[/bin/true]"):
    """A grid of `runs` runs, a multiple of 10, of a program that does nothing."""
    axes = f"grid: {{x: {list(range(10))}, y: {list(range(runs // 10))}}}" if runs > 1 else "grid: {x: [0]}"
    text = f"model: {{family: command, run: {command}}}\n{axes}\n"
    text += f"rank: {{by: validation/epoch_accuracy}}\nschedule: {{devices: \"{devices}\"}}\n"
    return spec(folder, name, text)


def row(what, ours, rival, name, unit, lower_is_better=True, target=""):
    """One line of the results. `rival` may be None: not installed, or there is none."""
    ratio = None
    if rival is not None and ours > 0 and rival > 0:
        ratio = rival / ours if lower_is_better else ours / rival
    return {
        "what": what, "ours": ours, "rival": rival, "name": name, "unit": unit, "ratio": ratio, "target": target,
    }
