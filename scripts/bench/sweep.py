"""A whole sweep as a user runs it: experiments/tab3.yaml at 224 pixels. Wall time, and what the cores did in it."""

import json
import os
import subprocess

from common import PROGRAM, ROOT, WORK, fresh, has, row, say, script

# Of --quick: four of the 27 networks, one epoch.
QUICK = ["--set", "grid={conv_layers: [2, 3], layer_size: [32], dense_layers: [0, 1]}", "--set", "train.epochs=1",
         "--set", "experiment=tab3-quick"]


def apart(core, whole):
    """Training as a part of what is not validation: that is asked for by the experiment, not spent by its orchestration."""
    return core["training"] / (whole - core["validation"]) * 100


def measure(arguments):
    if arguments.swept is not None:
        account = json.loads((arguments.swept / "sweep.json").read_text())
        return told(account, [f"Told by the `sweep.json` of a sweep that was run by itself, not by this script; date and "
                              "load average above are those of the telling; "
                              f"experiment `{account['experiment']}`, {account['attempts']} runs trained."])
    images, notes = arguments.images, []
    if images is None:
        if not has("cv2"):
            return [], ["OpenCV is not installed and no `--images` are given."]
        images = WORK / "images"
        script("make_images.py", images, 200 if arguments.quick else 600)
        notes.append(f"Generated images in `{images.name}`; `--images DIR` takes real ones.")
    classes = sorted(path.name for path in images.iterdir() if path.is_dir())
    folder = fresh("sweep")
    command = [PROGRAM, "--runs-dir", folder / "runs", "run", ROOT / "experiments" / "tab3.yaml", "--images", images.resolve()]
    if sorted(["normal", "covid"]) != classes:
        command += ["--set", f"dataset.classes=[{', '.join(classes)}]"]
    command += QUICK if arguments.quick else []
    say("sweeping tab3")
    with open(folder / "log", "w") as log:
        done = subprocess.run([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT,
                              env=dict(os.environ, GRIDBOARD_CACHE=str(folder / "cache")))
    text = (folder / "log").read_text()
    if done.returncode != 0:
        raise RuntimeError(f"the sweep ended with {done.returncode}: {text[-2000:]}")
    account = json.loads(next((folder / "runs").glob("*/sweep.json")).read_text())
    return told(account, notes + [line for line in text.splitlines() if line.startswith("placement:")])


def told(account, notes):
    shares = {name: None if share is None else share * 100 for name, share in account["shares"].items()}
    core = account["core_seconds"]
    what = f"{account['attempts']} runs"
    rows = [
        row(f"{what}, the whole command", account["seconds"]["command"], None, "", "s"),
        row(f"{what}, from the first start to the last end", account["seconds"]["runs"], None, "", "s"),
        row("the cores' time that runs used", shares["utilisation"], None, "", "%"),
        row("the cores' time in training steps", shares["training"], None, "", "%"),
        row("the cores' time in validation", shares["validation"], None, "", "%"),
        row("the cores' time without validation in training steps", apart(core, core["available"]), None, "", "%",
            target="> 90"),
        row("the runs' time in training steps", shares["training_of_trainers"], None, "", "%"),
        row("the runs' time without validation in training steps", apart(core, core["trainers"]), None, "", "%"),
        row("the cores' time that Gridboard itself used", shares["orchestrator"], None, "", "%"),
    ]
    how = (f"{account['cores']} cores, {account['slots']} slots; core time is user and system time of the runs' processes, "
           "the whole is cores x wall time from the first start of a run to the last end. Start of the processes, pictures, "
           "predictions and weights are what is neither training nor validation.")
    return rows, notes + [how]
