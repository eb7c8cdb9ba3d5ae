"""What the figures were measured with: the commit, the machine, and the versions of program and rivals."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess

from common import PROGRAM, ROOT

PACKAGES = ["tensorflow-cpu", "keras", "torch", "opencv-python-headless", "optuna", "ray", "dvc", "tensorboardX",
            "tensorboard", "numpy"]


def commit():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout.strip()
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return [f"- {os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release()}", f"- {version}",
            f"- {', '.join(versions)}"]
