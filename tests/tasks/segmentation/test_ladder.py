"""The climb: what is tried, what is kept, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tasks.segmentation.made import written
from topwork.advising import Rung
from topwork.backbones import load
from topwork.data import MaskDataset, read_masks
from topwork.tasks.segmentation._ladder import AdviceOptions, climb
from topwork.tasks.segmentation._words import WORDS
from topwork.tasks.segmentation.decoder._options import DecodingOptions, FinetuneOptions, finetune_config


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> MaskDataset:
    found = read_masks(written(tmp_path_factory.mktemp("shapes"), 10, side=64))
    object.__setattr__(found, "splits", np.full(10, "train"))
    return found


def test_without_time_the_probe_stays(dataset: MaskDataset) -> None:
    heard: list[Rung] = []
    found = climb(dataset, load("lite0", size=64), AdviceOptions(budget_seconds=0.5), climbed=heard.append)
    assert found.fitted.strategy == "probe"
    assert [rung.strategy for rung in heard] == ["probe", "decoder"]
    assert heard[1].accuracy is None
    assert "decoder" in found.advice.stopped
    assert [trial.chosen for trial in found.fitted.trials if trial.question == "rung"] == [True]
    lines = "\n".join(WORDS.advised(found.advice))
    assert "10 training images; each of 2 classes is in" in lines
    assert "Choice: probe" in lines


def test_one_image_has_no_judges(tmp_path: Path) -> None:
    one = read_masks(written(tmp_path, 1, side=64))
    object.__setattr__(one, "splits", np.full(1, "train"))
    found = climb(one, load("lite0", size=64), AdviceOptions())
    assert found.fitted.validation is None
    assert "too few images" in found.advice.stopped
    assert WORDS.advised(found.advice)


@pytest.mark.slow
def test_with_time_a_decoder_is_tried_and_the_better_kept(
    dataset: MaskDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.tasks.segmentation._ladder.PRICE", 1e-6)
    monkeypatch.setattr("topwork.advising._plans.PRICE", 1e-6)
    frozen = DecodingOptions(views=1, fit_size=False, width=32)
    options = AdviceOptions(300.0, FinetuneOptions(frozen=frozen, config=finetune_config(epochs=4)))
    found = climb(dataset, load("lite0", size=64), options)
    figures = {rung.strategy: rung.accuracy for rung in found.advice.rungs}
    assert list(figures) == ["probe", "decoder", "finetune"]
    assert figures["decoder"] is not None
    known = {name: each.value for name, each in figures.items() if each is not None}
    assert found.fitted.validation is not None
    assert found.fitted.validation.iou == max(known.values())
