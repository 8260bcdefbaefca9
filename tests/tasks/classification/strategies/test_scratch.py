"""From random weights: drawn as timm draws them, all of the network trains, and the model is like any other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import topwork
from topwork.backbones import Backbone, load
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.tasks.classification.strategies import (
    SCRATCH_NOTE,
    ProbeOptions,
    ScratchOptions,
    default_config,
    fit_scratch,
)
from topwork.tasks.classification.strategies._scratch import _untrained

from .test_finetune import digits as digits
from .test_finetune import network as network

QUICK = ProbeOptions(engine="torch-cpu")


def options(**changes: Any) -> ScratchOptions:
    config = default_config(**{"epochs": 8, "learning_rate": 1e-2, **changes.pop("config", {})})
    return ScratchOptions(**{"probe": QUICK, "config": config, **changes})


def test_it_begins_at_timms_random_weights_of_the_seed(network: Backbone) -> None:
    import timm

    pretrained = dataclasses.replace(network, weights=dataclasses.replace(network.weights, source="package"))
    fresh = _untrained(pretrained, options(probe=dataclasses.replace(QUICK, seed=7)))
    torch.manual_seed(7)
    oracle = timm.create_model("test_resnet", pretrained=False).state_dict()
    state = fresh.module().state_dict()
    assert fresh.weights.source == "random"
    assert all(torch.equal(value, oracle[name]) for name, value in state.items())


def test_every_layer_learns_and_the_model_is_like_any(
    digits: ImageDataset, network: Backbone, shared_cache: Path, tmp_path: Path
) -> None:
    found = fit_scratch(digits, network, options())
    backbone = found.table.backbone
    assert (found.strategy, found.notes[0], found.head.kind) == ("scratch", SCRATCH_NOTE, "linear")
    assert (backbone.weights.source, backbone.pretrained_on) == ("file", "nothing")
    before, after = network.module().state_dict(), backbone.module().state_dict()
    moved = [not torch.equal(value, after[name]) for name, value in before.items() if name.endswith("conv1.weight")]
    assert moved
    assert all(moved)
    test = found.table.split("test")
    right = found.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels
    assert right.mean() > 0.5  # of ten classes
    assert found.out_of_fold is not None
    assert found.out_of_fold.source == "validation"
    assert len(found.history) == 8


def test_the_seed_alone_decides(digits: ImageDataset, network: Backbone, shared_cache: Path) -> None:
    few = options(config={"epochs": 1})
    pretrained = network.with_weights(dataclasses.replace(network.weights, source="package"))
    heads = [fit_scratch(digits, pretrained, few).head.to_tensors() for _ in range(2)]
    assert all(np.array_equal(value, heads[1][name]) for name, value in heads[0].items())


def test_fitted_saved_loaded_and_reported(tmp_path: Path, digits: ImageDataset, shared_cache: Path) -> None:
    backbone = load("test_resnet", weights="random:1", size=32)
    model = topwork.fit(digits, backbone=backbone, strategy="scratch", options=options(config={"epochs": 2}))
    model.save(tmp_path / "model")
    again = topwork.load(tmp_path / "model")
    assert again.record.strategy == "scratch"
    assert SCRATCH_NOTE in again.record.data.notes
    images = [np.full((32, 32, 3), 200, np.uint8)]
    assert again.predict(images)[0].probabilities == pytest.approx(model.predict(images)[0].probabilities, abs=1e-4)
    assert "all of it was trained from random weights" in (tmp_path / "model" / "README.md").read_text()


def test_weights_of_the_users_are_refused(digits: ImageDataset, network: Backbone) -> None:
    given = network.with_weights(dataclasses.replace(network.weights, source="file"))
    with pytest.raises(DataError, match="starts from random weights") as caught:
        fit_scratch(digits, given, options())
    assert caught.value.hint == "give --weights random"
    with pytest.raises(DataError, match="takes one backbone"):
        topwork.fit(digits, backbone=[network, network.replace(size=64)], strategy="scratch")
