#!/usr/bin/env bash
# Makes a tarball and a pip wheel of Gridboard in target/package/:
#
#   bin/gridboard                          the orchestrator, for any Linux with glibc 2.28 or later
#   lib/gridboard/gridboard-worker-cpu     the built-in trainer (or -cuda), for this machine's glibc or later
#   share/gridboard/experiments/           specs to begin with
#
# libtorch is not in it: `gridboard setup` brings it, into the user's folder.
#
#   scripts/package.sh             both programs
#   scripts/package.sh --no-worker the orchestrator alone, which needs no libtorch to be built
#
# The trainer is linked to the libtorch of scripts/setup.sh, or of LIBTORCH. The orchestrator wants cargo-zigbuild and zig:
# python3 -m pip install cargo-zigbuild ziglang, in a virtual environment on PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

GLIBC=2.28                     # Debian 10, RHEL 8, Ubuntu 20.04: what PyPI calls manylinux_2_28
PROFILE=${PROFILE:-dist}
CARGO=${CARGO:-cargo}

say() { printf 'package: %s\n' "$*" >&2; }
die() { printf 'package: error: %s\n' "$1" >&2; [ $# -gt 1 ] && printf '\nhint: %s\n' "$2" >&2; exit 1; }

worker=yes
for argument in "$@"; do
  case $argument in
    --no-worker) worker=no ;;
    -h|--help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option \`$argument\`" "known: --no-worker" ;;
  esac
done

[ "$(uname -s)" = Linux ] || die "no package for $(uname -s)"
machine=$(uname -m)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
target=${CARGO_TARGET_DIR:-target}
command -v objdump >/dev/null || die "objdump is not installed" "on Debian: apt-get install binutils"
"$CARGO" zigbuild --help >/dev/null 2>&1 \
  || die "cargo-zigbuild is not installed" "python3 -m venv V && V/bin/pip install cargo-zigbuild ziglang; then PATH=V/bin:\$PATH $0"

# The newest glibc whose symbols a program names.
glibc_of() { objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2; }

say "building the orchestrator for glibc $GLIBC"
"$CARGO" zigbuild --locked --profile "$PROFILE" --no-default-features --features page --bin gridboard --target "$machine-unknown-linux-gnu.$GLIBC"
program=$target/$machine-unknown-linux-gnu/$PROFILE/gridboard
needed=$(glibc_of "$program")
[ "$(printf '%s\n%s\n' "$needed" "$GLIBC" | sort -V | tail -1)" = "$GLIBC" ] \
  || die "$program needs glibc $needed, not $GLIBC"
say "the orchestrator needs glibc $needed"

stage=$target/package/gridboard-$version-linux-$machine
rm -rf "$target/package"
mkdir -p "$stage/bin" "$stage/share/gridboard"
install -m 755 "$program" "$stage/bin/gridboard"
tar --exclude=figures --exclude=RESULTS.md --exclude=__pycache__ -cf - experiments | tar -C "$stage/share/gridboard" -xf -
install -m 644 LICENSE README.md CHANGELOG.md "$stage/"
# The live page has it inside.
if [ -f src/serve/node_modules/uplot/LICENSE ]; then install -m 644 src/serve/node_modules/uplot/LICENSE "$stage/LICENSE-uPlot"; fi
cp -r docs "$stage/docs"

if [ "$worker" = yes ]; then
  libtorch=${LIBTORCH:-$PWD/.libtorch/torch}
  [ -d "$libtorch/lib" ] || die "no libtorch in $libtorch" "scripts/setup.sh brings it; or --no-worker"
  variant=cpu; [ -e "$libtorch/lib/libtorch_cuda.so" ] && variant=cuda
  say "building the trainer for libtorch with $variant"
  # From its place in the user's folder, worker/VERSION/, to libtorch's (`set_up_in` in src/launch/worker.rs).
  # shellcheck disable=SC2016 # $ORIGIN is the loader's
  GRIDBOARD_RUNPATH='$ORIGIN/../../.libtorch/torch/lib' "$CARGO" build --locked --profile "$PROFILE" --bin gridboard-worker
  mkdir -p "$stage/lib/gridboard"
  install -m 755 "$target/$PROFILE/gridboard-worker" "$stage/lib/gridboard/gridboard-worker-$variant"
  say "the trainer needs glibc $(glibc_of "$stage/lib/gridboard/gridboard-worker-$variant")"
fi

tar -C "$target/package" --owner=0 --group=0 --sort=name -czf "$stage.tar.gz" "${stage##*/}"

python3 - "$stage" "$version" "manylinux_${GLIBC/./_}_$machine" "$target/package" <<'PY'
import base64, hashlib, os, sys, zipfile
stage, version, platform, folder = sys.argv[1:]
tag = f"py3-none-{platform}"
data, info = f"gridboard-{version}.data", f"gridboard-{version}.dist-info"
records = []
with zipfile.ZipFile(os.path.join(folder, f"gridboard-{version}-{tag}.whl"), "w", zipfile.ZIP_DEFLATED) as wheel:
    def add(name, content, mode=0o644):
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        wheel.writestr(entry, content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        records.append(f"{name},sha256={digest},{len(content)}")
    # pip puts `scripts` into bin/ and `data` into the root of the environment.
    for root, folders, names in os.walk(stage):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(root, name)
            place = os.path.relpath(path, stage)
            if place == "bin/gridboard":
                place = f"{data}/scripts/gridboard"
            elif place.startswith(("lib/", "share/")):
                place = f"{data}/data/{place}"
            else:
                continue
            add(place, open(path, "rb").read(), os.stat(path).st_mode & 0o777)
    add(f"{info}/licenses/LICENSE", open(os.path.join(stage, "LICENSE"), "rb").read())
    readme = open(os.path.join(stage, "README.md")).read()
    add(f"{info}/METADATA", f"""Metadata-Version: 2.4
Name: gridboard
Version: {version}
Summary: Sweep orchestrator and experiment tracker: a YAML grid of training runs, ranked, in TensorBoard and SQLite
License-Expression: MIT
License-File: LICENSE
Requires-Python: >=3.9
Provides-Extra: tensorboard
Requires-Dist: tensorboard==2.21.0; extra == "tensorboard"
Requires-Dist: setuptools<81; extra == "tensorboard"
Description-Content-Type: text/markdown

{readme}""".encode())
    add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: gridboard\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())
    records.append(f"{info}/RECORD,,")
    entry = zipfile.ZipInfo(f"{info}/RECORD", (1980, 1, 1, 0, 0, 0))
    wheel.writestr(entry, "\n".join(records) + "\n")
PY
rm -r "$stage"
say "made:"
ls -lh "$target/package" >&2
