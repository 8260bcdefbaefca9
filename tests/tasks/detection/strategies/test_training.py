"""Whole trainings, on small pictures with Lite0's real weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.clocks import Still
from tests.tasks.detection.strategies.samples import shapes
from topwork.backbones import Backbone, load
from topwork.data import BoxDataset, decode
from topwork.errors import BackboneError, DataError
from topwork.features import MapSamples, extract
from topwork.tasks.detection._ladder import AdviceOptions, climb
from topwork.tasks.detection.strategies import (
    FinetuneOptions,
    Fitted,
    HeadOptions,
    ProbeOptions,
    finetune_config,
    fit_finetuned,
    fit_probe,
    judged,
    probe_config,
)
from topwork.tasks.detection.strategies._options import with_enough_steps
from topwork.tasks.detection.strategies._samples import BoxSamples

HEAD: Any = {"channels": 32, "depth": 1, "views": 4, "cache": False}
PROBE = ProbeOptions(**HEAD, config=probe_config(epochs=8, batch_size=4, learning_rate=4e-3, ema_decay=0.95))


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load("lite0", size=128)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> BoxDataset:
    return shapes(tmp_path_factory.mktemp("shapes"), 88, val=8, test=16)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of two epochs where a fine-tuning starts from one."""
    from topwork.tasks.detection.strategies import _finetune

    monkeypatch.setattr(_finetune, "probe_config", lambda **changes: probe_config(epochs=2, **changes))


@pytest.fixture(scope="module")
def probe(dataset: BoxDataset, lite0: Backbone) -> Fitted:
    return fit_probe(dataset, lite0, PROBE)


def test_shapes_are_learnt_from_a_frozen_backbone(dataset: BoxDataset, lite0: Backbone, probe: Fitted) -> None:
    found = judged(probe.head, probe.table, np.flatnonzero(probe.table.dataset.splits == "test"))
    assert found.ap50 > 0.8
    assert probe.strategy == "probe"
    assert probe.table.backbone.weights == lite0.weights
    assert (probe.table.dataset.splits[probe.validation.rows] == "val").all()
    assert probe.validation.dataset.paths == probe.table.select(probe.validation.rows).dataset.paths
    assert len(probe.history) == PROBE.config.epochs


def test_the_frozen_maps_are_the_backbones_to_the_byte(dataset: BoxDataset, lite0: Backbone, probe: Fitted) -> None:
    before = extract(dataset, lite0.replace(crop_mode="squash"), outputs=probe.table.outputs, cache=False)
    assert before.values.tobytes() == np.asarray(probe.table.values).tobytes()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("broken", ["probe", "finetune"])
def test_a_training_that_was_broken_off_ends_with_the_same_bits(
    dataset: BoxDataset, lite0: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from topwork.tasks.detection.strategies import _finetune

    few = dataset.select(np.arange(16))
    short: Any = {"epochs": 2, "batch_size": 6}

    def fitted(checkpoint: Path | None = None, *, resume: bool = False) -> Fitted:
        how: Any = {"checkpoint": checkpoint, "resume": resume}
        if broken == "probe":
            return fit_probe(few, lite0, ProbeOptions(**HEAD, config=probe_config(**short), **how))
        options = FinetuneOptions(unfreeze=2, probe=HeadOptions(**HEAD), config=finetune_config(**short), **how)
        return fit_finetuned(few, lite0, options)

    whole = fitted()
    _break_at(monkeypatch, broken, 1)
    assert any("interrupted" in note for note in fitted(tmp_path / "kept").notes)
    monkeypatch.undo()
    monkeypatch.setattr(_finetune, "probe_config", lambda **changes: probe_config(epochs=2, **changes))
    again = fitted(tmp_path / "kept", resume=True)
    assert [epoch.loss for epoch in again.history] == [epoch.loss for epoch in whole.history]
    assert again.table.backbone.weights == whole.table.backbone.weights
    for name, array in whole.head.arrays.items():
        assert array.tobytes() == again.head.arrays[name].tobytes(), name


def _break_at(monkeypatch: pytest.MonkeyPatch, strategy: str, epoch: int) -> None:
    """Ctrl-C in that epoch's first batch."""
    from topwork.features import MapSamples
    from topwork.tasks.detection.strategies._samples import BoxSamples

    kind: Any = MapSamples if strategy == "probe" else BoxSamples
    batches = kind.batches

    def broken(self: Any, now: int, rows: Any) -> Any:
        if now == epoch:
            raise KeyboardInterrupt
        return batches(self, now, rows)

    monkeypatch.setattr(kind, "batches", broken)


@pytest.mark.usefixtures("quick")
def test_tuned_stages_are_served_as_they_were_trained(
    dataset: BoxDataset, lite0: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's maps under the saved weights are those of the network in torch; what is not trained stays."""
    from topwork.tasks.detection.strategies import _finetune
    from topwork.tasks.detection.strategies._detector import Detector

    kept: list[Detector] = []
    monkeypatch.setattr(_finetune, "_trained", _noting(_finetune._trained, kept))
    monkeypatch.setattr(_finetune.Judged, "beats", lambda self, other: True)
    options = FinetuneOptions(unfreeze=3, probe=HeadOptions(**HEAD), config=finetune_config(epochs=1, batch_size=8))
    fitted = fit_finetuned(dataset.select(np.arange(24)), lite0, options)
    assert fitted.strategy == "finetune"
    assert [(trial.question, trial.answer) for trial in fitted.trials] == [
        ("strategy", "probe"),
        ("strategy", "finetune 3 stages"),
        ("orient", "mirror"),
        ("orient", "any"),
    ]
    tuned, plain = fitted.table.backbone.module().state_dict(), lite0.module().state_dict()
    changed = {name.split(".")[1] for name in plain if not torch.equal(plain[name], tuned[name])}
    assert changed == {"4", "5", "6"}
    assert not any("running" in name for name in plain if not torch.equal(plain[name], tuned[name]))
    (detector,) = kept
    detector.eval()
    preprocessing = fitted.table.backbone.preprocessing
    image = preprocessing(decode(fitted.table.dataset.source(0)))
    with torch.no_grad():
        maps = detector.maps(detector.pixels(torch.tensor(image).permute(2, 0, 1)[None]))
    row = np.concatenate([each.flatten().numpy() for each in maps])
    assert np.corrcoef(row, fitted.table.values[0])[0, 1] > 0.98  # the engine may compute in bfloat16


def _noting(trained: Any, kept: list[Any]) -> Any:
    def noted(detector: Any, *others: Any) -> Any:
        kept.append(detector)
        result = trained(detector, *others)
        return result.__class__(**{**result.__dict__, "best_epoch": 1})

    return noted


@pytest.mark.parametrize(("seconds", "epochs"), [(0.01, 1), (4.0, 4)])
def test_with_a_budget_all_maps_are_made_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch, dataset: BoxDataset, lite0: Backbone, seconds: float, epochs: int
) -> None:
    """At least one view; then every step takes as long, and the schedule fits what is left from its start."""
    shown: list[int] = []
    batches, pictures = MapSamples.batches, BoxSamples.batch
    monkeypatch.setattr(MapSamples, "batches", lambda *given: shown.append(-1) or batches(*given))
    monkeypatch.setattr(BoxSamples, "batch", lambda *given: shown.append(given[1]) or pictures(*given))
    config = probe_config(epochs=2000, batch_size=16, budget_seconds=seconds)
    found = fit_probe(dataset, lite0, replace(PROBE, views=epochs, config=config))
    first = shown.index(-1)
    assert 0 in shown[:first]
    assert set(shown[first:]) == {-1}
    assert len(found.history) < 2000
    assert any("times as long with --budget" in note for note in found.notes)


def test_one_class_and_images_without_boxes(tmp_path: Path, lite0: Backbone) -> None:
    one = shapes(tmp_path, 12, classes=1)
    assert (one.counts == 0).any()
    fitted = fit_probe(one, lite0, replace(PROBE, config=probe_config(epochs=1)))
    assert fitted.head.spec.n_classes == 1


def test_what_cannot_be_learnt_is_refused_with_a_reason(tmp_path: Path, dataset: BoxDataset, lite0: Backbone) -> None:
    bare = dataset.with_boxes([dataset.select(np.flatnonzero(dataset.counts == 0)).boxes(0)] * len(dataset))
    with pytest.raises(DataError, match=r"none of the 64 training images has a box$"):
        fit_probe(bare, lite0, PROBE)
    crowds = replace(dataset, crowd=np.ones(len(dataset.crowd), np.bool_))
    with pytest.raises(DataError, match=r"has a box, but for \d+ marked as a crowd"):
        fit_finetuned(crowds, lite0, FinetuneOptions())
    with pytest.raises(DataError, match="does not know mixup"):
        fit_probe(dataset.select(np.arange(8)), lite0, replace(PROBE, config=probe_config(mixup=0.2)))
    with pytest.raises(BackboneError, match=r"reads 8 stages of .*, so 9 of them cannot be trained"):
        fit_finetuned(dataset.select(np.arange(8)), lite0, FinetuneOptions(unfreeze=9, probe=HeadOptions(**HEAD)))


@pytest.mark.usefixtures("quick")
def test_the_ladder_prices_what_it_does_not_climb(dataset: BoxDataset, lite0: Backbone) -> None:
    options = AdviceOptions(finetune=FinetuneOptions(probe=HeadOptions(**HEAD)))
    heard: list[str] = []
    found = climb(
        dataset.select(np.arange(24)),
        lite0,
        options,
        clock=Still(4),
        climbed=lambda rung: heard.append(rung.name),
    )
    advice = found.advice
    assert heard == [rung.name for rung in advice.rungs] == ["probe", "fine-tuning, last stages", "fine-tuning"]
    assert advice.chosen.name == "probe" == found.fitted.strategy
    assert "seconds" in advice.rungs[1].note
    assert [rung.accuracy for rung in advice.rungs[1:]] == [None, None]
    assert advice.stopped.endswith(advice.rungs[1].note)
    estimate = advice.chosen.accuracy
    assert estimate is not None
    assert estimate.low <= estimate.value == found.fitted.validation.ap50 <= estimate.high
    assert type(advice).from_dict(advice.to_dict()) == advice


@pytest.mark.usefixtures("quick")
def test_the_ladder_climbs_where_there_is_time(dataset: BoxDataset, lite0: Backbone) -> None:
    config = finetune_config(epochs=3, batch_size=8)
    options = AdviceOptions(finetune=FinetuneOptions(unfreeze=1, probe=HeadOptions(**HEAD), config=config))
    advice, fitted = climb(dataset.select(np.arange(16)), lite0, options, clock=Still(900))
    tried = advice.rungs[1]
    assert (tried.accuracy is None) == ("beat its start" in tried.note)
    assert advice.chosen.strategy == fitted.strategy
    assert [plan.tried for plan in advice.plans] == [True]
    assert advice.stopped == "there are no more strategies to try"
    assert 0 < len(fitted.history) <= 3


@pytest.mark.usefixtures("quick")
def test_more_images_are_forecast_from_parts_of_those_there_are(
    dataset: BoxDataset, lite0: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the probe is chosen and there is time; the last point is the probe's own figure."""
    from topwork.tasks.detection import _ladder

    monkeypatch.setattr(_ladder, "best_that_fits", lambda *_: None)
    options = AdviceOptions(finetune=FinetuneOptions(probe=HeadOptions(**HEAD)))
    advice, fitted = climb(dataset.select(np.arange(64)), lite0, options, clock=Still(900))
    told = advice.forecast
    assert told is not None
    assert [point.images for point in told.points] == [15, 31, 64]
    assert told.points[-1].accuracy == pytest.approx(fitted.validation.ap50)
    values = [told.points[-1].accuracy, *(each.accuracy.value for each in told.ahead)]
    assert values == sorted(values)
    few, _ = climb(dataset.select(np.arange(20)), lite0, options, clock=Still(900))
    assert few.forecast is not None
    assert few.forecast.points == ()


def test_few_images_are_gone_through_more_often_unless_somebody_says_how_often() -> None:
    assert with_enough_steps(probe_config(), 7).epochs == 120
    assert with_enough_steps(probe_config(), 160).epochs == 24
    assert with_enough_steps(probe_config(epochs=2), 7).epochs == 2
