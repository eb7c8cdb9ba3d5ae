"""Decode, resize, blur and keep a corpus, beside OpenCV on two processes; then the start on a prepared corpus."""

from common import PROGRAM, WORK, alternately, fresh, has, row, say, script, seconds


def measure(arguments):
    rows, notes = prepared(arguments, arguments.images, "corpus")
    if arguments.originals:
        more, _ = prepared(arguments, arguments.originals, "originals")
        rows += more
    return rows, notes


def warm(images):
    """Every file read once, so that neither side waits for the disk."""
    for path in images.glob("*/*"):
        path.read_bytes()


def prepared(arguments, images, name):
    notes = []
    if images is None:
        if not has("cv2"):
            return [], ["OpenCV is not installed and no `--images` are given."]
        images = WORK / "images"
        script("make_images.py", images, 200 if arguments.quick else 600)
        notes.append(f"Generated images in `{images.name}`; `--images DIR` takes real ones.")
    images = images.resolve()
    classes = sorted(path.name for path in images.iterdir() if path.is_dir())
    count = sum(1 for name in classes for path in (images / name).iterdir() if path.is_file())
    warm(images)
    folder = fresh(name)
    text = f"dataset:\n  images: {images}\n  classes: [{', '.join(classes)}]\n  image_size: 224\n"
    text += "  blur: {kernel: 5, sigma: 1.0}\nmodel: {family: command, run: [/bin/true]}\n"
    text += "rank: {by: validation/epoch_accuracy}\nschedule: {devices: \"cpu:2\"}\n"
    spec = folder / "prepare.yaml"
    spec.write_text("experiment: prepare\n" + text)

    def ours(cache):
        place = fresh(f"{name}/runs")
        return seconds([PROGRAM, "--runs-dir", place, "run", spec], env={"GRIDBOARD_CACHE": str(cache), "PATH": "/bin"})

    pairs = {"cold": lambda: ours(fresh(f"{name}/cache"))}
    if has("cv2"):
        pairs["opencv"] = lambda: script("rival_opencv.py", images, fresh(f"{name}/opencv"))["seconds"]
    else:
        notes.append("OpenCV is not installed.")
    say(f"preparing {count} images")
    times = alternately(arguments.repeats, **pairs)
    times |= alternately(3 * arguments.repeats, cached=lambda: ours(WORK / name / "cache"))
    notes.append("Gridboard's figures are the whole `gridboard run` with one no-op run: content hashes, index, ledger and "
                 "report included. OpenCV's is the loop over its pool of two processes, imports not counted.")
    return [row(f"{count} {'large originals' if name == 'originals' else 'images'} to 224 x 224", times["cold"], times.get("opencv"), "OpenCV, 2 processes", "s",
                target="at least as fast"),
            row("the same, prepared before", times["cached"], None, "", "s", target="< 0.2")], notes
