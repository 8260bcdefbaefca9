"""The probe of texts and its n-grams: what is told of a head is what the saved model does, on any machine."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from topwork.advising import novelty_of
from topwork.backbones import NGRAMS, TextBackbone, load_text
from topwork.data import TextDataset, read_texts, split
from topwork.errors import BackboneError, DataError
from topwork.features import extract
from topwork.tasks import load
from topwork.tasks.text import TASK
from topwork.tasks.text.strategies import (
    NgramOptions,
    ProbeOptions,
    ZeroShotOptions,
    _ngrams,
    blend_of,
    counted_head,
    fit_best_probe,
    fit_ngrams,
    fit_zero_shot,
    network_heads,
)
from topwork.tasks.text.strategies._blend import Side, blended, out_of_fold

from ..conftest import WORDS, marked

pytest.importorskip("sklearn")


def quiet(text: str) -> None:
    return None


def heads(dataset: TextDataset, backbone: TextBackbone, **how: Any) -> tuple[Any, Any]:
    options = ProbeOptions(layers="last", **how)
    return network_heads(dataset, backbone, options, announce=quiet)[0], counted_head(dataset, options, announce=quiet)


def vectors_of(folder: Path) -> TextBackbone:
    """A vector for each word, drawn."""
    drawn = np.random.default_rng(0).standard_normal((len(WORDS), 24))
    lines = (f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS, drawn, strict=True))
    (folder / "drawn.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return load_text("drawn", weights=folder / "drawn.txt")


@pytest.fixture
def vectors(tmp_path: Path, cache: Path) -> TextBackbone:
    return vectors_of(tmp_path)


@pytest.fixture(scope="module")
def shuffled() -> TextDataset:
    """Texts whose labels say nothing; some words are in few of them, so a table of n-grams knows each by heart."""
    return split(read_texts(marked(240, random=True)), test=0.25, seed=0)


def test_scores_of_training_texts_know_nothing_of_their_own_labels(shuffled: TextDataset, cache: Path) -> None:
    found = fit_ngrams(shuffled, NgramOptions())
    assert found.cv_accuracy is not None
    train = found.table.split("train")
    assert (train.values.argmax(axis=1) == train.dataset.labels).mean() < 0.65
    assert found.cv_accuracy < 0.65
    known = extract(train.dataset, found.table.backbone, outputs=(NGRAMS,)).values  # by the table of all of them
    assert (known.argmax(axis=1) == train.dataset.labels).mean() > 0.95


def test_scores_of_ngrams_raise_no_alarm(shuffled: TextDataset, cache: Path) -> None:
    """New texts' scores are larger than those out of fold, so one in ten texts of the same kind would be strange."""
    assert novelty_of(fit_ngrams(shuffled, NgramOptions()).table, None, 0) is None


def test_labels_of_the_test_split_change_nothing(told: TextDataset, cache: Path) -> None:
    held = told.splits == "test"
    other = dataclasses.replace(told, labels=np.where(held, 1 - told.labels, told.labels).astype(told.labels.dtype))
    one, two = (fit_ngrams(each, NgramOptions()) for each in (told, other))
    np.testing.assert_array_equal(one.table.values, two.table.values)
    np.testing.assert_array_equal(one.head.weight, two.head.weight)  # type: ignore[union-attr]


def test_a_blend_says_what_its_two_heads_say_together(told: TextDataset, vectors: TextBackbone) -> None:
    read, counts = heads(told, vectors, method="logistic")
    labels = read.table.split("train").dataset.labels.astype(np.int64)
    sides = [Side(each.fit.head, each.table, out_of_fold(each.fit)) for each in (read, counts)]
    (head, table, _), share = blended(sides[0], sides[1], labels)
    assert table.outputs == ("embedding", NGRAMS)
    one, other = (each.fit.head.logits(each.table.values) / each.fit.head.temperature for each in (read, counts))
    expected, found = (1 - share) * one + share * other, head.logits(table.values)
    temperature = np.median(expected / found)
    np.testing.assert_allclose(found * temperature, expected, atol=1e-3)


def test_of_a_head_on_rows_of_length_one_and_ngrams_the_better_is_taken(
    told: TextDataset, vectors: TextBackbone
) -> None:
    read, counts = heads(told, vectors, method="normalised")
    assert read.fit.head.normalised
    found = blend_of(read.probe(), read.fit, counts.probe(), counts.fit)
    best = min((read.probe(), counts.probe()), key=lambda probe: probe.cv_log_loss)
    assert found.table.outputs == best.table.outputs
    assert [trial.answer for trial in found.trials if trial.question == "counts"] == ["network", "n-grams"]


@pytest.mark.parametrize("whole", [False, True], ids=["plain", "self-contained"])
def test_a_saved_model_answers_elsewhere_as_it_was_measured(
    told: TextDataset, vectors: TextBackbone, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = ProbeOptions(layers="last", method="logistic")
    model = topwork.fit(told, backbone=vectors, task="text", strategy="probe", options=how)
    texts = [told.text(row) for row in range(0, len(told), 7)]
    expected = model.predict_proba(texts)
    model.save(tmp_path / "model", self_contained=whole)
    shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "drawn.txt").unlink()
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "another"))
    again = load(tmp_path / "elsewhere")
    np.testing.assert_array_equal(again.predict_proba(texts), expected)  # type: ignore[attr-defined]
    found = again.evaluate(told).evaluation
    assert found.to_dict() == model.metrics.to_dict()


def test_classes_that_the_vectors_do_not_know_are_named(told: TextDataset, vectors: TextBackbone) -> None:
    with pytest.raises(BackboneError, match="knows nothing of 'a'") as error:
        fit_zero_shot(told, vectors, ZeroShotOptions())
    assert "--descriptions" in (error.value.hint or "")
    assert fit_zero_shot(told, vectors, ZeroShotOptions(descriptions={"a": ("w1",), "b": ("w5",)})).head.n_classes == 2


def test_the_same_backbone_twice_is_refused(told: TextDataset, vectors: TextBackbone) -> None:
    with pytest.raises(DataError, match="twice"):
        fit_best_probe(told, [vectors, vectors], ProbeOptions())


def test_links_are_followed_where_that_is_asked_for(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "real" / name).mkdir(parents=True)
        (tmp_path / "real" / name / "1.txt").write_text("words", "utf-8")
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).symlink_to(tmp_path / "real" / name)
    with pytest.raises(DataError, match="class folders"):
        TASK.read(tmp_path / "set")
    assert len(TASK.read(tmp_path / "set", follow_links=True)) == 2


def test_what_is_counted_stays_small_and_keeps_what_is_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ngrams, "_CROWDED", 100)
    rng = np.random.default_rng(0)
    count: Counter[str] = Counter()
    for name in rng.zipf(1.3, 20_000).tolist():
        count[f"w{name}"] += 1
        _ngrams._thin(count)
        assert len(count) <= 100
    assert {f"w{name}" for name in range(1, 6)} <= {name for name, _ in count.most_common(6)}
