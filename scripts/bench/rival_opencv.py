"""rival_opencv.py IMAGES OUT: a folder per class to images.npy and labels.npy, with OpenCV on two processes."""

import json
import multiprocessing
import pathlib
import sys
import time

import cv2
import numpy as np

SIDE = 224


def prepare(path):
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(image, (5, 5), 1.0)


def main():
    images, out = map(pathlib.Path, sys.argv[1:])
    begun = time.perf_counter()
    classes = sorted(path for path in images.iterdir() if path.is_dir())
    files = [(str(path), label) for label, folder in enumerate(classes) for path in sorted(folder.iterdir())]
    pixels = np.empty((len(files), SIDE, SIDE), np.uint8)
    # Two processes do the work, so each of them has one thread.
    with multiprocessing.Pool(2, cv2.setNumThreads, (1,)) as pool:
        for place, image in enumerate(pool.imap(prepare, [path for path, _ in files], chunksize=16)):
            pixels[place] = image
    np.save(out / "images.npy", pixels)
    np.save(out / "labels.npy", np.array([label for _, label in files], np.uint8))
    print(json.dumps({"seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
