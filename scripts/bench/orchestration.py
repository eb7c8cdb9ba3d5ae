"""What the orchestrator itself costs: its start, a large plan, runs that do nothing, live runs that log."""

import itertools
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

from common import PROGRAM, alternately, fresh, has, noop_spec, row, run, say, script, seconds


def start(arguments):
    folder = fresh("start")
    runs = folder / "runs"
    run([PROGRAM, "--runs-dir", runs, "run", noop_spec(folder, "start", 100)])
    venv = pathlib.Path(sys.executable).parent
    rivals = {name: venv / name for name in ["optuna", "dvc", "ray"] if (venv / name).exists()}
    repeats = 3 * arguments.repeats
    ours = alternately(repeats, version=lambda: seconds([PROGRAM, "--version"]),
                       top=lambda: seconds([PROGRAM, "--runs-dir", runs, "top"]))
    theirs = alternately(arguments.repeats, **{
        name: (lambda program=program: seconds([program, "--version"])) for name, program in rivals.items()})
    rows = [row("`gridboard --version`", ours["version"] * 1e3, theirs.get(name, 0) * 1e3, f"{name} --version", "ms",
                target="< 20") for name in rivals] or [row("`--version`", ours["version"] * 1e3, None, "", "ms")]
    rows.append(row("`gridboard top`, 100 runs", ours["top"] * 1e3, None, "", "ms", target="< 20"))
    return rows, ["Wall time of the whole process."]


def plan(arguments):
    folder = fresh("plan")
    spec = noop_spec(folder, "plan", 100_000)
    work = {form: (lambda form=form: seconds([PROGRAM, "plan", spec, "--format", form]))
            for form in ["table", "csv", "json"]}
    times = alternately(arguments.repeats, **work)
    rows = [row(f"100,000 runs, `--format {form}`", value, None, "", "s", target="< 1") for form, value in times.items()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for form in work:
        work[form]()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(work)
    rows.append(row("processor time, mean of the three", spent, None, "", "s", target="< 1"))
    return rows, ["On a machine with other work the processor time is what tells."]


def noop(arguments):
    """The same grid of programs that do nothing, on two slots. Ours keeps its state on disk, synced at every end."""
    counts = [100, 1_000] if arguments.quick else [100, 1_000, 10_000]
    folder = fresh("noop")

    def ours(runs):
        # A new folder each time, all of them deleted at the end: ext4 is slow to give the inodes of files that were
        # deleted a moment ago to new ones.
        place = folder / f"{runs}-{next(numbers)}"
        place.mkdir()
        spent = seconds([PROGRAM, "--runs-dir", place / "runs", "run", noop_spec(place, "noop", runs)])
        return spent / runs * 1e3

    numbers = itertools.count()
    figures = {}
    for runs in counts:
        say(f"{runs} no-op runs")
        figures[runs] = alternately(1 if runs == 10_000 else arguments.repeats, ours=lambda runs=runs: ours(runs))["ours"]
    rows, notes = [], []
    rivals = [("optuna", "Optuna, in memory, 2 threads", 100, ["memory"]),
              ("optuna", "Optuna, SQLite, 2 threads", 100, ["sqlite"]),
              ("optuna", "Optuna, in memory, 2 threads", 1_000, ["memory"]),
              ("ray", "Ray Tune, 2 slots", 20, []), ("dvc", "DVC queue, 2 workers", 10, [])]
    for module, name, runs, more in rivals:
        if not has(module):
            notes.append(f"{name} is not installed.")
            continue
        say(f"{name}, {runs} runs")
        place = fresh(f"noop/{module}")
        try:
            theirs = script(f"rival_{module}.py", runs, *more, cwd=place, timeout=300)["ms_per_run"]
        except RuntimeError as error:
            notes.append(f"{name} failed: {str(error).strip().splitlines()[-1]}")
            continue
        rows.append(row(f"{max(runs, 100)} runs" if runs >= 100 else f"100 runs (rival: {runs})",
                        figures[max(runs, 100)], theirs, name, "ms a run", target="< 10"))
    shutil.rmtree(folder)
    rows += [row(f"{runs:,} runs", figures[runs], None, "", "ms a run", target="< 10, flat") for runs in counts]
    notes.append("Each run is `/bin/true` in a process of its own. Gridboard's figure is the whole command over the runs: "
                 "start, ledger, processes, sync, ranking, report. The rivals' is the sweep alone, one repeat.")
    return rows, notes


def follow(arguments):
    """Processor time of the orchestrator while a hundred live runs log two points a second each."""
    if not has("tensorboardX"):
        return [], ["tensorboardX is not installed: the points cannot be written."]
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter

    live, length = 100, 10 if arguments.quick else 20
    folder = fresh("follow")
    spec = noop_spec(folder, "follow", live, devices=f"cpu:{live}", command=f"[sleep, '{length + 8}']")
    log = open(folder / "log", "w")
    process = subprocess.Popen([PROGRAM, "--runs-dir", folder / "runs", "run", spec], stdout=log, stderr=log)
    try:
        places = []
        deadline = time.time() + 30
        while len(places) < live and time.time() < deadline:
            time.sleep(0.2)
            places = [path for path in (folder / "runs" / "follow").glob("x-*") if (path / "worker.log").exists()]
        if len(places) < live:
            raise RuntimeError(f"only {len(places)} runs are live")
        writers = []
        for place in places:
            (place / "train").mkdir(exist_ok=True)
            writers.append(RecordWriter(str(place / "train" / "events.out.tfevents.1.bench")))
        time.sleep(1.5)
        before, begun = processor_time(process.pid), time.time()
        for step in range(length):
            for writer in writers:
                values = [Summary.Value(tag=tag, simple_value=0.5) for tag in ["batch_loss", "epoch_loss"]]
                writer.write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)).SerializeToString())
                writer.flush()
            time.sleep(max(0.0, begun + step + 1 - time.time()))
        share = (processor_time(process.pid) - before) / (time.time() - begun) * 100
    finally:
        process.wait()
    run([PROGRAM, "--runs-dir", folder / "runs", "sql", "select count(*) from history"])
    return [row(f"{live} live runs, 2 points a second each", share, None, "", "% of a core", target="< 2")], \
        ["The whole orchestrator: following, storing, progress. From /proc/PID/stat."]


def processor_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
