"""Models of cloth whose features are float32, so that an export's script gives the very digits of ``predict``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.model.samples import textile_folder
from topwork import fit, load_backbone
from topwork.backbones import EMBEDDING
from topwork.exporting import _images
from topwork.heads import KNNHead, LinearHead
from topwork.model import Classifier, EngineRecord

WithHead = Callable[[Any], Classifier]

ROWS = 12
"""Rows that exports of tests are compared on, beside the hard cases; a user's are 64."""


@pytest.fixture(scope="package", autouse=True)
def few_rows() -> Iterator[None]:
    """Each export is compared in float32 and in its own precision: with 64 rows that was most of this room's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_images, "LEAST", ROWS)
        yield


@pytest.fixture(scope="session")
def textile(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return textile_folder(tmp_path_factory.mktemp("cloth") / "textile", per_class=12)


@pytest.fixture(scope="session")
def model(textile: Path) -> Classifier:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOPWORK_PRECISION", "f32")
        return fit(textile, strategy="probe", backbone=load_backbone(size=96))  # type: ignore[return-value]


@pytest.fixture
def with_head(model: Classifier) -> WithHead:
    """The model with another head, on the network's last features, and nothing else that reads them."""

    def made(head: Any) -> Classifier:
        engine = EngineRecord(name="openvino", precision="f32", deviation=None)
        update = {"outputs": (EMBEDDING,), "head": head.kind, "engine": engine}
        return Classifier(model.record.model_copy(update=update), head, model.backbone)

    return made


def linear(width: int = 1280, classes: int = 3, **more: Any) -> LinearHead:
    """A head that was never fitted, whose answers are neither all alike nor all sure."""
    rng = np.random.default_rng(0)
    mean, scale = rng.random(width, np.float32), rng.random(width, np.float32) + np.float32(0.5)
    weight = rng.standard_normal((width, classes)).astype(np.float32) / np.float32(width**0.5)
    return LinearHead(mean, scale, weight, rng.random(classes, np.float32), 0.7, **more)


def neighbours(width: int = 1280, classes: int = 3, rows: int = 40) -> KNNHead:
    """Rows of length one, of classes in turn."""
    rng = np.random.default_rng(1)
    bank = rng.standard_normal((rows, width)).astype(np.float32)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    ones = np.ones(width, np.float32)
    return KNNHead(ones * np.float32(0.2), ones, bank, np.arange(rows) % classes, classes, 5)


def changed(answers: Any, **changes: Any) -> Any:
    """Answers of a task with some fields changed."""
    return dataclasses.replace(answers, **changes)
