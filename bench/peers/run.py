"""topwork beside the tools people use today: same data, same weights, same cores, each as its own process.

    python bench/peers/run.py OUT.jsonl [hymenoptera=FOLDER] [cats-dogs=FOLDER] [--sample]
                              [--python topwork=PATH] [--python fastai=PATH] [--python autogluon=PATH]
                              [--only NAME,NAME] [--time-limit 600] [--few 20]
    python bench/peers/run.py OUT.jsonl table

A FOLDER holds ``train/`` and ``test/``. ``--sample`` adds the textile sample, 1,000 training and 1,000 test images.
``--python`` names the interpreter of an environment; fastai's serves PyTorch's tutorial and Keras too. One row a tool
and data set is appended to OUT.jsonl as soon as it is measured, and what is there already is passed over, so that the
bench may be interrupted and gone on with. ``--few`` takes so many images a class and one epoch: a trial run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import _hub
from _measure import Measured, measured
from _modes import files
from _table import tables

from topwork.data import read, split
from topwork.tasks.classification import sample_folder

HERE = Path(__file__).parent
PREDICTIONS = 3  # cold predictions, of which the median counts
OTHER = "others"  # settings for a data set that is not named


@dataclass(frozen=True)
class Peer:
    """A tool that topwork stands beside.

    Attributes:
        name: As the table has it.
        script: Its program, beside this file.
        environment: Which ``--python`` runs it.
        settings: Arguments of its training by data set; what they are is said in ``told``.
        told: What the settings mean, with a place for each.
    """

    name: str
    script: str
    environment: str
    settings: dict[str, tuple[str, ...]]
    told: str


# The epochs are the documentation's where that ends within ten minutes on two cores; else as many as end in about five.
PEERS = (
    Peer("fastai", "fastai_fine_tune.py", "fastai", {"hymenoptera": ("3",), OTHER: ("1",)}, "fine_tune({})"),
    Peer(
        "PyTorch's tutorial",
        "pytorch_tutorial.py",
        "fastai",
        {"hymenoptera": ("frozen", "25"), "cats-dogs": ("frozen", "4"), OTHER: ("finetune", "3")},
        "{}, {} epochs",
    ),
    Peer("Keras 3", "keras_guide.py", "fastai", {OTHER: ("2", "1")}, "{} epochs frozen, {} whole"),
    Peer("AutoGluon", "autogluon_multimodal.py", "autogluon", {OTHER: ("240",)}, "time_limit={}"),
    Peer("Keras 3, longer", "keras_guide.py", "fastai", {"hymenoptera": ("20", "10")}, "{} epochs frozen, {} whole"),
)
_IMPORTS = {"fastai": ("fastai.vision.all", "torchvision", "keras"), "autogluon": ("autogluon.multimodal",)}
_FEWER = {"finetune": "finetune", "frozen": "frozen", "240": "30"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--only")
    parser.add_argument("--time-limit", type=float, default=600)
    parser.add_argument("--few", type=int)
    options = parser.parse_args()
    if options.data == ["table"]:
        print(tables([json.loads(line) for line in options.out.read_text().splitlines()]))
        return
    with tempfile.TemporaryDirectory() as folder:
        Bench(options, Path(folder)).run()


class Bench:
    """The run: where things lie, which interpreters run what, and which rows are there already."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options = options
        self.work = work
        self.pythons = dict(each.split("=", 1) for each in options.python)
        self.only = set(options.only.split(",")) if options.only else None
        told = options.out.read_text().splitlines() if options.out.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in told]

    def run(self) -> None:
        _hub.make(self.work / "hub")
        self.check_weights()
        for name, data in self.tasks():
            for path in itertools.chain(files(data / "train"), files(data / "test")):
                path.read_bytes()  # nobody pays for the first look at the disk
            self.topwork("topwork", name, data)
            self.topwork("topwork's probe", name, data, "--strategy", "probe")
            for peer in PEERS:
                self.peer(peer, name, data)

    def tasks(self) -> Iterator[tuple[str, Path]]:
        """Name and folder of each data set."""
        given = [each.split("=", 1) for each in self.options.data]
        folders = {name: Path(folder) for name, folder in given}
        if self.options.sample:
            folders["textile"] = exported_sample(self.work / "textile")
        for name, folder in folders.items():
            yield name, (few(folder, self.options.few, self.work / "few" / name) if self.options.few else folder)

    def check_weights(self) -> None:
        """Every environment loads, by name, the very tensors that topwork computes with; its libraries are warm after.

        Raises:
            RuntimeError: One does not.
        """
        expected = _hub.own_digest()
        for name in ("fastai", "autogluon"):
            if name not in self.pythons:
                continue
            command = [self.pythons[name], str(HERE / "_hub.py")]
            told = subprocess.run(command, env=self.environment(), check=True, capture_output=True, text=True)
            if told.stdout.split()[-1] != expected:
                raise RuntimeError(f"the environment {name} loads other weights than topwork")
            for module in _IMPORTS[name]:
                command = [self.pythons[name], "-c", f"import {module}"]
                subprocess.run(command, env=self.environment(KERAS_BACKEND="torch"), check=True)

    def environment(self, **more: str) -> dict[str, str]:
        """The user's, without limits on threads, offline, with the weights where timm looks for them."""
        without = ("OMP_NUM_THREADS", "PYTHONPATH", "TOPWORK_CACHE")
        kept = {name: value for name, value in os.environ.items() if name not in without}
        home = str(self.work / "hub")
        return {**kept, "HF_HOME": home, "HF_HUB_OFFLINE": "1", "KERAS_HOME": str(self.work / "keras"), **more}

    def wanted(self, name: str, data: str) -> bool:
        done = any(row["tool"] == name and row["data"] == data for row in self.rows)
        return not done and (self.only is None or name in self.only)

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        with self.options.out.open("a") as out:
            out.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    def measured(self, command: list[str], **more: str) -> Measured:
        return measured(command, self.environment(**more), self.options.time_limit, self.work / "log")

    def topwork(self, tool: str, name: str, data: Path, *arguments: str) -> None:
        """``topwork fit DATA -o MODEL`` with an empty cache, and again."""
        if not self.wanted(tool, name):
            return
        cache, out = self.work / "cache" / name / tool, self.work / "out" / tool / name
        program = [self.pythons.get("topwork", sys.executable), "-m", "topwork"]
        more = {"TOPWORK_CACHE": str(cache), "PYTHONPATH": str(HERE.parents[1] / "src")}
        fit = [*program, "fit", str(data), "-o", str(out), *arguments]
        found = [self.measured(fit, **more) for _ in range(2)]
        asked = self.measured([*program, "evaluate", str(out), str(data / "test"), "--json", "--quiet"], **more)
        figures = json.loads(asked.output.splitlines()[-1])
        predict = [*program, "predict", str(out), str(one_image(data))]
        elsewhere = self.measured(predict, **{**more, "TOPWORK_CACHE": str(cache.with_name(f"{tool}, elsewhere"))})
        record = json.loads((out / "model.json").read_text())
        chosen = f" (chose {record['strategy']})" if not arguments else ""
        row: dict[str, Any] = {
            "data": name,
            "setting": " ".join(["fit", *arguments]) + chosen,
            "right": round(figures["accuracy"]["value"] * figures["n"]),
            "total": figures["n"],
            "evaluate_seconds": asked.seconds,
            "lines": 1,
            "artefact_mb": size(out),
            "predict_seconds": self.cold(predict, **more),
            "elsewhere_seconds": elsewhere.seconds,
        }
        for again, each in zip(("", ", again"), found, strict=True):
            self.add({**row, "tool": tool + again, **timed(each)})

    def peer(self, peer: Peer, name: str, data: Path) -> None:
        """Train, save, answer for the test images, answer for one in a new process."""
        settings = peer.settings.get(name, peer.settings.get(OTHER))
        if settings is None or not self.wanted(peer.name, name) or peer.environment not in self.pythons:
            return
        out = self.work / "out" / peer.environment / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        if self.options.few:
            settings = tuple(_FEWER.get(each, "1") for each in settings)
        program = [self.pythons[peer.environment], str(HERE / peer.script)]
        trained = self.measured([*program, "train", str(data), str(out), *settings])
        row = {
            "data": name,
            "tool": peer.name,
            "setting": peer.told.format(*settings),
            "lines": user_lines(HERE / peer.script),
            **timed(trained),
        }
        if trained.code != 0:
            print(trained.output[-2000:], file=sys.stderr)
            self.add(row)
            return
        row["artefact_mb"] = size(out)
        asked = self.measured([*program, "evaluate", str(out), str(data / "test")])
        told = next(line[line.index('{"right"') :] for line in asked.output.splitlines() if '{"right"' in line)
        figures = json.loads(told)
        row |= {"right": figures["right"], "total": figures["total"], "evaluate_seconds": figures["seconds"]}
        self.add({**row, "predict_seconds": self.cold([*program, "predict", str(out), str(one_image(data))])})

    def cold(self, command: list[str], **more: str) -> float:
        """Seconds to an answer from a new process, the median of a few.

        Raises:
            RuntimeError: The command fails.
        """
        found = [self.measured(command, **more) for _ in range(PREDICTIONS)]
        if any(each.code != 0 for each in found):
            raise RuntimeError(found[-1].output)
        return statistics.median(each.seconds for each in found)


def timed(found: Measured) -> dict[str, Any]:
    """A row's part about the training itself."""
    return {
        "seconds": found.seconds,
        "processor_seconds": found.processor_seconds,
        "peak_mb": found.peak_mb,
        "code": found.code,
        "others": found.others,
    }


def one_image(data: Path) -> Path:
    return next(files(data / "test"))


def size(folder: Path) -> float:
    """Megabytes (10^6) of what was saved."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def user_lines(script: Path) -> int:
    """Lines that a user writes to train and save: between the two marks, neither blank nor a comment."""
    lines = [line.strip() for line in script.read_text("utf-8").splitlines()]
    between = lines[lines.index("# user code") + 1 : lines.index("# end")]
    return sum(1 for line in between if line and not line.startswith("#"))


def exported_sample(folder: Path) -> Path:
    """The textile sample as ``train/`` and ``test/`` with class folders, the halves that other benches use."""
    dataset = split(read(sample_folder()), test=0.5)
    for index, (label, part) in enumerate(zip(dataset.labels, dataset.splits, strict=True)):
        place = folder / str(part) / dataset.classes[label]
        place.mkdir(parents=True, exist_ok=True)
        source = Path(dataset.full_path(index))
        shutil.copyfile(source, place / source.name)
    return folder


def few(folder: Path, count: int, target: Path) -> Path:
    """So many images of each class and part."""
    for place in sorted(each for each in folder.glob("*/*") if each.is_dir()):
        (target / place.parent.name / place.name).mkdir(parents=True)
        for image in sorted(place.glob("*.[jp]*g"))[:count]:
            shutil.copyfile(image, target / place.parent.name / place.name / image.name)
    return target


if __name__ == "__main__":
    main()
