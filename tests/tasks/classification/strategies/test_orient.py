from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import textile_folder
from topwork.advising import Trial, fit_head
from topwork.backbones import load
from topwork.data import ImageDataset, from_arrays, read, split
from topwork.features import squares
from topwork.tasks.classification.strategies import ProbeOptions, fit_probe
from topwork.tasks.classification.strategies._augment import orient_trials, turned


def tried(dataset: ImageDataset) -> tuple[Trial, ...]:
    """On half of the training split, with the other half to validate."""
    table = fit_probe(split(dataset, test=0.1), load(size=96), ProbeOptions(stages="last", crop_mode="squash")).table
    rows = np.flatnonzero(table.dataset.splits == "train")
    with squares(table.dataset, table.backbone.preprocessing, None) as images:
        return orient_trials(
            images.pixels,
            table,
            rows[::2],
            rows[1::2],
            lambda part: fit_head(part, class_weight="none", seed=0, method="logistic").head,  # as fine-tuning asks
            0,
        )


def test_digits_whose_mirror_images_look_like_each_other_are_shown_as_they_are(shared_cache: Path) -> None:
    """A mirrored 2 is written like a 5."""
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = np.flatnonzero(np.isin(found.target, (2, 5)))[:240]
    pixels = (found.images[chosen] * (255 / 16)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    labels = [str(label) for label in found.target[chosen]]
    none, mirror, turn = tried(from_arrays(np.stack([pixels] * 3, axis=-1), labels))
    assert (none.answer, none.chosen, mirror.chosen, turn.chosen) == ("none", True, False, False)
    assert none.log_loss is not None
    assert mirror.log_loss is not None
    assert none.log_loss < mirror.log_loss


def test_a_class_that_is_the_others_mirror_image_is_not_mirrored(tmp_path: Path, shared_cache: Path) -> None:
    from tests.model.samples import photos
    from topwork.data import decode

    cut = [decode(path)[:200, :200] for path in photos()]
    large = np.stack([image for image in cut if image.shape == (200, 200, 3)])
    rng = np.random.default_rng(0)
    shaded = []
    for number in range(120):  # brighter on the left, or on the right
        shade = np.linspace(1, 0.05, 200)[:: 1 if number % 2 else -1]
        shaded.append((large[rng.integers(len(large))] * shade[None, :, None]).astype(np.uint8))
    found = tried(from_arrays(np.stack(shaded), ["left" if number % 2 else "right" for number in range(120)]))
    assert [trial.answer for trial in found if trial.chosen] == ["none"]


def test_cloth_may_be_shown_any_way_round(tmp_path: Path, shared_cache: Path) -> None:
    found = tried(read(textile_folder(tmp_path / "cloth", per_class=100)))
    assert [trial.answer for trial in found if trial.chosen] != ["none"]


def test_more_cores_than_images_do_not_matter(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = read(textile_folder(tmp_path / "cloth", per_class=6))
    expected = tried(few)
    monkeypatch.setattr("topwork.engines._openvino.available_cores", lambda: 64)
    assert [trial.answer for trial in tried(few)] == [trial.answer for trial in expected]


def test_every_image_is_turned_into_another_way_round() -> None:
    images = np.random.default_rng(0).integers(0, 255, size=(200, 5, 5, 3), dtype=np.uint8)
    found = turned(images, 3)
    ways = {way: lambda image, way=way: np.rot90(image, way % 4)[:, :: -1 if way >= 4 else 1] for way in range(8)}
    seen = set()
    for image, turn in zip(images, found, strict=True):
        (way,) = [way for way, act in ways.items() if (act(image) == turn).all()]
        seen.add(way)
    assert seen == set(range(1, 8))
    assert (turned(images, 3) == found).all()
    assert (turned(images, 4) != found).any()
