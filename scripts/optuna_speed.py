#!/usr/bin/env python3
"""How long Optuna in memory takes for a suggestion, beside `cargo bench --bench micro -- search`: the same space, 1,000 finished
runs, its defaults.

    pip install optuna
    scripts/optuna_speed.py
"""

import math
import statistics
import time

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

RUNS = 1_000
ASKED = 100

SPACE = {
    "learning_rate": FloatDistribution(1e-5, 0.1, log=True),
    "width": IntDistribution(16, 256, log=True),
    "depth": IntDistribution(1, 8),
    "dropout": FloatDistribution(0.0, 0.5),
    "decay": FloatDistribution(0.0, 0.5, step=0.05),
    "activation": CategoricalDistribution(["a", "b", "c", "d"]),
}


def value(point):
    return (
        (math.log(point["learning_rate"]) + 7) ** 2
        + (point["width"] / 256 - 0.5) ** 2
        + point["dropout"]
        + "abcd".index(point["activation"]) / 4
    )


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    for _ in range(RUNS):
        point = drawn.ask(SPACE).params
        trial = optuna.trial.create_trial(params=point, distributions=SPACE, value=value(point))
        study.add_trial(trial)
    times = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        trial = study.ask(SPACE)
        times.append(time.perf_counter() - begun)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    milliseconds = sorted(1e3 * seconds for seconds in times)
    print(
        f"optuna {optuna.__version__}: {RUNS} runs, {len(SPACE)} axes: "
        f"median {statistics.median(milliseconds):.2f} ms, least {milliseconds[0]:.2f} ms of {ASKED}"
    )


if __name__ == "__main__":
    main()
