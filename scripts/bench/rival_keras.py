"""rival_keras.py CONV SIZE DENSE SIDE BATCH IMAGES EPOCHS: one of the paper's networks in Keras on TensorFlow."""

import json
import os
import resource
import statistics
import sys
import time

import keras
import numpy as np
import tensorflow as tf

conv, size, dense, side, batch, images, epochs = map(int, sys.argv[1:])
tf.config.threading.set_intra_op_parallelism_threads(os.cpu_count())
rng = np.random.default_rng(0)
pixels = rng.random((images, side, side, 1), np.float32)
labels = rng.integers(0, 2, images).astype(np.float32)

layers = [keras.Input((side, side, 1))]
for _ in range(conv):
    layers += [keras.layers.Conv2D(size, (3, 3)), keras.layers.Activation("relu"), keras.layers.MaxPooling2D((2, 2))]
layers.append(keras.layers.Flatten())
for _ in range(dense):
    layers += [keras.layers.Dense(size), keras.layers.Activation("relu")]
layers.append(keras.layers.Dense(1, activation="sigmoid"))
model = keras.Sequential(layers)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])


class Clock(keras.callbacks.Callback):
    times = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.times.append(time.perf_counter() - self.begun)


# One step to warm up: it traces the graph, which later calls take again.
model.fit(pixels[:batch], labels[:batch], batch_size=batch, epochs=1, verbose=0)
model.fit(pixels, labels, batch_size=batch, epochs=epochs, verbose=0, callbacks=[Clock()])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"rate": images / statistics.median(Clock.times), "memory": peak}))
