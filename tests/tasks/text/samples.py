"""A model of texts and what was measured of it, put together by hand: no network runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.report.test_model import evaluated, model
from topwork.backbones import Reading, TextBackbone, Weights
from topwork.data import TextDataset
from topwork.engines import EngineChoice
from topwork.features import FeatureTable
from topwork.model import Evaluated
from topwork.tasks.text import TextClassifier

from .checks.conftest import dataset_of

MINILM = TextBackbone(
    "all-MiniLM-L6-v2",
    Weights("package", "0" * 64, "all-MiniLM-L6-v2"),
    "transformer",
    6,
    384,
    384,
    Reading(256),
    languages="English",
    pretrained_on="1.17 billion pairs of sentences",
    licence="Apache-2.0",
)

RIGHT_TO_LEFT = "مرحبا بكم في الفندق، الغرفة نظيفة. می‌خواهم بروم."
KOREAN = "숙소가 역에서 가깝고 100 % 만족합니다.\n다음에도 오겠습니다."
SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CONTROL = "bell \x07, escape \x1b[31m, half \ud83d, turned \u202eback\u202c, \u2066isolated"
LONG = "A word and another one. " * 500
UNBROKEN = "x" * 12_000
TEXTS = (RIGHT_TO_LEFT, KOREAN, SCRIPT, CONTROL, LONG, UNBROKEN, "two\r\nlines\tand a tab", "ok")
CLASSES = ("호텔", '"><b>train')


def texts(rows: int = 64, given: Sequence[str] = TEXTS) -> TextDataset:
    """Each of them several times, in both classes."""
    return dataset_of([given[row // 2 % len(given)] for row in range(rows)], splits=["test"] * rows, classes=CLASSES)


def text_model(found: Evaluated | None, backbone: TextBackbone = MINILM, **changes: Any) -> TextClassifier:
    made = model(found, CLASSES, name="text", **changes)
    record = made.record.model_copy(update={"backbone": backbone.to_dict()})
    return TextClassifier(record, made.head, backbone)


def measured(dataset: TextDataset | None = None, **how: bool) -> Evaluated:
    """With features that no two columns have the same scale of."""
    given = dataset or texts()
    drawn = np.random.default_rng(0).standard_normal((len(given), MINILM.embedding)) * np.arange(1, 385)
    table = FeatureTable(given, MINILM, EngineChoice("openvino", "f32"), ("embedding",), drawn.astype(np.float32))
    return dataclasses.replace(evaluated(given, **how), features=table)
