"""`fit --strategy zero-shot`, with class folders and with labels alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import clips

from .conftest import Run

CLASSES = ("red_zero", "green_seven")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.digit_folder(tmp_path_factory.mktemp("digits") / "data", CLASSES, 15)


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = clips.digits_clip().save(tmp_path_factory.mktemp("clip") / "files")
    network = ("--backbone", clips.NETWORK, "--weights", folder, "--size", clips.SIZE, "--crop-mode", "squash")
    return ["--strategy", "zero-shot", *network, "--text", folder]


def test_class_folders_name_themselves(run: Run, data: Path, arguments: list[object], tmp_path: Path) -> None:
    done = run("fit", data, "-o", tmp_path / "model", *arguments)
    assert done.code == 0, done.err
    assert "): green seven; a photo of a green seven.; a photo of the green seven.; …" in done.out
    image = next((data / "red_zero").iterdir())
    assert run("predict", tmp_path / "model", image).out.split("\t")[1] == "red_zero"


def test_labels_descriptions_prompts_and_a_blend(run: Run, data: Path, arguments: list[object], tmp_path: Path) -> None:
    told, prompts = tmp_path / "told.txt", tmp_path / "prompts.txt"
    told.write_text("red_zero: a red zero\n", "utf-8")
    prompts.write_text("a picture of a {}.\n", "utf-8")
    words = ("--labels", "a green seven,the red zero", "--descriptions", told, "--prompts", prompts, "--blend")
    done = run("fit", data, "-o", tmp_path / "model", *arguments, *words, "--json")
    assert done.json["task"]["words"]["prompts"] == [["a picture of a green seven."], ["a picture of a red zero."]]
    assert [trial["question"] for trial in done.json["trials"]] == ["blend"] * 3


def test_labels_alone_need_no_data(run: Run, data: Path, arguments: list[object], tmp_path: Path) -> None:
    done = run("fit", "-o", tmp_path / "model", *arguments, "--labels", "a red zero,a green seven")
    assert done.code == 0, done.err
    assert "has not been measured" in done.err
    image = next((data / "red_zero").iterdir())
    assert run("predict", tmp_path / "model", image).out.split("\t")[1] == "a red zero"


def test_without_data_and_labels_the_command_line_is_wrong(run: Run, arguments: list[object], tmp_path: Path) -> None:
    assert run("fit", "-o", tmp_path / "model", *arguments).code == 2
    assert run("fit", "-o", tmp_path / "model", "--labels", "a,b").code == 2
    assert run("fit", "-o", tmp_path / "model").code == 2


def test_a_backbone_without_words_names_those_with(run: Run, data: Path, tmp_path: Path) -> None:
    error, hint = run("fit", data, "-o", tmp_path / "model", "--strategy", "zero-shot").failed()
    assert "needs a text model for this, and none is known" in error
    assert "clip-b32" in hint
