"""A trainer that keeps where it is after every epoch of a second, and ends after it when it is asked to.

Usage: long_trainer.py EPOCHS
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from trainer import Writer

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
run_dir, state = os.environ["GRIDBOARD_RUN_DIR"], os.path.join(os.environ["GRIDBOARD_STATE_DIR"], "epoch")
first = int(open(state).read()) if os.environ["GRIDBOARD_RESUME"] else 0
if first:
    print("goes on at", first, flush=True)
train, validation = Writer(f"{run_dir}/train"), Writer(f"{run_dir}/validation")
for epoch in range(first, int(sys.argv[1])):
    time.sleep(1)
    for writer in (train, validation):
        writer.scalar("epoch_accuracy", epoch, 0.5)
        writer.scalar("epoch_loss", epoch, 1 / (epoch + 1))
    with open(state + ".part", "w") as file:
        file.write(str(epoch + 1))
    os.replace(state + ".part", state)
    if asked:
        print("asked to end", flush=True)
        sys.exit(143)
