"""Record what the command line answers on real data sets, and compare two recordings: new names change no number.

    python tools/recorded_run.py record BEFORE flowers=FOLDER cloth=FOLDER     # of the topwork that is imported
    python tools/recorded_run.py record AFTER flowers=FOLDER cloth=FOLDER      # of another one, by PYTHONPATH
    python tools/recorded_run.py compare BEFORE AFTER --renamed part=split

Each data set gets a probe: ``fit``, ``evaluate`` and ``predict`` in processes of their own that share a fresh cache.
The first one gets ``as-is`` and, on 60 images a class, one epoch of ``finetune`` as well. All numbers, all words and a
digest of every tensor are compared exactly; times, dates, versions and places on the disk are not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

import topwork

SEED = ("--seed", "0")
PREDICTED = 20  # images of each data set
SUBSET = 60  # images a class for the training of a network
NOT_COMPARED = {"seconds", "samples_per_second", "versions", "created"}
ABSENT = object()

Leaf = tuple[str, ...]


def record(out: Path, data_sets: dict[str, Path]) -> None:
    """Run the commands and keep what they say in ``out/record.json``, the models beside it."""
    print("recording", topwork.__file__, file=sys.stderr)
    out.mkdir(parents=True)
    found: dict[str, Any] = {}
    for name, data in data_sets.items():
        found[name] = {"probe": _run(out / name, data, ["--strategy", "probe"])}
        if len(found) > 1:
            continue
        few = _subset(data, out / f"{name}-few")
        tuning = ["--strategy", "finetune", "--epochs", "1", "--unfreeze", "1"]
        found[name]["as-is"] = _run(out / f"{name}-as-is", data, ["--strategy", "as-is"])
        found[name]["finetune"] = _run(out / f"{name}-finetune", few, tuning)
    (out / "record.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _run(model: Path, data: Path, how: Sequence[str]) -> dict[str, Any]:
    """What three commands say of one model, and what lies in its folder."""
    with tempfile.TemporaryDirectory() as cache:
        commands = {
            "fit": ["fit", str(data), "-o", str(model), *how, *SEED],
            "evaluate": ["evaluate", str(model), str(data), *SEED],
            "predict": ["predict", str(model), *map(str, _some_images(data))],
        }
        said = {name: _say(words, cache, {str(model): "MODEL", str(data): "DATA"}) for name, words in commands.items()}
    history = model / "history.jsonl"
    epochs = [json.loads(line) for line in history.read_text("utf-8").splitlines()] if history.exists() else []
    return {**said, "history": epochs, "tensors": {file.name: _digests(file) for file in model.glob("*.safetensors")}}


def _say(words: Sequence[str], cache: str, places: dict[str, str]) -> list[Any]:
    """The JSON lines of one command, with places on the disk replaced by words."""
    print("topwork", *words[:4], "…", file=sys.stderr)
    command = [sys.executable, "-m", "topwork", *words, "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TOPWORK_CACHE": cache})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    text = done.stdout
    for place, word in places.items():
        text = text.replace(json.dumps(place)[1:-1], word)
    return [json.loads(line) for line in text.splitlines()]


def _some_images(data: Path) -> list[Path]:
    """The same few images each time, spread over the test part, or over everything where there are no parts."""
    part = data / "test" if (data / "test").is_dir() else data
    files = sorted(file for file in part.rglob("*") if file.is_file() and file.suffix.lower() in (".jpg", ".png"))
    return files[:: max(len(files) // PREDICTED, 1)][:PREDICTED]


def _subset(data: Path, out: Path) -> Path:
    """A copy of the first images of each class folder."""
    folders = sorted({file.parent for file in data.rglob("*") if file.is_file()})
    for folder in folders:
        target = out / folder.relative_to(data)
        target.mkdir(parents=True)
        for file in sorted(folder.iterdir())[:SUBSET]:
            shutil.copy(file, target)
    return out


def _digests(file: Path) -> dict[str, str]:
    """Shape, type and SHA-256 of each tensor."""
    return {
        name: f"{value.dtype} {list(value.shape)} {hashlib.sha256(value.tobytes()).hexdigest()}"
        for name, value in load_file(file).items()
    }


def compare(before: Path, after: Path, renamed: Sequence[str] = (), left_out: Sequence[str] = ()) -> int:
    """Print every difference between two recordings and give their number.

    Args:
        before: Folder that ``record`` made.
        after: Another one.
        renamed: ``old=new``: steps of a place with dots between them, such as ``fit.0.mapping=fit.0.task.mapping``.
        left_out: Keys that are not compared, with all below them.
    """
    rules = [tuple(tuple(side.split(".")) for side in rule.split("=")) for rule in renamed]
    old, new = (
        dict(_leaves(json.loads((folder / "record.json").read_text("utf-8")), NOT_COMPARED | set(left_out)))
        for folder in (before, after)
    )
    old = {_renamed(place, rules): value for place, value in old.items()}
    places = sorted(old.keys() | new.keys())
    differing = [place for place in places if old.get(place, ABSENT) != new.get(place, ABSENT)]
    for place in differing:
        sides = [json.dumps(side[place], ensure_ascii=False) if place in side else "–" for side in (old, new)]
        print(".".join(place), *sides, sep="\n  ")
    print(f"{len(places)} values compared, {len(differing)} differ")
    return len(differing)


def _leaves(value: Any, left_out: set[str], place: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    if isinstance(value, (dict, list)) and value:
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in left_out:
                yield from _leaves(below, left_out, (*place, str(key)))
    else:
        yield place, value


def _renamed(place: Leaf, rules: Sequence[Sequence[Leaf]]) -> Leaf:
    """The place after every rule, wherever its steps stand in it one after the other."""
    for old, new in rules:
        for start in range(len(place) - len(old), -1, -1):
            if place[start : start + len(old)] == old:
                place = (*place[:start], *new, *place[start + len(old) :])
    return place


def _data_set(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER")
    return name, Path(folder).resolve()


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run the commands and keep what they say")
    recording.add_argument("out", type=Path, help="folder to make")
    recording.add_argument("data_sets", type=_data_set, nargs="+", metavar="NAME=FOLDER", help="class folders")
    comparing = commands.add_parser("compare", help="tell what differs; exit code 1 where something does")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--renamed", action="append", default=[], metavar="OLD=NEW", help="a key's steps with dots")
    comparing.add_argument("--left-out", action="append", default=[], metavar="KEY", help="not compared")
    asked = parser.parse_args()
    if asked.command == "record":
        record(asked.out.resolve(), dict(asked.data_sets))
    elif compare(asked.before, asked.after, asked.renamed, asked.left_out):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
