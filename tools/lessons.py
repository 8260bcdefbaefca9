"""The lessons of ``docs/lessons``: run, their printed answers recorded beneath each cell, and made into notebooks.

    python tools/lessons.py record docs/lessons/01-*.md    # run it as a reader does; write what each cell prints below it
    python tools/lessons.py notebooks build/lessons        # every lesson as .ipynb (jupytext); --run executes them (nbclient)

A lesson is Markdown. Its ``python`` blocks run one after another in one namespace, and its ``bash`` blocks hold lines of
topwork. ``<!-- tests: IMAGES=40 -->`` gives the sizes that the tests use for the names that the first block sets, and a
block after ``<!-- not run: why -->`` is not run. What ``record`` writes stands after ``<!-- output -->``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
LESSONS = ROOT / "docs" / "lessons"
_BLOCK = re.compile(
    r"(?P<mark><!-- not run: (?P<why>[^>]+) -->\n)?^```(?P<kind>python|bash|sh)\n(?P<code>.*?)^```\n"
    r"(?P<output>\n<!-- output -->\n```text\n.*?^```\n)?",
    re.DOTALL | re.MULTILINE,
)
_KERNEL = "---\njupyter:\n  kernelspec: {name: python3, display_name: Python 3, language: python}\n---\n\n"
_TESTS = re.compile(r"<!-- tests: (.*?) -->")


class Block(NamedTuple):
    """One block of code of a page, and where it stands.

    Attributes:
        kind: ``python``, ``bash`` or ``sh``.
        code: What it says.
        why_not: Why it is not run; empty where it is.
        span: First and last place of the block, its output with it.
    """

    kind: str
    code: str
    why_not: str
    span: tuple[int, int]


def blocks(text: str) -> list[Block]:
    """The blocks of code of a page, in order."""
    return [Block(m["kind"], m["code"], m["why"] or "", m.span()) for m in _BLOCK.finditer(text)]


def sizes(text: str) -> dict[str, Any]:
    """What the tests set instead of a lesson's own sizes: ``<!-- tests: IMAGES=40, SIZE=64 -->``."""
    found = _TESTS.search(text)
    call: Any = ast.parse(f"sizes({found[1]})" if found else "sizes()", mode="eval").body
    return {given.arg: ast.literal_eval(given.value) for given in call.keywords}


def run(text: str, folder: Path, *, small: bool = False, language: str = "en") -> Iterator[tuple[Block, str]]:
    """Run a page's blocks in a folder; gives each with what it printed.

    Args:
        text: The page.
        folder: Where it runs; what it writes stays there.
        small: Whether the sizes for tests take the place of its own, once the first block has run.
        language: Of the commands.

    Raises:
        RuntimeError: A command ended with another code than 0; with what it said. Python's errors come as they are.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    smaller = sizes(text) if small else {}
    with contextlib.chdir(folder):
        for block in blocks(text):
            if block.why_not:
                continue
            if block.kind == "python":
                told = _python(block.code, namespace, smaller)
                smaller = {}
            else:
                told = "".join(_command(line, language) for line in _lines(block.code))
            yield block, told


def _python(code: str, namespace: dict[str, Any], given: Mapping[str, Any]) -> str:
    """What code prints; names that it sets have the values that are given in the place of its own."""
    tree, left = ast.parse(code), dict(given)
    for step in tree.body:
        match step:
            case ast.Assign(targets=[ast.Name(id=name)]) if name in left:
                step.value = ast.parse(repr(left.pop(name)), mode="eval").body
    if left:
        raise RuntimeError(f"the first block sets no {', '.join(sorted(left))}")
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(ast.fix_missing_locations(tree), "<lesson>", "exec"), namespace)
    return told.getvalue()


def _lines(code: str) -> list[str]:
    """The commands of a block, each whole."""
    return [line for line in code.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def _command(line: str, language: str) -> str:
    words = shlex.split(line, comments=True)
    if words[0] != "topwork" or {"|", ">", "&&"} & set(words):
        done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout
    from typer.testing import CliRunner

    from topwork.cli._app import app

    asked = [*words[1:], *(["--lang", language] if language != "en" and "--lang" not in words else [])]
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, asked)
    if done.exit_code:
        raise RuntimeError(f"{line}\n{done.output}") from done.exception
    return done.stdout


def record(page: Path) -> None:
    """Run a lesson, and write below each block what it printed; in the Korean page commands speak Korean."""
    korean = page.with_name(f"{page.stem}.ko.md")
    told: dict[str, list[str]] = {"en": [], "ko": []}
    with tempfile.TemporaryDirectory() as folder:
        for block, said in run(page.read_text("utf-8"), Path(folder)):
            told["en"].append(said)
            if block.kind != "python":
                with contextlib.chdir(folder):
                    said = "".join(_command(line, "ko") for line in _lines(block.code))
            told["ko"].append(said)
        _keep_pictures(Path(folder), page)
    for file, language in ((page, "en"), (korean, "ko")):
        file.write_text(_with_outputs(file.read_text("utf-8"), told[language]), "utf-8")


def _with_outputs(text: str, told: list[str]) -> str:
    """The page with what its blocks printed in the place of what stood there."""
    ran = [block for block in blocks(text) if not block.why_not]
    for block, said in reversed(list(zip(ran, told, strict=True))):
        start, end = block.span
        shown = f"\n<!-- output -->\n```text\n{said.rstrip()}\n```\n" if said.strip() else ""
        text = f"{text[:start]}```{block.kind}\n{block.code}```\n{shown}{text[end:]}"
    return text


def _keep_pictures(folder: Path, page: Path) -> None:
    """The pictures that the page shows, of those that it made: ``figures/01-NAME.jpg`` of ``NAME.png``, smaller."""
    from PIL import Image

    for name in re.findall(r"\]\(figures/([^)]+)\.jpg\)", page.read_text("utf-8")):
        found = next(folder.rglob(f"{name.partition('-')[2]}.png"), None)
        if found is not None:
            picture = Image.open(found).convert("RGB")
            picture.thumbnail((960, 1600))
            picture.save(LESSONS / "figures" / f"{name}.jpg", quality=80, optimize=True)


def notebook(page: Path) -> Any:
    """A lesson as a notebook without outputs: its blocks are cells, its commands cells of ``%%bash``."""
    import jupytext

    text = re.sub(r"\n<!-- output -->\n```text\n.*?^```\n", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = _TESTS.sub("", re.sub(r"^```sh\n", "```bash\n", text, flags=re.MULTILINE))
    return jupytext.reads(f"{_KERNEL}{text}", fmt="md")


def notebooks(folder: Path, pages: list[Path], *, executed: bool) -> list[Path]:
    """Write lessons as notebooks into a folder, executed or not."""
    import nbformat

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in pages:
        made = notebook(page)
        if executed:
            from nbclient import NotebookClient

            NotebookClient(made, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
        written.append(folder / f"{page.stem}.ipynb")
        nbformat.write(made, written[-1])
    return written


def pages() -> list[Path]:
    """Every lesson in every language."""
    return sorted(LESSONS.glob("[0-9][0-9]-*.md"))


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record").add_argument("pages", type=Path, nargs="+")
    making = commands.add_parser("notebooks")
    making.add_argument("folder", type=Path)
    making.add_argument("--run", action="store_true")
    asked = parser.parse_args()
    if asked.command == "record":
        for page in asked.pages:
            record(page)
            print(page.name, file=sys.stderr)
    else:
        notebooks(asked.folder, pages(), executed=asked.run)


if __name__ == "__main__":
    main()
