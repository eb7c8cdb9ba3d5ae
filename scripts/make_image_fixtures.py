#!/usr/bin/env python3
"""Makes tests/fixtures/images: small image files of many kinds, each with the gray pixels it must decode to.

The pixels (`<file>.gray`: width and height as u16, little-endian, then a byte per pixel) come from Pillow and OpenCV, by
the formula that src/corpus/gray.rs states. Needs pillow, numpy and opencv-python-headless. The files are committed; run
this again only to add one.
"""

import struct
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

FOLDER = Path(__file__).resolve().parent.parent / "tests/fixtures/images"
WIDTH, HEIGHT = 37, 22


def scene():
    """Smooth RGB, so that the chroma subsampling of JPEG and WebP changes little."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / 40.0
    return np.stack([200 * x, 90 + 100 * y * x, 230 - 150 * x - 80 * y], axis=-1).astype(np.uint8)


def gray(rgb, alpha=None, top=255):
    """BT.601 luma on black, scaled from 0..top to 0..255, rounded half up once."""
    luma = rgb.astype(np.int64) @ np.array([299, 587, 114])
    alpha = np.full(luma.shape, top) if alpha is None else alpha.astype(np.int64)
    denominator = 1000 * top * top
    return ((luma * alpha * 255 + denominator // 2) // denominator).astype(np.uint8)


def save(name, pixels, write):
    path = FOLDER / name
    write(path)
    height, width = pixels.shape
    Path(f"{path}.gray").write_bytes(struct.pack("<HH", width, height) + pixels.tobytes())


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rgb = scene()
    alpha = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    color = Image.fromarray(rgb)
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    luma = Image.fromarray(gray(rgb))

    # Lossless: exact.
    save("gray.png", gray(rgb), luma.save)
    save("rgb.png", gray(rgb), color.save)
    save("rgba.png", gray(rgb, alpha), rgba.save)
    save("rgba.webp", gray(rgb, alpha), lambda path: rgba.save(path, lossless=True, exact=True))
    bits = gray(rgb) > 100
    save("one_bit.png", bits.astype(np.uint8) * 255, Image.fromarray(bits).save)
    palette = color.quantize(16)
    colors = np.array(palette.convert("RGB"))
    clear = np.where(np.array(palette) == 3, 0, 255)
    save("palette.png", gray(colors), palette.save)
    save("palette_clear.png", gray(colors, clear), lambda path: palette.save(path, transparency=3))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    deep = (y * 1700 + x * 760 + (x * y) % 97).astype(np.uint16)
    save("deep_gray.png", gray(np.dstack([deep] * 3), top=65535), lambda path: cv2.imwrite(str(path), deep))
    deep_rgb = np.dstack([deep, deep[::-1], deep[:, ::-1]])
    bgr = deep_rgb[:, :, ::-1]
    save("deep_rgb.png", gray(deep_rgb, top=65535), lambda path: cv2.imwrite(str(path), bgr))
    turned = PngImagePlugin.PngInfo()
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.rot90(gray(rgb), -1)
    save("turned.png", np.ascontiguousarray(upright), lambda path: luma.save(path, pnginfo=turned, exif=exif))

    # Lossy: what OpenCV decodes, which takes the luma of a YCbCr file as it is.
    def lossy(name, image, **options):
        image.save(FOLDER / name, **options)
        pixels = cv2.imread(str(FOLDER / name), cv2.IMREAD_GRAYSCALE)
        save(name, pixels, lambda _: None)

    lossy("gray.jpg", luma, quality=90)
    lossy("color_420.jpg", color, quality=90, subsampling=2)
    lossy("color_444.jpg", color, quality=90, subsampling=0)
    lossy("progressive.jpg", color, quality=90, progressive=True)
    lossy("restarts.jpg", color, quality=90, restart_marker_blocks=2)
    lossy("rgb.jpg", color, quality=90, keep_rgb=True)
    lossy("cmyk.jpg", color.convert("CMYK"), quality=90)
    lossy("color.webp", color, quality=90)
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        lossy(f"orientation_{orientation}.jpg", color, quality=90, exif=exif)


if __name__ == "__main__":
    main()
