"""The program as `pip install topwork` alone brings it, without torch: what it does, and what it says it cannot."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import copied, photos, textile_folder
from topwork.backbones import imagenet_labels
from topwork.tasks import load

from .conftest import MESSAGES, Done, Run

GONE = ("torch", "torchvision", "timm")
ONLY_IN_EXTRAS = (*GONE, "huggingface_hub", "sklearn", "scipy", "joblib", "pandas", "pyarrow")
UNINSTALL = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in GONE else super().find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""
PROGRAM = f"GONE = {ONLY_IN_EXTRAS!r}\n{UNINSTALL}\nfrom topwork.cli import main\nmain()"
SCIKIT_LEARN = f"""GONE = {GONE!r}
{UNINSTALL}
from tests.model.samples import photos, textiles
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from topwork.sklearn import FeatureExtractor, TransferClassifier
files, labels = [*photos()[:10], *textiles("local")[:10]], ["photo"] * 10 + ["cloth"] * 10
for network in (make_pipeline(FeatureExtractor(), SVC()), TransferClassifier()):
    assert network.fit(files[::2], labels[::2]).score(files[1::2], labels[1::2]) == 1
"""


@pytest.fixture
def light(empty_cache: Path) -> Run:
    """The program in a process without torch, with an empty cache."""
    return spawned


def spawned(*given: object) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, given)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "200"},
        timeout=600,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def whole(done: Done) -> str:
    assert done.code == 0, done
    return done.out


def test_a_probe_is_fitted_and_predicts(light: Run, textile: Path, tmp_path: Path) -> None:
    model, image = tmp_path / "model", sorted((textile / "local").iterdir())[0]
    assert "Accuracy on 12 held-out images (test): " in whole(
        light("fit", textile, "-o", model, "--strategy", "probe", "--cv", "2")
    )
    assert (model / "report.html").exists()
    said = whole(light("predict", model, image, "--json"))
    answer = load(model).predict([image])[0]  # with torch at hand, and from the same cache
    assert json.loads(said)["label"] == answer.label
    (single,) = Path(os.environ["TOPWORK_CACHE"]).rglob("single-*.blob")
    single.unlink()  # another machine, or a cleared cache
    assert whole(light("predict", model, image, "--json")) == said
    whole(light("explain", model, "--what", "space", "--data", textile, "-o", tmp_path / "maps"))
    assert (tmp_path / "maps" / "space.png").exists()


def test_the_backbones_are_listed_and_a_default_one_shows_its_facts(light: Run) -> None:
    listed = whole(light("models", "--reads", "image"))
    lines = {line.split()[0]: line for line in listed.splitlines() if line}
    assert lines["lite0"].endswith("yes")
    assert lines["resnet50"].endswith("-")  # whatever the hub's cache holds: what builds it is missing
    assert listed.endswith(f"need PyTorch: {INSTALL}\n")
    assert "\nblocks.6       320      32" in whole(light("models", "lite0"))
    error, hint = light("models", "resnet50").failed()
    assert (error, hint.startswith(INSTALL)) == ("the backbone 'resnet50' needs PyTorch, which is not installed", True)


@pytest.mark.slow
def test_the_whole_job(light: Run, tmp_path: Path) -> None:
    data, model = textile_folder(tmp_path / "data", 12), tmp_path / "model"
    assert "images in 3 classes can be used" in whole(light("check", data, "--report", tmp_path / "check.html"))
    assert "Choice: " in whole(light("advise", data))
    assert "Strategies tried: " in whole(light("fit", data, "-o", model, "--self-contained"))
    assert "Accuracy" in whole(light("evaluate", model, data))
    assert "Page: " in whole(light("report", model, "--data", data, "--check"))
    whole(light("embed", data, "-o", tmp_path / "features.npz"))
    assert np.load(tmp_path / "features.npz", allow_pickle=False)["values"].shape == (36, 1280)
    assert "not installed: pip install 'topwork[torch]'" in whole(light("doctor"))
    lines = whole(light("predict", model, data / "local")).splitlines()
    assert len(lines) == 12


@pytest.mark.slow
def test_the_networks_own_classes_answer(light: Run, tmp_path: Path) -> None:
    """Foolbox's pictures: the number in a name is the class."""
    name = imagenet_labels()[int(photos()[0].stem[-3:])].name
    assert whole(light("predict", "--backbone", "lite0", photos()[0])).split("\t")[1] == name
    data = tmp_path / "data"
    copied(photos()[:4], data / "animal")
    copied(photos()[4:8], data / "artifact")
    done = light("fit", data, "-o", tmp_path / "model", "--strategy", "as-is", "--test", "0")
    assert "ImageNet's classes are used, matched by name" in done.out, done


@pytest.mark.slow
def test_scikit_learns_estimators_work(empty_cache: Path) -> None:
    subprocess.run([sys.executable, "-c", SCIKIT_LEARN], check=True, timeout=120, cwd=Path(__file__).parents[2])


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process nothing finds them, which is what the doors ask."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in GONE else find(name))


def test_without_scikit_learn_its_side_names_its_pip_line() -> None:
    program = f"GONE = {ONLY_IN_EXTRAS!r}\n{UNINSTALL}\nimport topwork.sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MissingExtraError: topwork.sklearn needs scikit-learn, which is not installed" in done.stderr


INSTALL = "pip install 'topwork[torch]'"
DOORS = [
    (("fit", "DATA", "-o", "OUT", "--strategy", "finetune"), "fine-tuning needs PyTorch"),
    (("fit", "DATA", "-o", "OUT", "--backbone", "resnet50"), "the backbone 'resnet50' needs PyTorch"),
    (("fit", "DATA", "-o", "OUT", "--backbone", "no-such-net"), "the backbone 'no-such-net' needs PyTorch"),
    (("fit", "DATA", "-o", "OUT", "--weights", "random"), "the backbone 'lite0' needs PyTorch"),
    (("fit", "DATA", "-o", "OUT", "--weights", "FILE", "--allow-pickle"), "reading net.pth needs PyTorch"),
    (
        ("fit", "DATA", "-o", "OUT", "--strategy", "probe", "--engine", "torch-cpu"),
        "the engine torch-cpu needs PyTorch",
    ),
    (
        ("fit", "DATA", "-o", "OUT", "--strategy", "as-is", "--engine", "torch-cuda"),
        "the engine torch-cuda needs PyTorch",
    ),
    (("explain", "MODEL", "IMAGE", "--what", "attack"), "needs PyTorch"),
    (("fit", "DATA", "-o", "OUT", "--strategy", "scratch"), "training from random weights needs PyTorch"),
    (("report", "MODEL", "--data", "DATA", "--evidence", "-o", "OUT"), "--evidence needs PyTorch"),
]


@pytest.mark.parametrize(("asked", "said"), DOORS, ids=lambda given: " ".join(given[-2:]) if len(given) < 9 else "")
def test_what_needs_torch_says_so_and_how_to_get_it(
    run: Run, model: Path, textile: Path, tmp_path: Path, gone: None, asked: tuple[str, ...], said: str
) -> None:
    (tmp_path / "net.pth").write_bytes(b"weights")
    image = sorted((textile / "local").iterdir())[0]
    places = {"DATA": textile, "OUT": tmp_path / "out", "MODEL": model, "IMAGE": image, "FILE": tmp_path / "net.pth"}
    error, hint = run(*(places.get(word, word) for word in asked)).failed()
    assert error.startswith(said) or said in error
    assert error.endswith(", which is not installed")
    assert hint.startswith(INSTALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_ladder_tells_what_fine_tuning_would_gain_and_how_to_get_it(
    run: Run, tmp_path: Path, gone: None, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topwork.advising import ExpectedGain
    from topwork.tasks.classification.ladder._ladder import Ladder

    hopeful = ExpectedGain(0.05, 0.01, "of the errors", "that can be measured")
    monkeypatch.setattr(Ladder, "expected_gain", lambda ladder, seconds, *, again: hopeful)
    asked = ("fit", textile_folder(tmp_path / "data", 12), "-o", tmp_path / "model", "--size", 64)
    done = run(*asked)
    line = next(line for line in done.out.splitlines() if line.startswith("Not tried: "))
    assert line == (
        "Not tried: fine-tuning, last stages: expected gain 5.0 points, more than the 1.0 points that can be measured "
        f"(of the errors); but it needs PyTorch, which is not installed ({INSTALL})"
    )
    kept = [*(empty_cache / "advice").glob("*/advice.json")]
    shutil.rmtree(tmp_path / "model")
    monkeypatch.undo()  # installed since: it is thought of again
    monkeypatch.setenv("TOPWORK_CACHE", str(empty_cache))
    monkeypatch.setattr(Ladder, "finetuning", lambda ladder, name, stages, *, again: ladder.end(name, "thought again"))
    assert "Not tried" not in run(*asked).out
    assert len([*(empty_cache / "advice").glob("*/advice.json")]) == len(kept) + 1


def test_text_backbones_are_listed_and_the_hub_names_its_pip_line(light: Run) -> None:
    done = light("models", "--reads", "text")
    assert (done.code, "kcelectra" in done.out) == (0, True)
    error, hint = light("fit", MESSAGES, "-o", "OUT", "--backbone", "bert").failed()
    assert ("huggingface_hub" in error, hint) == (True, "pip install 'topwork[tune]'")
