"""Every command on images with boxes, as its user runs it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.shapes import CLASSES, draw_shapes
from topwork import read_boxes
from topwork.cli._tasks import task_in
from topwork.drawing import class_colours
from topwork.tasks import load
from topwork.tasks.detection import Detector

from .conftest import Run

NUMBERS = 5  # behind a class's name in a line of predict: score, x, y, width, height


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp("boxes") / "shapes", 60)


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp("boxes") / "unseen", 6, seed=9)


@pytest.fixture(scope="module")
def model(run: Run, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes") / "model"
    settings = ("--size", 128, "--epochs", 12, "--set", "views=2")
    done = run("fit", shapes, "-o", folder, "--strategy", "probe", *settings)
    assert done.code == 0, done
    (folder.parent / "fit.txt").write_text(done.out, "utf-8")
    return folder


def test_the_data_tell_the_task(shapes: Path, unseen: Path) -> None:
    assert task_in([str(shapes), "-o", "model"]) == "detection"
    assert task_in([str(shapes / "annotations.json"), "-o", "model"]) == "detection"
    assert task_in([str(shapes / "000.jpg")]) == "classification"


def test_fit_says_how_good_it_is_and_from_where_on_it_tells_of_objects(model: Path) -> None:
    lines = (model.parent / "fit.txt").read_text("utf-8").splitlines()
    told = {line.partition(" ")[0]: line for line in lines}
    assert lines[0].startswith("48 training images with ")
    assert " boxes of 2 classes; " in lines[0]
    assert " held-out images with " in told["AP50"]
    assert "square 0." in told["Thresholds"]
    assert "validation images" in told["Thresholds"]
    assert "precision" in told["At"]
    assert told["Next:"] == f"Next:  topwork predict {model} IMAGE..."
    found = load(model)
    assert isinstance(found, Detector)
    assert found.metrics is not None
    assert found.metrics.ap50 is not None
    assert found.metrics.ap50.value > 0.5
    record = found.record
    assert (record.task.classes, record.data.training, record.data.held_out) == (CLASSES, 48, 12)
    assert record.task.chosen is not None
    page = (model / "report.html").read_text("utf-8")
    assert "square" in page


def test_a_line_tells_of_each_image_and_of_each_of_its_objects(run: Run, model: Path, unseen: Path) -> None:
    images = sorted(unseen.glob("*.jpg"))
    done = run("predict", model, unseen)
    assert done.code == 0
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == list(map(str, images))
    assert all(int(count) == len(objects) for _, count, *objects in lines)
    truth = read_boxes(unseen)
    found = 0
    for row, (_, _, *objects) in enumerate(lines):
        for each in objects:
            label, *numbers = each.rsplit(" ", NUMBERS)
            score, x, y, width, height = map(float, numbers)
            assert label in CLASSES
            assert 0 < score <= 1
            corners = np.array([x, y, x + width, y + height])
            found += any(np.abs(corners - box).max() < 12 for box in truth.boxes(row).corners)
    assert found >= 0.6 * len(truth.labels)
    fewer = run("predict", model, unseen, "--threshold", "0.99")
    assert sum(int(line.split("\t")[1]) for line in fewer.out.splitlines()) == 0


def test_json_is_in_cocos_form_and_what_is_damaged_is_told(run: Run, model: Path, unseen: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((unseen / "000.jpg").read_bytes()[:700])
    done = run("predict", model, unseen / "000.jpg", broken, unseen / "001.jpg", "--json", "--threshold", "0.2")
    assert done.code == 1
    first, second, third = map(json.loads, done.out.splitlines())
    assert second["source"] == str(broken)
    assert second["error"]
    assert (first["width"], first["height"], third["source"]) == (128, 96, str(unseen / "001.jpg"))
    for each in first["objects"]:
        assert set(each) == {"category", "score", "bbox"}
        assert len(each["bbox"]) == 4
    assert "1 image could not be used" in done.err


def test_a_table_has_a_row_for_each_box_and_is_read_as_boxes(
    run: Run, model: Path, unseen: Path, tmp_path: Path
) -> None:
    images = shutil.copytree(unseen, tmp_path / "images")
    Image.new("RGB", (64, 48)).save(images / "empty.png")
    (images / "text.jpg").write_text("no image")
    table, rows = tmp_path / "found.csv", list[dict[str, str]]()
    done = run("predict", model, images, "--csv", table, "--parquet", tmp_path / "found.parquet")
    assert done.code == 1
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "score", "xmin", "ymin", "xmax", "ymax", "error"]
    named = [row["path"] for row in rows]
    assert set(named) == {str(path) for path in images.iterdir() if path.suffix != ".json"}
    empty, lost = (next(row for row in rows if row["path"].endswith(name)) for name in ("empty.png", "text.jpg"))
    assert (empty["label"], empty["xmin"], empty["error"]) == ("", "", "")
    assert lost["error"]
    (images / "text.jpg").unlink()
    again = read_boxes(table)
    boxes = [row for row in rows if row["label"]]
    assert len(again.labels) == len(boxes) > 3
    np.testing.assert_allclose(again.corners[:, 0].sum(), sum(float(row["xmin"]) for row in boxes), rtol=1e-4)
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "found.parquet")
    assert parquet["label"].to_pylist() == [row["label"] for row in rows]


def test_pictures_show_what_was_found_and_nothing_of_the_users_is_overwritten(
    run: Run, model: Path, unseen: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "drawn"
    source = unseen / "000.jpg"
    done = run("predict", model, source, unseen / "001.jpg", source, "--draw", folder, "--json")
    assert done.code == 0
    assert f"note: pictures with objects drawn: 3, in {folder}" in done.err
    assert sorted(path.name for path in folder.iterdir()) == ["000-2.png", "000.png", "001.png"]
    found = json.loads(done.out.splitlines()[0])
    picture = np.asarray(Image.open(folder / "000.png").convert("RGB"))
    assert max(picture.shape) == 480  # an image of 128 x 96, large enough for words
    scale = 480 / 128
    for each in found["objects"]:
        x, y, width, height = (number * scale for number in each["bbox"])
        colour = class_colours(2)[CLASSES.index(each["category"])]
        edge = picture[min(round(y + height), picture.shape[0] - 1) - 1, round(x + width / 2)]
        assert (edge == colour).all() or len(found["objects"]) > 1
    assert found["objects"]
    mine = tmp_path / "mine"
    mine.mkdir()
    Image.new("RGB", (8, 8)).save(mine / "000.png")
    before = (mine / "000.png").read_bytes()
    assert run("predict", model, source, "--draw", mine).code == 1
    assert (mine / "000.png").read_bytes() == before


def test_tiles_find_what_is_small(run: Run, model: Path, unseen: Path, tmp_path: Path) -> None:
    canvas = Image.new("RGB", (640, 480), (120, 120, 120))
    canvas.paste(Image.open(unseen / "000.jpg"), (400, 300))
    canvas.save(tmp_path / "large.png")
    told = [run("predict", model, tmp_path / "large.png", *more).out.split("\t") for more in ((), ("--tile", "128"))]
    assert int(told[1][1]) > int(told[0][1])
    assert run("predict", model, tmp_path / "large.png", "--tile", "4").code == 2


def test_evaluate_measures_what_did_not_train_the_model(run: Run, model: Path, shapes: Path, unseen: Path) -> None:
    done = run("evaluate", model, shapes)
    assert "the 12 images that did not train it are measured" in done.err
    assert "AP50" in done.out
    rows = [line.split()[0] for line in done.out.splitlines() if line[:6] in ("square", "disc  ")]
    assert rows == ["square", "disc"]
    fields = run("evaluate", model, unseen, "--json").json
    assert (fields["images"], fields["trained"], fields["seen_in_training"]) == (6, 0, False)
    assert fields["boxes"] == len(read_boxes(unseen).labels)
    assert [each["name"] for each in fields["per_class"]] == list(CLASSES)
    assert fields["at_thresholds"]["overall"]["boxes"] == fields["boxes"]


def test_two_detectors_are_compared_on_the_same_images(run: Run, model: Path, unseen: Path) -> None:
    done = run("evaluate", model, model, unseen)
    assert done.code == 0, done
    assert "AP50 +0.00 points" in done.out
    assert "No significant difference in AP50" in done.out
    assert run("evaluate", model, model, unseen, "--json").json["comparison"]["ap50"]["value"] == 0


def test_check_report_and_watch_know_boxes(run: Run, model: Path, unseen: Path, tmp_path: Path) -> None:
    clean = unseen.parent / "clean.csv"
    done = run("check", unseen, "--write", clean)
    assert done.code == 0, done
    assert done.out.splitlines()[0] == "6 of 6 images in 2 classes can be used"
    assert len(read_boxes(clean).labels) == len(read_boxes(unseen).labels)
    assert "it is there already" in run("check", unseen, "--write", clean).failed()[0]
    assert "which lies outside its folder" in run("check", unseen, "--write", tmp_path / "far.csv").failed()[0]
    page = tmp_path / "page.html"
    assert run("report", model, "--data", unseen, "-o", page).code == 0
    assert "square" in page.read_text("utf-8")
    table = tmp_path / "watched.csv"
    watched = run("watch", model, unseen, "--once", "--csv", table)
    assert watched.code == 0
    with table.open(newline="") as file:
        names = {row["path"] for row in csv.DictReader(file)}
    assert names == {str(path) for path in unseen.glob("*.jpg")}


def test_what_does_not_apply_is_said_plainly(run: Run, model: Path, shapes: Path, unseen: Path, tmp_path: Path) -> None:
    image = unseen / "000.jpg"
    for given in (("predict", model, image, "--coverage", "0.9"), ("predict", model, image, "--abstain", "0.9")):
        error, hint = run(*given).failed()
        assert "this command cannot use a model of the task detection" in error
        assert hint == "it is for models that tell classes apart"
    assert "keep no thumbnails" in run("fit", shapes, "-o", tmp_path / "m", "--thumbnails").failed()[0]
    assert "--text is for models of texts" in run("predict", model, "--text", "a").err
    backbone = ("predict", image, "--backbone", "lite0")
    assert "--draw is for models that find objects" in run(*backbone, "--draw", tmp_path / "d").err
    assert "--threshold is for models that find objects" in run(*backbone, "--threshold", "0.5").err
    for wrong in ("0", "1", "x"):
        assert run("fit", shapes, "-o", tmp_path / "m", "--recall", wrong).code == 2
    other = tmp_path / "other"
    other.mkdir()
    told = json.loads((unseen / "annotations.json").read_text("utf-8"))
    told["categories"][0]["name"] = "triangle"
    (other / "annotations.json").write_text(json.dumps(told))
    for path in unseen.glob("*.jpg"):
        shutil.copy(path, other)
    assert "triangle" in run("evaluate", model, other).failed()[0]


def _surest(detector: Detector, image: Path) -> float:
    return max((each.score for each in detector.predict([image])[0]), default=0.0)


def test_what_a_box_rests_on_is_drawn_and_checked(run: Run, model: Path, unseen: Path, tmp_path: Path) -> None:
    surest = {each: _surest(load(model), each) for each in unseen.glob("*.jpg")}
    images = sorted(surest, key=lambda each: (-surest[each], each))[:1]  # of a doubtful one nothing has to hold
    done = run("explain", model, *images, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done
    told = done.json["pictures"]
    assert [each["source"] for each in told] == list(map(str, images))
    assert [Path(each["picture"]).name for each in told] == [f"{each.stem}-box-1.png" for each in images]
    with Image.open(told[0]["picture"]) as picture:
        assert picture.width > 1000
    by_chance = np.mean([each["bbox"][2] * each["bbox"][3] for each in told]) / (96 * 128)
    assert np.mean([each["inside"] for each in told]) > 2 * by_chance
    assert told[0]["checked"]["holds"]
    kept = run("explain", model, images[0], "--class", told[0]["label"], "--box", 1, "--keep")
    first, second, _ = kept.out.splitlines()
    assert first.endswith("% of it in the box")
    assert "the score is" in second
    assert second.startswith("  Checked" if told[0]["checked"]["holds"] else "  Not confirmed")
    assert run("report", model, "-o", tmp_path / "page.html").code == 0
    shutil.rmtree(model / "explained")
    assert "Other explanations" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("--class", "cow"), "no class is called 'cow'"),
        (("--class", "disc", "--box", "900"), "there is no box 900"),
        (("--method", "grad-cam"), "--method grad-cam is not for models that find objects"),
        (("--what", "attack"), "this command cannot use a model of the task detection"),
    ],
)
def test_an_explanation_that_cannot_be_given_is_refused(
    run: Run, model: Path, unseen: Path, tmp_path: Path, given: tuple[str, ...], error: str
) -> None:
    done = run("explain", model, unseen / "000.jpg", *given, "-o", tmp_path / "out")
    assert done.code == 1
    assert error in done.err
    assert "hint: " in done.err
    assert not (tmp_path / "out").exists()
