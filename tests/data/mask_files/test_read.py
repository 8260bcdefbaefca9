"""Images with masks as they lie in folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from topwork.data import looks_like_masks, read_masks
from topwork.errors import DataError

from .conftest import picture, save, squares


def test_objects_of_16_bits_with_a_table_of_splits(folder: Callable[..., Path]) -> None:
    root = folder({name: squares(*range(1, 3 + n), dtype=np.uint16) for n, name in enumerate("abc")})
    (root / "index.csv").write_text("name,split,kind\na,train,x\nb,test,x\nc,train,y\n")
    dataset = read_masks(root)
    assert looks_like_masks(root)
    assert dataset.classes == ("background", "object")
    assert dataset.tells_objects
    assert dataset.objects.tolist() == [2, 3, 4]
    assert dataset.splits.tolist() == ["train", "test", "train"]
    assert dataset.pixels.tolist() == [[600 - 16 * n, 16 * n, 0] for n in (2, 3, 4)]
    found = dataset.mask(1)
    assert found.objects is not None
    assert (found.objects == squares(1, 2, 3)).all()
    assert (found.labels == (squares(1, 2, 3) > 0)).all()


def test_a_mask_that_changed_since_is_not_used(folder: Callable[..., Path]) -> None:
    root = folder({"a": squares(1, 2, 3)})
    dataset = read_masks(root)
    save(root / "masks/a.png", squares(1, 2))
    with pytest.raises(DataError, match="has changed since it was read"):
        dataset.mask(0)


@pytest.mark.skipif("TOPWORK_NUCLEI" not in os.environ, reason="TOPWORK_NUCLEI names the set of nuclei")
def test_nuclei() -> None:
    dataset = read_masks(os.environ["TOPWORK_NUCLEI"])
    assert (len(dataset), int(dataset.objects.sum())) == (280, 8979)
    assert [(dataset.splits == name).sum() for name in ("train", "test")] == [210, 70]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{split}/images/{name}.png", "{split}/masks/{name}.png"),
        ("{split}/images/{name}.png", "{split}/labels/{name}_label.png"),
        ("images/{split}/{name}.png", "annotations/{split}/{name}.png"),
        ("{split}_images/{name}.png", "{split}_masks/{name}_mask.png"),
        ("images_{split}/{name}.png", "masks_{split}/{name}.png"),
        ("{split}/{name}.png", "{split}/{name}_segmentation.png"),
        ("leftImg8bit/{split}/town/{name}_leftImg8bit.png", "gtFine/{split}/town/{name}_gtFine_labelIds.png"),
        ("set/{split}/img/{name}.png", "set/{split}/gt/{name}.tif"),
        ("{split}/img/{name}.png", "{split}/masks/nucleus/{name}.png"),
    ],
)
def test_splits_by_the_names_of_folders(tmp_path: Path, image: str, mask: str) -> None:
    for place, split in enumerate(("train", "val", "test")):
        for name in ("a", "b"):
            save(tmp_path / image.format(split=split, name=f"{split}{name}"), picture(place))
            save(tmp_path / mask.format(split=split, name=f"{split}{name}"), squares(1, 1))
    dataset = read_masks(tmp_path)
    assert looks_like_masks(tmp_path)
    assert len(dataset) == 6
    assert sorted(dataset.splits.tolist()) == ["test", "test", "train", "train", "val", "val"]
    assert all(split in path for split, path in zip(dataset.splits.tolist(), dataset.paths, strict=True))
    assert dataset.left_out == ()
