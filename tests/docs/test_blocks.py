"""Every block of code in the docs runs or says why not, and every command in them is one that topwork takes."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.model.samples import easy_folder

from .conftest import DOCS, ROOT, tool

RUN = ("guides/images.md", "guides/texts.md")
"""Pages whose blocks run here, on small data; lessons run in test_lessons.py, what asks a server in tests/server."""

PAGES = sorted(page for page in DOCS.rglob("*.md") if "changelog.d" not in page.parts)
COMMANDS = [*(page for page in PAGES if not page.name.endswith(".ko.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
"""Korean pages have the commands of the English ones (test_lessons.py)."""


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def data(tmp_path: Path, shared_cache: Path) -> Path:
    """What the guides speak of: ``photos/`` and ``reviews.csv``."""
    easy_folder(tmp_path / "photos", count=8)
    for kind in (tmp_path / "photos").iterdir():
        first = min(kind.iterdir())
        first.rename(kind / "0.jpg")
    messages = Path(str(ROOT / "src" / "topwork" / "tasks" / "text" / "messages.csv"))
    with messages.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows[:90])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_a_guide_runs(lessons: ModuleType, page: str, data: Path) -> None:
    told = [said for _, said in lessons.run((DOCS / page).read_text("utf-8"), data)]
    assert len(told) >= 2
    assert all(told)


def test_every_block_runs_or_says_why_not(lessons: ModuleType) -> None:
    silent = []
    for page in PAGES:
        relative = str(page.relative_to(DOCS)).replace(".ko.md", ".md")
        if relative in RUN or re.match(r"lessons/\d\d-", relative):
            continue
        silent += [
            f"{named(page)}: {block.code.splitlines()[0]}"
            for block in lessons.blocks(page.read_text("utf-8"))
            if not block.why_not
        ]
    assert silent == []


def lines(page: Path) -> list[str]:
    """The command lines of topwork on a page, in blocks, each whole."""
    found = []
    for kind, code in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        if kind in ("sh", "bash"):
            found += [line.strip() for line in code.replace("\\\n", " ").splitlines()]
    starts = [re.sub(r"^([A-Z_]+=\S+ )+", "", line) for line in found]
    return [line for line in starts if line.startswith("topwork ")]


@pytest.mark.parametrize("page", [page for page in COMMANDS if lines(page)], ids=named)
def test_every_command_is_one_that_topwork_takes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from topwork import tasks
    from topwork.cli._app import app

    monkeypatch.chdir(tmp_path)
    program: Any = typer.main.get_command(app)
    wrong = []
    for line in lines(page):
        command, *rest = shlex.split(line.partition(" # ")[0], comments=True)[1:]
        if command.startswith("-") or "…" in rest:
            continue
        given = [rest, *([*rest, "--task", task] for task in tasks.names())]  # else the data tell the task
        if not any(_parses(program, command, each) for each in given):
            wrong.append(line)
    assert wrong == []


def _parses(program: Any, command: str, rest: list[str]) -> bool:
    import typer

    try:
        program.get_command(None, command).make_context(command, list(rest))
    except (typer.TyperException, AttributeError):  # the latter where there is no such command
        return False
    return True


def test_a_command_that_is_none_is_found(tmp_path: Path) -> None:
    """The parser that the test above rests on refuses what topwork does not take."""
    import typer

    from topwork.cli._app import app

    program: Any = typer.main.get_command(app)
    with pytest.raises(typer.TyperException):
        program.get_command(None, "fit").make_context("fit", ["photos/", "-o", "model/", "--no-such-option"])


def test_blocks_and_their_marks_are_read(lessons: ModuleType) -> None:
    text = "a\n```bash\ntopwork a\n```\n<!-- not run: why -->\n```python\nb\n```\n\n<!-- output -->\n```text\nc\n```\n"
    ran, kept = lessons.blocks(text)
    assert (ran.kind, ran.code, ran.why_not) == ("bash", "topwork a\n", "")
    assert (kept.kind, kept.code, kept.why_not) == ("python", "b\n", "why")
    assert text[slice(*kept.span)].endswith("c\n```\n")


def test_every_setting_that_the_source_reads_is_told() -> None:
    names = {
        name
        for file in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"\bTOPWORK_[A-Z_]+\b", file.read_text("utf-8"))
    }
    assert len(names) > 3
    for page in ("environment.md", "environment.ko.md"):
        text = (DOCS / "reference" / page).read_text("utf-8")
        assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_terms_are_those_of_the_product() -> None:
    """Both languages list the same words, and topwork or its docs say each Korean one."""
    rows = {
        language: re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", (DOCS / file).read_text("utf-8"), re.MULTILINE)[2:]
        for language, file in (("en", "terms.md"), ("ko", "terms.ko.md"))
    }
    assert rows["en"] == rows["ko"]
    assert len(rows["en"]) > 40
    said = "".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("ko.toml"))
    said += "".join(page.read_text("utf-8") for page in PAGES if page.name != "terms.ko.md")
    words = [word.split("(")[0] for _, korean in rows["ko"] for word in korean.split(", ")]
    assert [word for word in words if word not in said] == []


def test_the_tool_is_the_one_that_the_page_names() -> None:
    assert callable(tool("lessons").record)
