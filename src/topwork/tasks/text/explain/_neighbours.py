"""The training texts that are most like a text, in the features that the model's head reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.backbones import NGRAMS
from topwork.data import TextDataset
from topwork.engines import NgramScorer
from topwork.features import Progress, extract, extract_few
from topwork.tasks.text.explain._found import Neighbour, Neighbours
from topwork.tasks.text.explain._question import Question

_MOST = 5  # neighbours of a text
_SAME = 1 - 1e-6  # cosine


def neighbours(
    questions: Sequence[Question],
    dataset: TextDataset,
    *,
    cache: bool = True,
    announce: Callable[[str], Progress | None] = lambda step: None,
) -> list[Neighbours]:
    """The most similar training texts of each text.

    Args:
        questions: The texts, all of one model; one or more.
        dataset: The training texts.
        cache: Whether features are looked up and kept on disk.
        announce: Called with what begins.
    """
    model = questions[0].model
    outputs = tuple(name for name in model.record.outputs if name != NGRAMS)
    similar = _by_features(questions, dataset, outputs, cache, announce) if outputs else None
    if similar is None:
        similar = _by_ngrams(questions, dataset, announce("comparing n-grams"))
    rows, cosines = similar
    kind = "features" if outputs else "n-grams"
    return [_neighbours(each, dataset, rows, row, kind) for each, row in zip(questions, cosines, strict=True)]


def _neighbours(
    question: Question, dataset: TextDataset, rows: npt.NDArray[Any], cosines: Float32Array, kind: str
) -> Neighbours:
    nearest = np.argsort(-cosines, kind="stable")[:_MOST]
    told = [(int(rows[place]), float(cosines[place])) for place in nearest]
    found = tuple(
        Neighbour(dataset.paths[row], dataset.text(row), dataset.classes[dataset.labels[row]], min(cosine, 1.0))
        for row, cosine in told
    )
    return Neighbours(question, kind, found)


def _by_features(
    questions: Sequence[Question],
    dataset: TextDataset,
    outputs: tuple[str, ...],
    cache: bool,
    announce: Callable[[str], Progress | None],
) -> tuple[npt.NDArray[Any], Float32Array]:
    """Rows of the data set that can be read (N,), and the cosine of each with each text (Q, N).

    Features are standardised by the training texts first: else what all texts share would make all of them alike.
    """
    model = questions[0].model
    how: Any = {"choice": model.engine_choice, "cache": cache}
    table = extract(dataset, model.backbone, outputs=outputs, **how, progress=announce("features of texts"))
    asked = extract_few([each.text for each in questions], model.backbone, outputs, choice=model.engine_choice)
    mean, scale = table.values.mean(axis=0), table.values.std(axis=0) + 1e-6
    known, new = (_units((values - mean) / scale) for values in (table.values, asked.values))
    places = {name: row for row, name in enumerate(dataset.paths)}
    return np.array([places[name] for name in table.dataset.paths]), new @ known.T


def _units(values: Float32Array) -> Float32Array:
    found: Float32Array = values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-12)
    return found


def _by_ngrams(
    questions: Sequence[Question], dataset: TextDataset, progress: Progress | None
) -> tuple[npt.NDArray[Any], Float32Array]:
    """The same of TF-IDF, which has length one already."""
    scorer = NgramScorer.from_file(Path(questions[0].model.backbone.weights.location))
    asked = np.zeros((len(questions), len(scorer.rarity)), np.float32)
    for vector, question in zip(asked, questions, strict=True):
        places, values = scorer.row(question.text)
        vector[places] = values
    cosines = np.empty((len(questions), len(dataset)), np.float32)
    for row in range(len(dataset)):
        places, values = scorer.row(dataset.text(row))
        cosines[:, row] = asked[:, places] @ values
        if progress is not None and row % 100 == 99:
            progress(row + 1, len(dataset))
    return np.arange(len(dataset)), cosines
