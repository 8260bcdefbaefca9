"""`fit --strategy as-is`, and `predict --backbone` without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.model.samples import easy_folder, photos
from topwork.backbones import imagenet_labels

from .conftest import Run


@pytest.fixture
def easy(tmp_path: Path, shared_cache: Path) -> Path:
    return easy_folder(tmp_path / "easy", "snapshot", "weaving", count=10)


def test_a_network_names_pictures_without_a_model(run: Run) -> None:
    done = run("predict", "--backbone", "lite0", *photos()[:2])
    assert (done.code, done.err) == (0, "")
    for line, photo in zip(done.out.splitlines(), photos(), strict=False):
        source, *rest = line.split("\t")
        assert source == str(photo)
        assert len(rest) == 10
        assert imagenet_labels()[int(photo.stem.rpartition("_")[2])].name in rest


def test_as_json_it_is_one_object_an_image(run: Run) -> None:
    done = run("predict", photos()[0], "--backbone", "lite0", "--json")
    assert done.json.keys() == {"source", "top"}
    assert [candidate.keys() for candidate in done.json["top"]] == [{"label", "name", "probability"}] * 5


def test_a_broken_image_is_told_and_the_others_are_answered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    done = run("predict", "--backbone", "lite0", tmp_path / "broken.jpg", photos()[0])
    assert done.code == 1
    assert len(done.out.splitlines()) == 1
    assert "broken.jpg" in done.err
    assert "1 image could not be used" in done.err


@pytest.mark.parametrize("arguments", [(), ("--backbone", "lite0"), ("--backbone", "lite0", "a.jpg", "--stdin")])
def test_too_few_or_too_many_are_a_wrong_command_line(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("predict", *arguments).code == 2


def test_a_network_that_is_unknown_or_has_no_classifier_is_refused(run: Run) -> None:
    done = run("predict", "--backbone", "lite9", photos()[0])
    assert done.code == 1
    assert "did you mean" in done.err


def test_fit_says_how_the_classes_met(run: Run, easy: Path, tmp_path: Path) -> None:
    done = run("fit", easy, "-o", tmp_path / "model", "--strategy", "as-is")
    assert done.code == 0, done.err
    matched = "ImageNet's classes are used, matched by a map learnt from the training images"
    assert f"{matched} (number of them for each class): snapshot " in done.out
    assert "matched by learning from images, because 2 of 2 class names match no ImageNet-1k class" in done.err
    held_out = photos()[8]  # of which the map is sure, in float32 as in bfloat16
    assert run("predict", tmp_path / "model", held_out).out.split("\t")[1] == "snapshot"


def test_a_map_comes_from_a_file(run: Run, easy: Path, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(json.dumps({"snapshot": ["entity"], "weaving": ["velvet", 911]}), "utf-8")
    arguments = ("-o", tmp_path / "model", "--strategy", "as-is", "--map", tmp_path / "map.json")
    done = run("fit", easy, *arguments, "--json")
    assert done.json["task"]["mapping"] == {"way": "given", "covers": [998, 2]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a readable map"),
        ("[1]", "a map is one JSON object, not list"),
        ('{"snapshot": ["dog"]}', "missing 'weaving'"),
        ('{"snapshot": ["dog"], "weaving": ["qwertz"]}', "'qwertz' (for 'weaving') matches no ImageNet-1k class"),
        ('{"snapshot": {"dog": 1}, "weaving": ["cat"]}', "needs a list of ImageNet classes for 'snapshot'"),
    ],
)
def test_a_wrong_map_is_refused(run: Run, easy: Path, tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "map.json").write_text(text, "utf-8")
    done = run("fit", easy, "-o", tmp_path / "model", "--strategy", "as-is", "--map", tmp_path / "map.json")
    error, hint = done.failed()
    assert complaint in error
    assert hint
    assert not (tmp_path / "model").exists()
