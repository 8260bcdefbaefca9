"""Long texts: several windows are read where what comes later tells the class, and one where it does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from topwork.backbones import TextBackbone
from topwork.data import TextDataset, read_texts
from topwork.tasks.text.strategies import ProbeOptions, fit_best_probe

ALONE = ProbeOptions(layers="last", ngrams=False)


def long_texts(*, late: bool, rows: int = 240) -> TextDataset:
    """80 words each, of which the network reads 30; the class is told by half of them, late or early."""
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for row in range(rows):
        words = [f"w{word}" for word in rng.integers(20, 120, 80)]
        telling = slice(40, 80) if late else slice(0, 25)
        words[telling] = [f"w{row % 2}"] * len(words[telling])
        texts.append(" ".join(words))
        labels.append("ab"[row % 2])
    dataset = read_texts((texts, labels))
    return dataclasses.replace(dataset, splits=np.array(["train"] * rows))


@pytest.mark.parametrize("late", [True, False])
def test_windows_are_chosen_by_measurement(late: bool, network: TextBackbone, cache: object) -> None:
    found = fit_best_probe(long_texts(late=late), [network], ALONE)
    assert found.table.backbone.reading.windows == (4 if late else 1)
    assert {trial.answer for trial in found.trials if trial.question == "windows"} == {"1", "4"}


def test_short_texts_are_not_asked(told: TextDataset, network: TextBackbone, cache: object) -> None:
    found = fit_best_probe(told, [network], ALONE)
    assert not [trial for trial in found.trials if trial.question == "windows"]


def test_windows_may_be_told(network: TextBackbone, cache: object) -> None:
    asked = dataclasses.replace(ALONE, windows=2)
    assert fit_best_probe(long_texts(late=False, rows=40), [network], asked).table.backbone.reading.windows == 2


def test_training_reads_the_windows_that_the_model_will_answer_from(network: TextBackbone, cache: object) -> None:
    pytest.importorskip("torch")
    from topwork.tasks.text.strategies import FinetuneOptions, fit_finetuned
    from topwork.tasks.text.strategies._finetune import default_config

    def history(windows: int) -> list[float]:
        probe = dataclasses.replace(ALONE, windows=windows)
        config = default_config(epochs=2, learning_rate=5e-3, layer_decay=1.0, precision="f32")
        found = fit_finetuned(late, network, FinetuneOptions(probe=probe, config=config, validation=0.3))
        return [epoch.accuracy for epoch in found.history]

    late = long_texts(late=True)
    assert max(history(1)) < 0.7  # what tells the class is not in the first window
    assert min(history(3)) > 0.95
