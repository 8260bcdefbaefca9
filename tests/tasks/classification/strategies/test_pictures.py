from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.model.samples import easy_folder
from topwork.backbones import Preprocessing
from topwork.data import ImageDataset, decode, read
from topwork.errors import DataError
from topwork.features import Squares, squares
from topwork.tasks.classification.strategies._augment import Augmentation
from topwork.tasks.classification.strategies._pictures import ImageSamples

SMALL = Preprocessing(size=48, crop_mode="squash")


@pytest.fixture
def easy(tmp_path: Path) -> ImageDataset:
    return read(easy_folder(tmp_path / "easy", count=5))


def samples(images: Squares, rows: list[int], augmentation: Augmentation | None = None, seed: int = 0) -> ImageSamples:
    labels = np.arange(len(rows)) % 2
    return ImageSamples(images, np.array(rows), labels, 2, augmentation=augmentation, seed=seed)


def test_each_image_is_what_the_preprocessing_makes_of_it(easy: ImageDataset) -> None:
    done: list[tuple[int, int]] = []
    with squares(easy, SMALL, lambda *steps: done.append(steps)) as found:
        for row in range(len(easy)):
            assert (found.pixels[row] == SMALL(decode(easy.source(row), min_side=SMALL.min_side))).all()
    assert done[-1] == (10, 10)


def test_an_image_that_vanished_is_named(easy: ImageDataset) -> None:
    easy.full_path(3).unlink()
    with pytest.raises(DataError, match=f"{easy.paths[3]}: no such file"), squares(easy, SMALL, None):
        pass


def test_a_sample_is_the_same_in_any_batch(easy: ImageDataset) -> None:
    with squares(easy, SMALL, None) as found:
        made = samples(found, [1, 3, 5, 7], Augmentation("rand", "any"))
        together = next(iter(made.batches(2, [np.array([0, 1, 2, 3])])))
        alone = list(made.batches(2, [np.array([3]), np.array([1, 0])]))
        other_epoch = next(iter(made.batches(3, [np.array([0, 1, 2, 3])])))
    assert torch.equal(alone[0][0][0], together[0][3])
    assert torch.equal(alone[1][0], together[0][[1, 0]])
    assert alone[1][1].tolist() == [1, 0]
    assert not torch.equal(other_epoch[0], together[0])


def test_validation_shows_images_as_they_are(easy: ImageDataset) -> None:
    with squares(easy, SMALL, None) as found:
        images, targets = next(iter(samples(found, [4, 2]).batches(0, [np.array([1, 0])])))
        assert (images.permute(0, 2, 3, 1).numpy() == found.pixels[[2, 4]]).all()
    assert targets.tolist() == [1, 0]
    assert images.shape == (2, 3, 48, 48)


def test_an_empty_batch_and_an_early_end_do_no_harm(easy: ImageDataset) -> None:
    with squares(easy, SMALL, None) as found:
        made = samples(found, [0, 1], Augmentation())
        empty = next(iter(made.batches(0, [np.array([], np.int64)])))
        assert empty[0].shape == (0, 3, 48, 48)
        running = made.batches(0, [np.array([0])] * 50)
        next(running)
        running.close()
        assert list(made.batches(0, [])) == []


def test_what_changes_the_samples_changes_their_name(easy: ImageDataset) -> None:
    with squares(easy, SMALL, None) as found:
        names = {
            samples(found, [0], how, seed).fingerprint
            for how in (None, Augmentation(), Augmentation("rand"), Augmentation("light", "any"))
            for seed in (0, 1)
        }
        names |= {samples(found, [1]).fingerprint, samples(found, [0, 1]).fingerprint}
    assert len(names) == 10
    easy.full_path(0).write_bytes(easy.full_path(1).read_bytes())
    with squares(easy, SMALL, None) as found:  # the same names, another picture
        assert samples(found, [0]).fingerprint not in names


def test_a_full_disk_is_a_named_error(easy: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    said = r"not enough space for 0 MB: No space left"
    with pytest.raises(DataError, match=said) as caught, squares(easy, SMALL, None):
        pass
    assert "TMPDIR" in caught.value.hint
