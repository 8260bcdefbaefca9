"""Every lesson runs as its reader runs it, with fewer images; its Korean page has its cells; its grader is fair."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import topwork

from .conftest import DOCS, tool

LESSONS = sorted(page for page in (DOCS / "lessons").glob("[0-9]*.md") if not page.name.endswith(".ko.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_a_lesson_runs(lessons: ModuleType, page: Path, tmp_path: Path, shared_cache: Path) -> None:
    told = [said for _, said in lessons.run(page.read_text("utf-8"), tmp_path, small=True)]
    assert len(told) >= 3
    assert any(re.search(r"\d", said) for said in told), "a lesson measures something"


def test_sizes_of_the_tests_stand_from_the_first_cell_on(lessons: ModuleType, tmp_path: Path) -> None:
    code = "IMAGES = 40  # many\nSIZES = (9,)\nprint(IMAGES, SIZES, end='')\n"
    text = f"<!-- tests: IMAGES=4, SIZES=(1, 2) -->\n```python\n{code}```\n"
    assert [said for _, said in lessons.run(text, tmp_path, small=True)] == ["4 (1, 2)"]
    assert [said for _, said in lessons.run(text, tmp_path)] == ["40 (9,)"]


def test_a_size_that_no_cell_sets_is_refused(lessons: ModuleType, tmp_path: Path) -> None:
    text = "<!-- tests: IMAGE=4 -->\n```python\nIMAGES = 40\n```\n"
    with pytest.raises(RuntimeError, match="sets no IMAGE"):
        list(lessons.run(text, tmp_path, small=True))


def test_a_command_that_fails_stops_the_lesson(lessons: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no-such-model"):
        list(lessons.run("```bash\ntopwork predict no-such-model a.jpg\n```\n", tmp_path))


def test_there_are_twelve_and_each_asks() -> None:
    assert [page.name[:2] for page in LESSONS] == [f"{number:02}" for number in range(1, 13)]
    for page in LESSONS:
        for text in (page.read_text("utf-8"), page.with_name(f"{page.stem}.ko.md").read_text("utf-8")):
            assert re.search(r"^## (Questions|질문)$", text, re.MULTILINE), page
            assert len(re.findall(r"^\d\. ", text, re.MULTILINE)) >= 4, page


def test_a_lesson_is_a_notebook(lessons: ModuleType, tmp_path: Path) -> None:
    """The cells of the notebook are the page's blocks; what they printed once is left out."""
    pytest.importorskip("jupytext")
    page = LESSONS[1]
    (written,) = lessons.notebooks(tmp_path, [page], executed=False)
    cells = json.loads(written.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    expected = [block.code for block in lessons.blocks(page.read_text("utf-8"))]
    assert [each.removeprefix("%%bash\n").strip() for each in code] == [each.strip() for each in expected]
    assert all(each.startswith("%%bash") == each.strip("%bash\n").startswith("topwork ") for each in code)
    assert "output -->" not in written.read_text("utf-8")


@pytest.mark.slow
def test_a_notebook_runs_in_a_kernel(lessons: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    page = tmp_path / "01-short.md"
    page.write_text(
        "# Short\n\n```python\nimport topwork\nprint(topwork.__version__)\n```\n\n```bash\necho $((6 * 7))\n```\n"
    )
    (written,) = lessons.notebooks(tmp_path, [page], executed=True)
    cells = [cell for cell in json.loads(written.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    printed = ["".join(cell["outputs"][0]["text"]).strip() for cell in cells]
    assert printed == [topwork.__version__, "42"]


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory, textiles: list[Path], shared_cache: Path) -> dict[str, Path]:
    """Two folders of cloth that share no image, and a model of the first."""
    folder = tmp_path_factory.mktemp("breeds")
    kinds = {name: [path for path in textiles if path.parent.name == name][:24] for name in ("global", "nominal")}
    for name, files in kinds.items():
        for place, file in enumerate(files):
            target = folder / ("hidden" if place % 2 else "students") / name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / f"{place}.jpg")
    network = topwork.load_backbone("lite0", size=64)
    topwork.fit(folder / "students", strategy="probe", backbone=network, test=0.25).save(folder / "model")
    return {name: folder / name for name in ("students", "hidden", "model")}


def test_the_grader_gives_points_by_the_hidden_images(handed_in: dict[str, Path]) -> None:
    command = [sys.executable, str(DOCS / "lessons" / "grade.py"), str(handed_in["model"]), str(handed_in["hidden"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *lines, total = done.stdout.splitlines()
    points = [float(line.split(" of ")[0]) for line in lines]
    evaluation = topwork.load(handed_in["model"]).evaluate(topwork.read(handed_in["hidden"])).evaluation
    expected = 60 * max(0.0, 2 * evaluation.accuracy.value - 1)  # two classes of equal size: guessing gives a half
    assert points[0] == pytest.approx(expected, abs=0.06)
    assert float(total.split(" of ")[0]) == pytest.approx(sum(points), abs=0.06)


def test_the_grader_gives_nothing_for_the_test_in_the_training(handed_in: dict[str, Path]) -> None:
    sys.path.insert(0, str(DOCS / "lessons"))
    try:
        import grade
    finally:
        sys.path.remove(str(DOCS / "lessons"))
    (mark,) = grade.marks(str(handed_in["model"]), str(handed_in["students"]))
    assert (mark.points, mark.possible) == (0, 100)


def english() -> list[Path]:
    return [page for page in sorted(DOCS.rglob("*.md")) if not page.name.endswith(".ko.md")]


def korean(page: Path) -> Path:
    return page.with_name(f"{page.stem}.ko.md")


@pytest.mark.parametrize("page", english(), ids=lambda page: str(page.relative_to(DOCS)))
def test_the_korean_page_has_the_same_code_links_and_rows(page: Path) -> None:
    """Comments may be in Korean; nothing else of the code differs, and neither does what is run."""
    assert _shared(korean(page)) == _shared(page)


def _shared(page: Path) -> dict[str, object]:
    """What a page has in every language; a link or a row of a table too few shows what was not translated."""
    text = page.read_text("utf-8")
    return {
        "code": [_meant(block.kind, block.code, bool(block.why_not)) for block in tool("lessons").blocks(text)],
        "links": sorted(re.findall(r"\]\((?!https?:)([^)]+)\)", text)),
        "rows": len(re.findall(r"^\|", text, re.MULTILINE)),
    }


def _meant(kind: str, code: str, left_out: bool) -> tuple[str, str, bool]:
    if kind == "python":
        return kind, ast.dump(ast.parse(code)), left_out
    return kind, re.sub(r"\s+#.*$", "", code, flags=re.MULTILINE), left_out


def test_every_page_is_in_both_languages() -> None:
    assert sorted(DOCS.rglob("*.ko.md")) == sorted(korean(page) for page in english())
