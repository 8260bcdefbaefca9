"""``topwork explain``: what is asked for lies there as a picture, and what went wrong is said."""

from __future__ import annotations

import functools
import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.model.samples import textile_folder
from tests.report.pages import parsed
from topwork._arrays import UInt8Array
from topwork.backbones import load
from topwork.cli._explain import WhatName
from topwork.data import ImageDataset, read
from topwork.errors import ExplainError
from topwork.explain import TorchClassifier
from topwork.fitting import held_out_again
from topwork.tasks import classification
from topwork.tasks import load as load_model


def test_a_model_tells_why(run: Run, model: Path, textile: Path, tmp_path: Path) -> None:
    image = sorted((textile / "local").iterdir())[0]
    done = run("explain", model, image, image, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done
    first, second = done.json["pictures"]
    assert first["source"] == str(image)
    assert Path(first["picture"]) == tmp_path / "out" / f"{image.stem}-grad-cam.png"
    assert Path(second["picture"]) == tmp_path / "out" / f"{image.stem}-grad-cam-2.png"
    assert first["label"] == first["answer"]
    with Image.open(first["picture"]) as picture:
        assert picture.width > 400


def test_a_network_alone_tells_why(run: Run, photos: list[Path], tmp_path: Path) -> None:
    done = run("explain", "--backbone", "lite0", photos[0], "--class", "zebra", "-o", tmp_path)
    assert done.code == 0, done
    assert done.out == f"{tmp_path / photos[0].stem}-grad-cam.png: Grad-CAM for zebra (0.0%); predicted: bull mastiff\n"


def test_only_a_model_that_finds_objects_has_boxes(run: Run, photos: list[Path], tmp_path: Path) -> None:
    done = run("explain", "--backbone", "lite0", photos[0], "--box", "1", "-o", tmp_path)
    assert done.code == 1
    assert "--box is for models that find objects" in done.err


def test_an_image_that_is_none_does_not_stop_the_others(run: Run, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("no image")
    done = run("explain", "--backbone", "lite0", tmp_path / "bad.jpg", photos[0], "-o", tmp_path / "out")
    assert done.code == 1
    assert done.err.splitlines()[0].startswith(f"error: {tmp_path / 'bad.jpg'}: ")
    assert "1 image could not be used" in done.err
    assert [each.name for each in (tmp_path / "out").iterdir()] == [f"{photos[0].stem}-grad-cam.png"]


@pytest.mark.parametrize("given", [[], ["--backbone", "lite0"], ["model"]])
def test_a_command_line_without_what_it_needs_is_wrong(run: Run, given: list[str]) -> None:
    assert run("explain", *given).code == 2


def test_a_class_that_is_none_is_one_error(run: Run, photos: list[Path], tmp_path: Path) -> None:
    done = run("explain", "--backbone", "lite0", photos[0], "--class", "zebrra", "-o", tmp_path)
    error, hint = done.failed()
    assert error == "no class is called 'zebrra'"
    assert "zebra" in hint


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of a class: how many are drawn is not what is asked about."""
    return textile_folder(tmp_path_factory.mktemp("data") / "few", per_class=4)


def test_every_picture_can_be_asked_for(run: Run, model: Path, few: Path, tmp_path: Path) -> None:
    image = sorted((few / "local").iterdir())[0]
    asked = {
        f"{image.stem}-features.png": ["--what", "features", image],
        f"{image.stem}-attack.png": ["--what", "attack", "--norm", "l2", image],
        "filters.png": ["--what", "filters"],
        "channels.png": ["--what", "channels", "--data", few, "--stage", "blocks.3"],
        "space.png": ["--what", "space", "--data", few, "--projection", "pca"],
        "corruptions.png": ["--what", "corruptions", "--data", few, "--most", "2"],
    }
    for file, given in asked.items():
        options = [each for each in given if each != image]
        done = run("explain", model, *(each for each in given if each == image), *options, "-o", tmp_path / "out")
        assert done.code == 0, done
        assert done.out.startswith(f"{tmp_path / 'out' / file}: "), done
    assert {each.name for each in (tmp_path / "out").iterdir()} == set(asked)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--what", "ideal"], "needs --class"),
        (["--what", "space"], "needs --data"),
        (["--what", "filters", "a.jpg"], "takes no image files"),
        (
            ["--what", "features", "a.jpg", "--method", "occlusion"],
            "--method is for --what evidence, not for features",
        ),
        (["a.jpg", "--norm", "l2"], "--norm is for --what attack, robustness, not for evidence"),
        (["--what", "pictures"], "--what"),
        (["--what", "filters", "--keep"], "--keep saves to the folder of a model"),
    ],
)
def test_what_does_not_belong_together_is_refused(run: Run, given: list[str], message: str) -> None:
    done = run("explain", "--backbone", "lite0", *given)
    assert done.code == 2
    assert message in done.err


def test_attention_of_a_cnn_is_one_error(run: Run, photos: list[Path], tmp_path: Path) -> None:
    done = run("explain", "--backbone", "lite0", photos[0], "--method", "attention", "-o", tmp_path)
    error, hint = done.failed()
    assert error == "tf_efficientnet_lite0 has no global attention"
    assert "grad-cam" in hint


def test_a_page_holds_the_pictures(run: Run, photos: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("explain", "--backbone", "lite0", photos[0], "-o", tmp_path / "out", "--report", page)
    assert done.code == 0, done
    assert "Grad-CAM for bull mastiff" in page.read_text("utf-8")
    (tmp_path / "mine.html").write_text("mine")
    error, _ = run("explain", "--backbone", "lite0", photos[0], "--report", tmp_path / "mine.html").failed()
    assert "mine.html" in error
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_an_attack_passes_over_what_is_that_class_already(run: Run, photos: list[Path], tmp_path: Path) -> None:
    dog, other = photos[:2]
    asked = ("explain", "--backbone", "lite0", "--what", "attack", "--class", "bull mastiff", "-o", tmp_path, "--json")
    done = run(*asked, dog, other)
    assert done.code == 0, done
    assert done.err == f"note: {dog}: skipped: already predicted as 'bull mastiff'\n"
    assert [each["source"] for each in done.json["pictures"]] == [str(other)]
    assert done.json["skipped"] == [{"source": str(dog), "reason": "already predicted as 'bull mastiff'"}]
    for images in ([dog], [dog, dog]):  # nothing at all was attacked
        none = run(*asked, *images)
        assert none.code == 1
        assert "already predicted as 'bull mastiff'" in none.err
        assert none.err.splitlines()[-1].startswith("hint: choose another")


def test_robustness_is_told_for_each_attack(
    run: Run, model: Path, textile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.explain._robust.SIZES", {"l2": (0.0, 8.0)})  # seven of them take a while
    asked = ("--what", "robustness", "--data", textile, "--most", "2", "--norm", "l2", "-o", tmp_path)
    done = run("explain", model, *asked, "--json")
    assert done.code == 0, done
    (told,) = done.json["pictures"]
    assert (told["images"], told["norm"], told["sizes"]) == (2, "l2", [0.0, 8.0])
    assert set(told["accuracy"]) == {"noise", "fgsm", "pgd"}
    assert told["accuracy"]["pgd"][1] <= told["accuracy"]["noise"][1]
    with Image.open(told["picture"]) as picture:
        assert picture.size == (760, 420)
    assert run("explain", model, "--what", "robustness").code == 2


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="UMAP is installed")
def test_without_umap_the_extra_is_named(run: Run, textile: Path, tmp_path: Path) -> None:
    error, hint = run(
        "explain", "--backbone", "lite0", "--what", "space", "--projection", "umap", "--data", textile, "-o", tmp_path
    ).failed()
    assert error == "a UMAP projection needs umap, which is not installed"
    assert hint == "pip install 'topwork[umap]'"


@pytest.fixture
def own(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "own"))


def test_what_is_kept_is_shown_on_the_models_page(run: Run, own: Path, textile: Path) -> None:
    image = sorted((textile / "local").iterdir())[0]
    first, second = run("explain", own, image, "--keep").out.splitlines()
    assert first.startswith(f"{own / 'explained' / image.stem}-grad-cam.png: ")
    assert second.startswith(f"Next:  topwork report {own} --data DATA ")
    done = run("explain", own, "--what", "corruptions", "--data", textile, "--most", "2", "--keep")
    assert done.code == 0, done
    assert run("report", own, "--data", textile).code == 0
    page = parsed((own / "report.html").read_text("utf-8"))
    sections = {node.attributes["aria-labelledby"]: node for node in page.all("section")}
    assert "Accuracy on 2 images" in sections["robustness"].text
    assert "Grad-CAM for" in sections["explained"].text
    assert "--what corruptions" not in sections["missing"].text
    assert "--what ideal --keep" in sections["missing"].text
    assert len(sections["explained"].all("img")) == len(sections["robustness"].all("img")) == 1


def test_a_model_with_what_is_kept_is_read_and_can_be_replaced(
    run: Run, own: Path, textile: Path, tmp_path: Path
) -> None:
    assert run("explain", own, "--what", "filters", "--keep").code == 0
    image = sorted((textile / "local").iterdir())[0]
    assert run("predict", own, image).code == 0
    (own / "explained" / "mine.txt").write_text("mine")
    error, _ = run("fit", textile, "-o", own, "--strategy", "probe").failed()
    assert "would also delete explained/mine.txt" in error
    (own / "explained" / "mine.txt").unlink()
    assert run("fit", textile, "-o", own, "--strategy", "probe").code == 0
    assert not (own / "explained").exists()  # it was of another model


def test_keep_and_out_are_two_places(run: Run, own: Path, tmp_path: Path) -> None:
    assert run("explain", own, "--what", "filters", "--keep", "-o", tmp_path / "out").code == 2
    assert not (own / "explained").exists()


def test_ideal_images_of_a_model_are_of_each_of_its_classes(
    run: Run, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topwork import explain

    plain, asked = explain.ideal_image, []

    def quickly(classifier: explain.TorchClassifier, label: str, *, steps: int, **more: Any) -> explain.IdealImage:
        asked.append(steps)
        return plain(classifier, label, steps=1, **more)

    monkeypatch.setattr("topwork.explain._ideal._PLAIN_STEPS", 1)
    monkeypatch.setattr("topwork.explain.ideal_image", quickly)
    done = run("explain", own, "--what", "ideal", "--keep", "--json")
    assert done.code == 0, done
    assert [each["label"] for each in done.json["pictures"]] == ["global", "local", "nominal"]
    assert run("explain", own, "--what", "ideal", "--class", "global", "--fine", "-o", own.parent / "fine").code == 0
    assert asked == [explain.QUICK_STEPS] * 3 + [explain.FINE_STEPS]
    monkeypatch.setattr("topwork.cli._explain._MOST_IDEAL", 2)
    error, hint = run("explain", own, "--what", "ideal").failed()
    assert "there are 3 classes" in error
    assert hint == "choose one with --class"


@pytest.mark.parametrize("what", ["filters", "features", "channels", "space"])
def test_a_network_without_classes_is_seen_into(
    run: Run, what: str, photos: list[Path], few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.backbones.load", functools.partial(load, size=56))
    given = {"features": [photos[0]], "filters": []}.get(what, ["--data", few])
    done = run(
        "explain", "--backbone", "dinov2-s", "--weights", "random:1", *given, "--what", what, "-o", tmp_path / "out"
    )
    assert done.code == 0, done
    again = ("explain", "--backbone", "dinov2-s", "--weights", "random:1")
    error, _ = run(*again, photos[0], "-o", tmp_path / "out").failed()
    assert "its classes have no meaning" in error


def test_robustness_is_measured_on_what_did_not_train_the_model(
    run: Run, model: Path, textile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def squares(classifier: object, dataset: ImageDataset, most: int, *, seed: int) -> None:
        drawn.extend(dataset.paths)
        raise ExplainError("seen enough")

    monkeypatch.setattr("topwork.explain.labelled_squares", squares)
    for what in ("robustness", "corruptions"):
        done = run("explain", model, "--what", what, "--data", textile, "-o", tmp_path)
        assert "images that did not train it are measured" in done.err
    held_out = held_out_again(load_model(model), read(textile))
    assert held_out is not None
    assert set(drawn) == set(held_out.paths)
    assert 0 < len(held_out) < len(read(textile))


def test_one_image_that_nothing_can_be_drawn_of_does_not_stop_the_others(
    run: Run, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def squares(classifier: TorchClassifier, sources: list[str]) -> UInt8Array:
        if str(photos[0]) in sources:
            raise ExplainError("no gradient reaches it")
        return whole(classifier, sources)

    whole = TorchClassifier.squares
    monkeypatch.setattr(TorchClassifier, "squares", squares)
    done = run("explain", "--backbone", "lite0", *photos[:2], "-o", tmp_path / "out", "--json")
    assert done.code == 1
    assert [each["source"] for each in done.json["pictures"]] == [str(photos[1])]
    assert done.err.splitlines()[0] == f"error: {photos[0]}: no gradient reaches it"


def test_a_place_that_cannot_be_written_is_told_before_the_work(run: Run, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("explain", "--backbone", "lite0", "--what", "ideal", "--class", "zebra", "-o", tmp_path / "file" / "out")
    error, hint = done.failed()
    assert "cannot be written" in error
    assert "-o" in hint


def test_a_long_name_in_korean_is_shortened_to_what_a_file_system_takes(
    run: Run, photos: list[Path], tmp_path: Path
) -> None:
    image = tmp_path / f"{'가' * 80}.jpg"
    shutil.copy(photos[0], image)
    done = run("explain", "--backbone", "lite0", image, "-o", tmp_path / "out")
    assert done.code == 0, done
    (picture,) = (tmp_path / "out").iterdir()
    assert picture.name.startswith("가가가")


def test_channels_can_be_named(run: Run, model: Path, textile: Path, tmp_path: Path) -> None:
    asked = ("--what", "channels", "--data", textile, "--stage", "blocks.3", "-o", tmp_path, "--json")
    (told,) = run("explain", model, *asked, "--channel", "7", "--channel", "3").json["pictures"]
    assert [each["channel"] for each in told["channels"]] == [7, 3]
    error, _ = run("explain", model, *asked, "--channel", "9999").failed()
    assert "has channels 0 to" in error


def test_the_data_are_read_once(
    run: Run, model: Path, textile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def counting(data: object) -> ImageDataset:
        seen.append(data)
        return read(data)  # type: ignore[arg-type]

    monkeypatch.setattr(classification, "TASK", replace(classification.TASK, read=counting))
    asked = ("--what", "space", "--data", textile, "-o", tmp_path / "out", "--report", tmp_path / "page.html")
    assert run("explain", model, *asked).code == 0
    assert seen == [textile]


def test_help_says_what_can_be_drawn_and_whose_an_option_is(run: Run) -> None:
    told = " ".join(run("explain", "--help").out.replace("│", " ").split())
    for what in WhatName:
        assert f"{what}: " in told
    for readers in (
        "For evidence, words: the attribution method.",
        "For attack, robustness: the norm that measures the size of a change.",
    ):
        assert readers in told


@pytest.mark.parametrize("what", ["words", "neighbours", "fewest"])
def test_what_is_of_texts_is_refused_for_images(run: Run, model: Path, what: str) -> None:
    error, hint = run("explain", model, "--what", what).failed()
    assert "is for models of texts" in error
    assert "evidence" in hint


def test_a_text_cannot_be_given_to_a_model_of_images(run: Run, model: Path) -> None:
    done = run("explain", model, "--text", "a text")
    assert done.code == 2
    assert "--text is for --what words" in " ".join(done.err.split())
