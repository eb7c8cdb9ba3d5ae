"""Optuna's GridSampler over no-op processes: rival_optuna.py RUNS memory|sqlite, in an empty folder."""

import json
import subprocess
import sys
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
runs, kind = int(sys.argv[1]), sys.argv[2]
space = {"x": list(range(10)), "y": list(range(runs // 10))}


def objective(trial):
    trial.suggest_int("x", 0, 9)
    trial.suggest_int("y", 0, runs // 10 - 1)
    subprocess.run(["/bin/true"], check=True)
    return 0.0


storage = "sqlite:///optuna.db" if kind == "sqlite" else None
study = optuna.create_study(storage=storage, sampler=optuna.samplers.GridSampler(space, seed=0))
begun = time.perf_counter()
study.optimize(objective, n_trials=runs, n_jobs=2)
print(json.dumps({"ms_per_run": (time.perf_counter() - begun) / runs * 1e3}))
