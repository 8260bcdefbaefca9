"""A detector's page: what is drawn lies where it is, what is told agrees with the figures, and no name is markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.pages import Node, parsed
from tests.report.test_model import section
from topwork.checking import Case, Finding, vet
from topwork.drawing import Outline
from topwork.metrics import Detections, error_report, worst_inventions, worst_misses
from topwork.report import PageContext, Texts, checkup_page, model_page, write_figures
from topwork.tasks.detection import TASK
from topwork.tasks.detection import page as sections
from topwork.tasks.detection._figures import FIGURES
from topwork.tasks.detection._page import SECTIONS
from topwork.tasks.detection.checks import BOXES, QUICK_CHECKS

from .pages import NAMES, THRESHOLD, detector, evaluated, scenes

PACKAGE = "topwork.tasks.detection"


@pytest.fixture
def found(tmp_path: Path) -> Any:
    return evaluated(scenes(tmp_path))


def html_of(found: Any, language: str = "en", **how: Any) -> str:
    checkup = vet(found.dataset, checks=QUICK_CHECKS, examination=BOXES)
    made = detector(found, found.dataset.classes)
    return model_page(made, "m", SECTIONS, found, checkup=checkup, language=language, **how)  # type: ignore[arg-type]


def context(found: Any) -> PageContext:
    return PageContext(detector(found), "m", found, Texts("en", (PACKAGE,)), None, (), False)


def rectangles(picture: Node) -> list[tuple[str, tuple[float, ...]]]:
    """Stroke and corners of each box that is drawn."""
    found = []
    for group in picture.all("g"):
        x, y, width, height = (
            float(group.classed("edge")[0].attributes[name]) for name in ("x", "y", "width", "height")
        )
        found.append((group.attributes["class"], (x, y, x + width, y + height)))
    return found


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_section_is_there_and_no_name_is_markup(found: Any, language: str) -> None:
    html = html_of(found, language)
    page = parsed(html)
    assert not page.all("b", "script")
    names = [node.attributes["id"] for node in page.all("h2")]
    expected = [
        each.name for each in SECTIONS if each.name not in ("folds", "ladder", "forecast", "trials", "explained")
    ]
    assert names == [*expected, "missing"][: len(names)]
    assert "<b>bird</b>" in section(page, "per_class").text
    if language == "ko":
        told = [node for node in page.one("main").nodes() if node.tag in ("p", "th", "dt", "h2", "h3", "summary")]
        english = [node.text for node in told if re.search(r"\b(the|of|is|are|boxes|objects)\b", node.text)]
        assert english == []


def test_the_answer_is_what_the_figures_say(found: Any) -> None:
    answer = section(parsed(html_of(found)), "answer").text
    overall, report = found.operating.overall, found.report
    assert f"It finds {100 * overall.recall.value:.0f} of 100 objects" in answer
    assert f"{100 * overall.precision.value:.0f} of 100 boxes that it draws are right" in answer
    assert f"AP50 {100 * report.ap50.value:.1f}\xa0%".replace("\xa0", " ") in answer.replace("\xa0", " ")
    most = error_report(found.dataset.all_boxes(), found.detections, 3).most
    assert most is not None
    assert f"by {100 * most.gain.value:.1f} points" in answer  # type: ignore[union-attr]


def test_what_is_missed_has_a_solid_line_and_what_was_found_a_dashed_one(found: Any) -> None:
    page = parsed(html_of(found))
    misses = worst_misses(found.dataset.all_boxes(), found.detections, 3, THRESHOLD)
    cards = section(page, "misses").classed("pictured")
    assert len(cards) == min(len(misses), 12) > 0
    for card, miss in zip(cards, misses, strict=False):
        drawn = rectangles(card.classed("boxed")[0])
        assert found.dataset.paths[miss.row] in card.text
        assert [each for stroke, each in drawn if stroke == "solid"] == [pytest.approx(miss.corners, abs=0.1)]
        shown = found.detections[miss.row]
        dashed = [each for stroke, each in drawn if stroke == "dashed"]
        assert dashed == [pytest.approx(each, abs=0.11) for each in shown.corners[shown.scores >= THRESHOLD].tolist()]
        assert len(drawn) == len(dashed) + len(found.dataset.boxes(miss.row))


def test_inventions_are_dashed_with_their_score_and_say_what_is_wrong(found: Any) -> None:
    page = parsed(html_of(found))
    inventions = worst_inventions(found.dataset.all_boxes(), found.detections, 3, THRESHOLD)
    cards = section(page, "inventions").classed("pictured")
    assert len(cards) == min(len(inventions), 12) > 0
    words = Texts("en", (PACKAGE,))
    for card, each in zip(cards, inventions, strict=False):
        drawn = rectangles(card.classed("boxed")[0])
        assert [corners for stroke, corners in drawn if stroke == "dashed"] == [pytest.approx(each.corners, abs=0.1)]
        assert f"{100 * each.score:.1f}" in card.text
        other = found.dataset.boxes(each.row).labels[each.meant] if each.meant is not None else each.label
        assert words(f"drawn_{each.kind}", other=NAMES[other], count=0).split("{")[0] in card.text
        label = card.classed("boxed")[0].attributes["aria-label"]
        assert each.kind == "class" or NAMES[each.label] in label


def test_examples_are_images_where_all_is_right_and_others(found: Any) -> None:
    shown = dict(sections.answer(context(found))["examples"])
    misses = {each.row for each in worst_misses(found.dataset.all_boxes(), found.detections, 3, THRESHOLD)}
    wrong = {each.row for each in worst_inventions(found.dataset.all_boxes(), found.detections, 3, THRESHOLD)}
    rows = {key: [found.dataset.paths.index(each.picture.name) for each in several] for key, several in shown.items()}
    assert set(rows) == {"right_answers", "wrong_answers", "unsure_answers"}
    assert not set(rows["right_answers"]) & (misses | wrong)
    assert set(rows["wrong_answers"]) <= misses
    assert set(rows["unsure_answers"]) <= wrong
    for key in rows:
        assert len(set(rows[key])) == len(rows[key]) <= 3


def test_sizes_and_the_table_count_every_object_once(found: Any) -> None:
    page = context(found)
    there = int((~found.dataset.crowd).sum())
    sizes: Any = sections.sizes(page)
    overall = found.operating.overall
    assert sum(count for _, _, count, _, _ in sizes["rows"]) == there == overall.boxes
    assert sum(hits for _, _, _, hits, _ in sizes["rows"]) == overall.right
    table: Any = sections.class_table(page)
    counts = np.array([[count for count, _ in row] for row in table["rows"]])
    assert counts[:-1].sum() == there
    assert np.trace(counts[:3, :3]) == overall.right


def test_a_perfect_model_a_silent_one_and_one_that_nobody_measured(tmp_path: Path) -> None:
    dataset = scenes(tmp_path)
    boxes = dataset.all_boxes()
    perfect = evaluated(
        dataset, [Detections(each.corners, np.ones(len(each), np.float32), each.labels) for each in boxes]
    )
    page = parsed(html_of(perfect))
    answer = section(page, "answer")
    assert "It finds 100 of 100 objects, and 100 of 100 boxes" in answer.text
    assert [node.text for node in answer.all("h3")] == ["All found", "Next step"]
    assert "topwork predict m --draw found" in answer.text
    assert not [node for node in page.all("h2") if node.attributes["id"] in ("misses", "inventions", "errors")]
    silent = evaluated(dataset, [Detections.none()] * len(dataset))
    told = section(parsed(html_of(silent)), "answer").text
    assert "It finds 0 of 100 objects: no box reaches its threshold." in told
    alone = parsed(model_page(detector(None), "m", SECTIONS))
    assert "No images with boxes were held out" in section(alone, "answer").text
    assert "topwork report m --data DATA" in section(alone, "missing").text
    recorded = parsed(model_page(detector(perfect), "m", SECTIONS))
    assert "It finds 100 of 100 objects" in section(recorded, "answer").text
    assert section(recorded, "per_class").all("tr")


def test_many_classes_and_images_make_no_large_page(tmp_path: Path) -> None:
    found = evaluated(scenes(tmp_path, 60, [f"class {'x' * 60} {place}" for place in range(60)]))
    html = html_of(found)
    assert len(html) < 2_500_000
    page = parsed(html)
    assert not section(page, "class_table").all("table")
    assert len(section(page, "curves").all("figure")) == 12


def test_the_doctors_pictures_have_the_boxes_in_question(tmp_path: Path) -> None:
    dataset = scenes(tmp_path)
    box = Outline((10, 20, 30.25, 40), 1, "개?", "dashed")
    finding = Finding("tiny-boxes", "note", 1, "What.", "look", (Case(("001.png",), "why", outlines=(box,)),))
    checkup = vet(dataset, checks=(lambda examined: [finding],), examination=BOXES)
    page = parsed(checkup_page(checkup, packages=(PACKAGE,)))
    (picture,) = page.classed("boxed")
    drawn = rectangles(picture)
    assert drawn[-1] == ("dashed", pytest.approx((10, 20, 30.25, 40), abs=0.1))
    assert [stroke for stroke, _ in drawn[:-1]] == ["thin"] * len(dataset.boxes(1))
    assert picture.attributes["viewbox"] == "0 0 160 120"
    assert picture.attributes["aria-label"] == "Picture 001.png with boxes: 개?"
    table = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    counts = np.bincount(dataset.labels[~dataset.crowd])
    assert [int(row[-1]) for row in table] == counts.tolist()
    assert "Boxes of each class" in page.text


def test_figures_for_print(found: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for language in ("en", "ko"):
        folder = tmp_path / language
        files = write_figures(detector(found), folder, FIGURES, found, language=language)  # type: ignore[arg-type]
        assert [file.name for file in files] == [
            f"{name}.{kind}" for name in ("precision-recall", "error-kinds") for kind in ("svg", "png", "pdf")
        ]
        assert all(file.stat().st_size > 3_000 for file in files)
    assert write_figures(detector(None), tmp_path / "none", FIGURES) == []


def test_the_task_has_all_of_it() -> None:
    assert TASK.sections() == SECTIONS
    assert TASK.figures() == FIGURES
    assert TASK.examination() is BOXES
