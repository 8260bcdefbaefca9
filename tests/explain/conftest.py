"""One network that has learnt something, opened once; real pictures in its square; and how it must be left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from topwork.backbones import load
from topwork.explain import TorchClassifier
from topwork.heads import KNNHead, LinearHead

SIDE = 96  # of the small pictures: what is slow elsewhere takes a second


def traces(classifier: TorchClassifier) -> dict[str, Any]:
    """All that a call could leave behind on a network."""
    modules = list(classifier.module.modules())
    digest = hashlib.sha256()
    for tensor in classifier.module.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    arrays = [*classifier.module.parameters(), *classifier.module.buffers()]  # a fitted head's are buffers
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": sum(len(getattr(module, kind)) for module in modules for kind in kinds),
        "training": [module.training for module in modules],
        "fused": [getattr(module, "fused_attn", None) for module in modules],
        "gradients": [array.grad for array in arrays],
        "asking": [array.requires_grad for array in arrays],
        "numbers": digest.hexdigest(),
    }


def untouched(classifier: TorchClassifier) -> Iterator[TorchClassifier]:
    """The classifier for a test, and afterwards the proof that nothing was left behind on it."""
    before = traces(classifier)
    yield classifier
    assert traces(classifier) == before


@pytest.fixture(scope="session")
def lite0_for_all(shared_cache: Path) -> TorchClassifier:
    return TorchClassifier.of_backbone(load("lite0"), device="cpu")


@pytest.fixture
def lite0(lite0_for_all: TorchClassifier) -> Iterator[TorchClassifier]:
    """Lite0 with ImageNet's classes; every test that uses it proves that it leaves nothing behind."""
    yield from untouched(lite0_for_all)


@pytest.fixture(scope="session")
def small_for_all(shared_cache: Path) -> TorchClassifier:
    return TorchClassifier.of_backbone(load("lite0", size=SIDE), device="cpu")


@pytest.fixture
def small(small_for_all: TorchClassifier) -> Iterator[TorchClassifier]:
    """The same with small pictures, under the same proof."""
    yield from untouched(small_for_all)


@pytest.fixture(scope="session")
def small_squares(small_for_all: TorchClassifier, photos: list[Path]) -> npt.NDArray[np.uint8]:
    """The 20 pictures, small."""
    return small_for_all.squares(photos)


@pytest.fixture(scope="session")
def squares(lite0_for_all: TorchClassifier, photos: list[Path]) -> npt.NDArray[np.uint8]:
    """The 20 ImageNet pictures as Lite0 sees them."""
    return lite0_for_all.squares(photos)


@pytest.fixture(scope="session")
def truths(photos: list[Path]) -> list[int]:
    """Their classes."""
    return [int(photo.stem.rpartition("_")[2]) for photo in photos]


def random_classifier(
    name: str, outputs: tuple[str, ...] | None = None, *, size: int | None = None, seed: int = 0
) -> TorchClassifier:
    """A network that has learnt nothing, with a head of three classes that has not either."""
    backbone = load(name, weights=f"random:{seed}", size=size)
    outputs = outputs or backbone.outputs("last")
    width = sum(map(backbone.width, outputs))
    rng = np.random.default_rng(seed)
    head = LinearHead(
        np.zeros(width, np.float32),
        np.ones(width, np.float32),
        rng.normal(size=(width, 3)).astype(np.float32),
        np.zeros(3, np.float32),
        1.0,
    )
    return TorchClassifier(backbone, outputs, head, ("a", "b", "c"), device="cpu")


def neighbours(classifier: TorchClassifier, images: npt.NDArray[np.uint8], labels: list[int], k: int) -> KNNHead:
    """A nearest-neighbour head that remembers these images."""
    with torch.no_grad():
        features = torch.cat(classifier.module.pooled(classifier.tensor(images)), dim=1).numpy()
    mean, scale = features.mean(axis=0), features.std(axis=0).clip(1e-3)
    bank = (features - mean) / scale
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    return KNNHead(mean, scale, bank, np.array(labels, np.int64), len(classifier.classes), k)
