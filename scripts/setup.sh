#!/usr/bin/env bash
# Brings libtorch into .libtorch/ and the Python tools of the tests into .venv, without root.
# Only a Python package index is needed. Idempotent: what is in place and whole is left alone; an interrupted
# download or unpacking is done again.
#
#   scripts/setup.sh            CPU libtorch, or CUDA where the NVIDIA driver is present
#   scripts/setup.sh --cuda     CUDA libtorch on any machine
#   scripts/setup.sh --cpu      CPU libtorch even beside a driver
#   scripts/setup.sh --no-venv  libtorch alone
#
# An existing LIBTORCH or LIBTORCH_USE_PYTORCH is respected: then nothing is downloaded for libtorch.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH_VERSION=2.13.0       # what tch 0.26 binds
CUDART_VERSION=13.0.96     # named by torch 2.13.0 through cuda-toolkit 13.0.3
CUPTI_VERSION=13.0.85
WHEEL_PYTHON=3.11          # which CPython's wheel is taken: only its C++ libraries are used, so any will do

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$1" >&2; [ $# -gt 1 ] && printf '\nhint: %s\n' "$2" >&2; exit 1; }

variant=auto venv=yes
for argument in "$@"; do
  case $argument in
    --cuda) variant=cuda ;;
    --cpu) variant=cpu ;;
    --no-venv) venv=no ;;
    -h|--help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option \`$argument\`" "known: --cuda, --cpu, --no-venv" ;;
  esac
done

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

setup_libtorch() {
  if [ -n "${LIBTORCH_USE_PYTORCH:-}" ]; then say "LIBTORCH_USE_PYTORCH is set: using that PyTorch"; return; fi
  if [ -n "${LIBTORCH:-}" ] && [ "$LIBTORCH" != "$PWD/.libtorch/torch" ]; then
    [ -d "$LIBTORCH/lib" ] || die "LIBTORCH=$LIBTORCH has no folder lib" "unset it to let this script bring libtorch"
    say "LIBTORCH is set: using $LIBTORCH"; return
  fi
  if [ "$variant" = auto ]; then
    variant=cpu
    if [ -e /proc/driver/nvidia/version ] || command -v nvidia-smi >/dev/null 2>&1; then variant=cuda; fi
  fi
  local stamp=".libtorch/complete-$TORCH_VERSION-$variant"
  if [ -e "$stamp" ]; then say "libtorch $TORCH_VERSION ($variant) is in place"; return; fi

  local machine; machine=$(uname -m)
  [ "$(uname -s)" = Linux ] || die "no libtorch set-up for $(uname -s)" "set LIBTORCH to a libtorch $TORCH_VERSION"
  PIP=$(pip_command)
  say "bringing libtorch $TORCH_VERSION ($variant) into .libtorch/ (download of about 540 MB$([ $variant = cuda ] && echo ', and 2 GB of CUDA libraries'))"
  mkdir -p .libtorch
  rm -rf .libtorch/torch .libtorch/nvidia .libtorch/complete-*
  local abi=cp${WHEEL_PYTHON/./}
  local torch; torch=$(fetch "torch==$TORCH_VERSION" --python-version "$WHEEL_PYTHON" --implementation cp --abi "$abi" \
    --platform "manylinux_2_28_$machine")
  say "unpacking $(basename "$torch")"
  unpack "$torch" torch/lib/ torch/include/ torch/version.py
  if [ "$variant" = cpu ]; then
    # libtorch_cpu.so of this wheel names libcudart and libcupti even where there is no GPU.
    unpack "$(fetch "nvidia-cuda-runtime==$CUDART_VERSION")" nvidia/
    unpack "$(fetch "nvidia-cuda-cupti==$CUPTI_VERSION")" nvidia/
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
    mkdir -p .libtorch/wheels/cuda
    # shellcheck disable=SC2086 # one word a requirement
    $PIP download --quiet --only-binary=:all: --disable-pip-version-check --dest .libtorch/wheels/cuda \
      --python-version "$WHEEL_PYTHON" --implementation cp --abi "$abi" \
      --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" --platform "manylinux_2_25_$machine" \
      --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" $requirements >&2 \
      || die "cannot download the CUDA libraries" "scripts/setup.sh --cpu sets up without them"
    for wheel in .libtorch/wheels/cuda/nvidia_*.whl; do unpack "$wheel" nvidia/; done
  fi
  : >"$stamp"
  rm -rf .libtorch/wheels
  say "libtorch is in place: $(du -sh .libtorch | cut -f1)"
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

setup_libtorch
if [ "$venv" = yes ]; then setup_venv; fi
