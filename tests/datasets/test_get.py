"""Data sets from a server on loopback, each layout as its makers pack it, read by what `fit` reads with."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork._web import RemoteFile, unpack
from topwork.data import MaskDataset, read, read_boxes, read_masks, read_texts
from topwork.datasets import DataRow, Prepared, data_row, data_rows, get
from topwork.datasets._layouts import KINDS
from topwork.errors import DataError

from ..file_server import Server

Files = Mapping[str, bytes]
DRAW = np.random.default_rng(1)


def picture(format: str = "JPEG", values: Any = None, side: int = 40) -> bytes:
    out = io.BytesIO()
    pixels = DRAW.integers(0, 256, (side, side, 3)).astype(np.uint8) if values is None else values
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: Files, mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def classes(root: str, names: tuple[str, ...] = ("cat", "dog"), count: int = 4) -> dict[str, bytes]:
    return {f"{root}/{name}/{number}.jpg": picture() for name in names for number in range(count)}


Got = Callable[..., Prepared]


@pytest.fixture
def got(server: Server, tmp_path: Path) -> Got:
    """The catalogue's row of a name, with other files of the same names from the server."""

    def got(name: str, contents: Files, out: str = "out") -> Prepared:
        row = data_row(name)
        server.files |= {f"/{file}": content for file, content in contents.items()}
        files = tuple(RemoteFile(f"{server.url}/{each.name}") for each in row.files)
        facts = {field: getattr(row, field) for field in DataRow.__dataclass_fields__}
        return get(DataRow(**{**facts, "files": files}), tmp_path / out)

    return got


def test_every_row_can_be_prepared_and_says_where_it_is_from() -> None:
    rows = data_rows()
    assert len(rows) > 15
    assert {row.layout.partition(":")[0] for row in rows} <= set(KINDS)
    assert all(row.source.startswith("http") for row in rows)
    assert data_row("CIFAR_10") is data_row("cifar10") is data_row("cifar-10")
    with pytest.raises(DataError, match="no data set is called 'flowers'") as caught:
        data_row("flowers")
    assert "flowers-102" in caught.value.hint


def test_class_folders_become_the_folder_itself(got: Got, tmp_path: Path) -> None:
    files = {**classes("PetImages", ("Cat", "Dog")), "readme[1].txt": b"terms"}
    found = got("cats-vs-dogs", {"kagglecatsanddogs_5340.zip": zipped(files)})
    assert found.data == found.folder == tmp_path / "out"
    dataset = read(found.data)
    assert (list(dataset.classes), len(dataset)) == (["Cat", "Dog"], 8)
    facts = json.loads((found.folder / ".source.json").read_text())
    assert (facts["name"], facts["sha256"]) == ("cats-vs-dogs", found.sha256)
    assert not (tmp_path / "out.download").exists()


def test_splits_that_the_makers_list_are_kept(got: Got) -> None:
    names = {"train": ["apple_pie/1", "ramen/1", "apple_pie/2", "ramen/3"], "test": ["apple_pie/3", "ramen/2"]}
    files = {f"food-101/images/{name}.jpg": picture() for each in names.values() for name in each}
    files |= {f"food-101/meta/{split}.txt": "\n".join(each).encode() for split, each in names.items()}
    found = got("food-101", {"food-101.tar.gz": tarred(files)})
    dataset = read(found.data)
    assert found.data.name == "data.csv"
    assert list(dataset.classes) == ["apple_pie", "ramen"]
    assert list(dataset.splits).count("test") == 2


def test_the_pets_breeds_stand_in_the_names(got: Got) -> None:
    names = ["Abyssinian_1", "Abyssinian_2", "saint_bernard_1", "saint_bernard_2"]
    lists = {"trainval.txt": names[::2], "test.txt": names[1::2]}
    listed = {f"annotations/{file}": "".join(f"{name} 1 1 1\n" for name in each) for file, each in lists.items()}
    archive = tarred({f"images/{name}.jpg": picture() for name in names})
    annotations = tarred({name: text.encode() for name, text in listed.items()})
    found = got("pets", {"images.tar.gz": archive, "annotations.tar.gz": annotations})
    assert list(read(found.data).classes) == ["Abyssinian", "saint_bernard"]


def test_the_flowers_labels_are_matlabs(got: Got) -> None:
    from scipy.io import savemat

    def saved(**values: Any) -> bytes:
        out = io.BytesIO()
        savemat(out, values)
        return out.getvalue()

    files = {f"jpg/image_{number:05d}.jpg": picture() for number in range(1, 7)}
    splits = saved(trnid=[[1, 2]], valid=[[3, 4]], tstid=[[5, 6]])
    contents = {"102flowers.tgz": tarred(files), "imagelabels.mat": saved(labels=[[1, 77, 1, 77, 1, 77]])}
    dataset = read(got("flowers-102", {**contents, "setid.mat": splits}).data)
    assert list(dataset.classes) == ["flower-001", "flower-077"]
    assert sorted(dataset.splits) == ["test", "test", "train", "train", "val", "val"]


@pytest.mark.parametrize(("name", "labels"), [("cifar-10", 1), ("cifar-100", 2)])
def test_cifars_records_become_pictures(got: Got, name: str, labels: int) -> None:
    names = [f"class{number:02d}" for number in range(10 if labels == 1 else 100)]
    pixels = DRAW.integers(0, 256, (20, 3, 32, 32)).astype(np.uint8)
    records = b"".join(
        bytes([7] * (labels - 1)) + bytes([number % 2]) + pixels[number].tobytes() for number in range(20)
    )
    row = data_row(name)
    _, inner, meta, *files = row.layout.split(":")
    content = {f"{inner}/{meta}": "\n".join(names).encode(), f"{inner}/readme.html": b""}
    content |= {f"{inner}/{each.partition('=')[2]}": records for each in files}
    found = got(name, {row.files[0].name: tarred(content)})
    dataset = read(found.data)
    assert list(dataset.classes) == ["class00", "class01"]
    assert set(dataset.splits) == {"train", "test"}
    first = sorted((found.folder / "test" / "class01").iterdir())[0]
    assert np.array_equal(np.asarray(Image.open(first)), pixels[1].transpose(1, 2, 0))


def test_an_archive_within_the_archive_is_unpacked(got: Got) -> None:
    inner = tarred(classes("101_ObjectCategories", ("ant", "barrel", "BACKGROUND_Google")))
    found = got("caltech-101", {"caltech-101.zip": zipped({"caltech-101/101_ObjectCategories.tar.gz": inner})})
    assert list(read(found.data).classes) == ["ant", "barrel"]


def test_boxes_lie_as_pascal_voc_has_them(got: Got) -> None:
    box = "<object><name>RBC</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>"
    files: dict[str, bytes] = {}
    for number in range(3):
        size = "<size><width>40</width><height>40</height></size>"
        xml = f"<annotation><filename>{number}.jpg</filename>{size}{box}</annotation>"
        files[f"BCCD_Dataset-master/BCCD/Annotations/{number}.xml"] = xml.encode()
        files[f"BCCD_Dataset-master/BCCD/JPEGImages/{number}.jpg"] = picture()
    dataset = read_boxes(got("bccd", {"master.zip": zipped(files)}).data)
    assert (len(dataset), list(dataset.classes)) == (3, ["RBC"])


def test_masks_are_called_as_their_images(got: Got) -> None:
    objects = np.zeros((40, 40), np.uint8)
    objects[2:12, 2:12], objects[20:35, 20:30] = 1, 2
    files = {}
    for number in range(4):
        files[f"PennFudanPed/PNGImages/Fudan{number}.png"] = picture("PNG")
        files[f"PennFudanPed/PedMasks/Fudan{number}_mask.png"] = picture("PNG", objects)
        files[f"PennFudanPed/Annotation/Fudan{number}.txt"] = b"Objects with ground truth : 2"
    found = got("penn-fudan", {"PennFudanPed.zip": zipped(files)})
    assert sorted(path.name for path in found.folder.iterdir()) == [".source.json", "images", "objects"]
    _require_objects(read_masks(found.data))
    nuclei = {}
    for number in range(4):
        nuclei[f"id{number}/images/id{number}.png"] = picture("PNG")
        for value in (1, 2):
            piece = ((objects == value) * 255).astype(np.uint8)
            nuclei[f"id{number}/masks/{number}{value}.png"] = picture("PNG", piece)
    found = got("dsb2018", {"stage1_train.zip": zipped(nuclei)}, "nuclei")
    _require_objects(read_masks(found.data))


def _require_objects(dataset: MaskDataset) -> None:
    """Four images with two objects of one class, as the catalogue says, and not with one object of each of two."""
    assert len(dataset) == 4
    assert len(dataset.classes) == 2  # the background is one
    assert dataset.objects.sum() == 8


def test_texts_become_one_table_or_class_folders(got: Got) -> None:
    news = b'"3","Oil, again","It is up, ""much"""\n"1","World","Peace"\n'
    dataset = read_texts(got("ag-news", {"train.csv": news, "test.csv": news}).data)
    assert list(dataset.classes) == ["Business", "World"]
    assert dataset.text(0) == 'Oil, again It is up, "much"'
    films = "id\tdocument\tlabel\n1\t재미있다\t1\n2\t\t0\n3\t지루하다\t0\n".encode()
    dataset = read_texts(got("nsmc", {"ratings_train.txt": films, "ratings_test.txt": films}, "nsmc").data)
    assert (list(dataset.classes), len(dataset)) == (["negative", "positive"], 4)
    heads = json.dumps([{"guid": "1", "title": "물가 상승", "label": "경제"}, {"title": "결승", "label": "스포츠"}])
    contents = {f"ynat-v1.1_{split}.json": heads.encode() for split in ("train", "dev")}
    dataset = read_texts(got("klue-ynat", contents, "klue").data)
    assert (list(dataset.classes), set(dataset.splits)) == (["경제", "스포츠"], {"train", "val"})
    reviews = {f"aclImdb/{split}/{label}/{number}_9.txt": f"{label} {number}".encode()
               for split in ("train", "test") for label in ("neg", "pos") for number in range(3)}  # fmt: skip
    reviews |= {"aclImdb/train/unsup/1_0.txt": b"?", "aclImdb/imdb.vocab": b"the", "aclImdb/README": b"IMDb"}
    dataset = read_texts(got("imdb", {"aclImdb_v1.tar.gz": tarred(reviews)}, "imdb").data)
    assert (list(dataset.classes), len(dataset)) == (["neg", "pos"], 12)


def test_a_place_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match="is there already, and is not digits"):
        get(data_row("digits"), tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["photo.jpg"]


def test_what_is_broken_leaves_no_folder_and_keeps_the_download(got: Got, server: Server, tmp_path: Path) -> None:
    whole = zipped(classes("PetImages"))
    server.cuts = [len(whole) // 2] + [0] * 5
    with pytest.raises(DataError, match="cannot be downloaded"):
        got("cats-vs-dogs", {"kagglecatsanddogs_5340.zip": whole})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.download"]
    from topwork.datasets._get import _own

    with _own(tmp_path / "out.download"), pytest.raises(DataError, match="another run is at work there"):
        got("cats-vs-dogs", {})
    assert len(read(got("cats-vs-dogs", {}).data)) == 8
    other = {"kagglecatsanddogs_5340.zip": zipped({"Other/1.jpg": picture()})}
    with pytest.raises(DataError, match="expected"):  # not what was seen first
        got("cats-vs-dogs", other, "again")


def test_an_archive_of_something_else_is_told(got: Got) -> None:
    with pytest.raises(DataError, match="PetImages is not in what was downloaded; there is Other"):
        got("cats-vs-dogs", {"kagglecatsanddogs_5340.zip": zipped({"Other/1.jpg": picture()})})
    with pytest.raises(DataError, match="cannot be unpacked"):
        got("eurosat", {"EuroSAT_RGB.zip": b"<html>not found</html>"}, "other")
    with pytest.raises(DataError, match="not as expected"):
        got("klue-ynat", {"ynat-v1.1_train.json": b'[{"title": "?"}]', "ynat-v1.1_dev.json": b"[]"}, "klue")


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:/out.txt"])
@pytest.mark.parametrize("packed", [zipped, tarred])
def test_nothing_is_unpacked_outside_the_folder(tmp_path: Path, name: str, packed: Callable[[Files], bytes]) -> None:
    archive = tmp_path / ("bad.zip" if packed is zipped else "bad.tar.gz")
    archive.write_bytes(packed({name: b"out"}))
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="would lie outside the folder"):
        unpack(archive, tmp_path / "in")
    assert not list(tmp_path.rglob("out.txt"))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_a_damaged_archive_is_told(tmp_path: Path, name: str) -> None:
    noise = {"noise.bin": DRAW.integers(0, 256, 200_000).astype(np.uint8).tobytes(), "zeros.bin": bytes(200_000)}
    archive = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            for each, content in noise.items():
                opened.writestr(each, content)
    else:
        archive.write_bytes(tarred(noise, f"w:{name.removeprefix('a.tar').strip('.')}"))
    whole = archive.read_bytes()
    half = len(whole) // 2
    for number, damaged in enumerate((whole[:half], whole[:half] + bytes(64) + whole[half + 64 :])):
        if number and name == "a.tar":
            continue  # it has no checksums but its headers'
        archive.write_bytes(damaged)
        (tmp_path / str(number)).mkdir()
        with pytest.raises(DataError, match="cannot be unpacked"):
            unpack(archive, tmp_path / str(number))


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    out = tmp_path / "links.tar"
    with tarfile.open(out, "w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "hard"), (tarfile.FIFOTYPE, "fifo")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/hostname"
            archive.addfile(member)
        member = tarfile.TarInfo("link/inside.txt")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "in").mkdir()
    unpack(out, tmp_path / "in")
    assert [path.relative_to(tmp_path / "in").as_posix() for path in (tmp_path / "in").rglob("*")] == [
        "link",
        "link/inside.txt",
    ]
    assert not (tmp_path / "in" / "link").is_symlink()


def test_what_unpacks_to_far_more_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork._web._unpack._SPARE", 2**21)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros.bin", bytes(4 * 2**20))
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="unpacks to far more than it holds"):
        unpack(archive, tmp_path / "in")
    assert (tmp_path / "in" / "zeros.bin").stat().st_size < 3 * 2**20
