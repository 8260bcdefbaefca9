"""The registry: every task is found by its name, is whole, and imports no other."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import topwork.tasks
from topwork.errors import DataError
from topwork.model import Model
from topwork.tasks import DEFAULT, Words, task

TASKS = Path(topwork.tasks.__file__).parent
ROOMS = sorted(path.parent.name for path in TASKS.glob("[!_]*/__init__.py"))


def imported(file: Path) -> set[str]:
    """Every module that a file names in an import, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_each_room_is_registered_under_its_name() -> None:
    assert sorted(topwork.tasks._ROOMS) == ROOMS
    for name in ROOMS:
        assert task(name).name == name
        assert task(task(name)) is task(name)
    assert DEFAULT in ROOMS
    assert topwork.tasks.names() == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_no_task_imports_another(room: str) -> None:
    others = tuple(f"topwork.tasks.{other}" for other in ROOMS if other != room)
    for file in (TASKS / room).rglob("*.py"):
        assert not [name for name in imported(file) if name.startswith(others)], file


@pytest.mark.parametrize("room", ROOMS)
def test_a_task_is_whole(room: str) -> None:
    found = task(room)
    assert issubclass(found.model, Model)
    assert "name" in found.model.block.model_fields
    assert found.sections()
    assert set(found.quick_checks()) <= set(found.checks())
    assert isinstance(found.words, Words)
    names = [strategy.name for strategy in found.strategies()]
    assert len(set(names)) == len(names)
    for strategy in found.strategies():
        assert strategy.help.endswith(".")
        assert dataclasses.is_dataclass(strategy.options)
        assert strategy.checked(None).seed == 0
        with pytest.raises(DataError, match=f"strategy {strategy.name} takes {strategy.options.__name__}, not int"):
            strategy.checked(3)
    with pytest.raises(DataError, match=r"strategy must be one of .*, not 'prob'") as refused:
        found.strategy("prob")
    assert refused.value.hint == "did you mean probe?"


def test_a_tasks_options_are_known_without_torch() -> None:
    code = (
        "import sys; from topwork.tasks import task\n"
        "[strategy.options() for strategy in task('classification').strategies() if strategy.name != 'finetune']\n"
        "print([name for name in ('torch', 'timm', 'openvino', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
