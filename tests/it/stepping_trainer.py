"""A trainer that takes a step when it is told to: epoch N is written once the file `go-N` is there.

Usage: stepping_trainer.py FOLDER ACCURACY EPOCHS   (FOLDER has the files; the run directory comes as GRIDBOARD_RUN_DIR)
"""

import os
import sys
import time

from trainer import Writer


def main():
    folder, accuracy, epochs = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    run_dir = os.environ["GRIDBOARD_RUN_DIR"]
    train, validation = Writer(f"{run_dir}/train"), Writer(f"{run_dir}/validation")
    for epoch in range(epochs):
        # Nobody waits for ever, whatever becomes of the test.
        until = time.time() + 120
        while not os.path.exists(os.path.join(folder, f"go-{epoch}")) and time.time() < until:
            time.sleep(0.02)
        value = accuracy * (epoch + 1) / epochs
        for writer in (train, validation):
            writer.scalar("epoch_accuracy", epoch, value)
            writer.scalar("epoch_loss", epoch, 1.0 - value)
        print(f"\x1b[31mepoch {epoch}\x1b[0m <script>window.evil = 1</script> \u202eacc\u202c", flush=True)


if __name__ == "__main__":
    main()
