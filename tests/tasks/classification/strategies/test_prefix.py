from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.model.samples import photos
from tests.train.samples import TensorSamples
from topwork.backbones import Backbone, load
from topwork.backbones.layers import Prefix, tail_of
from topwork.engines import EngineChoice
from topwork.features import MapSamples, Squares
from topwork.heads import LinearHead
from topwork.tasks.classification.strategies._augment import Augmentation
from topwork.tasks.classification.strategies._pictures import ImageSamples
from topwork.tasks.classification.strategies._prefix import KeptPrefix, kept_prefix, share_saved
from topwork.tasks.classification.strategies._tunable import Tunable, trained_layers, tunable
from topwork.train import TrainConfig, train

TORCH = EngineChoice("torch-cpu", "f32")
COUNT = 12


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load(size=96)


@pytest.fixture(scope="module")
def pictures(backbone: Backbone) -> Squares:
    from topwork.data import decode

    fit = backbone.preprocessing
    pixels = [fit(decode(path, min_side=fit.min_side)) for path in photos()[:COUNT]]
    return Squares(np.stack(pixels), "photographs")


def model_of(backbone: Backbone) -> Tunable:
    rng, width = np.random.default_rng(0), backbone.width("embedding")
    weight, still = (
        rng.normal(size=(width, 2)).astype(np.float32) / 30,
        (np.zeros(width, np.float32), np.ones(width, np.float32)),
    )
    return tunable(backbone, LinearHead(*still, weight, np.zeros(2, np.float32), 1.0))


def cut(backbone: Backbone, stages: int, model: Tunable | None = None, **changes: Any) -> KeptPrefix | None:
    model = model or model_of(backbone)
    wanted: dict[str, Any] = {"choice": TORCH, "images": COUNT, "views": 3, **changes}
    return kept_prefix(model, trained_layers(model, backbone, stages), backbone, **wanted)


@contextlib.contextmanager
def maps(backbone: Backbone, pictures: Squares, how: Augmentation | None) -> Iterator[tuple[MapSamples, ImageSamples]]:
    kept = cut(backbone, 4)
    assert kept is not None
    rows = np.arange(COUNT)
    images = ImageSamples(pictures, rows, rows % 2, 2, augmentation=how)
    with kept.samples(images) as found:
        yield found, images


def expected(backbone: Backbone, model: Tunable, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return Prefix(model.network, backbone.stages[-5].name)(model.pixels(images.float()))


@pytest.mark.parametrize("how", [None, Augmentation("light", "mirror")])
def test_the_maps_are_the_prefixs_of_the_images_as_that_epoch_shows_them(
    how: Augmentation | None, backbone: Backbone, pictures: Squares
) -> None:
    rows = [np.array([3, 1, 7]), np.array([0])]
    with maps(backbone, pictures, how) as (found, images):
        for epoch in (0, 2):
            for got, seen in zip(found.batches(epoch, rows), images.batches(epoch, rows), strict=True):
                right = expected(backbone, model_of(backbone), seen[0])
                assert got[0].dtype == torch.bfloat16
                assert float((got[0].float() - right).norm() / right.norm()) < 0.003  # bfloat16 has 8 bits
                assert torch.equal(got[1], seen[1])


def test_views_take_turns(backbone: Backbone, pictures: Squares) -> None:
    rows = [np.arange(COUNT)]
    with maps(backbone, pictures, Augmentation("light", "mirror")) as (found, _):
        first, second, third, again = (next(found.batches(epoch, rows))[0] for epoch in (0, 1, 2, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


def test_a_map_is_made_once_and_is_the_same_in_any_batch(backbone: Backbone, pictures: Squares) -> None:
    made: list[int] = []
    kept = cut(backbone, 4)
    assert kept is not None
    images = ImageSamples(pictures, np.arange(COUNT), np.arange(COUNT) % 2, 2)

    def engine(pixels: Any) -> torch.Tensor:
        made.append(len(pixels))
        return kept.engine(pixels)

    samples = MapSamples(images, engine, np.zeros((1, COUNT, *kept.shape), np.int16), "")  # type: ignore[arg-type]
    alone = [next(samples.batches(0, [np.array([row])]))[0][0] for row in (5, 2)]
    together = next(samples.batches(4, [np.arange(COUNT)]))[0]
    assert made == [1, 1, COUNT - 2]
    assert torch.equal(alone[0], together[5])
    assert torch.equal(alone[1], together[2])
    assert len(next(samples.batches(0, [np.array([], int)]))[1]) == 0


def test_training_the_tail_trains_the_model_and_leaves_its_prefix_to_the_byte(
    backbone: Backbone, pictures: Squares
) -> None:
    model = model_of(backbone)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept = cut(backbone, 2, model)
    assert kept is not None
    images = ImageSamples(pictures, np.arange(COUNT), np.arange(COUNT) % 2, 2)
    with kept.samples(images) as samples:
        train(kept.model, samples, samples, TrainConfig(epochs=2, batch_size=4), layers=kept.layers)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    stages = [stage.name for stage in backbone.stages[-2:]]
    assert {"head.weight", "network.conv_head.weight", "network.bn2.running_mean"} <= changed
    assert any(name.startswith("network.blocks.6.") for name in changed)
    assert all(
        name.startswith(("head.", "network.blocks.6.", "network.conv_head.", "network.bn2.")) for name in changed
    )
    assert stages == ["blocks.6", "bn2"]


def test_from_maps_it_learns_what_it_learns_from_pixels(backbone: Backbone, pictures: Squares) -> None:
    """Against the whole network trained in the same way: the losses differ by the maps' rounding alone."""
    config = TrainConfig(epochs=3, batch_size=4, precision="f32")
    images = ImageSamples(pictures, np.arange(COUNT), np.arange(COUNT) % 2, 2, augmentation=Augmentation())
    whole = model_of(backbone)
    plain = train(whole, images, images, config, layers=trained_layers(whole, backbone, 2))
    kept = cut(backbone, 2)
    assert kept is not None
    with kept.samples(images) as samples:
        ours = train(kept.model, samples, samples, config, layers=kept.layers)
    for one, other in zip(ours.history, plain.history, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=0.03, abs=0.01)


def test_the_share_saved_is_the_operations_counted_by_hand() -> None:
    """ResNet-18: 1.81 GMACs; its last stage has four 3 x 3 convolutions and a shortcut at 7 x 7, 256 to 512 wide."""
    backbone = load("resnet18", weights="random")
    network, stage = backbone.module(), backbone.stages[-2].name
    tail = tail_of(network, backbone, stage)
    assert tail is not None
    last = (3 * 512 * 512 * 9 + 256 * 512 * 9 + 256 * 512) * 49
    whole = _macs(network, torch.zeros(1, 3, 224, 224))
    assert whole == pytest.approx(1.81e9, rel=0.01)
    found = share_saved(network, tail, stage, torch.zeros(1, 3, 224, 224))
    assert found == pytest.approx((whole - last) / (whole + 2 * last), rel=1e-3)


def _macs(network: nn.Module, images: torch.Tensor) -> int:
    counted = []

    def count(module: Any, inputs: Any, output: torch.Tensor) -> None:
        counted.append(output[0].numel() * module.weight[0].numel())

    handles = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return sum(counted)


def test_nothing_is_kept_where_it_cannot_be_or_does_not_pay(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cut(backbone, 4) is not None
    assert cut(backbone, 9) is None  # nothing is frozen
    assert cut(backbone, 4, views=0) is None
    assert cut(backbone, 8) is None  # the stem is 3 % of a step
    assert cut(load("xception41", weights="random").replace(size=96), 2) is None  # no chain
    assert cut(backbone, 4, images=10**9) is None  # no room
    kept = cut(backbone, 4, views=40, images=200_000)
    assert kept is None or 4 <= kept.views < 40
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 2**20}))
    assert cut(backbone, 4, images=1000) is None


def test_a_full_disk_is_a_named_error(backbone: Backbone, pictures: Squares, monkeypatch: pytest.MonkeyPatch) -> None:
    from topwork.errors import DataError

    def full(number: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(DataError, match="not enough space for"), maps(backbone, pictures, None):
        pass


def test_the_name_tells_what_the_maps_depend_on(backbone: Backbone, pictures: Squares) -> None:
    with maps(backbone, pictures, None) as (one, images), maps(backbone, pictures, Augmentation()) as (other, _):
        assert len({one.fingerprint, other.fingerprint, images.fingerprint}) == 3


def test_files_are_gone_in_the_end(
    backbone: Backbone, pictures: Squares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with maps(backbone, pictures, None) as (found, _):
        next(found.batches(0, [np.arange(3)]))
        assert any(tmp_path.iterdir())
    assert not any(tmp_path.iterdir())


def test_fault_38_an_error_in_the_reading_thread_ends_the_training(backbone: Backbone, pictures: Squares) -> None:
    """The thread that augments dies in the second batch: the error comes out, and nothing hangs."""

    class Failing(Augmentation):
        def __call__(self, image: torch.Tensor, seed: int) -> torch.Tensor:
            raise OSError("the picture is gone")

    images = ImageSamples(pictures, np.arange(COUNT), np.arange(COUNT) % 2, 2, augmentation=Failing())
    check = TensorSamples(torch.zeros(2, 3, 96, 96, dtype=torch.uint8), torch.tensor([0, 1]), 2)
    model = model_of(backbone)
    with pytest.raises(OSError, match="the picture is gone"):
        train(model, images, check, TrainConfig(epochs=1), layers=trained_layers(model, backbone, 1))
