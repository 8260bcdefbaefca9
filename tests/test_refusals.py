"""Who is refused in Korean is told all of it in Korean: no error, hint or note of the source is without."""

from __future__ import annotations

from pathlib import Path

import pytest

import topwork
from tests.refusals import MARK, Marked, Module
from topwork import tasks

ROOT = Path(topwork.__file__).parent
EVERYWHERE = ("topwork", *tasks.packages())
"""What the command line, the server and the pages all know."""

SCREEN = (*EVERYWHERE, "topwork.report", "topwork.cli")
KNOWN = {
    "server": (*EVERYWHERE, "topwork.server"),
    "cli": SCREEN,
    "report": SCREEN,
    "ui": (*EVERYWHERE, "topwork.ui"),
}
"""The catalogues in which the texts of a room are looked up, where it is one of these."""


INNER = ("backbones/_catalogue.py", "datasets/_catalogue.py")
"""What refuses topwork's own tables alone, which a test reads: nobody is shown it."""


def lacking(room: str) -> list[str]:
    found = []
    paths = sorted((ROOT / room).rglob("*.py")) if (ROOT / room).is_dir() else [ROOT / f"{room}.py"]
    for path in (each for each in paths if each.relative_to(ROOT).as_posix() not in INNER):
        for line, name, text in Module(path).said():
            before_serving = room == "server" and name.endswith("Error") and name != "RefusedError"
            known = SCREEN if before_serving else KNOWN.get(room, EVERYWHERE)
            if Marked("ko", known).lacks(text):
                found.append(f"{path.relative_to(ROOT)}:{line}: {text!r}")
    return found


ROOMS = sorted({path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")} - {"sklearn"})
"""All, but for what scikit-learn's own callers are told, in Python alone."""


@pytest.mark.parametrize("room", ROOMS)
def test_every_refusal_has_a_korean_one(room: str) -> None:
    assert lacking(room) == []


def said(source: str, folder: Path) -> list[str]:
    file = folder / "source.py"
    file.write_text(source, "utf-8")
    return [text for _, _, text in Module(file).said()]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise DataError('a', hint='b')", ["a", "b"]),
        ("raise errors.DataError(f'a {b:,} c')", [f"a {MARK} c"]),
        ("raise RefusedError(404, 'a', 'b', {})", ["a", "b"]),
        ("unusable('a' if b else c)", ["a", MARK]),
        ("def f(what):\n    raise DataError(what)\nf('a')\nf(what='b')", ["a", "b"]),
        ("def f(what):\n    raise DataError(what)", [MARK]),
        ("A = {1: 'a', 2: 'b'}\nraise DataError(A[c])", ["a", "b"]),
        ("def f():\n    a = b = 'c'\n    raise DataError(a + 'd')", ["cd"]),
        ("self._console.note('a')\nself.note('b')", ["a"]),
        ("optional('a', extra='b', what='c')", [f"c needs {MARK}, which is not installed"]),
        ("require_torch('a')", [f"a needs {MARK}, which is not installed"]),
        ("raise DataError('a ' + ' and '.join(b))", [f"a {MARK} and {MARK}"]),
        ("raise ValueError('a')", []),
        ("", []),
    ],
)
def test_what_may_be_said_is_found_in_the_source(source: str, texts: list[str], tmp_path: Path) -> None:
    assert said(source, tmp_path) == sorted(texts, key=texts.index)


def test_a_refusal_that_nobody_has_translated_is_told() -> None:
    texts = Marked("ko", KNOWN["server"])
    assert texts.lacks("the moon is too far away")
    assert texts.lacks(f"{MARK}: the moon is too far away")
    assert not texts.lacks("the server is busy")
    assert not texts.lacks(f"{MARK}: {MARK}")
