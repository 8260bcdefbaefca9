"""Pictures in a page: the right ones, small, from wherever a data set keeps them, or the reason why not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from topwork.data import ImageDataset, Source, decode, from_arrays, read, read_masks
from topwork.drawing import painted
from topwork.errors import ImageError
from topwork.report import checkup_page, row_file
from topwork.report._pictures import BOXED_SIDE, SIDE, Album, thumbnail
from topwork.report._texts import Texts

from .conftest import checkup, each
from .pages import parsed, pixels

SAME = 16  # mean difference, of 255: resized in another way and compressed, at most 11; from another photograph, 37
NAMES = ("cat", "cat", "dog", "dog")


def wanted(path: Path) -> npt.NDArray[np.float64]:
    """The picture at the thumbnail's size, by Pillow alone."""
    with Image.open(path) as image:
        image.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=None)
        return np.asarray(image.convert("RGB"), np.float64)


def apart(image: npt.NDArray[np.uint8], path: Path) -> float:
    """Mean difference from the picture at ``path``, of 255; infinite where the sizes differ."""
    other = wanted(path)
    return float(np.abs(image - other).mean()) if image.shape == other.shape else np.inf


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows whose images were asked for."""
    rows: list[int] = []
    source = ImageDataset.source

    def noted(self: ImageDataset, row: int) -> Source:
        rows.append(row)
        return source(self, row)

    monkeypatch.setattr(ImageDataset, "source", noted)
    return rows


def test_thumbnails_show_the_picture_they_are_of(photos: list[Path]) -> None:
    for photo in photos:
        image = pixels(thumbnail(photo))
        assert max(image.shape[:2]) == SIDE
        differences = [apart(image, other) for other in photos]
        assert min(differences) == differences[photos.index(photo)] < SAME


def test_a_page_puts_each_picture_with_its_name(dataset: ImageDataset, folder: Path) -> None:
    figures = parsed(checkup_page(checkup(dataset, each(dataset)))).all("figure")
    assert len(figures) == 6
    for figure in figures:
        image = figure.one("img").attributes
        name = figure.classed("file")[0].text
        assert image["alt"] == f"Picture {name}"
        assert apart(pixels(image["src"]), folder / name) < SAME


def in_manifest(folder: Path, photos: list[Path]) -> ImageDataset:
    for photo in photos:
        (folder / photo.name).write_bytes(photo.read_bytes())
    lines = [f"{photo.name},{label}" for photo, label in zip(photos, NAMES, strict=True)]
    (folder / "set.csv").write_text("\n".join(["path,label", *lines]))
    return read(folder / "set.csv")


def in_shards(folder: Path, photos: list[Path]) -> ImageDataset:
    with tarfile.open(folder / "set-000.tar", "w") as tar:
        for row, (photo, label) in enumerate(zip(photos, NAMES, strict=True)):
            for suffix, content in (("jpg", photo.read_bytes()), ("cls", label.encode())):
                info = tarfile.TarInfo(f"{row}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return read(folder / "set-000.tar")


def from_hub(folder: Path, photos: list[Path]) -> ImageDataset:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    images = [{"bytes": photo.read_bytes(), "path": None} for photo in photos]
    return read(datasets.Dataset.from_dict({"image": images, "label": [0, 0, 1, 1]}, features=features))


def in_memory(folder: Path, photos: list[Path]) -> ImageDataset:
    return from_arrays(np.stack([decode(photo) for photo in photos]), NAMES)


@pytest.mark.parametrize("kept", [in_manifest, in_shards, from_hub, in_memory])
def test_pictures_come_from_wherever_they_are_kept(
    kept: Callable[[Path, list[Path]], ImageDataset], tmp_path: Path, photos: list[Path]
) -> None:
    dataset = kept(tmp_path, photos[:4])
    figures = parsed(checkup_page(checkup(dataset, each(dataset)))).all("figure")
    assert len(figures) == 4
    for figure, photo, label in zip(figures, photos[:4], NAMES, strict=True):
        assert apart(pixels(figure.one("img").attributes["src"]), photo) < SAME
        assert figure.classed("label")[0].text == label


def test_an_image_that_is_known_to_be_unusable_is_not_opened(dataset: ImageDataset, opened: list[int]) -> None:
    page = parsed(checkup_page(checkup(dataset, each(dataset), unusable={1: "damaged <PNG>"})))
    assert opened == [0, 2, 3, 4, 5]
    (missing,) = page.classed("missing")
    assert missing.text == "No picture damaged <PNG>"
    assert len(page.all("img")) == 5


def test_a_reason_is_said_once(dataset: ImageDataset) -> None:
    page = parsed(checkup_page(checkup(dataset, each(dataset), unusable={1: "detail of 1"})))
    assert page.text.count("detail of 1") == 1


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_image_that_was_spoilt_since_has_its_reason(
    dataset: ImageDataset, folder: Path, content: bytes | None
) -> None:
    place = folder / dataset.paths[4]
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        decode(place)
    (missing,) = parsed(checkup_page(checkup(dataset, each(dataset)))).classed("missing")
    assert missing.text == f"No picture {caught.value.message}"


def test_tiny_pictures_are_enlarged_in_sharp_squares() -> None:
    board = (np.indices((8, 8)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = pixels(thumbnail(np.stack([board] * 3, axis=-1)))
    assert image.shape == (SIDE, SIDE, 3)
    centres = image[SIDE // 16 :: SIDE // 8, SIDE // 16 :: SIDE // 8]
    np.testing.assert_allclose(centres, np.stack([board] * 3, axis=-1), atol=8)


@pytest.mark.parametrize(
    ("shape", "shown"), [((1, 1), (192, 192)), ((1, 5000), (1, 192)), ((5000, 1), (192, 1)), ((150, 100), (150, 100))]
)
def test_odd_shapes(shape: tuple[int, int], shown: tuple[int, int]) -> None:
    assert pixels(thumbnail(np.full((*shape, 3), 90, np.uint8))).shape[:2] == shown


def test_a_picture_that_comes_twice_is_decoded_once(dataset: ImageDataset, opened: list[int]) -> None:
    album = Album(dataset)
    assert album.picture(0) == album.picture(0)
    assert opened == [0]
    assert album.pictures([3, 3, 0, 3]) == tuple(map(album.picture, [3, 3, 0, 3]))
    assert opened == [0, 3]


@pytest.mark.parametrize("shown", [0, 1, 3, 6])
def test_several_pictures_are_those_that_come_one_by_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[int], shown: int
) -> None:
    """With a broken file among them, and as much room as so many pictures take."""
    monkeypatch.setattr("topwork.report._pictures.available_cores", lambda: 2)
    dataset = read(folder)
    (folder / dataset.paths[1]).write_bytes(b"no image")
    sizes = [len(thumbnail(dataset.source(row))) for row in range(6) if row != 1]
    room = sum(sizes[:shown])
    opened.clear()
    found = Album(dataset, room=room).pictures(range(6))
    assert len(set(opened)) == len(opened) <= shown + 4  # the broken one, the one without room, and one in hand
    single = Album(dataset, room=room)
    assert [picture.uri for picture in found] == [single.picture(row).uri for row in range(6)]
    assert sum(bool(picture.uri) for picture in found) == min(shown, 5)


def test_the_room_is_kept_and_nothing_is_decoded_once_it_is_gone(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [len(thumbnail(dataset.source(row))) for row in range(6)]
    album = Album(dataset, room=sizes[0] + sizes[1] + 1)
    shown = [album.picture(row) for row in (0, 1, 2)]
    monkeypatch.setattr(ImageDataset, "source", lambda self, row: pytest.fail("decoded"))
    shown += [album.picture(row) for row in (3, 0)]
    assert [bool(picture.uri) for picture in shown] == [True, True, False, False, False]
    assert {picture.reason for picture in shown[2:]} == {"left out to keep this page small"}
    assert {Texts("ko").named("picture", picture.reason) for picture in shown[2:]} == {"페이지 크기를 줄이기 위해 생략"}


@pytest.mark.parametrize("turned", [1, 6])
def test_a_mask_lies_on_its_image_however_large_that_is(tmp_path: Path, turned: int) -> None:
    """Large images are decoded small: compared with the whole image, painted and made small then."""
    height, width = 1501, 2003
    mask = np.zeros((height, width), np.uint8)
    mask[200:900, 300:1500] = 1
    image = np.where(mask[:, :, None] == 1, 200, 60).repeat(3, axis=2).astype(np.uint8)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    exif = Image.Exif()
    exif[274] = turned
    Image.fromarray(image).save(tmp_path / "images" / "1.jpg", exif=exif)
    Image.fromarray(image if turned == 1 else np.rot90(image, -1)).save(tmp_path / "images" / "2.jpg")
    for number in (1, 2):
        Image.fromarray(mask if turned == 1 else np.rot90(mask, -1)).save(tmp_path / "masks" / f"{number}.png")
    (tmp_path / "classes.txt").write_text("background\nthing\n")
    dataset = read_masks(tmp_path)
    for row in range(2):
        whole, told = decode(dataset.source(row)), dataset.mask(row)
        right = painted(whole, told.labels, {1: "thing"}, told.objects, side=BOXED_SIDE, legend=False)
        shown = np.asarray(Image.open(io.BytesIO(row_file(dataset, row))).convert("RGB"), np.int32)
        assert shown.shape == right.shape
        assert (np.abs(shown - right).max(axis=2) > 60).mean() < 0.01  # but for the line around it

    Image.fromarray(image[:800]).save(tmp_path / "images" / "1.jpg")  # since it was read
    shown = np.asarray(Image.open(io.BytesIO(row_file(dataset, 0))).convert("RGB"), np.int32)
    assert np.ptp(shown, axis=2).max() < 20  # without the mask's colour
