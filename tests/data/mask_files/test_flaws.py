"""What is wrong with masks is listed or refused, and never trained on in silence."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from topwork._texts import Texts
from topwork.data import mask_of_rle, read_masks
from topwork.errors import DataError

from .conftest import picture, save, squares

Made = Callable[..., Path]
KOREAN = Texts("ko")


def kinds(dataset: Any) -> list[tuple[str, bool]]:
    return [(flaw.kind, flaw.used) for flaw in dataset.flaws]


def another_size(root: Path) -> None:
    save(root / "masks/b.png", squares(1, height=10))


def transposed(root: Path) -> None:
    save(root / "masks/b.png", squares(1).T)


def cut_off(root: Path) -> None:
    content = (root / "masks/b.png").read_bytes()
    (root / "masks/b.png").write_bytes(content[: len(content) // 2])


def text(root: Path) -> None:
    (root / "masks/b.png").write_text("no mask")


def objects_of_python(root: Path) -> None:
    (root / "masks/b.png").unlink()
    np.save(root / "masks/b.npy", np.array([[{}]], object), allow_pickle=True)


def fractions(root: Path) -> None:
    (root / "masks/b.png").unlink()
    np.save(root / "masks/b.npy", squares(1) / 2)


def nothing_labelled(root: Path) -> None:
    save(root / "masks/b.png", np.full((20, 30), 255, np.uint8))


@pytest.mark.parametrize(
    ("spoil", "kind", "reason"),
    [
        (another_size, "size", "it has 30 × 10 pixels, its image 30 × 20"),
        (transposed, "turned", "width and height are exchanged"),
        (cut_off, "unreadable", "damaged PNG"),
        (text, "unreadable", "not an image"),
        (objects_of_python, "unreadable", "it holds Python objects"),
        (fractions, "unreadable", "its numbers are not whole"),
        (nothing_labelled, "unlabelled", "no pixel of it is labelled"),
    ],
)
def test_a_mask_that_cannot_be_used(folder: Made, spoil: Callable[[Path], None], kind: str, reason: str) -> None:
    root = folder({"a": squares(1, 2), "b": squares(1, 2), "c": squares(1, 2)})
    spoil(root)
    dataset = read_masks(root)
    assert dataset.paths == ("images/a.png", "images/c.png")
    assert kinds(dataset) == [(kind, False)]
    assert reason in dataset.flaws[0].detail
    assert [item.path for item in dataset.left_out] == ["images/b.png"]
    for told in (dataset.flaws[0].detail, dataset.left_out[0].reason, *dataset.notes):
        assert KOREAN.said(told) != told
    assert any("1 mask was left out: " in note for note in dataset.notes)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_image_as_stored_is_turned_with_it(folder: Made, orientation: int) -> None:
    root = folder({"a": squares(1, 2), "b": squares(1, 2)})
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    save(root / "images/b.png", picture(5), exif=exif)
    dataset = read_masks(root)
    assert kinds(dataset) == [("turned", True)]
    assert all(KOREAN.said(told) != told for told in (*(flaw.detail for flaw in dataset.flaws), *dataset.notes))
    assert dataset.sizes.tolist() == [[20, 30], [30, 20]]
    flip = {5: 0, 6: 6, 7: 7, 8: 8}[orientation]
    as_pillow = PIL.Image.fromarray(squares(1, 2)).transpose(
        {0: PIL.Image.Transpose.TRANSPOSE, 6: PIL.Image.Transpose.ROTATE_270, 7: PIL.Image.Transpose.TRANSVERSE,
         8: PIL.Image.Transpose.ROTATE_90}[flip]
    )  # fmt: skip
    assert (dataset.mask(1).labels == np.asarray(as_pillow)).all()


def test_values_that_the_legend_does_not_have_are_unlabelled(folder: Made) -> None:
    root = folder({"a": squares(1, 2), "b": squares(1, 7)})
    (root / "classes.txt").write_text("background\ncat\ndog\n")
    dataset = read_masks(root)
    assert kinds(dataset) == [("index", True)]
    assert all(KOREAN.said(told) != told for told in (*(flaw.detail for flaw in dataset.flaws), *dataset.notes))
    assert dataset.flaws[0].detail == "16 pixels have a value that no class has (7): unlabelled"
    assert dataset.pixels[1].tolist() == [568, 16, 0, 16]
    assert (dataset.mask(1).labels == -1).sum() == 16


def test_smoothed_edges_are_the_nearest_or_unlabelled(folder: Made) -> None:
    smooth = np.repeat(np.linspace(0, 255, 30).astype(np.uint8)[None], 20, axis=0)
    smooth[:, :9], smooth[:, 21:] = 0, 255
    root = folder({"a": squares(255, 255), "b": smooth, "c": smooth.T.copy()})
    (root / "classes.txt").write_text("background\ncell\n")
    dataset = read_masks(root)
    assert dataset.classes == ("background", "cell")
    assert kinds(dataset) == [("blurred", True)] * 2
    assert all(KOREAN.said(told) != told for told in (*(flaw.detail for flaw in dataset.flaws), *dataset.notes))
    assert dataset.pixels[1, 2] == (dataset.mask(1).labels == -1).sum() > 0
    assert dataset.pixels[1, :2].min() >= 180


def test_a_jpeg_of_one_class_is_read_without_a_legend(tmp_path: Path) -> None:
    for place in range(3):
        save(tmp_path / "images" / f"{place}.png", picture(place, 64, 64))
        mask = np.zeros((64, 64), np.uint8)
        mask[10:40, 10 + place : 50] = 255
        save(tmp_path / "masks" / f"{place}.jpg", mask, quality=60)
    dataset = read_masks(tmp_path)
    assert dataset.classes == ("background", "object")
    assert all(kind == ("blurred", True) for kind in kinds(dataset))
    assert abs(int(dataset.pixels[0, 1]) - 1200) < 60


def test_objects_in_several_pieces_are_told(folder: Made) -> None:
    root = folder({name: squares(*numbers, dtype=np.uint16) for name, numbers in
                   (("a", (1, 2, 3, 4, 5)), ("b", (1, 2, 3, 1, 4)), ("c", (1, 2, 3, 4, 5)))})  # fmt: skip
    dataset = read_masks(root)
    assert dataset.objects.tolist() == [5, 4, 5]
    assert [(flaw.kind, flaw.path) for flaw in dataset.flaws] == [("pieces", "images/b.png")]


def test_halves_without_the_other_are_listed(folder: Made) -> None:
    root = folder({"a": squares(1), "b": squares(1)})
    (root / "masks/a.png").rename(root / "masks/z.png")
    dataset = read_masks(root)
    assert [(item.path, item.reason) for item in dataset.left_out] == [
        ("images/a.png", "an image without a mask"),
        ("masks/z.png", "a mask without an image"),
    ]


def coco(root: Path, **change: Any) -> Path:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]], "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    for name, rows in change.items():
        content[name] = content[name] + rows
    save(root / "a.png", picture(0))
    (root / "set.json").write_text(json.dumps(content))
    return root


def test_a_crowd_is_unlabelled_and_a_box_alone_too(tmp_path: Path) -> None:
    more = [
        {"image_id": 1, "category_id": 1, "segmentation": {"size": [20, 30], "counts": [0, 40, 560]}, "iscrowd": 1},
        {"image_id": 1, "category_id": 1, "segmentation": [], "bbox": [20, 10, 5, 4]},
        {"image_id": 1, "category_id": 9, "segmentation": [[12, 12, 14, 12, 14, 14, 12, 14]]},
    ]
    dataset = read_masks(coco(tmp_path, annotations=more))
    assert sorted(kinds(dataset)) == [("class", True), ("none", True)]
    assert all(KOREAN.said(told) != told for told in (*(flaw.detail for flaw in dataset.flaws), *dataset.notes))
    assert dataset.objects.tolist() == [1]
    labels = dataset.mask(0).labels
    assert (labels[10:14, 20:25] == -1).all()
    assert (labels[12:14, 12:14] == -1).all()
    assert (labels[:, 0] == -1).all()
    assert (labels[1:9, 2:9] == 1).all()


@pytest.mark.parametrize(
    ("counts", "reason"),
    [([1, 2], "do not fill 30 × 20 pixels"), ("~", "a letter that is none of theirs"), ("P", "are cut off"),
     ([-1, 601], "do not fill"), (None, "are not COCO's")],
)  # fmt: skip
def test_run_lengths_that_are_none(tmp_path: Path, counts: Any, reason: str) -> None:
    other = {"image_id": 1, "category_id": 1, "segmentation": {"size": [20, 30], "counts": counts}}
    with pytest.raises(DataError, match="no mask in") as caught:
        read_masks(coco(tmp_path, annotations=[other]))
    assert reason in str(caught.value.hint)


def test_run_lengths_cannot_ask_for_memory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="do not fill"):
        mask_of_rle({"size": [2, 2], "counts": [2**62] * 4 + [4]})  # the sum overflows to 4
    huge = {"size": [2**20, 2**20], "counts": [2**40]}
    with pytest.raises(DataError) as caught:
        read_masks(coco(tmp_path, annotations=[{"image_id": 1, "category_id": 1, "segmentation": huge}]))
    assert "its run lengths are of 1048576 × 1048576 pixels, not 30 × 20" in str(caught.value.hint)


def test_many_outlines_take_no_plane_each(tmp_path: Path) -> None:
    side, many = 1_000, 300
    corners = [(3 * n, 2 * n) for n in range(many)]
    outlines = [
        {"image_id": 1, "category_id": 1, "segmentation": [[x, y, x + 3, y, x + 3, y + 2, x, y + 2]]}
        for x, y in corners
    ]
    root = coco(tmp_path)
    content = json.loads((root / "set.json").read_text()) | {"annotations": outlines}
    content["images"][0] |= {"height": side, "width": side}
    save(root / "a.png", picture(0, side, side))
    (root / "set.json").write_text(json.dumps(content))
    tracemalloc.start()
    dataset = read_masks(root)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < many * side**2 / 2
    assert dataset.pixels.tolist() == [[side**2 - 6 * many, 6 * many, 0]]
    objects = dataset.mask(0).objects
    assert objects is not None
    assert [int(objects[y, x]) for x, y in corners] == list(range(1, many + 1))


def test_numbers_below_0_are_unlabelled() -> None:
    """Of classes, of objects, and beside a legend."""
    image, classes = picture(0), squares(1, 2, dtype=np.int32)
    classes[10:] = -1
    objects = squares(*range(1, 5), dtype=np.int32)
    objects[10:] = -1
    for masks, names, tells in (
        ([classes, classes, squares(1, 1, 2, dtype=np.int32)], ("background", "1", "2"), False),
        ([objects, objects], ("background", "object"), True),
    ):
        dataset = read_masks(([image] * len(masks), masks))
        assert (dataset.classes, dataset.tells_objects, dataset.flaws) == (names, tells, ())
        assert dataset.pixels[0, -1] == 300
        assert (dataset.mask(0).labels[10:] == -1).all()
        assert tells or all(KOREAN.said(note) != note for note in dataset.notes)


def test_one_id_of_two_images_is_used_for_none(tmp_path: Path) -> None:
    save(tmp_path / "b.png", picture(1))
    twice = [{"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "c.png"}]
    with pytest.raises(DataError, match="no image with a mask") as caught:
        read_masks(coco(tmp_path, images=twice))
    assert "its id 1 is that of another image too" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classes.txt", "", "a legend without a line"),
        ("classes.txt", "a\na\n", "the class 'a' comes twice"),
        ("legend.csv", "name,r,g,b\na,1,2\n", "line 2 is short"),
        ("legend.csv", "name,r,g,b\na,1,2,300\n", "no number or colour from 0 to 255"),
        ("legend.csv", "name,value\na,1\nb,1\n", "has the value of another"),
        ("legend.csv", "name,value\n", "a legend without a class"),
        ("classes.json", "{", "not JSON"),
    ],
)
def test_a_legend_that_cannot_be_meant(folder: Made, name: str, content: str, message: str) -> None:
    root = folder({"a": squares(1)})
    (root / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_masks(root)


def test_a_class_that_the_model_does_not_know(folder: Made) -> None:
    root = folder({"a": squares(1, 2), "b": squares(1)})
    (root / "classes.txt").write_text("background\ncat\nfox\n")
    with pytest.raises(DataError, match="class 'fox' is not one that the model knows"):
        read_masks(root, classes=("background", "cat", "dog"))
    with pytest.raises(DataError, match="classes 'cat', 'fox' are not among those that the model knows"):
        read_masks(root, classes=("background", "dog"))


@pytest.mark.parametrize(
    ("masks", "classes", "tells"),
    [
        ([squares(255), squares(255, 255)], ("background", "object"), False),
        ([squares(1), squares(1, 1)], ("background", "object"), False),
        ([squares(1, 2), squares(2, 1)], ("background", "1", "2"), False),
        ([squares(1, 2, 255), squares(2, 1)], ("background", "1", "2"), False),
        ([squares(128, 255), squares(128)], ("background", "128", "255"), False),
        ([squares(*range(1, 6), dtype=np.uint16)] * 2, ("background", "object"), True),
        ([squares(1, 1, 2, 2, dtype=np.uint16)] * 2, ("background", "1", "2"), False),
    ],
)  # fmt: skip
def test_what_values_mean_without_a_legend(folder: Made, masks: list[Any], classes: Any, tells: bool) -> None:
    dataset = read_masks(folder({str(place): mask for place, mask in enumerate(masks)}))
    assert dataset.classes == classes
    assert dataset.tells_objects is tells


@pytest.mark.parametrize("given", ["missing", "empty"])
def test_nothing_there(tmp_path: Path, given: str) -> None:
    if given == "empty":
        (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no such file" if given == "missing" else "no masks in"):
        read_masks(tmp_path / given)


def test_a_group_in_two_splits_is_refused(folder: Made) -> None:
    root = folder({"a": squares(1), "b": squares(1)})
    (root / "index.csv").write_text("name,split,group\na,train,x\nb,test,x\n")
    with pytest.raises(DataError, match="group 'x' is in both train and test"):
        read_masks(root)


def test_too_many_values_for_classes_are_refused(folder: Made) -> None:
    noise = np.random.default_rng(0).integers(0, 250, (20, 30), dtype=np.uint8)
    with pytest.raises(DataError, match="different values, too many to be classes"):
        read_masks(folder({"a": noise, "b": noise.copy()}))
