"""What holds for every reader: the same pictures give the same data set, whatever they lie in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from topwork.data import ImageDataset, LeftOut, decode, read, split
from topwork.errors import DataError, ImageError

from .conftest import READERS, LayOut, Picture

Encode = Callable[..., bytes]


def named(dataset: ImageDataset) -> dict[str, tuple[str, str, str]]:
    groups = dataset.groups or ("",) * len(dataset)
    rows = zip(dataset.paths, dataset.labels.tolist(), dataset.splits.tolist(), groups, strict=True)
    return {path: (dataset.classes[label], part, group) for path, label, part, group in rows}


def decoded(dataset: ImageDataset) -> tuple[ImageDataset, dict[str, np.ndarray]]:
    """Decode every row, as extraction does; what cannot be decoded goes on the list."""
    pixels: dict[str, np.ndarray] = {}
    refused = []
    for row, path in enumerate(dataset.paths):
        try:
            pixels[path] = decode(dataset.source(row))
        except ImageError as error:
            refused.append(LeftOut(path, error.message))
    return dataset.without(refused), pixels


@pytest.mark.parametrize("kind", READERS)
def test_real_photographs_come_through_with_label_part_and_group(
    kind: str, tmp_path: Path, photos: list[Path], lay_out: LayOut
) -> None:
    files = [path.read_bytes() for path in photos[:6]]
    splits = ("train", "train", "val", "test", "train", "train") if kind != "tar" else ("",) * 6
    groups = ("p", "", "q", "", "p", "r") if kind != "folder" else ("",) * 6
    pictures = [
        Picture("ab"[n % 2], data, part, group)
        for n, (data, part, group) in enumerate(zip(files, splits, groups, strict=True))
    ]
    data, names = lay_out(kind, tmp_path / "set", pictures)
    dataset = read(data)
    expected = {name: (p.label, p.split, p.group) for name, p in zip(names, pictures, strict=True)}
    assert named(dataset) == expected
    _, pixels = decoded(dataset)
    for name, content in zip(names, files, strict=True):
        np.testing.assert_array_equal(pixels[name], decode(content))


@pytest.mark.parametrize("kind", READERS)
def test_selecting_rows_keeps_each_with_its_image(
    kind: str, tmp_path: Path, photos: list[Path], lay_out: LayOut
) -> None:
    data, names = lay_out(kind, tmp_path / "set", [Picture("ab"[n % 2], photos[n].read_bytes()) for n in range(5)])
    by_name = dict(zip(names, range(5), strict=True))
    dataset = read(data)
    for chosen in (dataset.select([3, 0, 4]), dataset.without([LeftOut(dataset.paths[1], "no")]).select([2, 1])):
        sources = chosen.sources()
        assert len(sources) == len(chosen)
        for row, path in enumerate(chosen.paths):
            wanted = decode(photos[by_name[path]])
            np.testing.assert_array_equal(decode(sources[row]), wanted)
            np.testing.assert_array_equal(decode(sources[row:][0]), wanted)


def outcome(content: bytes) -> tuple[np.ndarray | None, str]:
    """What a file's bytes give by themselves: pixels, or the reason why not."""
    try:
        return decode(content), ""
    except ImageError as error:
        return None, error.message


@pytest.fixture(scope="module")
def zoo(small: Image.Image, encode: Encode) -> dict[str, bytes]:
    """FAULTS 20 to 30 as files; what each must give, test_decode.py says."""
    jpeg, png = encode(small, "JPEG", quality=95), encode(small, "PNG")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "20 zero bytes": b"",
        "21 truncated at 2 %": jpeg[: len(jpeg) // 50],
        "21 truncated at 50 %": jpeg[: len(jpeg) // 2],
        "21 truncated at 99 %": jpeg[: len(jpeg) * 99 // 100],
        "22 PNG named .jpg": png,
        "22 text named .jpg": b"no image at all",
        "23 SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "23 PDF": b"%PDF-1.7\n",
        "24 bomb": encode(Image.new("1", (30_000, 3_000)), "PNG"),
        "25 animated": encode(small.convert("P"), "GIF", save_all=True, append_images=[small.convert("P")] * 50),
        "26 CMYK": encode(small.convert("CMYK"), "JPEG"),
        "26 alpha": encode(small.convert("RGBA"), "PNG"),
        "27 16 bit": encode(Image.fromarray(np.arange(6000, dtype=np.uint16).reshape(60, 100) * 10), "PNG"),
        "28 turned": encode(small, "JPEG", exif=turned),
        "29 one pixel": encode(small.crop((0, 0, 1, 1)), "PNG"),
        "29 a line": encode(small.resize((10_000, 1)), "PNG"),
        "30 corrupt ICC": encode(small, "JPEG", icc_profile=b"nonsense" * 20),
    }


@pytest.mark.parametrize("kind", READERS)
def test_faults_20_to_30_are_the_same_through_every_reader(
    kind: str, tmp_path: Path, zoo: dict[str, bytes], lay_out: LayOut
) -> None:
    data, names = lay_out(kind, tmp_path / "set", [Picture("ab"[n % 2], each) for n, each in enumerate(zoo.values())])
    dataset, pixels = decoded(read(data))
    reasons = {item.path: item.reason for item in dataset.left_out}
    for name, fault, content in zip(names, zoo, zoo.values(), strict=True):
        wanted, message = outcome(content)
        assert (name in pixels, name in reasons) == (wanted is not None, wanted is None), fault
        assert reasons.get(name, "").endswith(message), fault
        if wanted is not None:
            np.testing.assert_array_equal(pixels[name], wanted, fault)
    assert sorted([*pixels, *reasons]) == sorted(names)
    assert len(reasons) == 8


GOOD, DAMAGED, MISSING = range(3)
PICTURES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([GOOD, DAMAGED, MISSING]), st.integers(0, 10_000)), max_size=8
)


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=15, deadline=None)
@given(drawn=PICTURES)
def test_every_image_is_used_or_listed_exactly_once(
    kind: str, jpeg: bytes, lay_out: LayOut, drawn: list[tuple[str, int, int]]
) -> None:
    pictures, good = [], []
    for label, state, number in [("a", GOOD, 0), ("b", GOOD, 0), *drawn]:
        content: bytes | None = jpeg
        if state == DAMAGED:  # cut anywhere before its end mark
            content = jpeg[: number % (len(jpeg) - 2)]
        elif state == MISSING:
            content = None
        pictures.append(Picture(label, content))
        good.append(state == GOOD)
    with tempfile.TemporaryDirectory() as root:
        data, names = lay_out(kind, Path(root) / "set", pictures)
        if kind == "folder":  # what is not there, nothing names
            present = [picture.content is not None for picture in pictures]
        elif kind in ("tar", "shards"):  # its label is there, and stands for it
            present = [True] * len(pictures)
            names = [
                name if p.content is not None else name.replace(".jpg", ".json")
                for name, p in zip(names, pictures, strict=True)
            ]
        else:
            present = [True] * len(pictures)
        dataset, pixels = decoded(read(data))
        del data
    expected = sorted(name for name, there in zip(names, present, strict=True) if there)
    assert sorted([*dataset.paths, *(item.path for item in dataset.left_out)]) == expected
    assert sorted(dataset.paths) == sorted(name for name, fine in zip(names, good, strict=True) if fine)
    wanted = {name: picture.label for name, picture in zip(names, pictures, strict=True)}
    assert {path: label for path, (label, _, _) in named(dataset).items()} == {p: wanted[p] for p in dataset.paths}
    for path in dataset.paths:
        np.testing.assert_array_equal(pixels[path], decode(jpeg))


@pytest.mark.parametrize("kind", READERS)
def test_fault_2_one_class_is_refused(kind: str, tmp_path: Path, jpeg: bytes, lay_out: LayOut) -> None:
    data, _ = lay_out(kind, tmp_path / "set", [Picture("a", jpeg)] * 3)
    with pytest.raises(DataError, match="only one class, 'a'"):
        read(data)
    assert read(data, classes=("b", "a")).labels.tolist() == [1, 1, 1]


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "tar"])
def test_faults_4_and_5_classes_come_from_the_training_split(
    kind: str, tmp_path: Path, jpeg: bytes, lay_out: LayOut
) -> None:
    train = [Picture("a", jpeg, "train"), Picture("b", jpeg, "train")]
    data, _ = lay_out(kind, tmp_path / "lacks", [*train, Picture("b", jpeg, "val")])
    assert read(data).split("val").labels.tolist() == [1]
    extra = [*train, Picture("a", jpeg, "test"), Picture("c", jpeg, "test")]
    data, _ = lay_out(kind, tmp_path / "extra", extra)
    if kind.startswith("hf"):  # its splits share one list of classes, which names the third
        assert read(data).classes == ("a", "b", "c")
    else:
        with pytest.raises(DataError, match="class 'c' is in test but not in train"):
            read(data)


@pytest.mark.parametrize("kind", READERS)
def test_faults_6_to_8_names_are_kept_as_text(kind: str, tmp_path: Path, jpeg: bytes, lay_out: LayOut) -> None:
    labels = ["10", "2", "Cat", "cat", "<script>alert(1)<"]
    data, names = lay_out(kind, tmp_path / "set", [Picture(label, jpeg) for label in labels])
    dataset = read(data)
    assert dataset.classes == tuple(sorted(labels))
    assert {path: label for path, (label, _, _) in named(dataset).items()} == dict(zip(names, labels, strict=True))
    assert any("'Cat', 'cat' differ only by case" in note for note in dataset.notes)


@pytest.mark.parametrize("kind", READERS)
def test_fault_18_imbalance_is_noted_and_stratification_holds(
    kind: str, tmp_path: Path, jpeg: bytes, lay_out: LayOut
) -> None:
    data, _ = lay_out(kind, tmp_path / "set", [Picture("a", jpeg)] * 30 + [Picture("b", jpeg)] * 2)
    dataset = read(data)
    assert any("imbalanced: 'a' has 30" in note for note in dataset.notes)
    assert split(dataset, test=0.5).split("test").counts().tolist() == [15, 1]


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind not in ("folder", "tar")])
def test_fault_17_one_group_in_two_parts_is_refused(kind: str, tmp_path: Path, jpeg: bytes, lay_out: LayOut) -> None:
    train = [Picture("a", jpeg, "train", "p"), Picture("b", jpeg, "train", "q")]
    data, _ = lay_out(kind, tmp_path / "set", [*train, Picture("a", jpeg, "test", "p")])
    with pytest.raises(DataError, match="group 'p' is in both"):
        read(data)


@pytest.mark.parametrize("kind", ["folder", "csv", "tar", "hf-saved"])
def test_fault_14_what_vanishes_after_listing_is_a_named_error(
    kind: str, tmp_path: Path, jpeg: bytes, lay_out: LayOut
) -> None:
    data, _ = lay_out(kind, tmp_path / "set", [Picture("a", jpeg), Picture("b", jpeg)])
    dataset = read(data)
    if kind == "hf-saved":  # mapped into memory: a file that is deleted stays readable
        for file in (tmp_path / "set" / "saved").iterdir():
            file.unlink()
        assert decode(dataset.source(1)).shape == decode(jpeg).shape
        return
    source: Any = dataset.source(1)
    Path(getattr(source, "path", source)).unlink()
    with pytest.raises(ImageError, match="no such file"):
        decode(dataset.source(1))
