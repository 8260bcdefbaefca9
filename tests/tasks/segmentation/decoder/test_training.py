"""Whole trainings, on small pictures with Lite0's real weights."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork
from tests.tasks.segmentation.made import written
from topwork.backbones import Backbone, load
from topwork.data import MaskDataset, read_masks, split
from topwork.errors import BackboneError, DataError
from topwork.features import MapSamples
from topwork.tasks.segmentation.decoder import DecoderHead
from topwork.tasks.segmentation.decoder._finetune import fit_finetuned
from topwork.tasks.segmentation.decoder._frozen import fit_decoder
from topwork.tasks.segmentation.decoder._network import Network
from topwork.tasks.segmentation.decoder._options import (
    DecoderOptions,
    DecodingOptions,
    FinetuneOptions,
    decoder_config,
    finetune_config,
)
from topwork.tasks.segmentation.decoder._ready import ready
from topwork.tasks.segmentation.decoder._samples import MaskSamples
from topwork.tasks.segmentation.strategies import Fitted

SMALL: Any = {"width": 32, "views": 2, "orient": "mirror", "part": 32}
SHORT: Any = {"epochs": 2, "batch_size": 4}


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    """It sees squares of 64 pixels, and learns from parts of 32."""
    return load("lite0", size=64)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> MaskDataset:
    return split(read_masks(written(tmp_path_factory.mktemp("masks"), 10)), test=0.2, seed=0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen decoder of two epochs where a fine-tuning starts from one."""
    from topwork.tasks.segmentation.decoder import _finetune

    monkeypatch.setattr(_finetune, "decoder_config", lambda **changes: decoder_config(**SHORT, **changes))


def fitted(
    dataset: MaskDataset, backbone: Backbone, strategy: str, checkpoint: Path | None = None, *, resume: bool = False
) -> Fitted:
    how: Any = {"checkpoint": checkpoint, "resume": resume}
    if strategy == "decoder":
        return fit_decoder(dataset, backbone, DecoderOptions(**SMALL, config=decoder_config(**SHORT), **how))
    options = FinetuneOptions(2, finetune_config(**SHORT), DecodingOptions(**SMALL), **how)
    return fit_finetuned(dataset, backbone, options)


@pytest.mark.parametrize("strategy", ["decoder", "finetune"])
def test_a_training_that_was_broken_off_ends_with_the_same_bits(
    strategy: str, dataset: MaskDataset, lite0: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted(dataset, lite0, strategy)
    kind: Any = MapSamples if strategy == "decoder" else MaskSamples
    with monkeypatch.context() as broken:
        batches = kind.batches
        broken.setattr(kind, "batches", lambda self, now, rows: _broken(batches, self, now, rows))
        assert any("interrupted" in note for note in fitted(dataset, lite0, strategy, tmp_path / "kept").notes)
    again = fitted(dataset, lite0, strategy, tmp_path / "kept", resume=True)
    assert [epoch.loss for epoch in again.history] == [epoch.loss for epoch in whole.history]
    assert again.table.backbone.weights == whole.table.backbone.weights
    assert isinstance(whole.head, DecoderHead)
    assert isinstance(again.head, DecoderHead)
    for name, array in whole.head.arrays.items():
        assert array.tobytes() == again.head.arrays[name].tobytes(), name


def _broken(batches: Any, samples: Any, epoch: int, rows: Any) -> Any:
    """Ctrl-C in the second epoch's first batch."""
    if epoch == 1:
        raise KeyboardInterrupt
    return batches(samples, epoch, rows)


@pytest.mark.usefixtures("in_f32")
def test_what_is_not_trained_stays_to_the_byte(
    dataset: MaskDataset, lite0: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the network under a frozen decoder; of a tuned one the first stages and every norm's statistics.

    What is saved of the tuned one is what was trained, on parts, and the engine says of the whole what torch says.
    """
    from topwork.tasks.segmentation.decoder import _finetune

    frozen = fitted(dataset, lite0, "decoder")
    assert frozen.strategy == "decoder"
    assert frozen.table.backbone.weights == lite0.weights
    kept: list[Network] = []
    monkeypatch.setattr(_finetune, "_trained", _noting(_finetune._trained, kept))
    monkeypatch.setattr(_finetune, "_beats", lambda one, other: True)
    tuned = fitted(dataset, lite0, "finetune")
    assert tuned.strategy == "finetune"
    assert [(trial.question, trial.answer, trial.chosen) for trial in tuned.trials] == [
        ("strategy", "decoder", False),
        ("strategy", "finetune 2 stages", True),
    ]
    before, after = lite0.module().state_dict(), tuned.table.backbone.module().state_dict()
    changed = {name.rpartition(".")[0] for name in before if not before[name].equal(after[name])}
    assert changed
    assert all(name.startswith(("blocks.5", "blocks.6")) for name in changed)
    assert all(before[name].equal(after[name]) for name in before if "running" in name)

    import torch

    with ready(dataset, lite0, DecodingOptions(**SMALL), lambda step: None) as given:
        assert given.samples(given.halves.check).batch(0, np.arange(2))[0].shape == (2, 3, 32, 32)
        first = np.searchsorted(given.used, np.sort(given.halves.check)[:2])
        images = torch.from_numpy(given.images.pixels[first]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = kept[0](images).numpy()
    rows = tuned.table.select(np.sort(given.halves.check)).each(lambda row, maps: tuned.head.logits(maps[None])[0])
    found = np.stack([logits for logits, _ in zip(rows, range(2), strict=False)])
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def _noting(train: Any, kept: list[Network]) -> Any:
    def noted(network: Network, *args: Any) -> Any:
        kept.append(network)
        result = train(network, *args)
        return dataclasses.replace(result, best_epoch=max(1, result.best_epoch))

    return noted


def test_small_objects_are_seen_larger_and_learnt_from_in_parts(tmp_path: Path) -> None:
    """Discs of 9 pixels in images of 160: twice as large, and parts of 256; without objects nothing is enlarged."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    down, across = np.mgrid[:160, :160]
    objects = (down // 20 * 8 + across // 20 + 1) * (np.hypot(down % 20 - 9.5, across % 20 - 9.5) < 4.5)
    for place in range(6):
        noise = np.random.default_rng(place).integers(0, 40, (160, 160))
        Image.fromarray((150 * (objects > 0) + noise).astype(np.uint8)).save(tmp_path / "images" / f"{place}.png")
        Image.fromarray(objects.astype(np.uint16)).save(tmp_path / "masks" / f"{place}.png")
    dataset, backbone = split(read_masks(tmp_path), test=0.2, seed=0), load("lite0", size=384)
    with ready(dataset, backbone, DecodingOptions(), lambda step: None) as given:
        assert (given.spec.size, given.learnt.size) == (320, 256)
        assert given.notes == (
            "images are about 160 px wide and their objects 9 px, so they are seen at 320 px instead of 384 px",
        )
        images, targets = given.samples(given.halves.learn, given.augmentation()).batch(0, np.arange(2))
        assert images.shape == (2, 3, 256, 256)
        assert targets.shape == (2, 2, 256, 256)
    untold = dataclasses.replace(dataset, objects=np.full(len(dataset), -1, np.int32))
    with ready(untold, backbone, DecodingOptions(), lambda step: None) as given:
        assert (given.spec.size, given.learnt.size) == (256, 256)


def test_data_that_cannot_be_learnt_from_are_refused(dataset: MaskDataset, lite0: Backbone, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="reads 8 stages"):
        fit_finetuned(dataset, lite0, FinetuneOptions(unfreeze=9, frozen=DecodingOptions(**SMALL)))
    with pytest.raises(DataError, match="mixup"):
        fit_decoder(dataset, lite0, DecoderOptions(**SMALL, config=decoder_config(mixup=0.2)))
    one = written(tmp_path / "one", 6)
    for file in (one / "masks").iterdir():
        Image.fromarray(np.zeros((128, 128), np.uint8)).save(file)
    with pytest.raises(DataError, match="show only"):
        fit_decoder(split(read_masks(one), test=0.2, seed=0), lite0, DecoderOptions(**SMALL))
    with pytest.raises(DataError, match="too few images"):
        fit_decoder(dataset.select(np.flatnonzero(dataset.splits == "train")[:1]), lite0, DecoderOptions(**SMALL))


@pytest.mark.slow
def test_discs_are_learnt_saved_and_told_without_torch(tmp_path: Path) -> None:
    """From a folder of masks to a saved model whose answers are those of the one that was trained."""
    data = written(tmp_path / "data", 24, classes=2)
    options = DecoderOptions(width=32, config=decoder_config(epochs=12, batch_size=4, learning_rate=4e-3))
    model = topwork.fit(
        data, task="segmentation", strategy="decoder", backbone=load("lite0", size=128), options=options
    )
    assert model.figure is not None
    assert model.figure.value > 0.6
    model.save(tmp_path / "model")
    picture = data / "images" / "00.png"
    again = topwork.load(tmp_path / "model")
    (one,), (other,) = ([*each.predict_each([picture])] for each in (model, again))
    np.testing.assert_array_equal(one.labels, other.labels)
    told = "[*topwork.load(sys.argv[1]).predict_each([sys.argv[2]])]"
    code = f"import sys, topwork; {told}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model"), str(picture)], check=True)


def test_a_budget_is_for_both_trainings(dataset: MaskDataset, lite0: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frozen decoder has a part of it, fine-tuning what is left."""
    from topwork.tasks.segmentation.decoder import _finetune

    given: list[float] = []
    for name, place in (("trained", 1), ("tuned", 2)):
        monkeypatch.setattr(_finetune, name, _budgeted(getattr(_finetune, name), place, given))
    config = finetune_config(**SHORT, budget_seconds=30.0)
    fit_finetuned(dataset, lite0, FinetuneOptions(2, config, DecodingOptions(**SMALL)))
    assert given[0] == 9
    assert 1 <= given[1] < 30


def _budgeted(work: Any, place: int, given: list[float]) -> Any:
    def noted(*args: Any) -> Any:
        given.append(args[place].config.budget_seconds)
        return work(*args)

    return noted
