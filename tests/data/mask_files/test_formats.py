"""Every way in which masks are kept says the same of the same images."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.data import MaskDataset, filled, looks_like_masks, mask_of_rle, pieces, read_masks, rle_of

from .conftest import HEIGHT, WIDTH, picture, save, squares

TRUTH = {"a": squares(1, 2), "b": squares(2), "c": squares(1)}
COLOURS = np.array([[0, 0, 0], [250, 20, 20], [20, 20, 250]], np.uint8)


def images(root: Path, folder: str = "images", names: Sequence[str] = "abc") -> None:
    for place, name in enumerate(names):
        save(root / folder / f"{name}.png", picture(place))


def indices(root: Path) -> None:
    images(root)
    for name, mask in TRUTH.items():
        save(root / "labels" / f"{name}.png", mask)
    (root / "classes.txt").write_text("background\ncat\ndog\n")


def without_background(root: Path) -> None:
    indices(root)
    (root / "classes.txt").write_text("cat\ndog\n")


def numbered(root: Path) -> None:
    indices(root)
    (root / "classes.txt").unlink()
    (root / "legend.csv").write_text("value,name\n0,background\n2,dog\n1,cat\n")


def in_splits(root: Path) -> None:
    for place, name in enumerate("abc"):
        save(root / "train" / "images" / f"{name}.png", picture(place))
        save(root / "train" / "masks" / f"{name}_mask.png", TRUTH[name])
    (root / "classes.txt").write_text("0: background\n1: cat\n2: dog\n")


def colours(legend: str, text: str) -> Callable[[Path], None]:
    def made(root: Path) -> None:
        images(root)
        for name, mask in TRUTH.items():
            save(root / "masks" / f"{name}.png", COLOURS[mask])
        (root / legend).write_text(text)

    return made


def jpeg(root: Path) -> None:
    colours("legend.csv", "name,r,g,b\nbackground,0,0,0\ncat,250,20,20\ndog,20,20,250\n")(root)
    for name, mask in TRUTH.items():
        save(root / "masks" / f"{name}.jpg", COLOURS[mask], quality=95, subsampling=0)
        (root / "masks" / f"{name}.png").unlink()


def beside(root: Path) -> None:
    for place, name in enumerate("abc"):
        save(root / f"{name}.png", picture(place))
        np.save(root / f"{name}_mask.npy", TRUTH[name])
    (root / "classes.txt").write_text("background\ncat\ndog\n")


def layers(root: Path) -> None:
    images(root)
    for name, mask in TRUTH.items():
        for number, called in ((1, "cat"), (2, "dog")):
            if (mask == number).any():
                save(root / "masks" / called / f"{name}.png", np.where(mask == number, np.uint8(255), np.uint8(0)))


def table(root: Path) -> None:
    indices(root)
    (root / "set.csv").write_text("image,mask\n" + "".join(f"images/{n}.png,labels/{n}.png\n" for n in "abc"))


def coco(kind: str) -> Callable[[Path], None]:
    def outline(mask: Any) -> Any:
        if kind == "polygon":
            rows, columns = np.nonzero(mask)
            left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            return [[int(side) for side in (left, top, right, top, right, bottom, left, bottom)]]
        if kind == "compressed":
            return rle_of(mask)
        flat = mask.ravel(order="F")
        counts = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]).tolist()
        return {"size": list(mask.shape), "counts": counts}

    def made(root: Path) -> None:
        images(root)
        listed = [{"id": n, "file_name": f"{n}.png", "height": HEIGHT, "width": WIDTH} for n in "abc"]
        outlines = [
            {"image_id": n, "category_id": int(v), "segmentation": outline(TRUTH[n] == v), "iscrowd": 0}
            for n in "abc"
            for v in np.unique(TRUTH[n])
            if v
        ]
        kinds = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
        (root / "train.json").write_text(json.dumps({"images": listed, "annotations": outlines, "categories": kinds}))

    return made


RGB = "background,0,0,0\ncat,250,20,20\ndog,20,20,250\n"
KEPT: dict[str, Callable[[Path], None]] = {
    "indices": indices,
    "names without a background": without_background,
    "numbers in a table": numbered,
    "splits": in_splits,
    "table of colours": colours("legend.csv", "name,r,g,b\n" + RGB),
    "colours before names": colours("label_colors.txt", "0 0 0\tbackground\n250 20 20\tcat\n20 20 250\tdog\n"),
    "labelmap": colours("labelmap.txt", "# label:rgb\nbackground:0,0,0::\ncat:250,20,20::\ndog:20,20,250::\n"),
    "JSON": colours("classes.json", '{"background": [0, 0, 0], "cat": [250, 20, 20], "dog": [20, 20, 250]}'),
    "JPEG": jpeg,
    "beside, arrays": beside,
    "layers": layers,
    "table": table,
    "COCO polygons": coco("polygon"),
    "COCO RLE": coco("compressed"),
    "COCO counts": coco("counts"),
}  # fmt: skip


def check(dataset: MaskDataset) -> None:
    assert dataset.classes == ("background", "cat", "dog")
    assert dataset.has_background
    assert len(dataset) == 3
    for row, mask in enumerate(TRUTH.values()):
        found = dataset.mask(row)
        if found.labels.min() >= 0:
            assert (found.labels == mask).all()
        counts = [int((found.labels == place).sum()) for place in (0, 1, 2, -1)]
        assert counts == dataset.pixels[row].tolist()


@pytest.mark.parametrize("kept", KEPT)
def test_kept_in_any_way(tmp_path: Path, kept: str) -> None:
    KEPT[kept](tmp_path)
    dataset = read_masks(tmp_path)
    assert looks_like_masks(tmp_path) is not kept.startswith("COCO")  # those may be meant as boxes
    check(dataset)
    assert [flaw.kind for flaw in dataset.flaws] == ["blurred"] * 3 * (kept == "JPEG")
    assert dataset.tells_objects == kept.startswith("COCO")
    again = read_masks(tmp_path, classes=("background", "dog", "cat"))
    assert again.class_counts().tolist() == [3, 2, 2]
    assert (again.mask(1).labels == 1).sum() == dataset.pixels[1, 2]


def test_objects_of_a_folder_each(tmp_path: Path) -> None:
    for place, name in enumerate("ab"):
        save(tmp_path / "stage1_train" / name / "images" / f"{name}.png", picture(place))
        for number in range(2 + place):
            mask = np.roll(squares(255), 5 * number, axis=1)
            save(tmp_path / "stage1_train" / name / "masks" / f"{number:x}f.png", mask)
    dataset = read_masks(tmp_path)
    assert dataset.objects.tolist() == [2, 3]
    assert dataset.classes == ("background", "object")
    assert dataset.pixels[:, 1].tolist() == [32, 48]


def test_classes_and_objects_in_two_folders(tmp_path: Path) -> None:
    """As Pascal VOC has them: 255 around each object, in both files, is neither a class nor an object."""
    images(tmp_path, "JPEGImages")
    for name, mask in TRUTH.items():
        around, objects = (np.where(mask == 0, np.uint8(255), each) for each in (mask, squares(1, 2)))
        around[-5:] = objects[-5:] = 0
        save(tmp_path / "SegmentationClass" / f"{name}.png", around)
        save(tmp_path / "SegmentationObject" / f"{name}.png", objects)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\n")
    dataset = read_masks(tmp_path)
    assert dataset.splits.tolist() == ["train", "train", "val"]
    assert dataset.objects.tolist() == [2, 1, 1]  # what has no class is no object
    assert not dataset.flaws
    assert dataset.pixels[:, -1].min() > 400  # 255 is unlabelled beside 1


def test_masks_of_no_image_are_listed_in_layers_too(tmp_path: Path) -> None:
    layers(tmp_path)
    (tmp_path / "images" / "b.png").unlink()
    assert [(each.path, each.reason) for each in read_masks(tmp_path).left_out] == [
        ("masks/dog/b.png", "a mask without an image")
    ]
    for name, place in (("a", "one"), ("c", "one"), ("d", "one")):
        save(tmp_path / "each" / "masks" / name / f"{place}.png", squares(255))
    images(tmp_path / "each", names="ac")
    assert [(each.path, each.reason) for each in read_masks(tmp_path / "each").left_out] == [
        ("masks/d", "a mask without an image")
    ]


def test_a_name_that_ends_in_l_is_no_mask_of_another(tmp_path: Path) -> None:
    images(tmp_path, names=("cel", "x"))
    for name in ("cell", "x_L"):
        save(tmp_path / "masks" / f"{name}.png", squares(1, 2))
    dataset = read_masks(tmp_path)
    assert dataset.paths == ("images/x.png",)  # CamVid's
    assert {each.path for each in dataset.left_out} == {"images/cel.png", "masks/cell.png"}


def test_stacks_page_by_page(tmp_path: Path) -> None:
    import PIL.Image

    pages = [PIL.Image.fromarray(picture(page)[:, :, 0].astype(np.uint16) * 16) for page in range(3)]
    masks = [PIL.Image.fromarray(squares(*range(1, 3 + page), dtype=np.uint16)) for page in range(3)]
    for folder, stack in (("images", pages), ("masks", masks)):
        (tmp_path / folder).mkdir()
        stack[0].save(tmp_path / folder / "s.tif", save_all=True, append_images=stack[1:])
    dataset = read_masks(tmp_path)
    assert dataset.paths == ("images/s.tif#1", "images/s.tif#2", "images/s.tif#3")
    assert dataset.objects.tolist() == [2, 3, 4]
    assert set(dataset.groups) == {"images/s.tif"}
    pixels = dataset.source(2)
    assert isinstance(pixels, np.ndarray)
    assert (pixels[..., 0] == np.rint(picture(2)[:, :, 0] * (16 * 255 / 4095))).all()
    objects = dataset.select([2]).mask(0).objects
    assert objects is not None
    assert (objects == squares(1, 2, 3, 4)).all()


def test_a_stack_is_no_mask_of_one_image_but_smaller_copies_of_a_page_are_none(tmp_path: Path) -> None:
    import PIL.Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    pages = [PIL.Image.fromarray(squares(*range(1, 3 + page), dtype=np.uint16)) for page in range(3)]
    smaller = ImageFileDirectory_v2()
    smaller[254] = 1  # NewSubfileType: a version of reduced resolution
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("stack", "pyramid", "plain"):
        PIL.Image.fromarray(picture(0)).save(tmp_path / "images" / f"{name}.png")
    pages[0].save(tmp_path / "masks" / "plain.tif")
    pages[0].save(tmp_path / "masks" / "stack.tif", save_all=True, append_images=pages[1:])
    copy = pages[0].resize((WIDTH // 2, HEIGHT // 2))
    copy.encoderinfo = {"tiffinfo": smaller}
    pages[0].save(tmp_path / "masks" / "pyramid.tif", save_all=True, append_images=[copy])
    dataset = read_masks(tmp_path)
    assert dataset.paths == ("images/plain.png", "images/pyramid.png")
    assert (dataset.mask(1).labels == dataset.mask(0).labels).all()
    assert [item.path for item in dataset.left_out] == ["images/stack.png"]
    assert "its file holds several pages" in dataset.left_out[0].reason


def test_arrays() -> None:
    masks = np.stack(list(TRUTH.values()))
    dataset = read_masks(
        (np.stack([picture(place) for place in range(3)]), masks), classes=("background", "cat", "dog")
    )
    check(dataset)


def test_rows_of_a_hugging_face_set(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    indices(tmp_path)
    rows = {kind: [str(tmp_path / folder / f"{n}.png") for n in "abc"] for kind, folder in
            (("image", "images"), ("annotation", "labels"))}  # fmt: skip
    features = datasets.Features({"image": datasets.Image(), "annotation": datasets.Image()})
    given = datasets.Dataset.from_dict(rows, features=features)
    assert looks_like_masks(given)
    check(read_masks(given, classes=("background", "cat", "dog")))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'
def test_run_lengths_and_polygons_are_those_of_pycocotools() -> None:
    api = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random(rng.integers(1, 40, 2)) < rng.random()
        theirs = api.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert rle_of(mask)["counts"] == theirs["counts"].decode()
        assert (mask_of_rle(theirs) == mask).all()
    columns, rows = np.meshgrid(np.arange(100) + 0.5, np.arange(100) + 0.5)
    for _ in range(50):
        turns = np.sort(rng.random(9) * 2 * np.pi)
        corners = 50 + rng.uniform(5, 45, 9)[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        theirs = api.decode(api.merge(api.frPyObjects([corners.ravel().tolist()], 100, 100)))
        off = filled([corners.ravel()], 100, 100) != theirs.astype(bool)
        points = np.stack([columns[off], rows[off]], axis=1)[:, None]
        side = np.roll(corners, -1, axis=0) - corners
        along = np.clip(((points - corners) * side).sum(-1) / (side**2).sum(-1), 0, 1)[..., None]
        assert (np.linalg.norm(points - corners - along * side, axis=-1).min(axis=1) < 1).all()


def test_pieces_are_those_of_scipy() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(0)
    for _ in range(60):
        values = rng.integers(0, 3, rng.integers(1, 30, 2))
        found, of = pieces(values)
        for value in (1, 2):
            theirs, count = ndimage.label(values == value, np.ones((3, 3)))
            assert (of == value).sum() == count
            pairs = set(zip(theirs[values == value].tolist(), found[values == value].tolist(), strict=True))
            assert len(pairs) == count
