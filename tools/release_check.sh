#!/usr/bin/env bash
# What a release is held to, beside the tests: the wheel is built and checked, and what is in it works in a clean environment
# of each Python, with the core alone and with everything.
#   PYTHONS="python3.13" EXTRAS="core" tools/release_check.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check build twine
"$work/tools/bin/python" -m build --outdir "$work/dist" . > "$work/build.log" || { tail -20 "$work/build.log"; exit 1; }
"$work/tools/bin/twine" check --strict "$work"/dist/*
for python in ${PYTHONS-python3.11 python3.13}; do
  if ! "$python" -c 1 2>/dev/null; then echo "== $python: not here, left out"; continue; fi
  for extras in ${EXTRAS-core all}; do
    venv="$work/$(basename "$python")-$extras"
    "$python" -m venv "$venv"
    wheel=$(echo "$work"/dist/*.whl)
    [ "$extras" = core ] || wheel="$wheel[$extras]"
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check "$wheel" "conformal-clip-data>=0.1.4" 2> "$work/pip.log"; then
      echo "== $python, $extras: not installable here, left out"; tail -2 "$work/pip.log"; continue
    fi
    cd "$work"  # not beside the sources: what is imported is the wheel's
    "$venv/bin/topwork" --version
    TOPWORK_CACHE="$work/cache" "$venv/bin/topwork" demo --quiet > "$work/demo.log" || { cat "$work/demo.log"; exit 1; }
    TOPWORK_CACHE="$work/cache" "$venv/bin/topwork" doctor > /dev/null
    echo "== $python, $extras: installed, demo and doctor work"
    cd - > /dev/null
    rm -rf "$venv"
  done
done
