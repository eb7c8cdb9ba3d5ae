"""make_images.py FOLDER COUNT: gray JPEGs and PNGs of the sizes of X-ray collections, in two classes. Kept if there."""

import json
import pathlib
import sys

import cv2
import numpy as np

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
for place in range(count):
    name = folder / ["normal", "covid"][place % 2] / f"{place:05}.{'png' if place % 4 == 0 else 'jpg'}"
    if name.exists():
        continue
    name.parent.mkdir(parents=True, exist_ok=True)
    side = int(rng.choice([299, 512, 1024]))
    coarse = rng.integers(0, 255, (12, 12), np.uint8)
    image = cv2.resize(coarse, (side, side + side // 8), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 6, image.shape)
    cv2.imwrite(str(name), np.clip(image + noise, 0, 255).astype(np.uint8))
for path in folder.glob("*/*"):
    if int(path.stem) >= count:
        path.unlink()
print(json.dumps({"images": count}))
