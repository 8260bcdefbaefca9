"""Each line of the doctor's list, on small sets that have that one fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from topwork._texts import Texts
from topwork.checking import IMAGES, Finding, vet
from topwork.checking._examined import look_through
from topwork.data import MaskDataset, read_masks
from topwork.tasks.segmentation._blocking import BLOCKING
from topwork.tasks.segmentation.checks import CHECKS, QUICK_CHECKS, masks_at
from topwork.tasks.segmentation.checks._tiles import slides_of

Array = npt.NDArray[Any]
SIDE = 64
Drawn = tuple[Array, Array]
KOREAN = Texts("ko", ("topwork", "topwork.tasks.segmentation"))


def discs(seed: int, count: int = 4, side: int = SIDE) -> Array:
    """Objects that do not touch, numbered from 1."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    mask = np.zeros((side, side), np.uint16)
    for place in range(count):
        row, column = 16 + 32 * (place // 2), 16 + 32 * (place % 2)
        radius = rng.uniform(7, 11)
        mask[np.hypot(rows - row - rng.uniform(-3, 3), columns - column - rng.uniform(-3, 3)) < radius] = place + 1
    return mask


def seen(mask: Array, seed: int) -> Array:
    """An image in which what the mask marks is bright."""
    noise = np.random.default_rng(seed).normal(0, 6, (*mask.shape, 3))
    return np.clip(np.where(mask[:, :, None] > 0, 170, 60) + noise, 0, 255).astype(np.uint8)


def write(root: Path, drawn: dict[str, Drawn], table: str = "") -> MaskDataset:
    for name, (pixels, mask) in drawn.items():
        for folder, content in (("images", pixels), ("masks", mask)):
            (root / folder).mkdir(exist_ok=True, parents=True)
            PIL.Image.fromarray(content).save(root / folder / f"{name}.png")
    if table:
        (root / "index.csv").write_text(table)
    return read_masks(root)


def right(count: int = 12) -> dict[str, Drawn]:
    """Images whose masks are right."""
    return {f"{chr(97 + place)}": (seen(discs(place), place), discs(place)) for place in range(count)}


def asked(dataset: MaskDataset) -> dict[str, Finding]:
    examined = look_through(dataset, IMAGES, None)
    return {finding.name: finding for check in CHECKS for finding in check(examined)}


def shifted(root: Path) -> MaskDataset:
    return write(root, {name: (pixels, np.roll(mask, (3, -2), (0, 1))) for name, (pixels, mask) in right().items()})


def one_shifted(root: Path) -> MaskDataset:
    drawn = right()
    drawn["a"] = drawn["a"][0], np.roll(drawn["a"][1], (5, 5), (0, 1))
    return write(root, drawn)


def empty(root: Path) -> MaskDataset:
    drawn = right()
    drawn["z"] = seen(discs(99), 99), np.zeros((SIDE, SIDE), np.uint16)
    return write(root, drawn)


def full(root: Path) -> MaskDataset:
    drawn = right()
    drawn["z"] = seen(discs(99), 99), np.full((SIDE, SIDE), 1, np.uint16)
    return write(root, drawn)


def merged(root: Path) -> MaskDataset:
    drawn = right()
    drawn["b"][1][drawn["b"][1] == 4] = 1
    return write(root, drawn)


def cut(root: Path) -> MaskDataset:
    drawn = right()
    for _, mask in drawn.values():
        mask[:, 48:][mask[:, 48:] == 2] = 5
    return write(root, drawn)


def tiny(root: Path) -> MaskDataset:
    drawn = right()
    for _, mask in drawn.values():
        mask[0, 0] = 5
    return write(root, drawn)


def conflicting(root: Path) -> MaskDataset:
    drawn = right()
    drawn["z"] = drawn["a"][0], discs(77)
    return write(root, drawn)


def tiles(root: Path) -> MaskDataset:
    names = [f"slide{slide}_x{64 * step}_y0" for slide in range(4) for step in range(3)]
    drawn = dict(zip(names, right().values(), strict=True))
    table = "name,split\n" + "".join(f"{name},{'test' if '_x0_' in name else 'train'}\n" for name in names)
    return write(root, drawn, table)


def loose_tiles(root: Path) -> MaskDataset:
    dataset = tiles(root)
    (root / "index.csv").unlink()
    return read_masks(root) if len(dataset) else dataset


def other_sizes(root: Path) -> MaskDataset:
    drawn = right()
    for name in "abc":
        drawn[name] = drawn[name][0], drawn[name][1][:32]
    return write(root, drawn)


def broken(root: Path) -> MaskDataset:
    dataset = write(root, right())
    for name in "ab":
        (root / f"masks/{name}.png").write_bytes(b"no mask")
    return read_masks(root) if len(dataset) else dataset


def strange_values(root: Path) -> MaskDataset:
    drawn = {name: (pixels, (mask > 0).astype(np.uint8)) for name, (pixels, mask) in right().items()}
    for name in "abc":
        drawn[name][1][:4] = 7
    (root / "classes.txt").write_text("background\ncell\n")
    return write(root, drawn)


def smooth(root: Path) -> MaskDataset:
    drawn = {}
    for name, (pixels, mask) in right().items():
        large = PIL.Image.fromarray(((mask > 0) * 255).astype(np.uint8)).resize((37, 37)).resize((SIDE, SIDE))
        drawn[name] = pixels, np.asarray(large)
    return write(root, drawn)


def in_pieces(root: Path) -> MaskDataset:
    drawn = right()
    drawn["a"][1][0:2, 0:2] = 1
    return write(root, drawn)


def rare_class(root: Path) -> MaskDataset:
    drawn = {name: (pixels, (mask > 0).astype(np.uint8)) for name, (pixels, mask) in right().items()}
    drawn["a"][1][0, 0] = 2
    table = "name,split\n" + "".join(f"{name},{'test' if name > 'h' else 'train'}\n" for name in drawn)
    (root / "classes.txt").write_text("background\ncell\nspeck\n")
    return write(root, drawn, table)


def sparse(root: Path) -> MaskDataset:
    drawn = {name: (pixels, (mask > 0).astype(np.uint8)) for name, (pixels, mask) in right().items()}
    drawn["a"][1][:40] = 255
    return write(root, drawn)


@pytest.mark.parametrize(
    ("spoil", "name", "severity", "said"),
    [
        (shifted, "shifted-masks", "blocks", "moved by 2 pixels to the right and 3 pixels up, all 12 images together"),
        (one_shifted, "shifted-masks", "warning", "1 of 12 masks fit their image better"),
        (empty, "empty-masks", "note", "1 of 13 masks show nothing but background"),
        (full, "full-masks", "note", "1 of 13 masks are filled by one class"),
        (merged, "merged-objects", "warning", "1 of 47 objects lie in pieces far apart"),
        (cut, "cut-objects", "warning", "touch another along a straight line"),
        (tiny, "tiny-objects", "warning", "12 of 60 objects have fewer than 9 pixels"),
        (conflicting, "mask-conflicts", "blocks", "1 image that is there several times, with masks that differ"),
        (tiles, "tiles-in-two-splits", "blocks", "4 slides with tiles in two splits"),
        (loose_tiles, "tiles-without-groups", "warning", "4 slides that 12 images seem to be tiles of"),
        (other_sizes, "masks-of-another-size", "blocks", "3 of 12 masks are of another size than their image"),
        (broken, "masks-that-cannot-be-read", "blocks", "2 of 12 masks cannot be read"),
        (strange_values, "masks-with-unknown-values", "blocks", "3 of 12 masks hold values that no class has"),
        (smooth, "blurred-masks", "warning", "12 of 12 masks hold colours between those of the classes"),
        (in_pieces, "objects-in-pieces", "warning", "1 of 12 masks have objects in several pieces"),
        (rare_class, "few-masks", "warning", "2 classes in fewer than 10 usable training images"),
        (rare_class, "imbalance", "warning", "'speck' has 1"),
        (rare_class, "class-missing-in-test", "warning", "1 class that no usable mask in test shows"),
        (sparse, "sparse-masks", "note", "1 of 12 masks are unlabelled for the most part"),
    ],
)
def test_one_fault_each(
    tmp_path: Path, spoil: Callable[[Path], MaskDataset], name: str, severity: str, said: str
) -> None:
    finding = asked(spoil(tmp_path))[name]
    assert said in finding.what
    assert finding.severity == severity
    assert finding.advice
    assert finding.cases
    assert severity != "blocks" or name in BLOCKING
    assert bool(finding.cases[0].outlines) == name.endswith(("merged-objects", "cut-objects", "tiny-objects"))
    for text in (finding.what, finding.advice, *(case.detail for case in finding.cases if case.detail)):
        assert KOREAN.said(text) != text
    assert KOREAN.named("finding", name) != name or name.startswith(("imbalance", "class-missing"))


def test_a_mask_that_is_left_out_is_told_of_once(tmp_path: Path) -> None:
    dataset = other_sizes(tmp_path)
    assert len(dataset.left_out) == 3
    found = asked(dataset)
    assert [name for name, finding in found.items() if "3 " in finding.what] == ["masks-of-another-size"]
    assert not {"unusable-masks", "reader-notes"} & set(found)


def test_right_masks_have_no_fault(tmp_path: Path) -> None:
    assert set(asked(write(tmp_path, right()))) == set()


def test_a_look_before_a_fit_decodes_no_mask(tmp_path: Path) -> None:
    dataset = write(tmp_path, right())
    for file in (tmp_path / "masks").iterdir():
        file.unlink()
    assert vet(dataset, checks=QUICK_CHECKS, examination=IMAGES).findings == ()
    assert list(masks_at(64)(look_through(dataset, IMAGES, None))) == []


def test_names_of_tiles() -> None:
    names = (
        "a/s1_x0_y64.png",
        "s1_x64_y0.png",
        "s2_tile3.tif",
        "s3-1-2.png",
        "s4_64x128.png",
        "photo12.png",
        "b_7.png",
    )
    assert slides_of(names) == {"s1": [0, 1], "s2": [2], "s3": [3], "s4": [4]}


@pytest.mark.skipif("TOPWORK_NUCLEI" not in os.environ, reason="TOPWORK_NUCLEI names the set of nuclei")
def test_nuclei_are_not_accused() -> None:
    dataset = read_masks(os.environ["TOPWORK_NUCLEI"])
    found = asked(dataset.select(np.flatnonzero(dataset.splits == "train")[::5]))
    assert not any(finding.severity == "blocks" for finding in found.values())
    assert "shifted-masks" not in found or found["shifted-masks"].count <= 1
