"""A trainer whose epochs take their time, and which goes on where it was ended: it keeps the epoch in GRIDBOARD_STATE_DIR.

Usage: paced_trainer.py ACCURACY EPOCHS [SECONDS]   (SECONDS of each epoch; every epoch it has made is a line of `epochs`)
"""

import os
import sys
import time

from trainer import Writer

accuracy, epochs = float(sys.argv[1]), int(sys.argv[2])
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.6
run_dir, state = os.environ["GRIDBOARD_RUN_DIR"], os.path.join(os.environ["GRIDBOARD_STATE_DIR"], "epoch")
first = int(open(state).read()) if os.environ["GRIDBOARD_RESUME"] else 0
train, validation = Writer(f"{run_dir}/train"), Writer(f"{run_dir}/validation")
for epoch in range(first, epochs):
    with open(os.path.join(run_dir, "epochs"), "a") as made:
        made.write(f"{epoch}\n")
    for writer in (train, validation):
        writer.scalar("epoch_accuracy", epoch, accuracy - 0.1 * (epochs - 1 - epoch) / epochs)
        writer.scalar("epoch_loss", epoch, 1.0 - accuracy)
    with open(state, "w") as file:
        file.write(str(epoch + 1))
    time.sleep(seconds)
