"""What a command says to somebody in a hurry: hints that help, commands that can be copied, and cheap checks first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.model.samples import easy_folder


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_next_command_can_be_copied_though_a_name_has_spaces(run: Run, tmp_path: Path, lang: str) -> None:
    data, out = easy_folder(tmp_path / "my photos", count=4), tmp_path / "나의 모델"
    done = run("fit", data, "-o", out, "--strategy", "probe", "--stages", "last", "--lang", lang)
    assert done.code == 0, done
    assert f"topwork predict '{out}' " in done.out.splitlines()[-1]


def test_segment_looks_for_the_image_before_it_loads_a_network(run: Run, tmp_path: Path) -> None:
    said = run("segment", tmp_path / "none.png", "--point", "3,3", "--offline").failed()
    assert said == (f"{tmp_path}/none.png: no such file", "check the path")


def test_help_says_how_masks_are_given(run: Run) -> None:
    for command in ("fit", "check"):
        assert "For masks: the folders images/ and masks/" in " ".join(run(command, "--help").out.split())
        assert "images/와 masks/ 폴더" in " ".join(run(command, "--help", "--lang", "ko").out.split())


def test_a_field_that_is_none_is_answered_with_fields_in_korean(run: Run) -> None:
    told = run("models", "--domain", "medica", "--lang", "ko").err.splitlines()
    assert told[1] == "해결 방법: 다음 중에서 고르세요: satellite, medical, legal, microscopy"


def test_every_task_in_the_list_of_data_is_in_korean(run: Run) -> None:
    told = run("data", "list", "--lang", "ko").out
    assert all(word in told for word in ("분류", "검출", "분할", "텍스트"))
    assert "classification" not in told
    assert "detection" not in told
