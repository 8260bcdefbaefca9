"""What transfer buys: the same held-out images for all, nested sets to learn from, within the budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.model.samples import easy_folder
from topwork.backbones import load
from topwork.data import ImageDataset, read
from topwork.errors import DataError
from topwork.metrics import wilson_interval
from topwork.tasks.classification._transfer import Point, Transfer, _nested, _split, transfer
from topwork.tasks.classification.strategies import ProbeOptions, default_config, fit_probe
from topwork.train import TrainConfig

from .strategies.test_finetune import digits as digits

FOUND = Transfer(
    "lite0",
    100,
    tuple(Point(way, size, right, 2.0) for size, right in ((10, 60), (20, 90)) for way in ("scratch", "probe")),
    ("fine-tuning with 10 training images was left out: too little time (--budget)",),
)


@pytest.mark.slow
def test_it_measures_all_ways_on_the_same_images_within_the_budget(
    digits: ImageDataset, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an ample budget each training has its share; an epoch is enough to see who was asked for what."""
    backbone, told, given = load("test_resnet", weights="random:1", size=32), list[str](), list[float]()

    def short(**fields: Any) -> TrainConfig:
        given.append(fields["budget_seconds"])
        return default_config(**{**fields, "epochs": 1})

    module = sys.modules[transfer.__module__]  # its package has a function of that name
    monkeypatch.setattr(module, "default_config", short)
    found = transfer(digits, backbone, budget=1e6, seed=0, cache=True, announce=told.append)
    sizes = (360, 360, 180, 180, 90, 90)  # of what is left, as nothing of it was spent
    assert given == pytest.approx([0.6e6 * size / sum(sizes[place:]) for place, size in enumerate(sizes)], rel=0.01)
    assert found.skipped == ()
    assert [(each.images, each.way) for each in found.points] == [
        (size, way) for size in (90, 180, 360) for way in ("scratch", "probe", "fine-tuning")
    ]
    assert found.judged == 120
    probe = fit_probe(digits, backbone, ProbeOptions(stages="last", crop_mode="crop"))
    test = probe.table.split("test")
    right = (probe.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).sum()
    assert next(each.right for each in found.points if (each.images, each.way) == (360, "probe")) == right
    assert any("180 images: training from random weights" in text for text in told)


def test_without_time_there_are_the_probes_alone(digits: ImageDataset, shared_cache: Path) -> None:
    backbone = load("test_resnet", weights="random:1", size=32)
    found = transfer(digits, backbone, budget=1e-3, seed=0, cache=True, announce=lambda text: None)
    assert [each.way for each in found.points] == ["probe"] * 3
    assert len(found.skipped) == 6
    assert all("too little time (--budget)" in each for each in found.skipped)


def test_each_set_is_within_the_next_and_all_have_the_held_out_images(digits: ImageDataset) -> None:
    small, middle, large = _nested(digits, 0).values()
    assert set(small.paths) < set(middle.paths) < set(large.paths) == set(digits.paths)
    assert all(len(each.split("test")) == 120 for each in (small, middle, large))
    assert (np.bincount(small.split("train").labels) >= 5).all()


def test_it_is_told_in_a_line_in_a_table_and_in_a_picture() -> None:
    assert FOUND.headline.startswith("lite0 with 20 training images: scratch 90.0% in 2 s, probe 90.0% in 2 s")
    low, high = wilson_interval(60, 100)
    assert f"60.0% ({100 * low:.1f} to {100 * high:.1f})" in FOUND.lines[1]
    assert FOUND.lines[-1] == FOUND.skipped[0]
    assert FOUND.to_dict()["points"][0]["interval"] == (low, high)
    assert FOUND.picture().shape == (420, 760, 3)
    assert FOUND.picture().std() > 0


def test_copies_of_a_held_out_image_are_not_learnt(tmp_path: Path) -> None:
    for number in range(3):
        easy_folder(tmp_path / f"{number}", count=4)
        for name in ("photo", "textile"):
            for file in (tmp_path / f"{number}" / name).iterdir():
                place = tmp_path / "data" / name / f"{number}-{file.name}"
                place.parent.mkdir(parents=True, exist_ok=True)
                file.rename(place)
    whole = _split(read(tmp_path / "data"), 0, lambda text: None)
    held = {path.partition("-")[2] for path in whole.split("test").paths}
    assert held
    assert not held & {path.partition("-")[2] for path in whole.split("train").paths}


def test_too_few_images_are_refused(digits: ImageDataset) -> None:
    few = digits.select(np.flatnonzero(digits.splits == "test"))
    with pytest.raises(DataError, match="too few to compare sizes"):
        _nested(few, 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--budget", "soon"], "it takes a time such as 90s, 5m or 1h, not 'soon'"),
        (["--budget", "0"], "it takes a time"),
        (["--most", "5"], "--most is for --what robustness, corruptions, not for transfer"),
    ],
)
def test_a_wrong_command_line_is_told(run: Run, tmp_path: Path, given: list[str], said: str) -> None:
    done = run("explain", tmp_path, "--what", "transfer", *given)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_folder_without_images_is_told(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    done = run("explain", tmp_path, "--what", "transfer", "-o", tmp_path / "out")
    assert (done.code, done.out) == (1, "")
    assert "no" in done.err
    assert "internal error" not in done.err
    assert not (tmp_path / "out").exists()
