"""Whoever works with texts in Korean meets no error that is said in English alone."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import topwork
from tests.test_texts import PACKAGES
from topwork._texts import Texts

ROOT = Path(topwork.__file__).parent
ROOMS = ("tasks/text/**/*.py", "engines/_transformer/_[ptc]*.py", "backbones/_text_files.py")
ROOMS += ("cli/_explain_texts.py", "tasks/_classes/_prompts.py")
FILES = sorted({file for room in ROOMS for file in ROOT.glob(room)})
OWN = ("pip install ", '--labels "')  # what is typed is the same in every language
KOREAN = Texts("ko", PACKAGES)


def samples(node: ast.expr) -> list[str]:
    """What an expression may say, with ``xyz`` for a value and ``7`` for a number."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return samples(node.body) + samples(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return list(map("".join, itertools.islice(itertools.product(*map(samples, node.values)), 8)))
    if isinstance(node, ast.FormattedValue):
        said = ast.unparse(node.value)
        if isinstance(node.value, ast.IfExp):
            return samples(node.value)
        return ["'x'" if node.conversion == ord("r") else "7" if "len(" in said else "xyz"]
    return []


def errors(file: Path) -> Iterator[str]:
    """Messages and hints of the errors that a file raises."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func)
            if name.endswith("Error") and hasattr(topwork.errors, name):
                for given in (*node.exc.args[:1], *(each.value for each in node.exc.keywords if each.arg == "hint")):
                    yield from samples(given)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_error_has_its_korean(file: Path) -> None:
    told = [each for each in errors(file) if each and not each.startswith(OWN)]
    reasons = ("xyz: cannot be read: xyz", "xyz: not valid JSON: xyz")  # behind them stands what the system says
    assert [each for each in told if KOREAN.said(each) == each and each not in reasons] == []
