"""What images and a model make of each other, on its page: the numbers, and what hostile ones may not do."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.explain.test_stored import Drawn
from topwork.backbones import load
from topwork.checking import Case, Checkup
from topwork.data import ImageDataset
from topwork.engines import EngineChoice
from topwork.explain import CorruptionAccuracy, Explanation, RobustAccuracy, stored, write_result
from topwork.features import FeatureTable
from topwork.model import Evaluated
from topwork.report import model_page
from topwork.tasks.classification._page import SECTIONS

from .conftest import checkup, finding
from .pages import Node, offered, parsed, pixels
from .test_model import HOSTILE, NAMES, evaluated, images, model, section

DEPTHS = ("blocks.0/mean", "blocks.0/max", "blocks.3/mean", "blocks.6/max", "embedding")


def with_features(dataset: ImageDataset, outputs: Sequence[str] = DEPTHS) -> Evaluated:
    """Images with features of their own: each class lies around a place, the farther apart the deeper."""
    backbone = load("lite0")
    rng = np.random.default_rng(0)
    columns = []
    for depth, output in enumerate(outputs):
        centres = depth * rng.standard_normal((len(dataset.classes), backbone.width(output)))
        columns.append(centres[dataset.labels] + rng.standard_normal((len(dataset), backbone.width(output))))
    values = np.concatenate(columns, axis=1).astype(np.float32)
    table = FeatureTable(dataset, backbone, EngineChoice("openvino", "f32"), tuple(outputs), values)
    return dataclasses.replace(evaluated(dataset), features=table)


def page_of(
    found: Evaluated,
    *,
    checked: Checkup | None = None,
    explained: Sequence[Explanation] = (),
    language: str = "en",
    name: str = "m",
) -> Node:
    made = model(found, found.dataset.classes)
    html = model_page(made, name, SECTIONS, found, checkup=checked, explained=explained, language=language)  # type: ignore[arg-type]
    html.encode("utf-8")
    return parsed(html)


def shown(page: Node) -> list[str]:
    return [node.attributes["aria-labelledby"] for node in page.all("section")]


# --- feature space


def test_the_images_lie_where_pca_puts_them() -> None:
    """scikit-learn is the oracle, up to the sign of an axis."""
    from sklearn.decomposition import PCA

    found = with_features(images(NAMES, 60))
    space = section(page_of(found), "space")
    maps = space.classed("map")
    captions = [node.text.partition(":")[0] for node in space.all("figcaption")]
    assert captions == ["blocks.0", "blocks.6", "embedding"]  # the first, the middle and the last
    assert found.features is not None
    values = found.features.columns(("embedding",))
    points = PCA(2).fit_transform((values - values.mean(axis=0)) / values.std(axis=0))
    circles = [dot.one("circle").attributes for dot in maps[-1].all("g")]
    for axis, name in enumerate(("cx", "cy")):
        places = np.array([float(each[name]) for each in circles])
        assert abs(np.corrcoef(points[:, axis], places)[0, 1]) > 0.999


def test_a_dot_has_its_classs_colour_its_image_and_what_was_said_of_it() -> None:
    found = with_features(images(NAMES, 60))
    space = section(page_of(found), "space")
    stored_images = {node.attributes["id"]: pixels(node.attributes["href"]) for node in space.all("image")}
    assert len(stored_images) == 60
    said = found.probabilities.argmax(axis=1)
    dataset = found.dataset
    colours: dict[int, set[str]] = {}
    for row, dot in enumerate(space.classed("map")[0].all("g")):
        label = int(dataset.labels[row])
        wrong = said[row] != label
        assert (dot.attributes.get("class") == "miss") == wrong
        assert dot.one("title").text.endswith(f": {dataset.paths[row]}")
        assert ("→" in dot.one("title").text) == wrong
        picture = stored_images[dot.one("use").attributes["href"][1:]]
        colour = dataset.source(row).astype(float).mean(axis=(0, 1))  # type: ignore[union-attr]
        np.testing.assert_allclose(picture.mean(axis=(0, 1)), colour, atol=12)
        colours.setdefault(label, set()).add(dot.one("circle").attributes["fill"])
    assert [len(each) for each in colours.values()] == [1, 1, 1]
    assert len(set.union(*colours.values())) == 3
    assert "dark ring" in space.text


def test_neighbours_of_the_same_class_are_counted() -> None:
    """scikit-learn is the oracle."""
    from sklearn.neighbors import NearestNeighbors

    found = with_features(images(NAMES, 60), ("embedding",))
    assert found.features is not None
    values = found.features.values
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(standard).kneighbors(return_distance=False)
    labels = found.dataset.labels
    share = (labels[nearest] == labels[:, None]).mean()
    (caption,) = section(page_of(found), "space").all("figcaption")
    assert caption.text == f"embedding: {100 * share:.1f} % of the five nearest neighbours have the same class"


def test_very_many_images_are_some() -> None:
    found = with_features(images(NAMES, 700), ("embedding",))
    space = section(page_of(found), "space")
    assert len(space.all("g")) == len(space.all("image")) == 300
    assert "300 of the 700 images are shown" in space.text


def test_who_cannot_point_at_a_dot_reads_a_list() -> None:
    """Every dot's image, what is named wrong first, without a mouse and without a picture of the map."""
    found = with_features(images(NAMES, 60), ("embedding",))
    space = section(page_of(found), "space")
    (details,) = space.all("details")
    entries = details.all("li")
    dots = space.classed("map")[0].all("g")
    assert details.one("summary").text.startswith("List of images, misclassified first")
    spoken = [(*node.all("p")[0].text.split(" , predicted as "), node.all("p")[1].text) for node in entries]
    titles = [re.sub("[\u2068\u2069]", "", dot.one("title").text) for dot in dots]
    assert sorted(spoken) == sorted((*title.split(": ")[0].split(" → "), title.split(": ")[1]) for title in titles)
    wrong = [len(words) == 3 for words in spoken]
    assert wrong == sorted(wrong, reverse=True)
    assert 0 < sum(wrong) < len(wrong)
    pictured = {
        title.split(": ")[1]: dot.one("use").attributes["href"] for title, dot in zip(titles, dots, strict=True)
    }
    assert {
        words[-1]: node.one("use").attributes["href"] for words, node in zip(spoken, entries, strict=True)
    } == pictured


def test_images_that_take_much_room_are_left_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_features(images(NAMES, 60), ("embedding",))
    whole = section(page_of(found), "space")
    assert "Some have none" not in whole.text
    room = sum(len(each.attributes["href"]) for each in whole.all("image"))
    monkeypatch.setattr("topwork.report._explained._ROOM", -(-room // 2))
    space = section(page_of(found), "space")
    assert [bool(dot.all("use")) for dot in space.all("g")] == [True, False] * 30
    assert len(space.all("image")) == 30
    assert "Some dots have no image, to keep this page small." in space.text


@pytest.mark.parametrize("count", [9, 0])
def test_too_few_images_or_no_features_make_no_map(count: int) -> None:
    found = with_features(images(NAMES, 9)) if count else evaluated(images(NAMES, 30))
    assert "space" not in shown(page_of(found))


def test_a_right_to_left_name_moves_no_words() -> None:
    """Class, count and punctuation would change places in a sentence without the isolates; ``<bdi>`` is for tables."""
    classes = ("قطة", "كلب", "\u202eخيل\u2069")
    found = with_features(images(classes, 60), ("embedding",))
    page = parsed(model_page(model(found, found.dataset.classes), "قطط", SECTIONS, found))
    whole = {f"\u2068{name}\u2069" for name in ("قطة", "كلب", r"\u202eخيل\u2069")}
    mistake = section(page, "answer").all("p")[1].text
    told = re.fullmatch(
        r"Weakest class: (.+?), [0-9]+ of 20 found \(recall [0-9]+ %\), [0-9]+ taken for (.+?)\.", mistake
    )
    assert told
    assert set(told.groups()) <= whole
    assert page.one("head").one("title").text == "Model: \u2068قطط\u2069"
    spoken = [node.one("title").text for node in section(page, "space").all("g")]
    for line in spoken:
        *names, last = re.split(" → |: ", line)
        assert set(names) <= whole
        assert last == last.strip("\u2068\u2069")  # this file has another name
    assert any("→" in line for line in spoken)
    html = model_page(model(evaluated(images(("cat", "dog"), 30)), ("cat", "dog")), "m", SECTIONS)
    assert "\u2068" not in html


# --- findings


def test_findings_are_shown_with_their_images() -> None:
    found = evaluated(images(NAMES, 30))
    dataset = found.dataset
    blurred = finding(Case((dataset.paths[4],), "how much"), what="1 image is blurred.")
    hidden = finding(name="hidden-files", severity="note", what="Passed over.")
    gone = finding(Case(("lost.jpg",), "cut off"), name="truncated", what="1 file left out.")
    page = page_of(found, checked=checkup(dataset, blurred, gone, hidden, unusable={}))
    findings = section(page, "findings")
    assert [node.text for node in findings.all("h3")] == ["Blurred", "Truncated", "Hidden files"]
    assert [node.text for node in findings.one("details").all("h3")] == ["Hidden files"]  # folded: good to know
    assert [node.text for node in findings.classed("file")] == [dataset.paths[4], "lost.jpg"]
    assert pixels(findings.one("img").attributes["src"]).ndim == 3
    assert "how much" in findings.text


def test_a_finding_is_not_told_twice() -> None:
    found = evaluated(images(NAMES, 30))
    blurred = finding(Case((found.dataset.paths[4],)), what="1 image is blurred.")
    made = model(found, NAMES)
    notes = ("blurred: 1 image is blurred.", "and another thing")
    made.record = made.record.model_copy(update={"data": made.record.data.model_copy(update={"notes": notes})})
    told = [
        parsed(model_page(made, "m", SECTIONS, found, checkup=each)) for each in (None, checkup(found.dataset, blurred))
    ]
    assert [node.text for node in section(told[0], "data").all("li")] == list(notes)
    assert [node.text for node in section(told[1], "data").all("li")] == ["and another thing"]


def test_a_doctor_that_found_nothing_has_no_section() -> None:
    found = evaluated(images(NAMES, 30))
    assert "findings" not in shown(page_of(found, checked=checkup(found.dataset)))
    assert "findings" not in shown(page_of(found))


# --- what was computed before

CORRUPTED = CorruptionAccuracy(
    images=50,
    clean=0.96,
    accuracy={"blur": (0.9, 0.8, 0.7, 0.6, 0.5), "JPEG": (0.9, 0.9, 0.8, 0.8, 0.25)},
    example=np.full((64, 64, 3), 99, np.uint8),
)
ATTACKED = RobustAccuracy("linf", 8, (0.0, 1 / 255, 8 / 255), {"noise": (1.0, 1.0, 0.5), "pgd": (1.0, 0.5, 0.0)})


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Explanation, ...]:
    write_result(CORRUPTED, tmp_path / "corruptions.png", what="corruptions")
    write_result(ATTACKED, tmp_path / "robustness.png", what="robustness")
    write_result(Ideal("고양이"), tmp_path / "ideal-1.png", what="ideal")
    write_result(Ideal(HOSTILE), tmp_path / "ideal-2.png", what="ideal")
    write_result(Drawn(HOSTILE, 60), tmp_path / "x-grad-cam.png", what="evidence", source=HOSTILE)
    return stored(tmp_path)


@dataclasses.dataclass(frozen=True)
class Ideal:
    """An ideal image as its numbers say."""

    label: str

    @property
    def headline(self) -> str:
        return f"ideal image of {self.label}"

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "probability": 0.97, "probability_after_shift_and_jpeg": 0.913}

    def picture(self) -> np.ndarray:
        return np.full((50, 90, 3), 120, np.uint8)


def test_robustness_is_drawn_from_its_numbers(kept: tuple[Explanation, ...]) -> None:
    robustness = section(page_of(evaluated(images(NAMES, 30)), explained=kept), "robustness")
    assert "Accuracy on 50 images: 96.0 % unchanged, and 71.5 % on average" in robustness.text
    charts = robustness.all("svg")
    assert [chart.attributes["aria-label"].partition(":")[0] for chart in charts] == [
        "blur",
        "JPEG",
        "plain noise",
        "PGD, many steps",
    ]
    points = [
        [float(each) for each in pair.split(",")] for pair in charts[0].one("polyline").attributes["points"].split()
    ]
    assert len(points) == 6
    heights = np.array([height for _, height in points])
    top, bottom = 16.0, 126.0
    np.testing.assert_allclose((bottom - heights) / (bottom - top), [0.96, 0.9, 0.8, 0.7, 0.6, 0.5], atol=0.002)
    assert (np.diff([across for across, _ in points]) > 0).all()
    tables = [[[cell.text for cell in row.all("td")] for row in each.all("tr")[1:]] for each in robustness.all("table")]
    assert tables[0][5] == ["50.0 %", "25.0 %"]
    assert tables[1] == [["100 %", "100 %"], ["100 %", "50.0 %"], ["50.0 %", "0 %"]]
    assert [row.one("th").text for row in robustness.all("table")[1].all("tr")[1:]] == ["0", "1", "8"]
    assert pixels(robustness.one("img").attributes["src"]).shape[1] > 500  # the sheet of what the strengths are


def test_ideal_images_and_the_rest_are_shown_with_their_numbers(kept: tuple[Explanation, ...]) -> None:
    page = page_of(evaluated(images(NAMES, 30)), explained=kept)
    ideal = section(page, "ideal")
    assert "고양이: probability 97.0 %; 91.3 % after a shift and JPEG compression." in ideal.text
    assert [round(pixels(each.attributes["src"]).mean()) for each in ideal.all("img")] == [120, 120]
    rest = section(page, "explained")
    assert [pixels(each.attributes["src"]).mean() for each in rest.all("img")] == [pytest.approx(60, abs=2)]
    assert HOSTILE in rest.text
    assert '"values"' in rest.one("pre").text


def test_what_was_not_computed_names_its_command() -> None:
    page = page_of(evaluated(images(NAMES, 30)), name="it's")
    model = """'it'"'"'s'"""
    assert offered(page) == {
        "Data check": f"topwork report {model} --data DATA --check",
        "Effect of more images": f"topwork fit DATA -o {model} --budget 10m",
        "Robustness": f"topwork explain {model} --what corruptions --data DATA --keep",
        "Ideal images": f"topwork explain {model} --what ideal --keep",
    }
    assert not {"findings", "forecast", "robustness", "ideal"} & set(shown(page))
    assert "explained" not in shown(page)


def english_passages(node: Node) -> list[str]:
    """Four English words or more in a row, where the page does not say that they are English."""
    if node.attributes.get("lang") == "en" or node.tag in ("code", "pre", "bdi", "style"):
        return []
    texts = [child for child in node.children if isinstance(child, str)]
    texts += [node.attributes.get(name, "") for name in ("alt", "aria-label")]
    found = [text for text in texts if re.search(r"[A-Za-z]+ [a-z]+ [a-z]+ [a-z]+", text)]
    return found + [text for child in node.children if isinstance(child, Node) for text in english_passages(child)]


def test_what_stays_english_on_a_korean_page_says_so(kept: tuple[Explanation, ...], tmp_path: Path) -> None:
    """A screen reader would read it aloud with Korean sounds otherwise (WCAG 3.1.2)."""
    found = with_features(images(NAMES, 60), ("embedding",))
    cases = [Case((path,), "only a little of it is sharp") for path in found.dataset.paths[:2]]
    blurred = finding(*cases, what="Some images here are much less sharp.")
    checked = checkup(found.dataset, blurred, unusable={0: "the file ends too soon to be read"})
    write_result(Drawn("it looked mostly at the upper left"), tmp_path / "seen.png", what="evidence")
    seen = tuple(each for each in stored(tmp_path) if each.headline != HOSTILE)
    page = page_of(found, checked=checked, explained=seen, language="ko")
    assert page.attributes["lang"] == "ko"
    assert english_passages(page) == []
    marked = " ".join(node.text for node in page.nodes() if node.attributes.get("lang") == "en")
    for said in ("Some images here", "leave it out", "only a little", "the file ends too soon", "upper left"):
        assert said in marked
    english = page_of(found, checked=checked, explained=seen)
    assert english_passages(english.one("main"))
    assert not [node for node in english.nodes() if "lang" in node.attributes]


def test_it_names_none_where_all_was_computed(kept: tuple[Explanation, ...]) -> None:
    page = page_of(evaluated(images(NAMES, 30)), explained=kept)
    assert not section(page, "robustness").all("code")
    assert not section(page, "ideal").all("code")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_names_stay_text_and_are_said_once(kept: tuple[Explanation, ...], language: str) -> None:
    classes = (HOSTILE, "고양이 🐶", "قطة \u202e")
    found = with_features(images(classes, 60), ("embedding",))
    case = Case((found.dataset.paths[0],), HOSTILE, 0.5, HOSTILE, HOSTILE)
    bad = finding(case, name="likely-label-errors", what=HOSTILE)
    page = page_of(found, checked=checkup(found.dataset, bad), explained=kept, language=language, name=HOSTILE)
    assert not page.all("script", "iframe", "object", "link")
    assert {name for node in page.nodes() for name in node.attributes if name.startswith("on")} == set()
    assert all(node.attributes["src"].startswith("data:image/") for node in page.all("img"))
    assert all(node.attributes["href"].startswith(("#", "data:image/")) for node in page.all("a", "use", "image"))
    ids = [node.attributes["id"] for node in page.nodes() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    levels = [int(node.tag[1]) for node in page.all("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(node.attributes["alt"] for node in page.all("img"))
    assert {"findings", "space", "robustness", "ideal", "explained"} <= set(shown(page))
    assert HOSTILE in section(page, "findings").text


def changed(found: Explanation, **numbers: object) -> Explanation:
    return dataclasses.replace(found, numbers={**found.numbers, **numbers})


@pytest.mark.parametrize(
    "numbers",
    [
        {"accuracy": {"blur": [0.5]}},
        {"accuracy": {"blur": [0.5] * 1000}},
        {"accuracy": {"blur": [7, 8]}},
        {"accuracy": {"blur": "no"}},
        {"accuracy": {str(row): [0.5, 0.5] for row in range(99)}},
        {"clean": float("nan")},
        {"images": "many"},
        {"accuracy": None},
    ],
)
def test_numbers_that_no_result_has_are_not_drawn(kept: tuple[Explanation, ...], numbers: dict[str, object]) -> None:
    corruptions = next(each for each in kept if each.what == "corruptions")
    page = page_of(evaluated(images(NAMES, 30)), explained=[changed(corruptions, **numbers)])
    assert "robustness" not in shown(page)
    assert "Robustness" in offered(page)


def test_curves_of_unequal_length_are_not_drawn(kept: tuple[Explanation, ...]) -> None:
    attacked = next(each for each in kept if each.what == "robustness")
    found = evaluated(images(NAMES, 30))
    for numbers in ({"sizes": [0, 1]}, {"sizes": [0, 1, float("inf")]}, {"norm": "l7"}):
        assert "robustness" not in shown(page_of(found, explained=[changed(attacked, **numbers)]))


def test_sheets_beyond_the_room_are_told_and_not_shown(kept: tuple[Explanation, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    class Loud(Ideal):
        def picture(self) -> np.ndarray:
            return rng.integers(0, 256, (700, 900, 3), np.uint8)

    for row in range(6):
        write_result(Loud(f"class {row}"), tmp_path / f"loud-{row}.png", what="ideal")
    (tmp_path / "loud-5.png").unlink()  # since it was found
    loud = [each for each in stored(tmp_path) if "loud" in each.path.name]
    gone = dataclasses.replace(loud[0], path=tmp_path / "loud-5.png")
    html = model_page(model(None, NAMES), "m", SECTIONS, explained=[gone, *loud])
    ideal = section(parsed(html), "ideal")
    assert 0 < len(ideal.all("img")) < 5
    assert len(ideal.all("article")) == 6
    assert "left out to keep this page small" in ideal.text
    assert len(html) < 1_500_000


@pytest.mark.slow
def test_a_thousand_classes_and_ten_thousand_images_stay_small(kept: tuple[Explanation, ...]) -> None:
    classes = [f"class {place:04}" for place in range(1000)]
    found = with_features(images(classes, 10_000), ("blocks.0/mean", "embedding"))
    cases = [Case((path,), "detail") for path in found.dataset.paths]
    names = ("blurred", "too-dark", "exact-duplicates", "leakage", "shortcut")
    bad = [finding(*cases, name=name) for name in names]
    made = model(found, found.dataset.classes)
    html = model_page(made, "m", SECTIONS, found, checkup=checkup(found.dataset, *bad), explained=kept)
    assert len(html.encode()) < 5_000_000
    page = parsed(html)
    assert len(section(page, "per_class").one("tbody").all("tr")) == 200
    confusion = section(page, "confusion")
    assert not confusion.all("table")
    assert len([node for node in confusion.all("div") if "id" in node.attributes]) == 40
    assert not confusion.classed("pair")
    assert "less frequent kinds of mistakes are not shown" in confusion.text
    space = section(page, "space")
    assert len(space.classed("swatches")[0].all("li")) == 31
    assert "+ 970" in space.text
