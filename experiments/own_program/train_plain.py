"""A program of your own, with nothing but Python: a polynomial is fitted to a sine.

`EventFile` is all that it takes to write TensorBoard event files; any other language can do the same.
"""

import math
import os
import random
import struct
import sys
import time


class EventFile:
    """Records of (length, masked CRC-32C of the length, Event message, masked CRC-32C of the message)."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{os.uname().nodename}.{os.getpid()}"
        self.file = open(os.path.join(folder, name), "wb")
        self.event(b"\x1a" + self.text(b"brain.Event:2"))

    def scalar(self, tag, value, step):
        value = b"\x0a" + self.text(tag.encode()) + b"\x15" + struct.pack("<f", value)
        self.event(b"\x10" + self.varint(step) + b"\x2a" + self.text(b"\x0a" + self.text(value)))

    def event(self, rest):
        message = b"\x09" + struct.pack("<d", time.time()) + rest
        length = struct.pack("<Q", len(message))
        self.file.write(length + self.crc(length) + message + self.crc(message))
        self.file.flush()

    @classmethod
    def text(cls, data):
        return cls.varint(len(data)) + data

    @staticmethod
    def varint(number):
        data = b""
        while number > 127:
            data, number = data + bytes([number & 127 | 128]), number >> 7
        return data + bytes([number])

    @staticmethod
    def crc(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        crc ^= 0xFFFFFFFF
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


learning_rate, degree, seed = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
points = [(x / 50 - 1, math.sin(3 * (x / 50 - 1)) + random.gauss(0, 0.1)) for x in range(101)]
weights = [0.0] * (degree + 1)


def error(x, y):
    return sum(weight * x**power for power, weight in enumerate(weights)) - y


events = EventFile(os.environ["GRIDBOARD_RUN_DIR"])
for epoch in range(30):
    for x, y in random.sample(points[::2], len(points[::2])):
        step = learning_rate * error(x, y)
        weights = [weight - step * x**power for power, weight in enumerate(weights)]
    for tag, part in (("train/loss", points[::2]), ("validation/loss", points[1::2])):
        events.scalar(tag, sum(error(x, y) ** 2 for x, y in part) / len(part), epoch)
print(f"done: {weights}")
