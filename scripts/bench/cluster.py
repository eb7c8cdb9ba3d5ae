"""What a run costs as a job of Slurm, beside submitit and a bare array of sbatch, on the two nodes of scripts/slurm_lab.sh."""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

from common import PROGRAM, ROOT, fresh, has, row, run, say, script, seconds, spec

SLOTS = 8
# What nodes tell the controller by themselves, and what the measurement asks.
NOT_ASKED = {"MESSAGE_NODE_REGISTRATION_STATUS", "REQUEST_COMPLETE_BATCH_SCRIPT", "REQUEST_COMPLETE_PROLOG",
             "MESSAGE_EPILOG_COMPLETE", "REQUEST_STATS_INFO", "REQUEST_STEP_COMPLETE", "REQUEST_PING"}


class Lab:
    """The cluster, and the environment by which programs speak with it."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = dict(os.environ, SLURM_CONF=str(folder / "etc/slurm.conf"),
                                PATH=os.environ["PATH"] + ":/usr/sbin")

    def __enter__(self):
        # Daemons keep what they inherit: a pipe would never end.
        subprocess.run([ROOT / "scripts/slurm_lab.sh", "up", self.folder], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        subprocess.run([ROOT / "scripts/slurm_lab.sh", "down", self.folder], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def slurm(self, *command):
        return run(command, env=self.environment)

    def wait_until_empty(self):
        while self.slurm("squeue", "-h").strip():
            time.sleep(0.2)

    def calls(self):
        """Calls of the controller by programs, by kind, since they were last forgotten."""
        text = self.slurm("sdiag").split("by message type")[1].split("by user")[0]
        counts = re.findall(r"^\s*([A-Z_]+)\s*\(\s*\d+\) count:(\d+)", text, re.MULTILINE)
        return {name: int(count) for name, count in counts if name not in NOT_ASKED}


def grid(folder, name, runs, command):
    axes = f"grid: {{x: {list(range(10))}, y: {list(range(runs // 10))}}}"
    return spec(folder, name, f"model: {{family: command, run: {command}}}\n{axes}\n"
                "rank: {by: validation/epoch_accuracy}\nlauncher: {slurm: {}}\n")


def measure(arguments):
    folder = fresh("cluster")
    few, many = 40, 200 if arguments.quick else 1000
    rows = []
    # Of the last sweep of so many runs: calls of the controller by kind, and the seconds that it took.
    called = {}
    with Lab(folder / "lab") as lab:
        def ours(runs, command):
            place = pathlib.Path(fresh("cluster/sweep"))
            lab.slurm("sdiag", "--reset")
            taken = seconds([PROGRAM, "--runs-dir", place / "runs", "run", grid(place, "cluster", runs, command)],
                            env=lab.environment, cwd=place)
            called[runs] = (lab.calls(), taken)
            lab.wait_until_empty()
            return taken

        def array(runs, command):
            begun = time.perf_counter()
            lab.slurm("sbatch", f"--array=0-{runs - 1}", "--output=/dev/null", "--wrap", " ".join(command))
            lab.wait_until_empty()
            return time.perf_counter() - begun

        def submitit(runs, command):
            place = fresh("cluster/submitit")
            taken = script("rival_submitit.py", str(runs), *command, env=lab.environment, cwd=place)["seconds"]
            lab.wait_until_empty()
            return taken

        ways = {"ours": ours, "a bare sbatch array": array}
        if has("submitit"):
            ways["submitit"] = submitit

        def compare(what, runs, command, repeats, figure, unit):
            times = {name: [] for name in ways}
            for repeat in range(repeats):
                for name in list(ways)[:: 1 if repeat % 2 == 0 else -1]:
                    say(f"{what}, {name}")
                    times[name].append(ways[name](runs, command))
            for name in list(ways)[1:]:
                rows.append(row(what, figure(statistics.median(times["ours"])), figure(statistics.median(times[name])),
                                name, unit))

        compare(f"{few} runs of 2 s on {SLOTS} slots, beside the 2 s", few, ["sleep", "2"], arguments.repeats,
                lambda spent: spent * SLOTS / few - 2, "s a run")
        compare(f"{many:,} runs of /bin/true on {SLOTS} slots", many, ["/bin/true"], 1, lambda spent: spent, "s")

        ours(10, ["sleep", "180"])
    shutil.rmtree(folder, ignore_errors=True)
    for what, runs in [(f"while {many:,} short runs are run", many), ("while 10 runs take 3 minutes", 10)]:
        calls, spent = called[runs]
        rows.append(row(f"calls of the controller {what}", sum(calls.values()) / spent * 60, None, "", "a minute"))
    told = ", ".join(f"{name} {count}" for name, count in sorted(called[10][0].items()))
    notes = [
        "Two nodes of four cores each, all plain processes of this machine's two: what is measured is what the programs cost there, "
        "not what a cluster could do. A run of Gridboard's has its supervisor, its log, its ledger, its ranking and a report at the end; "
        "submitit's is a Python function in a process of its own; the array's a shell.",
        f"Calls by `sdiag`, but for those of the nodes themselves; of the ten long runs: {told}.",
        "submitit asks `sacct`, which speaks with the accounting database and not with the controller; the lab has none, and "
        "submitit then waits for the files of its results alone.",
    ]
    return rows, notes
