"""What is written is read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from topwork.data import MaskDataset, MaskFormat, read_masks, write_masks
from topwork.errors import DataError

from .conftest import picture, save, squares

Made = Callable[..., Path]


def with_classes_and_objects(tmp_path: Path) -> MaskDataset:
    for place, name in enumerate("abc"):
        save(tmp_path / "images" / f"{name}.png", picture(place))
        mask = squares(1, 2, 1)
        mask[-2:] = 255
        save(tmp_path / "masks" / f"{name}.png", np.roll(mask, place, axis=1))
        save(tmp_path / "instances" / f"{name}.png", np.roll(squares(1, 2, 3, dtype=np.uint16), place, axis=1))
    (tmp_path / "classes.txt").write_text("background\ncat\n'dog', \"x\"\n")
    (tmp_path / "index.csv").write_text("name,split,group\na,train,g\nb,train,g\nc,test,h\n")
    return read_masks(tmp_path)


@pytest.mark.parametrize("form", ["png", "coco"])
def test_there_and_back(tmp_path: Path, form: MaskFormat) -> None:
    dataset = with_classes_and_objects(tmp_path / "first")
    written = write_masks(dataset, tmp_path / "second", form)
    assert (written.images, written.objects) == (3, 9)
    again = read_masks(tmp_path / "second")
    assert again.classes == dataset.classes
    assert again.splits.tolist() == dataset.splits.tolist()
    assert again.pixels.tolist() == dataset.pixels.tolist()
    assert again.objects.tolist() == [3, 3, 3]
    assert (again.groups == dataset.groups) == (form == "png")
    for row in range(3):
        first, second = dataset.mask(row), again.mask(row)
        assert (first.labels == second.labels).all()
        assert first.objects is not None
        assert second.objects is not None
        pairs = set(zip(first.objects.ravel().tolist(), second.objects.ravel().tolist(), strict=True))
        assert len(pairs) == 4


def test_what_cannot_be_written(folder: Made, tmp_path: Path) -> None:
    dataset = read_masks(folder({"a": squares(1), "b": squares(1)}))
    with pytest.raises(DataError, match="it is there already"):
        write_masks(dataset, tmp_path)
    with pytest.raises(DataError, match="no format 'voc'"):
        write_masks(dataset, tmp_path / "x", "voc")  # type: ignore[arg-type]
    (tmp_path / "masks/b.png").unlink()
    with pytest.raises(DataError, match="the mask of images/b"):
        write_masks(dataset, tmp_path / "y")
    assert not (tmp_path / "y").exists()
