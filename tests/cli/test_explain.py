"""``topwork explain``: what is asked for lies there as a picture, and what went wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run


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
    assert (
        done.out == f"{tmp_path / photos[0].stem}-grad-cam.png: Grad-CAM for zebra (0.0%); the answer is bull mastiff\n"
    )


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


def test_every_picture_can_be_asked_for(run: Run, model: Path, textile: Path, tmp_path: Path) -> None:
    image = sorted((textile / "local").iterdir())[0]
    asked = {
        f"{image.stem}-features.png": ["--what", "features", image],
        f"{image.stem}-attack.png": ["--what", "attack", "--norm", "l2", image],
        "filters.png": ["--what", "filters"],
        "channels.png": ["--what", "channels", "--data", textile, "--stage", "blocks.3"],
        "space.png": ["--what", "space", "--data", textile, "--projection", "pca"],
        "corruptions.png": ["--what", "corruptions", "--data", textile, "--most", "2"],
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
        (["--what", "filters", "a.jpg"], "is of no image"),
        (["--what", "features", "a.jpg", "--method", "occlusion"], "--method is for --what evidence, not for features"),
        (["a.jpg", "--norm", "l2"], "--norm is for --what attack, robustness, not for evidence"),
        (["--what", "pictures"], "--what"),
    ],
)
def test_what_does_not_belong_together_is_refused(run: Run, given: list[str], message: str) -> None:
    done = run("explain", "--backbone", "lite0", *given)
    assert done.code == 2
    assert message in done.err


def test_attention_of_a_cnn_is_one_error(run: Run, photos: list[Path], tmp_path: Path) -> None:
    done = run("explain", "--backbone", "lite0", photos[0], "--method", "attention", "-o", tmp_path)
    error, hint = done.failed()
    assert error == "tf_efficientnet_lite0 has no attention over the whole image"
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
