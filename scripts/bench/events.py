"""Event files: writing beside tensorboardX and tensorboard-rs, reading beside TensorBoard's Python loader."""

import json
import os

from common import ROOT, alternately, fresh, has, row, run, script

POINTS = 10_000  # of a measurement in benches/micro/events.rs


def measure(arguments):
    run(["cargo", "bench", "--quiet", "--no-default-features", "--bench", "micro", "--", "events"], cwd=ROOT,
        env=dict(os.environ))

    def criterion(group, name):
        path = ROOT / "target" / "criterion" / group / name / "new" / "estimates.json"
        target = os.environ.get("CARGO_TARGET_DIR")
        if target:
            path = ROOT / target / "criterion" / group / name / "new" / "estimates.json"
        return POINTS / (json.loads(path.read_text())["median"]["point_estimate"] * 1e-9)

    written = criterion("events_ write scalars", "gridboard")
    followed = criterion("events_ read scalars", "follower")
    rows = [row("writing", written, criterion("events_ write scalars", "tensorboard-rs"), "tensorboard-rs", "scalars/s",
                False)]
    notes = []
    if has("tensorboardX"):
        theirs = alternately(arguments.repeats, rival=lambda: script("rival_events.py", "write", fresh("events"))["rate"])
        rows.append(row("writing", written, theirs["rival"], "tensorboardX", "scalars/s", False))
        if has("tensorboard"):
            theirs = alternately(arguments.repeats,
                                 rival=lambda: script("rival_events.py", "read", ROOT / ".bench-work/events")["rate"])
            rows.append(row("reading a run", followed, theirs["rival"], "TensorBoard, Python loader", "scalars/s", False))
        else:
            notes.append("TensorBoard is not installed.")
    else:
        notes.append("tensorboardX is not installed.")
    notes.append("Gridboard and tensorboard-rs by criterion, 10,000 points a pass; the Python rivals 50,000 points a "
                 "process, imports not counted.")
    return rows, notes
