"""Scores on images that a head has not learnt from, and the alarm that is fitted beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import textile_folder
from topwork.advising import OutOfFold, _out_of_fold, novelty_of
from topwork.backbones import load
from topwork.data import read, split
from topwork.heads import KNNHead
from topwork.metrics import log_loss
from topwork.tasks.classification.strategies import ProbeOptions, fit_probe

from .conftest import MakeTable


def test_a_probes_answers_are_those_that_its_cross_validation_scored(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(textile_folder(tmp_path / "cloth", per_class=12)), test=0.25)
    found = fit_probe(dataset, load(), ProbeOptions(stages="last", crop_mode="crop"))
    assert found.out_of_fold is not None
    assert found.out_of_fold.source == "cross-validation"
    assert set(found.table.dataset.splits[found.out_of_fold.rows]) == {"train"}
    assert len(found.out_of_fold.rows) == 27
    labels = found.table.dataset.labels[found.out_of_fold.rows].astype(np.intp)
    assert (found.out_of_fold.probabilities.argmax(axis=1) == labels).mean() == found.cv_accuracy
    assert log_loss(found.out_of_fold.probabilities, labels) == pytest.approx(found.cv_log_loss, abs=1e-5)
    learnt = found.head.probabilities(found.table.values[found.out_of_fold.rows])
    assert log_loss(learnt, labels) < log_loss(found.out_of_fold.probabilities, labels)  # what it has learnt is easier


def test_a_knn_heads_answers_are_its_neighbours_without_the_image(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(textile_folder(tmp_path / "cloth", per_class=12)), test=0.25)
    found = fit_probe(dataset, load(), ProbeOptions(stages="last", crop_mode="crop", head="knn"))
    assert isinstance(found.head, KNNHead)
    assert found.out_of_fold is not None
    assert len(found.out_of_fold.rows) == 27
    labels = found.table.dataset.labels[found.out_of_fold.rows]
    assert (found.out_of_fold.probabilities.argmax(axis=1) == labels).mean() == found.cv_accuracy
    np.testing.assert_allclose(found.out_of_fold.probabilities.sum(axis=1), 1, atol=1e-6)
    own = found.head.probabilities(found.table.values[found.out_of_fold.rows])
    assert own[np.arange(27), labels].mean() > found.out_of_fold.probabilities[np.arange(27), labels].mean()
    assert novelty_of(found.table, found.out_of_fold, 0) is not None


def test_every_training_image_is_a_reference_and_no_other(make_table: MakeTable) -> None:
    table = make_table(np.arange(60) % 2)
    splits = np.where(np.arange(60) < 40, "train", "test")
    found = novelty_of(dataclasses.replace(table, dataset=dataclasses.replace(table.dataset, splits=splits)), None, 0)
    assert found is not None
    assert found.reference.shape == (40,)


def test_after_fine_tuning_the_validation_images_are_the_references(make_table: MakeTable) -> None:
    table = make_table(np.arange(80) % 2)
    splits = np.where(np.arange(80) < 50, "train", "val")
    parted = dataclasses.replace(table, dataset=dataclasses.replace(table.dataset, splits=splits))
    rows = np.flatnonzero(splits == "val")
    found = novelty_of(parted, OutOfFold("validation", rows, np.full((30, 2), 0.5, np.float32)), 0)
    assert found is not None
    assert found.reference.shape == (30,)


def test_copies_are_not_measured_by_their_like(make_table: MakeTable) -> None:
    """Every image twice: dealt freely, each is known by its copy; as groups, by the others alone."""
    table = make_table(np.arange(80) % 2)
    table = dataclasses.replace(table, values=np.tile(table.values[:40], (2, 1)))
    groups = tuple(f"pair {row % 40}" for row in range(80))
    together = dataclasses.replace(table, dataset=dataclasses.replace(table.dataset, groups=groups))
    free, kept = novelty_of(table, None, 0), novelty_of(together, None, 0)
    assert free is not None
    assert kept is not None
    assert np.median(kept.reference) > 1.05 * np.median(free.reference)


def test_too_few_images_have_no_alarm(make_table: MakeTable) -> None:
    assert novelty_of(make_table(np.arange(18) % 2), None, 0) is None
    assert novelty_of(make_table(np.arange(19) % 2), None, 0) is not None
    assert novelty_of(make_table(np.arange(3) % 2), None, 0) is None


def test_of_very_many_images_a_sample_is_taken(make_table: MakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_out_of_fold, "_MOST", 30)
    found = [novelty_of(make_table(np.arange(90) % 2), None, seed) for seed in (0, 0, 1)]
    assert all(each is not None and each.reference.shape == (30,) for each in found)
    references = [each.reference.tolist() for each in found if each is not None]
    assert references[0] == references[1] != references[2]


def test_rows_and_answers_must_fit() -> None:
    with pytest.raises(ValueError, match="3 rows"):
        OutOfFold("training", np.arange(3), np.ones((2, 2), np.float32))
