"""The site is built without a warning, in both languages, with the pages that are made from the code."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, tool

pytest.importorskip("mkdocs")


def text(page: Path) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))


@pytest.mark.slow
def test_the_site_is_built_whole_and_without_a_warning(tmp_path: Path) -> None:
    """One build for all that is asked of it; a warning fails it, and so a link or an anchor that leads nowhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    _commands_are_told(tmp_path)
    lesson = (tmp_path / "ko" / "lessons" / "01-transfer" / "index.html").read_text("utf-8")
    assert '<html lang="ko"' in lesson
    assert "전이 학습" in lesson
    assert "cats-dogs" in text(tmp_path / "results" / "2026-11-22-peers" / "index.html")
    for page in ("index.html", "ko/index.html"):  # nothing is asked of another server
        whole = (tmp_path / page).read_text("utf-8")
        assert re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', whole) == []


def _commands_are_told(site: Path) -> None:
    """In both languages, with the options that one task alone has."""
    import typer

    from topwork.cli._app import app

    program: Any = typer.main.get_command(app)
    for language, heading in (("", "Train a model on DATA"), ("ko/", "모델을 학습하고")):
        page = text(site / language / "reference" / "commands" / "index.html")
        assert heading in page
        for name in program.list_commands(None):
            assert f"topwork {name}" in page
        assert "--min-recall" in page
        assert "--task detection" in page


def test_every_error_is_told_in_korean_too() -> None:
    from topwork import errors

    made = tool("site")
    known = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert set(made.ERRORS) == known
    for language in made.LANGUAGES:
        told = "\n".join(made.errors(language))
        assert all(f"## {name}\n" in told for name in known)
    assert "`CheckpointError` ← `TrainError`" in told


def test_links_out_of_the_docs_lead_to_the_results_or_nowhere() -> None:
    made = tool("site")
    assert made._links("[a](../bench/results/x.md)", 1) == "[a](results/x.md)"
    assert made._links("[a](../../bench/results)", 2) == "[a](../results/README.md)"
    assert made._links("[the way](../peers/README.md)", 2) == "the way"
    assert made._links("[a](serving.md)", 1) == "[a](serving.md)"


def test_a_broken_link_stops_the_build(tmp_path: Path) -> None:
    """What the fixture rests on: the settings of the site make a dead link an error."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n\n[dead](nowhere.md)\n")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    validation = settings[settings.index("validation:") : settings.index("nav:")]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: a\ntheme: mkdocs\nplugins: []\n{validation}")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr


def test_a_release_puts_the_fragments_together() -> None:
    pytest.importorskip("towncrier")
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9", "--date", "2030-01-02"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "## [9.9] - 2030-01-02" in done.stdout
    kinds = {path.suffixes[-2].strip(".").capitalize() for path in (ROOT / "changelog.d").glob("*.*.md")}
    assert all(f"### {kind}" in done.stdout for kind in kinds)
    for fragment in (ROOT / "changelog.d").glob("*.*.md"):
        assert fragment.read_text("utf-8").split()[-1] in done.stdout
