"""Figures for print: whole files of three kinds, letters of any script, and nobody's file lost."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.errors import MissingExtraError, ReportError
from topwork.report import write_figures
from topwork.report._figures import letters
from topwork.report.figures import FIGURES, risk_coverage

from .test_advice import ADVICE
from .test_model import NAMES, evaluated, images, model

pytest.importorskip("matplotlib")
KOREAN = "개미 $x_1$ <b>"


def written(folder: Path, classes: tuple[str, ...] = NAMES, **how: Any) -> tuple[list[Path], Any]:
    found = evaluated(images(classes, 60))
    return write_figures(model(found, classes), folder, FIGURES, found, **how), found  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_figure_is_a_whole_file_of_each_kind(tmp_path: Path, language: str) -> None:
    """Warnings are errors here, and matplotlib warns of a letter that it would draw as a box."""
    files, _ = written(tmp_path / "new" / "figures", (KOREAN, *NAMES[1:]), language=language)
    names = ["confusion-matrix", "reliability", "risk-coverage"]
    assert [file.name for file in files] == [f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")]
    for file in files:
        if file.suffix == ".svg":
            root = ElementTree.parse(file).getroot()
            assert root.tag.endswith("svg")
            assert not root.findall(".//{*}text")  # letters are shapes
        elif file.suffix == ".png":
            with Image.open(file) as image:
                image.load()
                assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
                assert image.width == 1050
        else:
            content = file.read_bytes()
            assert content.startswith(b"%PDF-")
            assert content.rstrip().endswith(b"%%EOF")
    before = [file.read_bytes() for file in files]
    again, _ = written(tmp_path / "new" / "figures", (KOREAN, *NAMES[1:]), language=language)
    assert [file.read_bytes() for file in again] == before


def test_risk_and_coverage_are_counted_answer_by_answer() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(3), 40), rng.integers(0, 3, 40)
    coverage, risk = risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    order = sorted(range(40), key=lambda row: -probabilities[row].max())
    for count in range(1, 41):
        wrong = sum(int(probabilities[row].argmax()) != labels[row] for row in order[:count])
        assert (coverage[count - 1], risk[count - 1]) == pytest.approx((count / 40, wrong / count))


def test_the_ladder_and_the_curves_are_drawn_where_they_are_known(tmp_path: Path) -> None:
    found = evaluated(images(NAMES, 60))
    made = model(found, NAMES)
    made.record = made.record.model_copy(update={"advice": ADVICE.to_dict()})
    made.history = ({"epoch": 1, "accuracy": 0.5}, {"epoch": 2, "accuracy": 0.7}, {"epoch": 3})
    names = {file.stem for file in write_figures(made, tmp_path, FIGURES)}
    assert names == {"confusion-matrix", "reliability", "learning-curve", "ladder", "training"}


def test_a_model_of_which_nothing_is_known_has_no_file(tmp_path: Path) -> None:
    assert write_figures(model(None, NAMES), tmp_path, FIGURES) == []


def test_very_many_classes_have_a_matrix_without_names(tmp_path: Path) -> None:
    files, _ = written(tmp_path, tuple(f"class {number}" for number in range(45)))
    assert files[0].name == "confusion-matrix.svg"


@pytest.mark.parametrize("name", ["confusion-matrix.svg", "reliability.pdf"])
def test_a_file_of_the_users_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(ReportError, match="it was not changed"):
        written(tmp_path)
    assert (tmp_path / name).read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ReportError, match="the figures cannot be written") as error:
        written(tmp_path / "file")
    assert "--figures" in error.value.hint


def test_a_task_without_figures(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="have no figures for print"):
        write_figures(model(None, NAMES), tmp_path, ())


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError) as error:
        written(tmp_path)
    assert "topwork[figures]" in error.value.hint


def test_letters_that_no_font_has_are_escapes() -> None:
    assert letters("ants é") == "ants é"
    assert letters("a\U0001f41d\uffff").isascii()
    assert len(letters("x" * 500)) < 60
