#!/usr/bin/env bash
# Measures Gridboard beside its rivals on this machine and writes benches/RESULTS.md.
#
#   scripts/bench.sh                        every section; over an hour, mostly training
#   scripts/bench.sh --quick                few shapes, few repeats; about ten minutes
#   scripts/bench.sh --only start,noop      these sections; the others keep the figures that they have
#   scripts/bench.sh --images DIR           prepare and train on these images (a folder per class), not generated ones
#   scripts/bench.sh --originals DIR        prepare these, too, as a row of their own: large images as cameras make them
#   scripts/bench.sh --swept runs/tab3      section sweep: tell of this sweep, which was run before, and run none
#   scripts/bench.sh --list                 the sections
#
# Needs scripts/setup.sh and `cargo build --release` first. The rivals of scripts/bench/requirements.txt go into .bench-venv,
# once; one that cannot be installed is reported as missing and the rest is measured. Work files and the figures of every
# section are in .bench-work; both folders can be deleted.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'bench: %s\n' "$*" >&2; }

case " $* " in
  *" -h "*|*" --help "*) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac

command -v python3 >/dev/null || { say "error: python3 is not installed"; exit 1; }
[ -x target/release/gridboard ] || { say "error: no target/release/gridboard: cargo build --release"; exit 1; }

if [ ! -x .bench-venv/bin/python ]; then
  say "making .bench-venv"
  python3 -m venv .bench-venv
fi
python=.bench-venv/bin/python

install() {
  say "installing $*"
  "$python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || say "warning: $1 cannot be installed"
}
case " $* " in *" --list "*) ;; *)
  "$python" scripts/bench/missing.py scripts/bench/requirements.txt | while read -r requirement; do
    case $requirement in
      # The wheels of PyTorch's own index are a tenth of the size of those on PyPI, which bring CUDA along.
      torch==*) "$python" -m pip install --quiet --disable-pip-version-check --retries 0 "$requirement" \
                  --index-url https://download.pytorch.org/whl/cpu 2>/dev/null || install "$requirement" ;;
      *) install "$requirement" ;;
    esac
  done
esac

exec "$python" scripts/bench/main.py "$@"
