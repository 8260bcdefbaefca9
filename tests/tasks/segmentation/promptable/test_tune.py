"""A mask decoder that is trained: the loss falls, embeddings are computed once, and what is saved does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork.features._extract as extraction
from tests.tasks.segmentation.made import written
from topwork.data import read_masks
from topwork.errors import DataError, ModelError
from topwork.tasks.segmentation.promptable import Promptable, TuneOptions, tuned
from topwork.tasks.segmentation.promptable._tune import PromptSamples, _grid_of


def blobs(folder: Path, count: int) -> Path:
    """Bright discs on dark ground, large enough for the grid of a tiny decoder."""
    down, across = np.mgrid[:64, :64]
    for place in range(count):
        rng = np.random.default_rng(place)
        y, x, radius = rng.integers(18, 46), rng.integers(18, 46), rng.integers(12, 18)
        mask = (np.hypot(down - y, across - x) < radius).astype(np.uint8)
        image = (40 + 170 * mask[..., None] + rng.normal(0, 5, (64, 64, 3))).clip(0, 255).astype(np.uint8)
        for name, array in (("images", image), ("masks", mask)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / name / f"{place:02}.png")
    return folder


def test_a_decoder_learns_on_embeddings_that_are_computed_once(
    sam: Promptable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    compute = extraction._compute

    def counted(unknown: Any, *args: Any) -> None:
        there = list(unknown)
        computed.append(len(there))
        compute(iter(there), *args)

    monkeypatch.setattr(extraction, "_compute", counted)
    data = read_masks(blobs(tmp_path / "discs", 8))
    options = TuneOptions(epochs=20, learning_rate=3e-3, batch_size=8, objects=4)
    encoder = {name: value.clone() for name, value in sam.decoder.state_dict().items() if "mask_decoder" not in name}
    found = tuned(sam, data, options)
    assert computed == [8]  # whatever the number of epochs
    start, best = found.result.start, found.result.best
    assert best.loss < 0.5 * start.loss
    assert best.accuracy > start.accuracy + 0.1
    assert found.result.history[-1].loss < found.result.history[0].loss
    assert found.promptable.is_tuned
    kept = found.promptable.decoder.state_dict()
    assert all((kept[name] == value).all() for name, value in encoder.items())  # the prompt encoder is as it was
    again = Promptable.load(weights=found.promptable.save(tmp_path / "tuned"))
    image = tmp_path / "discs" / "images" / "00.png"
    ours, theirs = (each.image(image).mask([(20, 20)]) for each in (found.promptable, again))
    assert computed == [8, 0, 0]  # the trained network has the same encoder
    np.testing.assert_array_equal(ours.logits, theirs.logits)
    assert (ours.logits != sam.image(image).mask([(20, 20)]).logits).any()
    (tmp_path / "tuned" / "decoder.safetensors").unlink()
    with pytest.raises(ModelError, match="has no decoder"):
        Promptable.load(weights=tmp_path / "tuned")
    (tmp_path / "taken").mkdir()
    with pytest.raises(ModelError, match="something else already"):
        found.promptable.save(tmp_path / "taken")


def test_prompts_tell_their_objects(sam: Promptable, tmp_path: Path) -> None:
    """A drawn point lies in its object, an exact box around it, and both are the same in every run."""
    from topwork.backbones import IMAGE
    from topwork.features import extract

    table = extract(read_masks(written(tmp_path / "discs", 3, side=64)), sam.backbone, outputs=(IMAGE,))
    grid, rows = _grid_of(sam), np.arange(3)
    for drawn in (True, False):
        samples = PromptSamples(table, rows, grid, 4, seed=1, drawn=drawn)
        inputs, targets = next(samples.batches(2, [np.arange(12)]))
        for place in range(12):
            prompt, target = inputs[place, -5:].numpy(), targets[place].numpy()
            assert set(np.unique(target)) <= {0, 1}
            assert target.any()
            if not prompt[4]:
                across, down = (prompt[:2] / grid.stride).astype(int)
                assert target[down, across] == 1
            elif not drawn:
                down, across = np.nonzero(target)
                edges = np.array([across.min(), down.min(), across.max() + 1, down.max() + 1]) * grid.stride
                np.testing.assert_array_equal(prompt[:4], edges)
        np.testing.assert_array_equal(next(samples.batches(2, [np.arange(12)]))[0], inputs)
        assert (next(samples.batches(3, [np.arange(12)]))[0] != inputs).any() == drawn


def test_a_data_set_without_objects_is_refused(sam: Promptable, tmp_path: Path) -> None:
    data = read_masks(written(tmp_path / "discs", 4, side=64))
    with pytest.raises(DataError, match="fewer than two training images show an object"):
        tuned(sam, data.select(np.arange(1)))
