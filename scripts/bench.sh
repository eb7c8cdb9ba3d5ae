#!/usr/bin/env bash
# Measures Gridboard beside its rivals on this machine and writes benches/RESULTS.md.
#
#   scripts/bench.sh                        every section; hours, mostly training
#   scripts/bench.sh --quick                few shapes, few repeats; about ten minutes
#   scripts/bench.sh --only start,noop      these sections; the others keep the figures that they have
#   scripts/bench.sh --images DIR           prepare these images (a folder per class), not generated ones
#   scripts/bench.sh --list                 the sections
#
# Needs scripts/setup.sh and `cargo build --release` first. The rivals go into .bench-venv, once; one that cannot be
# installed is reported as missing and the rest is measured. Work files are in .bench-work; both can be deleted.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'bench: %s\n' "$*" >&2; }

case " $* " in
  *" -h "*|*" --help "*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac

command -v python3 >/dev/null || { say "error: python3 is not installed"; exit 1; }
[ -x target/release/gridboard ] || { say "error: no target/release/gridboard: cargo build --release"; exit 1; }

if [ ! -x .bench-venv/bin/python ]; then
  say "making .bench-venv"
  python3 -m venv .bench-venv
fi
python=.bench-venv/bin/python

# rival MODULE REQUIREMENT...: installs the requirements unless the module is there.
rival() {
  local module=$1; shift
  if "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$module') is None)"; then return; fi
  say "installing $*"
  "$python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || say "warning: $* cannot be installed"
}
case " $* " in *" --list "*) ;; *)
  rival numpy numpy
  rival cv2 opencv-python-headless
  rival tensorboardX tensorboardX
  rival optuna optuna
  rival tensorboard tensorboard 'setuptools<81'
  rival tensorflow tensorflow-cpu keras
  # The wheels of PyTorch's own index are a tenth of the size of those on PyPI, which bring CUDA along.
  "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)" \
    || "$python" -m pip install --quiet --disable-pip-version-check --retries 0 torch \
         --index-url https://download.pytorch.org/whl/cpu 2>/dev/null \
    || rival torch torch
  rival ray 'ray[tune]'
  rival dvc dvc
esac

exec "$python" scripts/bench/main.py "$@"
