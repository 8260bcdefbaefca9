"""N-grams as a strategy: fitted on training texts alone, judged out of fold, saved with the model."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

import topwork
from topwork.backbones import NGRAMS, TextBackbone
from topwork.data import TextDataset, read_texts
from topwork.errors import MissingExtraError, ModelError
from topwork.features import extract
from topwork.tasks.text.strategies import NgramOptions, ProbeOptions, fit_ngrams

pytest.importorskip("sklearn")

LINEAR = ProbeOptions(layers="last", method="logistic")  # of few texts auto may take lengths of one, which do not blend


def test_a_word_that_tells_the_class_is_found(told: TextDataset) -> None:
    found = fit_ngrams(told, NgramOptions())
    test = found.table.split("test")
    assert (found.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean() > 0.9
    assert found.cv_accuracy is not None
    assert found.cv_accuracy > 0.9
    assert (found.table.backbone.family, found.table.outputs) == ("ngrams", (NGRAMS,))


def test_drawn_classes_are_not_learnt(noise: TextDataset) -> None:
    """Were a training text scored by a table that was fitted on it, this would look perfect."""
    found = fit_ngrams(noise, NgramOptions())
    assert found.cv_accuracy is not None
    assert found.cv_accuracy < 0.65


def test_held_out_texts_are_scored_as_a_saved_model_scores_them(told: TextDataset) -> None:
    found = fit_ngrams(told, NgramOptions())
    test = told.split("test")
    again = extract(test, found.table.backbone, outputs=(NGRAMS,), cache=False)
    np.testing.assert_allclose(again.values, found.table.split("test").values, atol=1e-5)


def test_held_out_texts_teach_nothing(told: TextDataset) -> None:
    texts = [told.text(row) if split != "test" else "other words" for row, split in enumerate(told.splits)]
    changed = read_texts((texts, [told.classes[label] for label in told.labels]))
    changed = dataclasses.replace(changed, splits=told.splits)
    ours, theirs = (fit_ngrams(each, NgramOptions()).table.split("train").values for each in (told, changed))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("counts", [(3, 1), (2, 2)])
def test_few_texts_are_no_error(counts: tuple[int, int]) -> None:
    texts = [f"{name} word {number}" for name, count in zip("ab", counts, strict=True) for number in range(count)]
    dataset = read_texts((texts, [text[0] for text in texts]))
    whole = dataclasses.replace(dataset, splits=np.array(["train"] * len(texts)))
    assert fit_ngrams(whole, NgramOptions()).head.n_classes == 2


def test_without_scikit_learn_it_says_what_installs_it(told: TextDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError) as refused:
        fit_ngrams(told, NgramOptions())
    assert "pip install 'topwork[text]'" in refused.value.hint


def test_network_and_n_grams_together_are_one_linear_head(
    told: TextDataset, network: TextBackbone, tmp_path: Path, cache: Path
) -> None:
    model = topwork.fit(told, task="text", strategy="probe", backbone=network, options=LINEAR)
    trials = {trial.answer.partition(",")[0]: trial for trial in model.record.trials if trial.question == "counts"}
    assert set(trials) == {"network", "n-grams", "both"}
    lowest = min(trials.values(), key=lambda trial: trial.log_loss or 9)
    assert lowest.chosen
    folder = model.save(tmp_path / "model")
    again = topwork.load(folder)
    texts = [told.text(row) for row in range(20)]
    assert [each.probabilities for each in again.predict(texts)] == [
        each.probabilities for each in model.predict(texts)
    ]


def test_a_model_needs_nothing_but_its_folder(
    told: TextDataset, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = topwork.fit(told, task="text", strategy="ngrams")
    folder = model.save(tmp_path / "model")
    said = [each.probability for each in model.predict(["w1 w30", "w5 w31"])]
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "elsewhere"))
    moved = folder.rename(tmp_path / "moved")
    assert [each.probability for each in topwork.load(moved).predict(["w1 w30", "w5 w31"])] == said


def test_a_changed_table_is_refused(told: TextDataset, network: TextBackbone, tmp_path: Path, cache: Path) -> None:
    model = topwork.fit(told, task="text", strategy="probe", backbone=network, options=LINEAR)
    if NGRAMS not in model.record.outputs or model.backbone.family == "ngrams":
        pytest.skip("n-grams were not blended in")
    folder = model.save(tmp_path / "model")
    table = folder / "ngrams.safetensors"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="missing or was changed"):
        topwork.load(folder)
