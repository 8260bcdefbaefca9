"""tools/recorded_run.py: of two recordings it tells what differs, and nothing else."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "recorded_run.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recorded_run", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recordings(tmp_path: Path) -> Any:
    """Two recordings in folders, made of what they say."""

    def made(*contents: Any) -> list[Path]:
        folders = [tmp_path / str(number) for number in range(len(contents))]
        for folder, content in zip(folders, contents, strict=True):
            folder.mkdir()
            (folder / "record.json").write_text(json.dumps(content), "utf-8")
        return folders

    return made


def test_equal_recordings_have_no_difference(tool: ModuleType, recordings: Any) -> None:
    said = {"ants": {"fit": [{"accuracy": 0.5, "created": "today", "trials": [{"seconds": 1.5}]}]}}
    later = {"ants": {"fit": [{"accuracy": 0.5, "created": "tomorrow", "trials": [{"seconds": 2.5}]}]}}
    assert tool.compare(*recordings(said, later)) == 0


def test_a_number_that_differs_in_its_last_digit_is_told(
    tool: ModuleType, recordings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.compare(*recordings({"fit": [{"loss": 0.1, "n": 3}]}, {"fit": [{"loss": 0.1 + 2e-17, "n": 3}]})) == 1
    assert capsys.readouterr().out == "fit.0.loss\n  0.1\n  0.10000000000000002\n2 values compared, 1 differ\n"


def test_what_one_of_them_lacks_is_told(tool: ModuleType, recordings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.compare(*recordings({"a": 1, "b": None}, {"a": 1, "c": {}})) == 2
    assert capsys.readouterr().out.startswith("b\n  null\n  –\nc\n  –\n  {}\n")


def test_renamed_keys_are_the_same_keys(tool: ModuleType, recordings: Any) -> None:
    before = {"fit": [{"part": "test", "mapping": {"way": "learnt"}}], "evaluate": [{"part": "val"}]}
    after = {"fit": [{"split": "test", "block": {"mapping": {"way": "learnt"}}}], "evaluate": [{"split": "val"}]}
    folders = recordings(before, after)
    assert tool.compare(*folders) == 6
    assert tool.compare(*folders, ["part=split", "fit.0.mapping=fit.0.block.mapping"]) == 0


def test_keys_may_be_left_out(tool: ModuleType, recordings: Any) -> None:
    folders = recordings({"format": 1, "n": 2}, {"format": 2, "n": 2, "extra": {"a": 1, "b": 2}})
    assert tool.compare(*folders) == 3
    assert tool.compare(*folders, left_out=["format", "extra"]) == 0
