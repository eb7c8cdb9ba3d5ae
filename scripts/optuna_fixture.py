#!/usr/bin/env python3
"""Writes tests/fixtures/optuna/*.json: what Optuna suggests, stops and finds important, for the tests of src/search.

    python3 -m venv /tmp/optuna && /tmp/optuna/bin/pip install optuna==5.0.0 scipy
    /tmp/optuna/bin/python scripts/optuna_fixture.py

More studies than the tests keep, in a file of the same form, which `GRIDBOARD_OPTUNA_FIXTURE=FILE cargo test --lib optuna` follows:

    /tmp/optuna/bin/python scripts/optuna_fixture.py --trials 150 --seeds 3 --studies FILE

NumPy's default sort puts equal numbers in an order that depends on the processor, and with it what Optuna suggests; here it is
made stable, as src/search sorts.
"""

import argparse
import json
import math
import pathlib
import random
import warnings

import numpy as np

argsort = np.argsort
np.argsort = lambda a, *rest, **named: argsort(a, *rest, **{"kind": "stable", **named})

import optuna  # noqa: E402
from optuna.importance import PedAnovaImportanceEvaluator  # noqa: E402

PLACE = pathlib.Path(__file__).parent.parent / "tests" / "fixtures" / "optuna"
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")

SPACES = {
    "uniform": {"x": {"type": "float", "low": -5.0, "high": 10.0}, "y": {"type": "float", "low": 0.0, "high": 15.0}},
    "log": {
        "learning_rate": {"type": "float", "low": 1e-05, "high": 0.1, "log": True},
        "decay": {"type": "float", "low": 1e-08, "high": 0.01, "log": True},
    },
    "mixed": {
        "activation": {"type": "choice", "choices": ["relu", "gelu"]},
        "dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.05},
        "layers": {"type": "int", "low": 1, "high": 5},
        "learning_rate": {"type": "float", "low": 1e-05, "high": 0.1, "log": True},
        "optimizer": {"type": "choice", "choices": ["adam", "sgd", "rms"]},
        "width": {"type": "int", "low": 16, "high": 256, "log": True},
    },
    "choices": {name: {"type": "choice", "choices": list(range(count))} for name, count in [("a", 3), ("b", 4), ("c", 5)]},
}


def distribution(kind):
    rest = {key: value for key, value in kind.items() if key != "type"}
    classes = {
        "float": optuna.distributions.FloatDistribution,
        "int": optuna.distributions.IntDistribution,
        "choice": optuna.distributions.CategoricalDistribution,
    }
    return classes[kind["type"]](**rest)


def ask(study, space):
    return study.ask({name: distribution(kind) for name, kind in space.items()})


def objective(space, parameters, noise):
    """Better near a place in each range; rounded, so that some values are equal."""
    total = 0.0
    for name, kind in space.items():
        value = parameters[name]
        if kind["type"] == "choice":
            share = kind["choices"].index(value) / len(kind["choices"])
        else:
            scale = math.log if kind.get("log") else float
            low, high = scale(kind["low"]), scale(kind["high"])
            share = (scale(value) - low) / (high - low)
        total += (share - 0.35) ** 2
    return round(total + 0.2 * noise.gauss(0, 1), 2)


def study_of(name, seed, goal, workers, trials):
    space, noise = SPACES[name], random.Random(seed + 17 * workers)
    study = optuna.create_study(direction=goal, sampler=optuna.samplers.TPESampler(seed=seed))
    sign = 1 if goal == "minimize" else -1
    records, alive = [], []
    for number in range(trials):
        trial = ask(study, space)
        alive.append(trial)
        told = []
        while len(alive) >= workers or (number + 1 == trials and alive):
            ended = alive.pop(noise.randrange(len(alive)))
            value = sign * objective(space, ended.params, noise)
            if goal == "maximize" and noise.random() < 0.3:
                step = noise.randrange(1, 9)
                ended.report(value, step)
                study.tell(ended, state=optuna.trial.TrialState.PRUNED)
                told.append({"number": ended.number, "value": value, "stopped_at": step})
            else:
                study.tell(ended, value)
                told.append({"number": ended.number, "value": value})
        records.append({"number": number, "parameters": trial.params, "told": told})
    head = {"optuna": optuna.__version__, "numpy": np.__version__, "space": name, "parameters": space, "seed": seed}
    return {**head, "goal": goal, "workers": workers, "trials": records}


def studies(trials, seeds, workers):
    for name in SPACES:
        for seed in range(seeds):
            for goal in ("minimize", "maximize"):
                for count in workers:
                    yield study_of(name, seed, goal, count, trials)


PRUNERS = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
    "asha_stop_1_3": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "asha_stop_2_2": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    "hyperband_1_3": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=20, reduction_factor=3),
}


def decisions(rule, goal, seed, runs=60, epochs=20, workers=4):
    """Curves with equal values and such that are not numbers, of some runs at a time."""
    noise = random.Random(seed)
    study = optuna.create_study(direction=goal, pruner=PRUNERS[rule](), study_name="tab3", sampler=optuna.samplers.RandomSampler(seed=0))
    events, alive, started = [], [], 0
    while alive or started < runs:
        if started < runs and len(alive) < workers:
            trial = study.ask()
            alive.append([trial, 0, noise.random()])
            started += 1
            continue
        place = noise.randrange(len(alive))
        trial, done, quality = alive[place]
        done += 1
        value = round(quality + (1 - done / epochs) * noise.random(), 1)
        if noise.random() < 0.02:
            value = math.nan
        trial.report(value, done)
        stops = trial.should_prune()
        events.append([trial.number, done, None if math.isnan(value) else value, bool(stops)])
        alive[place][1] = done
        if stops:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            alive.pop(place)
        elif done == epochs:
            study.tell(trial, 0.5)
            events.append([trial.number])
            alive.pop(place)
    return {"rule": rule, "goal": goal, "events": events}


def importance(name, goal, seed, trials):
    space, noise = SPACES[name], random.Random(seed)
    study = optuna.create_study(direction=goal, sampler=optuna.samplers.RandomSampler(seed=seed))
    points = []
    for _ in range(trials):
        trial = ask(study, space)
        value = objective(space, trial.params, noise)
        study.tell(trial, value)
        points.append({"parameters": trial.params, "value": value})
    found = PedAnovaImportanceEvaluator().evaluate(study)
    return {"parameters": space, "goal": goal, "points": points, "importance": found}


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--studies", type=pathlib.Path, help="write studies alone, to this file")
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--seeds", type=int, default=1)
    chosen = arguments.parse_args()
    if chosen.studies:
        write(chosen.studies, studies(chosen.trials, chosen.seeds, (1, 2, 4, 8)))
        return
    write(PLACE / "tpe.json", studies(chosen.trials, chosen.seeds, (1, 4)))
    write(PLACE / "stop.json", (decisions(rule, goal, seed) for rule in PRUNERS for goal in ("minimize", "maximize") for seed in (1, 2)))
    write(PLACE / "importance.json", (importance(name, goal, 5, count) for name, goal, count in (
        ("uniform", "minimize", 60), ("log", "maximize", 43), ("mixed", "minimize", 100), ("choices", "maximize", 30))))


if __name__ == "__main__":
    main()
