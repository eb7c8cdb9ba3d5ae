#!/usr/bin/env python3
"""Trains the CNN family in real Keras and records every loss, for the trainer's conformance test.

    python3 -m venv /tmp/keras && /tmp/keras/bin/pip install keras tensorflow-cpu safetensors
    /tmp/keras/bin/python scripts/keras_fixture.py            # rewrites tests/fixtures/keras/

Each case is one `model.fit` with `shuffle=False`: Keras' own loop, optimizer, losses and metrics. Written per case:
the initial and the final weights, as safetensors in the layout that the trainer reads and writes (PyTorch's), and in
`cases.json` the loss of every batch, the metrics of every epoch and the final predictions.

`to_pytorch` below is also how Keras weights become a `train.initial_weights` file of your own.
"""

import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "keras"
SIDE, TRAINING, VALIDATION = 28, 26, 10

# `gain` multiplies the initial kernel of the output layer. The saturated case has logits far outside the range in
# which a probability clipped to [1e-7, 1 - 1e-7] could express them: it tells a loss on logits from a loss on
# clipped probabilities. Keras on TensorFlow takes the logits (backend/tensorflow/nn.py, `_get_logits`).
CASES = [
    dict(name="2-conv-8-nodes-1-dense", conv_layers=2, layer_size=8, dense_layers=1, classes=2, gain=1.0),
    dict(name="1-conv-4-nodes-0-dense", conv_layers=1, layer_size=4, dense_layers=0, classes=2, gain=1.0),
    dict(name="2-conv-8-nodes-2-dense-3-classes", conv_layers=2, layer_size=8, dense_layers=2, classes=3, gain=1.0),
    dict(name="3-conv-8-nodes-0-dense-3-classes", conv_layers=3, layer_size=8, dense_layers=0, classes=3, gain=1.0),
    dict(name="saturated", conv_layers=1, layer_size=4, dense_layers=0, classes=2, gain=300.0),
    dict(name="saturated-3-classes", conv_layers=1, layer_size=4, dense_layers=0, classes=3, gain=300.0),
]
TRAIN = dict(epochs=3, batch_size=4, learning_rate=0.003)


def images(rng):
    """Noise with a bright bar whose row depends on the class: learnable, not trivial."""
    n = TRAINING + VALIDATION
    labels = rng.permutation(np.arange(n) % 6)
    pixels = rng.integers(0, 140, (n, SIDE, SIDE))
    for image, label in zip(pixels, labels):
        row = 4 + 3 * int(label) + int(rng.integers(0, 3))
        image[row : row + 3, 4:24] += 60
    return pixels.astype(np.uint8), labels.astype(np.uint8)


def build(case):
    """The paper's network, layer by layer as its Keras tutorial writes it."""
    layers = [keras.Input((SIDE, SIDE, 1))]
    for _ in range(case["conv_layers"]):
        layers += [
            keras.layers.Conv2D(case["layer_size"], (3, 3)),
            keras.layers.Activation("relu"),
            keras.layers.MaxPooling2D(pool_size=(2, 2)),
        ]
    layers.append(keras.layers.Flatten())
    for _ in range(case["dense_layers"]):
        layers += [keras.layers.Dense(case["layer_size"]), keras.layers.Activation("relu")]
    if case["classes"] == 2:
        layers += [keras.layers.Dense(1), keras.layers.Activation("sigmoid")]
    else:
        layers += [keras.layers.Dense(case["classes"]), keras.layers.Activation("softmax")]
    model = keras.Sequential(layers)
    weights = model.get_weights()
    weights[-2] *= case["gain"]
    model.set_weights(weights)
    return model


def to_pytorch(model):
    """Keras weights as PyTorch's `state_dict` names and layouts.

    Convolutions go from [height, width, in, out] to [out, in, height, width], dense kernels from [in, out] to
    [out, in]. Keras flattens height, width, channel; PyTorch flattens channel, height, width: the columns of the first
    dense kernel are put in that order.
    """
    state, convs, denses, grid = {}, 0, 0, None
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            convs += 1
            name, kernel = f"conv{convs}", layer.kernel.numpy().transpose(3, 2, 0, 1)
        elif isinstance(layer, keras.layers.Flatten):
            grid = layer.input.shape[1:]
            continue
        elif isinstance(layer, keras.layers.Dense):
            denses += 1
            last = layer is [l for l in model.layers if isinstance(l, keras.layers.Dense)][-1]
            name, kernel = ("output" if last else f"dense{denses}"), layer.kernel.numpy().T
            if grid is not None:
                kernel = kernel.reshape(-1, *grid).transpose(0, 3, 1, 2).reshape(kernel.shape[0], -1)
                grid = None
        else:
            continue
        state[f"{name}.weight"] = np.ascontiguousarray(kernel)
        state[f"{name}.bias"] = np.ascontiguousarray(layer.bias.numpy())
    return state


class BatchLosses(keras.callbacks.Callback):
    """The loss of each batch at the weights it is trained from; `logs` only has the running mean of the epoch."""

    def __init__(self, x, y, loss):
        super().__init__()
        self.x, self.y, self.loss_function, self.losses = x, y, loss, []
        self.weighted = self.seen = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.weighted = self.seen = 0

    def on_train_batch_begin(self, batch, logs=None):
        rows = slice(batch * TRAIN["batch_size"], (batch + 1) * TRAIN["batch_size"])
        x, y = self.x[rows], self.y[rows]
        target = y[:, None].astype("float32") if len(self.model.output_shape) == 2 and self.model.output_shape[1] == 1 else y
        loss = float(self.loss_function(target, self.model(x, training=False)))
        self.losses.append(loss)
        self.weighted += loss * len(x)
        self.seen += len(x)

    def on_train_batch_end(self, batch, logs=None):
        # The same number from Keras' own training step, as far as a running mean shows it.
        assert np.isclose(logs["loss"], self.weighted / self.seen, rtol=1e-5), (batch, logs, self.weighted / self.seen)


def train(case, pixels, labels):
    keras.utils.set_random_seed(CASES.index(case) + 1)
    model = build(case)
    initial = to_pytorch(model)
    x = (pixels / 255.0).astype("float32")[..., None]
    y = (labels % case["classes"]).astype("int32")
    binary = case["classes"] == 2
    loss = keras.losses.BinaryCrossentropy() if binary else keras.losses.SparseCategoricalCrossentropy()
    model.compile(optimizer=keras.optimizers.Adam(TRAIN["learning_rate"]), loss=loss, metrics=["accuracy"])
    batches = BatchLosses(x[:TRAINING], y[:TRAINING], loss)
    history = model.fit(
        x[:TRAINING],
        y[:TRAINING],
        epochs=TRAIN["epochs"],
        batch_size=TRAIN["batch_size"],
        shuffle=False,
        validation_data=(x[TRAINING:], y[TRAINING:]),
        callbacks=[batches],
        verbose=0,
    ).history
    save_file(initial, OUT / f"{case['name']}.initial.safetensors")
    save_file(to_pytorch(model), OUT / f"{case['name']}.final.safetensors")
    return {
        **{key: case[key] for key in ("name", "conv_layers", "layer_size", "dense_layers", "classes")},
        "parameters": model.count_params(),
        "batch_losses": batches.losses,
        "history": {key: [float(value) for value in values] for key, values in history.items()},
        "predictions": model.predict(x[TRAINING:], verbose=0).tolist(),
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    pixels, labels = images(np.random.default_rng(7))
    np.save(OUT / "images.npy", pixels)
    np.save(OUT / "labels.npy", labels)
    fixture = {
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__},
        "training": TRAINING,
        "validation": VALIDATION,
        **TRAIN,
        "cases": [train(case, pixels, labels) for case in CASES],
    }
    (OUT / "cases.json").write_text(json.dumps(fixture, indent=1) + "\n")
    for case in fixture["cases"]:
        losses = case["batch_losses"]
        print(f"{case['name']}: {case['parameters']} parameters, loss {losses[0]:.4f} -> {losses[-1]:.4f}")


if __name__ == "__main__":
    main()
