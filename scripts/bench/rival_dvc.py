"""DVC's experiment queue over no-op stages with two workers: rival_dvc.py RUNS, in an empty folder."""

import json
import os
import pathlib
import subprocess
import sys
import time

runs = int(sys.argv[1])
dvc = str(pathlib.Path(sys.executable).parent / "dvc")
# The queue's workers look for `dvc` on PATH.
environment = dict(os.environ, DVC_NO_ANALYTICS="1", PATH=f"{pathlib.Path(dvc).parent}:{os.environ['PATH']}",
                   GIT_AUTHOR_NAME="bench", GIT_AUTHOR_EMAIL="bench@localhost",
                   GIT_COMMITTER_NAME="bench", GIT_COMMITTER_EMAIL="bench@localhost")


def call(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True, env=environment).stdout


call("git", "init", "-q", ".")
call(dvc, "init", "-q")
pathlib.Path("params.yaml").write_text("x: 0\n")
pathlib.Path("dvc.yaml").write_text("stages:\n  train:\n    cmd: /bin/true\n    params: [x]\n")
call("git", "add", "-A")
call("git", "commit", "-qm", "bench")
call(dvc, "exp", "run", "--queue", "-S", f"x=range(1,{runs + 1})")
begun = time.perf_counter()
call(dvc, "queue", "start", "-j", "2")
while True:
    states = call(dvc, "queue", "status")
    if states.count("Success") >= runs:
        break
    if "Failed" in states:
        failed = next(line.split()[0] for line in states.splitlines() if "Failed" in line)
        log = subprocess.run([dvc, "queue", "logs", failed], capture_output=True, text=True, env=environment)
        raise SystemExit(f"a run of the queue failed: {' '.join((log.stdout + log.stderr).split())[-300:]}")
    if "Worker status: 0 active, 0 idle" in states:
        # Its workers end when they find the queue locked or empty; what is left in it waits for new ones.
        call(dvc, "queue", "start", "-j", "2")
    time.sleep(0.5)
print(json.dumps({"ms_per_run": (time.perf_counter() - begun) / runs * 1e3}))
