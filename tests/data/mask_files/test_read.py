"""Images with masks as they lie in folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from topwork.data import looks_like_masks, read_masks
from topwork.errors import DataError

from .conftest import save, squares


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
