from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder, textile_folder
from topwork.backbones import load
from topwork.data import ImageDataset, read, split
from topwork.errors import DataError
from topwork.tasks.classification.strategies import ProbeOptions, fit_best_probe, fit_probe

QUICK = ProbeOptions(stages="last", crop_mode="squash")
NETWORKS = [
    load(weights="random:1", size=64),
    load("lite1", size=64),
    load("mobilenet-v3-small", weights="random:1", size=64),
]


@pytest.fixture(scope="module")
def textile(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> ImageDataset:
    return split(read(textile_folder(tmp_path_factory.mktemp("several") / "data", per_class=20)), test=0.2)


def test_the_one_with_the_lowest_log_loss_is_kept(textile: ImageDataset) -> None:
    said: list[str] = []
    best = fit_best_probe(textile, NETWORKS, QUICK, announce=said.append)
    alone = [fit_probe(textile, network, QUICK) for network in NETWORKS]
    losses = [probe.cv_log_loss for probe in alone]
    assert all(loss is not None for loss in losses)
    winner = int(np.argmin(np.array(losses, float)))
    assert best.table.backbone.name == NETWORKS[winner].name
    assert best.cv_log_loss == losses[winner]
    told = [trial for trial in best.trials if trial.question == "backbone"]
    assert [trial.answer for trial in told] == [network.name for network in NETWORKS]
    assert [trial.log_loss for trial in told] == losses
    assert [trial.chosen for trial in told] == [index == winner for index in range(3)]
    for name, tensor in best.head.to_tensors().items():
        np.testing.assert_array_equal(tensor, alone[winner].head.to_tensors()[name])
    assert {step.partition(":")[0] for step in said} == {network.name for network in NETWORKS}


def test_one_is_compared_with_nothing(textile: ImageDataset) -> None:
    trials = fit_best_probe(textile, NETWORKS[:1], QUICK).trials
    assert {trial.question for trial in trials} <= {"method"}  # ways to scale the features of few images


@pytest.mark.parametrize(
    ("networks", "options", "said"),
    [
        ([NETWORKS[0], NETWORKS[0]], QUICK, "backbone tf_efficientnet_lite0 comes twice"),
        ([], QUICK, "no backbone was given"),
        (NETWORKS[:2], ProbeOptions(head="knn"), "which kNN does without"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    textile: ImageDataset, networks: list[object], options: ProbeOptions, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        fit_best_probe(textile, networks, options)  # type: ignore[arg-type]


def test_two_images_a_class_are_too_few_to_compare(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(easy_folder(tmp_path / "few", count=2)), test=0.5)
    with pytest.raises(DataError, match="too few training images to compare backbones"):
        fit_best_probe(dataset, NETWORKS[:2], QUICK)
