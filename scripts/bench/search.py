"""What a search costs: a suggestion beside Optuna's, and runs that do nothing beside those of a grid."""

import itertools
import json
import os
import pathlib
import shutil
import statistics

from common import PROGRAM, ROOT, alternately, fresh, has, row, run, say, script, seconds, spec

BENCH = ["cargo", "bench", "--no-default-features", "--bench", "micro", "--", "search"]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def measure(arguments):
    rows, notes = suggestion(arguments)
    searched, more = noops(arguments)
    return rows + searched, notes + more


def suggestion(arguments):
    """A suggestion with 1,000 finished runs and six axes, both programs in turn."""
    figures = TARGET / "criterion" / "search" / "a suggestion with 1,000 runs and six axes" / "new" / "estimates.json"

    def ours():
        run(BENCH, cwd=ROOT)
        return json.loads(figures.read_text())["median"]["point_estimate"] / 1e6

    def theirs():
        return script("rival_optuna_suggestion.py")["ms"]

    notes = ["A suggestion: the median of Criterion's samples, and of 100 calls of Optuna's `study.ask`, both in memory."]
    if not has("optuna"):
        return [row("a TPE suggestion, 1,000 runs, six axes", ours(), None, "", "ms", target="< 1")], notes
    times = alternately(arguments.repeats, ours=ours, theirs=theirs)
    return [row("a TPE suggestion, 1,000 runs, six axes", times["ours"], times["theirs"], "Optuna, in memory", "ms",
                target="< 1")], notes


def noops(arguments):
    """The same number of programs that do nothing, on two slots: a grid, random points, points of Sobol's sequence."""
    runs = 1_000 if arguments.quick else 10_000
    folder = fresh("search")
    numbers = itertools.count()
    ranges = "grid: {x: {from: 0.0, to: 1.0}, y: {from: 1, to: 100000}}"
    grids = {
        "grid": f"grid: {{x: {list(range(10))}, y: {list(range(runs // 10))}}}",
        "random": f"{ranges}\nsearch: {{method: random, points: {runs}}}",
        "sobol": f"{ranges}\nsearch: {{method: sobol, points: {runs}}}",
    }

    def one(kind):
        say(f"{runs} no-op runs, {kind}")
        place = folder / f"{kind}-{next(numbers)}"
        place.mkdir()
        text = f"model: {{family: command, run: [/bin/true]}}\n{grids[kind]}\n"
        text += "rank: {by: validation/epoch_accuracy}\nschedule: {devices: \"cpu:2\"}\n"
        spent = seconds([PROGRAM, "--runs-dir", place / "runs", "run", spec(place, "noop", text)])
        return spent / runs * 1e3

    times = {kind: [] for kind in grids}
    # In turn, and the other way round each second time, so that a busy minute hits all alike.
    for repeat in range(arguments.repeats):
        for kind in list(grids)[:: 1 if repeat % 2 == 0 else -1]:
            times[kind].append(one(kind))
    shutil.rmtree(folder)
    rows = [row(f"{runs:,} no-op runs, {kind}", statistics.median(spent), None, "", "ms a run",
                target="< 10" if kind == "grid" else "as a grid") for kind, spent in times.items()]
    pairs = {kind: statistics.median(a / b for a, b in zip(times[kind], times["grid"])) for kind in ["random", "sobol"]}
    words = ", ".join(f"{kind} {ratio:.3f}" for kind, ratio in pairs.items())
    return rows, [f"Time of a searched run by that of a grid's run of the same round, median: {words}."]
