"""The data doctor's page: what it says, and that a browser, a reader and a screen reader can take it."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import topwork.report
from topwork.checking import Case, Severity, check, vet
from topwork.data import ImageDataset, from_arrays, read
from topwork.report import checkup_page

from .conftest import checkup, each, finding
from .pages import Node, finding_section, parsed, pixels

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)<'


def page_of(*arguments: object, **options: object) -> Node:
    return parsed(checkup_page(checkup(*arguments, **options)))  # type: ignore[arg-type]


def table(page: Node) -> list[list[str]]:
    return [[cell.text for cell in row.all("th", "td")] for row in page.one("table").all("tr")]


def test_exported_names_are_sorted_and_there() -> None:
    assert topwork.report.__all__ == sorted(topwork.report.__all__)
    assert all(hasattr(topwork.report, name) for name in topwork.report.__all__)


def test_importing_loads_no_network_and_no_pictures() -> None:
    heavy = {"torch", "timm", "openvino", "sklearn", "PIL"}
    code = f"import sys, topwork.report; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_stands_alone(dataset: ImageDataset) -> None:
    html = checkup_page(checkup(dataset, each(dataset), finding(name="leakage", severity="blocks")))
    page = parsed(html)
    assert html.startswith("<!doctype html>")
    assert not page.all("script", "link", "iframe", "object", "form", "base", "svg")
    assert {name for node in page.nodes() for name in node.attributes if name.startswith("on")} == set()
    assert all(node.attributes["src"].startswith("data:image/") for node in page.all("img"))
    assert all(node.attributes["href"].startswith("#") for node in page.all("a"))
    assert not re.search(r"https?:|url\(|@import", html)
    (policy,) = [node for node in page.all("meta") if node.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"].startswith("default-src 'none'; img-src data:;")


def test_the_page_can_be_found_ones_way_in(dataset: ImageDataset) -> None:
    page = page_of(dataset, each(dataset), finding(name="leakage", severity="blocks"), finding(Case((), "class 'cat'")))
    assert page.attributes["lang"] == "en"
    named = {node.attributes.get("name"): node.attributes.get("content") for node in page.all("meta")}
    assert named["viewport"] == "width=device-width, initial-scale=1"
    levels = [int(node.tag[1]) for node in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert len(page.all("main")) == 1
    assert all(node.attributes["alt"] for node in page.all("img"))
    assert all(cell.attributes["scope"] in ("col", "row") for cell in page.all("th"))


def test_links_and_labels_lead_somewhere(dataset: ImageDataset) -> None:
    page = page_of(dataset, each(dataset), finding(name="leakage", severity="blocks"))
    ids = [node.attributes["id"] for node in page.nodes() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    targets = [node.attributes["href"].removeprefix("#") for node in page.all("a")]
    assert {"blurred", "leakage"} <= set(targets) <= set(ids)
    assert {n.attributes["aria-labelledby"] for n in page.nodes() if "aria-labelledby" in n.attributes} <= set(ids)


def test_a_sound_data_set(dataset: ImageDataset, folder: Path) -> None:
    page = page_of(dataset)
    assert str(folder) in page.one("title").text
    assert "topwork fit will go on." in page.classed("verdict")[0].text
    assert [node.text for node in page.classed("figures")[0].all("dd")] == ["6", "6", "2", "0"]
    assert "None. The check found no problem" in page.text
    assert not page.all("article", "img", "nav")


def test_the_classes_table_counts_usable_images_in_each_part(dataset: ImageDataset) -> None:
    splits = np.array(["train", "train", "test", "train", "val", "test"])
    page = page_of(dataclasses.replace(dataset, splits=splits), unusable={5: "damaged"})
    assert table(page) == [
        ["Class", "train", "val", "test", "Usable, all splits", "Not usable"],
        ["cat", "2", "0", "1", "3", "0"],
        ["dog", "1", "1", "0", "2", "1"],
        ["All", "3", "1", "1", "5", "1"],
    ]
    assert table(page_of(dataset)) == [["Class", "Usable"], ["cat", "3"], ["dog", "3"], ["All", "6"]]


def test_many_classes_are_summed_up() -> None:
    labels = [str(1000 + row) for row in range(1234)]
    rows = table(page_of(from_arrays(np.zeros((1234, 2, 2), np.uint8), labels)))
    assert len(rows) == 1 + 200 + 1 + 1
    assert rows[200:] == [["1199", "1"], ["1,034 more classes", "1,034"], ["All", "1,234"]]


@pytest.mark.parametrize(("severity", "word"), [("warning", "Warning"), ("note", "Note")])
def test_a_finding_is_told_whole(dataset: ImageDataset, severity: Severity, word: str) -> None:
    found = dataclasses.replace(each(dataset), severity=severity, count=1234)
    page = page_of(dataset, found)
    section = finding_section(page, "blurred")
    assert section.one("h3").text == "Blurred"
    assert [node.text for node in section.classed("badge")] == [word]
    for text in ("1,234", "What it is.", "What to do: leave it out", dataset.paths[2], "cat", "detail of 2"):
        assert text in section.text
    assert section.one("code").text == "it"
    assert "will go on" in page.classed("verdict")[0].text


def test_what_stops_a_fit_is_told_first_with_the_way_round_it(dataset: ImageDataset) -> None:
    blocking = [finding(name=name, severity="blocks", what=f"{name}!") for name in ("label-conflicts", "leakage")]
    verdict = page_of(dataset, *blocking, each(dataset)).classed("verdict")[0]
    assert "will stop" in verdict.text
    assert [item.text for item in verdict.all("li")] == ["Label conflicts : label-conflicts!", "Leakage : leakage!"]
    assert [code.text for code in verdict.all("code")][1:] == ["--allow label-conflicts", "--allow leakage"]


@pytest.mark.parametrize(
    ("splits", "unusable", "words"),
    [
        (["", "", "", "", "", ""], {0, 1, 2}, "Fewer than two classes"),
        (["train", "train", "test", "test", "train", "test"], {4}, "Fewer than two classes"),
        (["train", "train", "test", "train", "train", "test"], {2, 5}, "No test image (test) can be used"),
        (["train", "train", "test", "train", "train", "test"], {0, 2}, ""),
    ],
)
def test_a_fit_stops_without_images_to_learn_from_or_to_measure(
    dataset: ImageDataset, splits: list[str], unusable: set[int], words: str
) -> None:
    page = page_of(dataclasses.replace(dataset, splits=np.array(splits)), unusable=dict.fromkeys(unusable, "damaged"))
    verdict = page.classed("verdict")[0].text
    assert words in verdict
    assert ("will go on" in verdict) == (not words)


def test_a_suspected_label_is_shown_beside_the_given_one(dataset: ImageDataset) -> None:
    case = Case((dataset.paths[0],), "given 'cat', likely 'dog' (confidence 87%)", 0.872, "cat", "dog")
    section = finding_section(page_of(dataset, finding(case, name="likely-label-errors")), "likely-label-errors")
    terms = [node.text for node in section.all("dt", "dd")]
    assert terms == ["Given label", "cat", "Likely label", "dog", "Confidence", "87%"]
    assert "sure" not in section.text  # said once


def test_a_pair_is_shown_side_by_side_each_with_its_own_label(dataset: ImageDataset) -> None:
    case = Case((dataset.paths[0], dataset.paths[5]), "'cat' and 'dog': 40%", 0.4, "cat", "dog")
    section = finding_section(page_of(dataset, finding(case)), "blurred")
    assert [node.classed("label")[0].text for node in section.all("figure")] == ["cat", "dog"]
    assert "'cat' and 'dog': 40%" in section.text
    assert not section.all("dl")


def test_what_is_not_shown_is_counted(dataset: ImageDataset) -> None:
    cases = [Case((), f"case {row}") for row in range(40)]
    group = Case(dataset.paths, "6 copies of one picture")
    section = finding_section(page_of(dataset, finding(group, *cases)), "blurred")
    assert len(section.one("ul").all("li")) == 12
    assert len(section.all("img")) == 4
    assert "The first 4 files are shown." in section.text
    assert f"29 more: topwork check {shlex.quote(str(dataset.root))} --json lists them." in section.text


def test_a_file_that_was_left_out_is_named_and_never_opened(dataset: ImageDataset) -> None:
    section = finding_section(page_of(dataset, finding(Case(("../secret.jpg",), "a link"))), "blurred")
    assert not section.all("img", "figure")
    assert section.one("li").text == "../secret.jpg a link"


def test_fault_8_html_in_names_and_words_stays_text(tmp_path: Path, photos: list[Path]) -> None:
    for label in (HOSTILE, "dog"):
        (tmp_path / HOSTILE / label).mkdir(parents=True)
        shutil.copy(photos[0], tmp_path / HOSTILE / label / f"{HOSTILE}.jpg")
    dataset = read(tmp_path / HOSTILE)
    cases = [Case((path, "<b>gone"), HOSTILE, 0.5, HOSTILE, HOSTILE) for path in dataset.paths]
    found = finding(*cases, Case(dataset.paths[:1], "", 0.5, HOSTILE, HOSTILE), what=HOSTILE)
    found = dataclasses.replace(found, advice=f"`{HOSTILE}`")
    page = page_of(dataset, found, unusable={0: HOSTILE})
    assert not page.all("script")
    assert [node.attributes["src"][:10] for node in page.all("img")] == ["data:image"]
    assert {name for node in page.nodes() for name in node.attributes if name.startswith("on")} == set()
    section = finding_section(page, "blurred")
    assert {f"{HOSTILE}/{HOSTILE}.jpg", f"dog/{HOSTILE}.jpg", "<b>gone"} == {n.text for n in section.classed("file")}
    assert section.classed("label")[0].text == HOSTILE
    assert section.one("dl").all("dd")[1].text == HOSTILE
    assert section.one("code").text == HOSTILE
    assert HOSTILE in section.classed("missing")[0].text
    assert table(page)[1][0] == HOSTILE


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
def test_fault_9_line_ends_and_other_bytes_in_names(tmp_path: Path, photos: list[Path]) -> None:
    for label, name in (("a\nb", b"two\nlines.jpg"), ("dog", b"caf\xe9\xe2\x80\xae.jpg")):
        (tmp_path / label).mkdir()
        shutil.copy(photos[0], tmp_path / label / os.fsdecode(name))
    dataset = read(tmp_path)
    found = dataclasses.replace(each(dataset), advice="rename `caf\udce9`")  # as a template prints it: no filter helps
    html = checkup_page(checkup(dataset, found))
    html.encode("utf-8")  # a name that is not UTF-8 would not go into a file
    page = parsed(html)
    names = [node.text for node in finding_section(page, "blurred").classed("file")]
    assert names == [r"a\nb/two\nlines.jpg", r"dog/caf\xe9\u202e.jpg"]
    assert [node.attributes["alt"] for node in page.all("img")] == [f"Picture {name}" for name in names]
    assert table(page)[1][0] == r"a\nb"
    assert finding_section(page, "blurred").one("code").text == r"caf\xe9"


def test_the_page_is_small_whatever_it_shows() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (800, 150, 150, 3), np.uint8)
    names = ["\u202e<&" * 1000 + str(row % 400) for row in range(800)]
    dataset = from_arrays(noise, names)
    cases = [Case((str(row), str(row + 1)), names[row] * 10, 0.5, names[row], names[row]) for row in range(700)]
    found = [finding(*cases[20 * row :], name=f"finding-{row}", what=names[0] * 20) for row in range(30)]
    html = checkup_page(checkup(dataset, *found))
    assert len(html.encode()) < 5_000_000
    page = parsed(html)
    assert len(page.all("img")) > 50
    assert "left out to keep this page small" in page.text


def test_the_same_checkup_gives_the_same_page(dataset: ImageDataset) -> None:
    found = checkup(dataset, each(dataset))
    assert checkup_page(found) == checkup_page(found)


def test_what_vet_finds_in_real_files(folder: Path, photos: list[Path]) -> None:
    whole = photos[10].read_bytes()
    (folder / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    shutil.copy(photos[0], folder / "dog" / "copy.jpg")
    found = vet(read(folder))
    page = parsed(checkup_page(found))
    assert {node.attributes["aria-labelledby"] for node in page.all("article")} == {
        each.name for each in found.findings
    }
    section = finding_section(page, "label-conflicts")
    first, second = (pixels(node.attributes["src"]) for node in section.all("img"))
    np.testing.assert_array_equal(first, second)
    assert "Not usable" in table(page)[0]
    assert "will stop" in page.classed("verdict")[0].text


@pytest.mark.slow
def test_the_confidence_is_the_one_the_doctor_names(tmp_path: Path, textiles: list[Path]) -> None:
    cloth = {name: [path for path in textiles if path.parent.name == name][:24] for name in ("nominal", "global")}
    for name, other in (("nominal", "global"), ("global", "nominal")):
        for row, path in enumerate(cloth[name]):
            place = tmp_path / (other if row == 5 else name) / f"{name}-{row}{path.suffix}"
            place.parent.mkdir(exist_ok=True)
            shutil.copy(path, place)
    found = check(read(tmp_path))
    suspected = found.finding("likely-label-errors")
    assert suspected is not None
    section = finding_section(parsed(checkup_page(found)), "likely-label-errors")
    shares = [shown.all("dd")[2].text for shown in section.all("dl")]
    assert [f"confidence {share}" for share in shares] == [
        case.detail.split("(")[-1][:-1] for case in suspected.cases[:12]
    ]
