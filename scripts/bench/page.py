"""The live page on 10,000 runs and 20 million points and on a curve of a million, beside TensorBoard with its data server and
optuna-dashboard on the same: from the start of the server to the first screen, the first screen again, and memory."""

import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.parse

from common import PROGRAM, ROOT, fresh, has, row, run, say

# Longer than that nobody waits for a page.
LIMIT = 600


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, path, body=None):
    """The answer's bytes; None where nobody answers yet or it is no answer."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        return data if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None


def resident(pid):
    """MiB of a process and of those that it has started, now."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = pathlib.Path(f"/proc/{one}/status").read_text()
            waiting += [int(child) for child in pathlib.Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
    return total / 1024


class Server:
    """A server, asked as a browser would: `screen(port)` returns the bytes of a first screen, or None while it is not there."""

    def __init__(self, command, screen):
        self.port = free_port()
        self.screen = screen
        words = [str(word).replace("{port}", str(self.port)) for word in command]
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def first(self):
        """Seconds from the start to the whole first screen."""
        while (found := self.screen(self.port)) is None:
            if time.perf_counter() - self.begun > LIMIT or self.process.poll() is not None:
                raise RuntimeError("no first screen")
            time.sleep(0.005)
        return time.perf_counter() - self.begun, found

    def again(self, times=7):
        measured = []
        for _ in range(times):
            begun = time.perf_counter()
            if self.screen(self.port) is None:
                raise RuntimeError("no first screen any more")
            measured.append(time.perf_counter() - begun)
        return statistics.median(measured)

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def ours(experiment):
    def screen(port):
        parts = [ask(port, "/"), ask(port, f"/api/experiment?experiment={experiment}"),
                 ask(port, f"/api/curves?experiment={experiment}&count=24")]
        return None if None in parts else sum(map(len, parts))
    return screen


def our_curve(experiment, name):
    query = urllib.parse.urlencode({"experiment": experiment, "run": name})
    return lambda port: (lambda data: data and len(data))(ask(port, f"/api/run/curves?{query}"))


def tensorboard(runs, tag=None):
    """The time series page: the runs, the tags, and the chart of a tag over all runs where one is named. Not there before all
    runs are."""
    body = urllib.parse.urlencode({"requests": json.dumps([{"plugin": "scalars", "tag": tag}])})

    def screen(port):
        page, names = ask(port, "/"), ask(port, "/data/runs")
        if names is None or len(json.loads(names)) < runs:
            return None
        tags = ask(port, "/data/plugin/timeseries/tags")
        chart = b"" if tag is None else ask(port, "/data/plugin/timeseries/timeSeries", body)
        if None in (page, tags, chart):
            return None
        return sum(map(len, (page, names, tags, chart)))
    return screen


def dashboard(port):
    parts = [ask(port, "/dashboard"), ask(port, "/api/studies"), ask(port, "/api/studies/1?after=0")]
    return None if None in parts else sum(map(len, parts))


def optuna_study(path, runs, points):
    """A study of the same runs, each with the points of one curve as its intermediate values, written past Optuna, which
    takes hours for it."""
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="scale")
    study.add_trial(optuna.trial.create_trial(params={"x": 0}, value=0.0, intermediate_values={0: 0.0},
                    distributions={"x": optuna.distributions.IntDistribution(0, runs)}))
    database = sqlite3.connect(path)
    distribution = database.execute("select distribution_json from trial_params").fetchone()[0]
    for table in ("trial_intermediate_values", "trial_values", "trial_params", "trials"):
        database.execute(f"delete from {table}")
    times = ("2026-11-28 00:00:00", "2026-11-28 00:01:00")
    keys = range(1, runs + 1)
    database.executemany("insert into trials (trial_id, number, study_id, state, datetime_start, datetime_complete) values "
                         "(?, ?, 1, 'COMPLETE', ?, ?)", ((key, key - 1, *times) for key in keys))
    database.executemany("insert into trial_params (trial_id, param_name, param_value, distribution_json) values (?, 'x', ?, ?)",
                         ((key, key, distribution) for key in keys))
    database.executemany("insert into trial_values (trial_id, objective, value, value_type) values (?, 0, ?, 'FINITE')",
                         ((key, key / points) for key in keys))
    database.executemany("insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                         "values (?, ?, ?, 'FINITE')", ((key, step, key / (step + 1)) for key in keys for step in range(points)))
    database.commit()
    database.close()


def timed(name, command, screen, repeats):
    cold, warm, memory, size = [], [], [], 0
    for _ in range(repeats):
        server = Server(command, screen)
        try:
            first, size = server.first()
            cold.append(first)
            warm.append(server.again())
            memory.append(resident(server.process.pid))
        except RuntimeError as error:
            say(f"{name}: {error}")
            return None
        finally:
            server.end()
    facts = {"cold": statistics.median(cold), "warm": statistics.median(warm), "memory": statistics.median(memory), "bytes": size}
    say(f"{name}: {facts}")
    return facts


def compare(rows, at, mine, rival, name):
    def figure(key, scale):
        return None if rival is None else rival[key] * scale
    rows += [
        row(f"{at}: from the start to the first screen", mine["cold"] * 1e3, figure("cold", 1e3), name, "ms"),
        row(f"{at}: the first screen again", mine["warm"] * 1e3, figure("warm", 1e3), name, "ms"),
        row(f"{at}: bytes of it", mine["bytes"], figure("bytes", 1), name, "bytes"),
        row(f"{at}: memory of the server", mine["memory"], figure("memory", 1), name, "MiB"),
    ]


def made(name, runs, points, curves):
    """Runs as a sweep leaves them, and their database."""
    folder = fresh(name)
    say(f"writing {runs * points:,} points")
    run(["cargo", "bench", "--quiet", "--no-default-features", "--bench", "index", "--", folder, runs, points, curves], cwd=ROOT)
    run([PROGRAM, "--runs-dir", folder / "runs", "index", "--rebuild"])
    return folder


def measure(arguments):
    runs, points, repeats = (1_000, 2_000, 1) if arguments.quick else (10_000, 2_000, 3)
    rows = []
    folder = made("page", runs, points, 2)
    at = f"{runs:,} runs, {runs * points / 1e6:.0f} M scalars"
    serve = [PROGRAM, "--runs-dir", folder / "runs", "serve", "--port", "{port}"]
    board = [sys.executable, "-m", "tensorboard.main", "--load_fast", "true", "--reload_interval", "0", "--bind_all", "--port",
             "{port}", "--logdir"]
    mine = timed("gridboard", serve, ours("scale"), repeats)
    theirs = timed("tensorboard", [*board, folder / "runs/scale"], tensorboard(runs), repeats) if has("tensorboard") else None
    compare(rows, at, mine, theirs, "TensorBoard, data server")
    if has("optuna_dashboard"):
        study = folder / "optuna.db"
        say("writing the study")
        optuna_study(study, runs, points // 2)
        command = [pathlib.Path(sys.executable).parent / "optuna-dashboard", "--port", "{port}", f"sqlite:///{study}"]
        compare(rows, f"{at} (a curve a trial: half of them)", mine, timed("optuna-dashboard", command, dashboard, 1), "optuna-dashboard")
    long = made("page-long", 1, 1_000_000, 1)
    name = json.loads(run([PROGRAM, "--runs-dir", long / "runs", "sql", "--format", "json", "select run from runs"]))[0]["run"]
    serve = [PROGRAM, "--runs-dir", long / "runs", "serve", "--port", "{port}"]
    mine = timed("gridboard", serve, our_curve("scale", name), repeats)
    theirs = timed("tensorboard", [*board, long / "runs/scale"], tensorboard(1, "loss/0"), repeats) if has("tensorboard") else None
    compare(rows, "a curve of 1,000,000 points", mine, theirs, "TensorBoard, data server")
    return rows, [
        "Ours is the page, all runs with their values, and the curves of the best 24 (176 others come after it); the curve of a run has at most "
        "3,000 points, the least and the greatest of each bucket. TensorBoard's is the page, runs and tags without any chart: one of all runs it "
        "makes of 1,000 points each. A curve of a million has 1,000 of them, drawn at random. It is there once all runs are, since it says "
        "nothing of those that are missing. The dashboard sends the whole study.",
        "Whole processes, files and database in the page cache.",
    ]
