"""A trainer of a user's own, without torch: writes TensorBoard event files with the standard library alone.

Usage: trainer.py ACCURACY [EPOCHS]   (the run directory comes as GRIDBOARD_RUN_DIR)
"""

import os
import struct
import sys
import time

TABLE = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    TABLE.append(crc)


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def record(payload):
    head = struct.pack("<Q", len(payload))
    return head + struct.pack("<I", masked_crc(head)) + payload + struct.pack("<I", masked_crc(payload))


class Writer:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.file = open(os.path.join(folder, f"events.out.tfevents.{int(time.time()):010d}.test.{os.getpid()}"), "wb")
        self.file.write(record(struct.pack("<Bd", 0x09, time.time()) + field(3, b"brain.Event:2")))

    def scalar(self, tag, step, value):
        summary = field(1, field(1, tag.encode()) + struct.pack("<Bf", 0x15, value))
        self.file.write(
            record(struct.pack("<Bd", 0x09, time.time()) + b"\x10" + varint(step) + field(5, summary))
        )
        self.file.flush()


def main():
    accuracy = float(sys.argv[1])
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    run_dir = os.environ["GRIDBOARD_RUN_DIR"]
    train, validation = Writer(f"{run_dir}/train"), Writer(f"{run_dir}/validation")
    for epoch in range(epochs):
        left = (epochs - 1 - epoch) * 0.1
        for writer, offset in ((train, 0.01), (validation, 0.0)):
            writer.scalar("epoch_accuracy", epoch, accuracy + offset - left)
            writer.scalar("epoch_loss", epoch, 1.0 - accuracy + left)
    print(f"accuracy {accuracy} on {os.environ.get('CUDA_VISIBLE_DEVICES', 'nothing')}")


if __name__ == "__main__":
    main()
