"""rival_events.py write|read FOLDER: 50,000 scalars through tensorboardX, or back through TensorBoard's loader."""

import json
import sys
import time

POINTS = 50_000
if sys.argv[1] == "write":
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(sys.argv[2])
    begun = time.perf_counter()
    for step in range(POINTS):
        writer.add_scalar("batch_loss", 0.25, step)
    writer.close()
    spent = time.perf_counter() - begun
else:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(sys.argv[2], size_guidance={"scalars": 0, "tensors": 0})
    begun = time.perf_counter()
    accumulator.Reload()
    spent = time.perf_counter() - begun
    tags = accumulator.Tags()
    found = sum(len(accumulator.Scalars(tag)) for tag in tags["scalars"])
    found += sum(len(accumulator.Tensors(tag)) for tag in tags["tensors"])
    assert found == POINTS, found
print(json.dumps({"rate": POINTS / spent}))
