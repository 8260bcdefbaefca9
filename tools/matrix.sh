#!/usr/bin/env bash
# The tests that are not slow, on each Python and torch that topwork supports and that can be installed here.
# PYTHONS and OLDEST may name others:  PYTHONS=python3.13 OLDEST="torch==2.8.* torchvision==0.23.*" tools/matrix.sh
set -euo pipefail
cd "$(dirname "$0")/.."
for python in ${PYTHONS-python3.11 python3.13}; do
  if ! "$python" -c 1 2>/dev/null; then echo "== $python: not here, left out"; continue; fi
  for torch in "${OLDEST-torch==2.6.* torchvision==0.21.*}" "torch torchvision"; do
    venv=$(mktemp -d)
    trap 'rm -rf "$venv"' EXIT
    "$python" -m venv "$venv"
    # shellcheck disable=SC2086  # two requirements
    if ! "$venv/bin/python" -m pip install --quiet $torch -e '.[test]'; then echo "== $python, $torch: not installable here, left out"; continue; fi
    echo "== $python, $("$venv/bin/python" -c 'import torch; print(torch.__version__)')"
    OMP_NUM_THREADS=1 TOPWORK_CACHE="$venv/cache" "$venv/bin/pytest" -n auto --dist worksteal -m "not slow"
    rm -rf "$venv"
  done
done
