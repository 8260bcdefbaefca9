"""One network that has learnt something, opened once; real pictures in its square; and how it must be left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from topwork.backbones import load
from topwork.explain import Subject
from topwork.heads import LinearHead


def traces(subject: Subject) -> dict[str, Any]:
    """All that a call could leave behind on a network."""
    modules = list(subject.module.modules())
    digest = hashlib.sha256()
    for tensor in subject.module.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return {
        "hooks": sum(len(module._forward_hooks) + len(module._backward_hooks) for module in modules),
        "training": [module.training for module in modules],
        "fused": [getattr(module, "fused_attn", None) for module in modules],
        "gradients": [parameter.grad for parameter in subject.module.parameters()],
        "asking": [parameter.requires_grad for parameter in subject.module.parameters()],
        "numbers": digest.hexdigest(),
    }


@pytest.fixture(scope="session")
def lite0_for_all(shared_cache: Path) -> Subject:
    return Subject.of_backbone(load("lite0"), device="cpu")


@pytest.fixture
def lite0(lite0_for_all: Subject) -> Iterator[Subject]:
    """Lite0 with ImageNet's classes; every test that uses it proves that it leaves nothing behind."""
    before = traces(lite0_for_all)
    yield lite0_for_all
    assert traces(lite0_for_all) == before


@pytest.fixture(scope="session")
def squares(lite0_for_all: Subject, photos: list[Path]) -> npt.NDArray[np.uint8]:
    """The 20 ImageNet pictures as Lite0 sees them."""
    return lite0_for_all.squares(photos)


@pytest.fixture(scope="session")
def truths(photos: list[Path]) -> list[int]:
    """Their classes."""
    return [int(photo.stem.rpartition("_")[2]) for photo in photos]


def random_subject(
    name: str, outputs: tuple[str, ...] | None = None, *, size: int | None = None, seed: int = 0
) -> Subject:
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
    return Subject(backbone, outputs, head, ("a", "b", "c"), device="cpu")
