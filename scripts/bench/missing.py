"""missing.py REQUIREMENTS: the requirements of the file whose package is not installed, one a line.

A package that is there in another version stays: benches/RESULTS.md tells the versions that were measured.
"""

import importlib.metadata
import pathlib
import re
import sys

for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    requirement = line.split("#")[0].strip()
    if not requirement:
        continue
    name = re.match(r"[A-Za-z0-9_.-]+", requirement).group()
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        print(requirement)
