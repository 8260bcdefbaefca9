"""Images with masks on the command line: fitted, told in lines, drawn, written, measured, compared, refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tasks.segmentation.made import drawn, written
from topwork.data import read_masks
from topwork.errors import DataError, ExplainError
from topwork.explain import write_numbers
from topwork.tasks import told_by


def numbered(folder: Path, count: int = 8) -> Path:
    """Images of discs with a 16-bit number for each."""
    from skimage.measure import label

    written(folder, count)
    for place in range(count):
        mask = drawn(place)[1] == 1
        Image.fromarray(label(mask).astype(np.uint16)).save(folder / "masks" / f"{place:02}.png")
    return folder


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("skimage")
    return numbered(tmp_path_factory.mktemp("discs"))


@pytest.fixture(scope="module")
def model(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import topwork
    from topwork.backbones import load

    found = topwork.fit(discs, strategy="probe", backbone=load("lite0", size=128))
    return found.save(tmp_path_factory.mktemp("models") / "model")


def test_the_model_says_what_it_learnt(model: Path) -> None:
    record = json.loads((model / "model.json").read_text())["task"]
    assert record["name"] == "segmentation"
    assert record["objects"] > 6
    assert record["splitting"]["border"]
    assert record["threshold"] is None or 0 < record["threshold"] < 1
    assert record["metrics"]["objects"]["ap_by_iou"][0]["value"] > 0.6
    assert "## Classes" in (model / "README.md").read_text()


def test_predict_draws_writes_and_measures(run: Callable[..., Any], model: Path, discs: Path, tmp_path: Path) -> None:
    images = sorted((discs / "images").glob("*.png"))[:2]
    where = {name: tmp_path / name for name in ("pictures", "masks", "table.csv")}
    options = ("--draw", where["pictures"], "--masks", where["masks"], "--csv", where["table.csv"])
    done = run("predict", model, *images, *options)
    assert done.code == 0
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == [str(image) for image in images]
    with where["table.csv"].open() as file:
        table = list(csv.DictReader(file))
    for line, image in zip(lines, images, strict=True):
        written = np.asarray(Image.open(where["masks"] / image.name))
        assert written.dtype == np.uint16
        count = int(line[1])
        assert len(np.unique(written)) - 1 == count
        rows = [row for row in table if row["path"] == str(image)]
        assert sorted(int(row["area"]) for row in rows) == sorted(np.bincount(written.ravel())[1:].tolist())
        picture = np.asarray(Image.open(where["pictures"] / image.name))
        assert picture.shape[0] > picture.shape[1] == 480  # a legend is beneath


def test_what_was_written_is_read_again(run: Callable[..., Any], model: Path, discs: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(discs / "images", tmp_path / "images")
    assert run("predict", model, tmp_path / "images", "--masks", tmp_path / "masks").code == 0
    again = read_masks(tmp_path)
    assert len(again) == 8
    assert again.tells_objects
    assert run("predict", model, tmp_path / "images", "--masks", tmp_path / "masks").code == 0


def test_a_mask_of_the_users_own_is_not_written_over(
    run: Callable[..., Any], model: Path, discs: Path, tmp_path: Path
) -> None:
    image = min((discs / "images").glob("*.png"))
    before = (discs / "masks" / image.name).read_bytes()
    done = run("predict", model, image, "--masks", discs / "masks")
    assert done.code != 0
    assert "it was not changed" in done.err
    assert (discs / "masks" / image.name).read_bytes() == before
    numbers = np.array([[0, 70_000]], np.int32)
    for _ in range(2):
        write_numbers(numbers, tmp_path / "a.tif")
    assert (np.asarray(Image.open(tmp_path / "a.tif")) == numbers).all()
    Image.fromarray(numbers).save(tmp_path / "b.tif")
    with pytest.raises(ExplainError, match="it was not changed"):
        write_numbers(numbers, tmp_path / "b.tif")


def test_outlines_are_those_of_the_objects(run: Callable[..., Any], model: Path, discs: Path, tmp_path: Path) -> None:
    from PIL import ImageDraw

    images, folder = sorted((discs / "images").glob("*.png"))[:2], tmp_path / "outlines"
    options = ("--geojson", folder, "--masks", tmp_path / "masks")
    for _ in range(2):  # our own are written again
        assert run("predict", model, *images, *options).code == 0
    for image in images:
        told = json.loads((folder / image.with_suffix(".geojson").name).read_text())
        assert told["type"] == "FeatureCollection"
        mask = np.asarray(Image.open(tmp_path / "masks" / image.name))
        assert len(told["features"]) == len(np.unique(mask)) - 1
        for each in told["features"]:
            there = mask == int(each["properties"]["name"])
            assert each["properties"]["measurements"]["Area px^2"] == there.sum()
            picture = Image.new("1", (128 * 8, 128 * 8))
            corners = np.array(each["geometry"]["coordinates"][0]) * 8
            ImageDraw.Draw(picture).polygon(list(map(tuple, corners.tolist())), fill=1)
            np.testing.assert_array_equal(np.asarray(picture)[4::8, 4::8], there)


def test_outlines_of_the_users_own_are_not_written_over(
    run: Callable[..., Any], model: Path, discs: Path, tmp_path: Path
) -> None:
    image = min((discs / "images").glob("*.png"))
    own = tmp_path / image.with_suffix(".geojson").name
    own.write_text('{"type": "FeatureCollection", "features": []}')
    done = run("predict", model, image, "--geojson", tmp_path)
    assert done.code == 1
    assert "it was not changed" in done.err
    assert own.read_text() == '{"type": "FeatureCollection", "features": []}'
    assert [each.name for each in tmp_path.iterdir()] == [own.name]
    refused = run("predict", model, image, "--geojson", tmp_path / "a.geojson")
    assert refused.code == 2
    assert "takes a folder" in refused.err


def test_two_models_are_compared(run: Callable[..., Any], model: Path, discs: Path) -> None:
    done = run("evaluate", model, model, discs)
    assert done.code == 0
    assert "No significant difference in IoU" in done.out
    assert "AP50 of objects" in done.out


def test_a_tile_is_of_16_pixels_or_more(run: Callable[..., Any], model: Path, discs: Path) -> None:
    image = next((discs / "images").glob("*.png"))
    whole, parts = (run("predict", model, image, *more).out.split("\t") for more in ((), ("--tile", "96")))
    assert abs(int(whole[1]) - int(parts[1])) <= 2
    assert run("predict", model, image, "--tile", "8").code == 2


def test_evaluate_takes_a_tile_too(run: Callable[..., Any], model: Path, discs: Path) -> None:
    import topwork
    from topwork.metrics import mask_counts

    data = read_masks(discs)
    found: Any = topwork.load(model)
    counts = found.evaluate(data, tile=96).counts
    for row, (one, said) in enumerate(zip(counts, found.predict([*data.sources()], tile=96), strict=True)):
        how: Any = {"has_background": True, "objects": said.objects}
        alone = mask_counts(data.mask(row), said.labels, 2, **how)
        np.testing.assert_array_equal(one.confusion, alone.confusion)
        np.testing.assert_array_equal(one.boundary, alone.boundary)
        assert one.objects is not None
        assert alone.objects is not None
        np.testing.assert_array_equal(one.objects.right, alone.objects.right)
    told = run("evaluate", model, discs, "--tile", "96", "--json")
    assert told.code == 0
    assert json.loads(told.out)["iou"]["value"] > 0.6
    assert run("evaluate", model, model, discs, "--tile", "96").code == 0
    assert run("evaluate", model, discs, "--tile", "8").code == 2
    with pytest.raises(DataError, match="at least 16 pixels"):
        found.evaluate(data, tile=8)
    steps: list[tuple[int, int]] = []
    found.evaluate(data, tile=96, progress=lambda done, total: steps.append((done, total)))
    rows = [(row + 1, len(counts)) for row in range(len(counts))]
    assert steps[-len(rows) :] == rows
    assert (len(rows), len(rows)) in steps[: -len(rows)]  # before, which can be read


def test_masks_are_of_models_that_segment(run: Callable[..., Any], tmp_path: Path) -> None:
    for option in ("--masks", "--geojson"):
        done = run("predict", "--backbone", "lite0", tmp_path, option, tmp_path / "masks")
        assert done.code == 2
        assert f"{option} is for models that segment images" in done.err


def test_data_of_other_tasks_stay_theirs(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        Image.fromarray(drawn(1)[0]).save(tmp_path / "classes" / name / "a.png")
    assert told_by(tmp_path / "classes") == "classification"
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    Image.fromarray(drawn(1)[0]).save(boxes / "a.png")
    annotations = {
        "images": [{"id": 1, "file_name": "a.png", "height": 128, "width": 128}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "disc"}],
    }
    (boxes / "annotations.json").write_text(json.dumps(annotations))
    assert told_by(boxes) == "detection"
