"""A segmenter's page: what is drawn is what differs, what is told agrees with the figures, and no name is markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.pages import Node, parsed, pixels
from tests.report.test_model import section
from topwork.checking import Case, Finding, vet
from topwork.data import MaskDataset, decode
from topwork.drawing import DIFFERENCES, Outline, differing, painted
from topwork.metrics import worst_masks
from topwork.report import PageContext, Texts, checkup_page, model_page, write_figures
from topwork.tasks.segmentation import TASK
from topwork.tasks.segmentation import page as sections
from topwork.tasks.segmentation._figures import FIGURES
from topwork.tasks.segmentation._page import SECTIONS
from topwork.tasks.segmentation.checks import MASKS, QUICK_CHECKS

from .pages import NAMES, SIDE, evaluated, said_of, scenes, segmenter

PACKAGE = "topwork.tasks.segmentation"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> MaskDataset:
    return scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> MaskDataset:
    return scenes(tmp_path_factory.mktemp("discs"), 9, objects=True)


def html_of(dataset: MaskDataset, language: str = "en", **how: Any) -> str:
    found = evaluated(dataset)
    checkup = vet(dataset, checks=QUICK_CHECKS, examination=MASKS)
    return model_page(segmenter(found, dataset), "m", SECTIONS, found, checkup=checkup, language=language, **how)  # type: ignore[arg-type]


def context(dataset: MaskDataset) -> PageContext:
    found = evaluated(dataset)
    return PageContext(segmenter(found, dataset), "m", found, Texts("en", (PACKAGE,)), None, (), False)


def figures(card: Node) -> list[str]:
    return [each.attributes["src"] for each in card.all("img")]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_section_is_there_and_no_name_is_markup(dataset: MaskDataset, language: str) -> None:
    html = html_of(dataset, language)
    page = parsed(html)
    assert not page.all("b", "script")
    assert len(html) < 2_000_000
    names = [node.attributes["id"] for node in page.all("h2")]
    absent = ("objects", "sizes", "folds", "ladder", "forecast", "trials", "explained")
    assert names == [*(each.name for each in SECTIONS if each.name not in absent), "missing"]
    assert NAMES[2] in section(page, "per_class").text
    if language == "ko":
        told = [node for node in page.one("main").nodes() if node.tag in ("p", "th", "dt", "h2", "h3", "summary")]
        assert [node.text for node in told if re.search(r"\b(the|of|is|are|pixels|masks)\b", node.text)] == []


def test_the_answer_is_what_the_figures_say(dataset: MaskDataset) -> None:
    report = evaluated(dataset).report
    answer = section(parsed(html_of(dataset)), "answer").text.replace("\xa0", " ")
    assert report.iou is not None
    assert f"Mean IoU {100 * report.iou.value:.1f} % (95 % interval {100 * report.iou.low:.1f}" in answer
    least = min((each for each in report.per_class[1:] if each.iou), key=lambda each: each.iou.value)  # type: ignore[union-attr]
    assert f"Weakest class: {least.name}" in answer
    missing = parsed(model_page(segmenter(None, dataset), "m", SECTIONS))
    assert "No images with labelled pixels were held out" in section(missing, "answer").text
    recorded = section(parsed(model_page(segmenter(evaluated(dataset), dataset), "m", SECTIONS)), "answer")
    assert "Mean IoU" in recorded.text
    assert "topwork report m --data DATA" in recorded.text


def test_the_worst_images_are_drawn_with_what_is_there_what_was_said_and_where_they_differ(
    dataset: MaskDataset,
) -> None:
    page = parsed(html_of(dataset))
    worst = worst_masks(evaluated(dataset).counts, 3, has_background=True)
    cards = section(page, "worst").classed("pictured")
    assert len(cards) == 8
    for card, each in zip(cards, worst, strict=False):
        assert dataset.paths[each.row] in card.text
        assert f"{100 * each.iou:.1f}" in card.text
        given, found, differs, doubtful = map(pixels, figures(card))
        assert given.shape == found.shape == differs.shape == doubtful.shape == (288, 288, 3)
        unsure = doubtful[:22].astype(int).min(axis=2)
        assert unsure.mean() > doubtful[26:].mean()  # the brightest end of the heat
        assert np.ptp(doubtful[30:].astype(int), axis=2).mean() < 10  # grey
        labels, mask = said_of(dataset, each.row)[0], dataset.mask(each.row).labels
        scale = 288 // SIDE
        missed = ((mask > 0) & (labels == 0)).repeat(scale, 0).repeat(scale, 1)
        invented = ((mask == 0) & (labels > 0)).repeat(scale, 0).repeat(scale, 1)
        right = (mask == labels).repeat(scale, 0).repeat(scale, 1)
        spread = differs.max(axis=2).astype(int) - differs.min(axis=2)
        assert np.median(spread[right]) < 10 < np.median(spread[missed | invented])
        if missed.sum() > 300 and invented.sum() > 300:
            assert differs[missed].mean() < differs[right].mean() < differs[invented][:, :2].mean()


def test_differences_have_the_colour_of_their_kind() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    there, said = np.zeros((2, 8, 8), np.int32)
    there[:2], said[:2] = 1, 0  # missed
    there[2:4], said[2:4] = 0, 2  # invented
    there[4:6], said[4:6] = 1, 2  # confused
    there[6:7] = -1
    drawn = differing(image, there, said, has_background=True, side=80).astype(int)
    pale = drawn[75, 40]
    assert len(set(pale.tolist())) == 1
    for rows, kind in ((slice(0, 20), "missed"), (slice(20, 40), "invented")):
        colour = np.array(list(bytes.fromhex(DIFFERENCES[kind][1:])))  # type: ignore[index]
        np.testing.assert_allclose(drawn[rows].reshape(-1, 3), np.tile(0.25 * pale + 0.75 * colour, (1600, 1)), atol=2)
    for rows in (slice(40, 60), slice(60, 70)):
        assert len(np.unique(drawn[rows].reshape(-1, 3), axis=0)) == 2  # stripes
    without = differing(image, there, said, has_background=False, side=80)
    assert len(np.unique(without[:20].reshape(-1, 3), axis=0)) == 2


def test_the_table_of_classes_and_the_shares_are_of_all_pixels(dataset: MaskDataset) -> None:
    page = context(dataset)
    report = page.evaluated.report
    table: Any = sections.class_table(page)
    np.testing.assert_allclose([sum(shares) for _, _, shares in table["rows"]], 1)
    assert [count for _, count, _ in table["rows"]] == report.table.sum(axis=1).tolist()
    shares: Any = sections.shares(page)
    np.testing.assert_allclose(np.sum([row[1:] for row in shares["rows"]], axis=0), 1)
    calibration: Any = sections.calibration(page)
    assert sum(each.images for each in calibration["bins"]) == report.pixels


def test_examples_are_the_best_the_worst_and_the_least_sure(dataset: MaskDataset) -> None:
    page = context(dataset)
    shown = {key: [each.name for each in several] for key, several in sections.answer(page)["examples"]}
    order = [dataset.paths[each.row] for each in worst_masks(page.evaluated.counts, 3, has_background=True)]
    assert shown["wrong_answers"] == order[:3]
    assert shown["right_answers"] == order[::-1][:3]
    rest = [name for name in dataset.paths[::-1] if name not in {*order[:3], *order[-3:]}]
    assert shown["unsure_answers"] == rest[:3]  # ``evaluated`` makes later rows less sure


def test_objects_are_counted_and_their_sizes_are_those_of_the_masks(discs: MaskDataset) -> None:
    page = context(discs)
    found, objects = page.evaluated.report.objects, sections.objects(page)
    assert objects is not None
    assert sum(there for there, _ in sections.counts_of(page)) == found.objects == int(discs.objects.sum())
    sizes: Any = sections.sizes(page)
    assert sum(bar[-1] for bar in sizes["bars"]["bars"]) == sizes["objects"] == found.objects
    areas = np.concatenate([np.bincount(discs.mask(row).objects.ravel())[1:] for row in range(len(discs))])  # type: ignore[union-attr]
    assert sizes["quarters"][1] == pytest.approx(np.median(np.sqrt(4 * areas / np.pi)))
    html = parsed(html_of(discs, "ko"))
    assert section(html, "objects").all("svg")
    assert section(html, "sizes").all("svg")
    assert f"{100 * found.ap50.value:.1f}" in section(html, "answer").text


def test_the_doctors_pictures_have_masks_upon_them_and_boxes_around_what_is_in_question(dataset: MaskDataset) -> None:
    box = Outline((10, 20, 30.25, 40))
    finding = Finding("tiny-objects", "note", 1, "What.", "look", (Case((dataset.paths[1],), "why", outlines=(box,)),))
    plain = Finding("empty-masks", "note", 1, "What.", "look", (Case((dataset.paths[2],), "why"),))
    checkup = vet(dataset, checks=(lambda examined: [finding, plain],), examination=MASKS)
    page = parsed(checkup_page(checkup, packages=(PACKAGE,)))
    (picture,) = page.classed("boxed")
    assert picture.attributes["viewbox"] == f"0 0 {SIDE} {SIDE}"
    (edge,) = picture.classed("edge")
    assert [float(edge.attributes[name]) for name in ("x", "y", "width", "height")] == pytest.approx(
        [10, 20, 20.25, 20], abs=0.1
    )
    drawn = pixels(picture.one("image").attributes["href"]).astype(int)
    shown, names = dataset.mask(1), dict(enumerate(NAMES[1:], 1))
    expected = painted(decode(dataset.source(1)), shown.labels, names, side=320, legend=False)
    assert drawn.shape == expected.shape == (320, 320, 3)
    assert np.abs(drawn - expected).mean() < 8  # WebP loses some
    table = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    assert [int(row[-1]) for row in table] == dataset.class_counts().tolist()
    assert "Images with each class" in page.text
    assert [item.text for item in page.classed("swatches")[0].all("li")] == list(NAMES[1:])


def test_figures_for_print(discs: MaskDataset, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = evaluated(discs)
    files = write_figures(segmenter(found, discs), tmp_path / "ko", FIGURES, found, language="ko")
    names = ("classes", "class-table", "objects", "reliability")
    assert [file.name for file in files] == [f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")]
    assert all(file.stat().st_size > 3_000 for file in files)
    assert write_figures(segmenter(None, discs), tmp_path / "none", FIGURES) == []


def test_the_task_has_all_of_it() -> None:
    assert TASK.figures() == FIGURES
    assert TASK.sections() == SECTIONS
    assert TASK.examination() is MASKS
