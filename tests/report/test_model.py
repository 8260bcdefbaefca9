"""A model's page: what it says, in both languages, and that nothing in it can break or run."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import topwork.report
from topwork.backbones import load
from topwork.checking import Case
from topwork.data import ImageDataset, from_arrays
from topwork.engines import EngineChoice
from topwork.errors import ReportError
from topwork.heads import LinearHead
from topwork.metrics import (
    LEVELS,
    Estimate,
    Outcome,
    abstention_thresholds,
    conformal_thresholds,
    evaluate,
    selective_reports,
    shift,
)
from topwork.model import (
    ClassesRecord,
    Classifier,
    ClassifierRecord,
    CriticalRecord,
    DataRecord,
    EngineRecord,
    Evaluated,
    FoldRecord,
    FoldsRecord,
    SelectiveRecord,
    TrialRecord,
)
from topwork.report import Section, model_page
from topwork.report._texts import KIT, Texts, catalogue
from topwork.tasks.classification._page import SECTIONS

from .conftest import checkup, finding
from .pages import Node, offered, parsed

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
NAMES = ("고양이", "🐶 dog", "قطة \u202e")
ADVISED = ("ladder", "forecast")  # sections of models that were advised on: test_advice.py
LOOKED_INTO = ("findings", "space", "robustness", "ideal", "explained")  # of what was looked into: test_seen.py
ASKED = ("folds",)


def answers(labels: npt.NDArray[np.intp], classes: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Probabilities that are mostly right."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((len(labels), classes)) + 2.5 * np.eye(classes)[labels]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def images(classes: Sequence[str], count: int, seed: int = 0) -> ImageDataset:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 12, 12, 3), np.uint8)
    given = from_arrays(pixels, [classes[row % len(classes)] for row in range(count)])
    return given.relabelled(classes) if len(given.classes) == len(classes) else given


def evaluated(dataset: ImageDataset, *, strange: bool = False, seen: bool = False) -> Evaluated:
    labels = dataset.labels.astype(np.intp)
    said = answers(labels, len(dataset.classes))
    sharp = said**2 / (said**2).sum(axis=1, keepdims=True)
    promises = {
        "levels": LEVELS,
        "sets": conformal_thresholds(said, labels),
        "answers": abstention_thresholds(said, labels),
    }
    return Evaluated(
        evaluation=evaluate(said, labels, dataset.classes, before_scaling=sharp),
        split="test",
        seen_in_training=seen,
        dataset=dataset,
        probabilities=said,
        shift=shift(np.full(len(labels), 0.01 if strange else 0.5), 200),
        selective=selective_reports(said, labels, **promises),
    )


def model(found: Evaluated | None, classes: Sequence[str], **changes: object) -> Classifier:
    backbone = load("lite0")
    task = ClassesRecord(
        name="classification",
        classes=tuple(classes),
        training=(5,) * len(classes),
        calibration={"temperature": 0.5},
        metrics=found.evaluation.to_dict() if found else None,
        selective=SelectiveRecord(
            source="cross-validation",
            images=50,
            levels=LEVELS,
            sets=(0.1,) * len(LEVELS),
            answers=(0.5,) * 40,
            measured=tuple(each.to_dict() for each in found.selective),
        )
        if found
        else None,
    )
    task = task.model_copy(
        update={name: changes.pop(name) for name in [*changes] if name in ClassesRecord.model_fields}
    )
    record = ClassifierRecord(
        task=task,
        strategy="probe",
        backbone=backbone.to_dict(),
        outputs=("embedding",),
        engine=EngineRecord(**dataclasses.asdict(EngineChoice("openvino", "f32"))),
        head="linear",
        cross_validation={"accuracy": 0.9},
        trials=(
            TrialRecord(question="stages", answer="last", images=9, accuracy=0.8, log_loss=0.4, chosen=False),
            TrialRecord(question="odd", answer=HOSTILE, images=9, accuracy=None, log_loss=None, chosen=True),
        ),
        data=DataRecord(
            fingerprint="f" * 64,
            training=5 * len(classes),
            held_out=found.evaluation.n if found else 0,
            held_out_split="test" if found else "",
            left_out=2,
            notes=(HOSTILE,),
        ),
        seed=0,
        versions={"topwork": "0.1"},
        created="2026-11-21T12:00:00+00:00",
    ).model_copy(update=changes)
    width = len(classes)
    head = LinearHead(
        np.zeros(1280, np.float32),
        np.ones(1280, np.float32),
        np.zeros((1280, width), np.float32),
        np.zeros(width, np.float32),
        0.5,
    )
    return Classifier(record, head, backbone)


FOLDS = FoldsRecord(
    split="all",
    folds=(
        FoldRecord(training=40, images=20, strategy="probe", accuracy=0.95, macro_f1=0.9, log_loss=0.1),
        FoldRecord(training=40, images=20, strategy="finetune", accuracy=0.85, macro_f1=0.8, log_loss=0.3),
    ),
    accuracy=Estimate(0.9, 0.6, 1.0),
    macro_f1=Estimate(0.85, 0.5, 1.0),
    log_loss=Estimate(0.2, 0.0, 0.7),
)


def page_of(classes: Sequence[str] = NAMES, count: int = 60, *, language: str = "en", **how: bool) -> Node:
    found = evaluated(images(classes, count), **how)
    return parsed(model_page(model(found, found.dataset.classes), "my model", SECTIONS, found, language=language))  # type: ignore[arg-type]


def section(page: Node, name: str) -> Node:
    (found,) = [node for node in page.all("section") if node.attributes["aria-labelledby"] == name]
    return found


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_section_is_there_in_both_languages(language: str) -> None:
    page = page_of(language=language)
    t = Texts(language)
    assert page.attributes["lang"] == language
    assert [node.text for node in page.all("h2")] == [
        *(t(each.name) for each in SECTIONS if each.name not in (*ADVISED, *LOOKED_INTO, *ASKED)),
        t("missing"),
    ]
    hangul = re.compile("[가-힣]")
    assert all(hangul.search(node.text) for node in page.all("h2")) == (language == "ko")


@pytest.mark.parametrize("package", sorted({KIT, *(each.package for each in SECTIONS)}))
def test_every_section_has_a_heading(package: str) -> None:
    assert all(each.name in catalogue(each.package, "en")["texts"] for each in SECTIONS if each.package == package)


def test_another_language_is_refused() -> None:
    with pytest.raises(ReportError, match="no page in 'xx'") as refused:
        model_page(model(None, NAMES), "m", SECTIONS, language="xx")  # type: ignore[arg-type]
    assert "en, ko" in refused.value.hint


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_stands_alone_and_can_be_found_ones_way_in(language: str) -> None:
    found = evaluated(images(NAMES, 60))
    html = model_page(model(found, NAMES), "m", SECTIONS, found, language=language)  # type: ignore[arg-type]
    page = parsed(html)
    assert not page.all("script", "link", "iframe", "object", "form", "base")
    assert {name for node in page.nodes() for name in node.attributes if name.startswith("on")} == set()
    assert all(node.attributes["src"].startswith("data:image/") for node in page.all("img"))
    assert not re.search(r"https?:|url\(|@import", html)
    ids = [node.attributes["id"] for node in page.nodes() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    assert all(node.attributes["href"][0] == "#" and node.attributes["href"][1:] in ids for node in page.all("a"))
    levels = [int(node.tag[1]) for node in page.all("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(node.attributes["alt"] for node in page.all("img"))
    assert all(cell.attributes["scope"] in ("col", "row") for cell in page.all("th"))
    assert all(node.attributes["aria-label"] for node in page.all("svg"))


def test_the_answer_is_three_sentences_with_the_figures() -> None:
    found = evaluated(images(NAMES, 60))
    page = parsed(model_page(model(found, NAMES), "m", SECTIONS, found))
    first, second, third = (node.text for node in section(page, "answer").classed("words")[0].all("p"))
    accuracy = found.evaluation.accuracy
    assert first.startswith(
        f"About {100 * accuracy.value:.0f} of 100 new images of this kind will be classified correctly"
    )
    assert f"{100 * accuracy.low:.0f} to {100 * accuracy.high:.0f}" in first
    wrong = found.evaluation.confusion.copy()
    np.fill_diagonal(wrong, 0)
    assert f"{20 - wrong.sum(axis=1).max()} of 20 found" in second
    assert "It is confident on every image: the expected accuracy is at least 95%" in third
    few = [dataclasses.replace(each, answered=Estimate(0.4, 0.3, 0.5)) for each in found.selective[:1]]
    third = section(
        parsed(model_page(model(found, NAMES), "m", SECTIONS, dataclasses.replace(found, selective=few))), "answer"
    ).text
    assert "it answers 40.0 % of the images" in third
    assert "Let a person look at the rest" in third
    none = dataclasses.replace(found, selective=())
    assert (
        "No higher accuracy can be promised"
        in section(parsed(model_page(model(found, NAMES), "m", SECTIONS, none)), "answer").text
    )


def test_a_shift_and_seen_images_warn() -> None:
    strange = section(page_of(strange=True), "answer")
    assert "Caution: 60 of the 60 images are unlike" in strange.text
    assert strange.classed("warning")
    assert section(page_of(strange=True), "shift").text.count("unlike the training images: 60 of 60") == 1
    seen = section(page_of(seen=True), "answer")
    assert "better than on new images" in seen.text
    assert seen.classed("warning")
    assert not section(page_of(), "answer").classed("warning")


def test_a_cell_leads_to_the_pictures_behind_it() -> None:
    found = evaluated(images(NAMES, 60))
    page = parsed(model_page(model(found, NAMES), "m", SECTIONS, found))
    confusion = section(page, "confusion")
    counts = [[cell.text for cell in row.all("td")] for row in confusion.one("tbody").all("tr")]
    assert counts == [[str(count) for count in row] for row in found.evaluation.confusion.tolist()]
    links = {node.attributes["href"][1:]: int(node.text) for node in confusion.all("a")}
    places = zip(*found.evaluation.confusion.nonzero(), strict=True)
    assert set(links) == {f"cell-{true}-{guess}" for true, guess in places}  # right answers too
    said = found.probabilities.argmax(axis=1)
    opened = {node.attributes["id"]: node for node in confusion.all("div") if "id" in node.attributes}
    assert set(opened) == set(links)
    for key, cell in opened.items():
        _, true, guess = key.split("-")
        rows = np.flatnonzero((found.dataset.labels == int(true)) & (said == int(guess)))
        assert links[key] == len(rows)
        shown = [node.text for node in cell.classed("file")]
        assert set(shown) <= {found.dataset.paths[row] for row in rows}
        assert len(shown) == min(len(rows), 6)
    assert "up to 6 of each" in confusion.text


def test_many_kinds_of_answers_have_few_images_each() -> None:
    """Twenty classes that are taken for each other at random: 380 kinds of mistakes, of which 120 can be opened."""
    classes = [f"class {place:02}" for place in range(20)]
    dataset = images(classes, 4000)
    said = np.random.default_rng(0).dirichlet(np.ones(20), len(dataset)).astype(np.float32)
    found = Evaluated(evaluate(said, dataset.labels, dataset.classes), "", False, dataset, said)
    confusion = section(parsed(model_page(model(found, classes), "m", SECTIONS, found)), "confusion")
    assert len(confusion.all("a")) == 140
    assert len(confusion.all("img")) == 140
    assert "up to 1 of each" in confusion.text
    kinds = int((found.evaluation.confusion > 0).sum())
    assert f"{kinds - 140} less frequent kinds of mistakes are not shown" in confusion.text


def test_no_more_is_offered_than_can_be_promised() -> None:
    found = evaluated(images(NAMES, 60))
    caution = model(found, NAMES).record.task.selective
    assert caution is not None
    place = caution.levels.index(0.79)
    for answers, option in (((0.5,) * (place + 1), "--abstain 0.79"), ((0.5,) * len(caution.levels), "--abstain 0.95")):
        made = model(found, NAMES, selective=caution.model_copy(update={"answers": answers}))
        assert section(parsed(model_page(made, "m", SECTIONS)), "use").all("code")[0].text.count(option) == 1
    none = model(found, NAMES, selective=caution.model_copy(update={"answers": ()}))
    command = section(parsed(model_page(none, "m", SECTIONS)), "use").all("code")[0].text
    assert "--abstain" not in command
    assert "--coverage 0.95" in command


def test_the_worst_are_the_surest_wrong_answers() -> None:
    found = evaluated(images(NAMES, 60))
    page = parsed(model_page(model(found, NAMES), "m", SECTIONS, found))
    wrong = np.flatnonzero(found.probabilities.argmax(axis=1) != found.dataset.labels)
    expected = sorted(wrong, key=lambda row: -found.probabilities[row].max())[:12]
    assert [node.text for node in section(page, "worst").classed("file")] == [
        found.dataset.paths[row] for row in expected
    ]
    unsure = np.argsort(found.probabilities.max(axis=1), kind="stable")[:12]
    assert [node.text for node in section(page, "unsure").classed("file")] == [
        found.dataset.paths[row] for row in unsure
    ]


def test_names_with_markup_stay_text() -> None:
    classes = (HOSTILE, "b" * 400, "two\nlines")
    found = evaluated(images(classes, 30))
    html = model_page(model(found, found.dataset.classes, strategy=HOSTILE), HOSTILE, SECTIONS, found)
    html.encode("utf-8")
    page = parsed(html)
    assert not page.all("script")
    assert all(node.attributes["src"].startswith("data:") for node in page.all("img"))
    assert HOSTILE in page.one("title").text
    assert HOSTILE in [node.text for node in section(page, "per_class").all("bdi")]
    assert any(HOSTILE in node.text for node in section(page, "trials").all("td"))
    assert any(HOSTILE in node.text for node in section(page, "data").all("li"))


def test_korean_emoji_and_right_to_left_names() -> None:
    page = page_of(language="ko")
    names = [node.text for node in section(page, "per_class").all("bdi")]
    assert sorted(names) == sorted(["고양이", "🐶 dog", r"قطة \u202e"])


def test_the_page_says_no_more_of_what_was_seen_than_is_known() -> None:
    found = evaluated(images(NAMES, 60))
    made = model(found, NAMES)

    def first(**changes: object) -> str:
        html = model_page(made, "m", SECTIONS, dataclasses.replace(found, **changes))  # type: ignore[arg-type]
        return section(parsed(html), "answer").all("p")[0].text

    assert "measured on 60 images; it is not known whether the model was trained on any of them" in first()
    assert "measured on 60 held-out images" in first(trained=0)
    assert "7 of these 60 images were used to train the model" in first(trained=7, seen_in_training=True)
    assert first(trained=60, seen_in_training=True).startswith("These images were used to train the model")


def test_one_class_alone_and_a_flawless_model() -> None:
    dataset = images(NAMES, 30)
    flawless = np.eye(3, dtype=np.float32)[dataset.labels] * 0.97 + 0.01
    one = dataset.select(dataset.labels == 0)
    for part, said in ((dataset, flawless), (one, flawless[dataset.labels == 0])):
        found = Evaluated(evaluate(said, part.labels, part.classes), "", False, part, said)
        page = parsed(model_page(model(found, NAMES), "m", SECTIONS, found))
        assert "All images were classified correctly" in section(page, "answer").text
        assert [node for node in page.all("section") if node.attributes["aria-labelledby"] == "worst"] == []
    assert "ROC-AUC" not in section(page, "metrics").text


def test_the_methods_and_their_references_can_be_copied() -> None:
    found = evaluated(images((HOSTILE, *NAMES[1:]), 60))
    made = model(found, (HOSTILE, *NAMES[1:]))
    html = model_page(made, "m", SECTIONS)
    text, references = section(parsed(html), "cite").all("pre")
    assert text.text == " ".join(made.methods().text.split())
    entries = html.partition("@inproceedings")[2].partition("</pre>")[0]
    assert "@inproceedings" + entries.replace("&amp;", "&").replace("&#39;", "'") == made.methods().references
    assert references.text.startswith("@")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_folds_are_shown_each_with_what_it_chose(language: str) -> None:
    found = evaluated(images(NAMES, 60))
    page = parsed(model_page(model(found, NAMES, folds=FOLDS), "m", SECTIONS, language=language))  # type: ignore[arg-type]
    rows = [[" ".join(cell.text.split()) for cell in row.all("th", "td")] for row in section(page, "folds").all("tr")]
    t = Texts(language)  # type: ignore[arg-type]
    assert rows[1] == ["1", "40", "20", "95.0 %", "90.0 %", "0.100", t.named("strategy", "probe")]
    assert rows[2][-1] == t.named("strategy", "finetune")
    assert rows[3][3] == "90.0 % (60.0–100.0)"


def test_a_loaded_model_has_its_figures_without_pictures() -> None:
    found = evaluated(images(NAMES, 60))
    page = parsed(model_page(model(found, NAMES), "m", SECTIONS))
    assert not page.all("img")
    shown = [node.attributes["aria-labelledby"] for node in page.all("section")]
    assert shown == [
        *(
            each.name
            for each in SECTIONS
            if each.name not in ("worst", "unsure", "shift", *ADVISED, *LOOKED_INTO, *ASKED)
        ),
        "missing",
    ]
    assert offered(page)["Most confident mistakes, Least confident predictions, Feature space"] == (
        "topwork report m --data DATA"
    )


def test_an_older_model_and_one_that_nothing_measured() -> None:
    found = evaluated(images(NAMES, 60))
    older = model(found, NAMES, selective=None)
    assert older.record.task.metrics is not None
    first = ("n", "classes", "accuracy", "macro_f1", "log_loss", "ece", "per_class", "confusion")
    metrics = {name: older.record.task.metrics[name] for name in first}
    page = parsed(model_page(model(found, NAMES, selective=None, metrics=metrics), "m", SECTIONS))
    shown = {node.attributes["aria-labelledby"] for node in page.all("section")}
    assert {"metrics", "confusion", "per_class"} <= shown
    assert not {"calibration", "selective"} & shown
    unmeasured = parsed(model_page(model(None, NAMES), "m", SECTIONS))
    assert "the accuracy on new images is unknown" in section(unmeasured, "answer").text
    assert "90 of 100" in section(unmeasured, "answer").text


def test_the_same_gives_the_same_page() -> None:
    found = evaluated(images(NAMES, 30))
    assert model_page(model(found, NAMES), "m", SECTIONS, found) == model_page(
        model(found, NAMES), "m", SECTIONS, found
    )


def test_images_that_are_gone_are_named(tmp_path: Path) -> None:
    from topwork.data import read

    for row in range(12):
        place = tmp_path / NAMES[row % 2] / f"{row}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"gone since")
    found = evaluated(read(tmp_path))
    page = parsed(model_page(model(found, found.dataset.classes), "m", SECTIONS, found))
    assert not page.all("img")
    assert "No picture" in section(page, "unsure").text


def test_the_commands_can_be_copied_whatever_the_folder_is_called() -> None:
    page = parsed(model_page(model(None, NAMES), "it's $(here)", SECTIONS))
    command, python = (node.text for node in section(page, "use").all("code"))
    assert command.startswith("""topwork predict 'it'"'"'s $(here)' photo.jpg""")
    assert 'topwork.load("it\'s $(here)")' in python
    assert "--coverage" not in command  # it makes no promises


def test_every_text_is_used() -> None:
    folder = Path(topwork.report.__file__).parent
    sources = [path.read_text("utf-8") for path in (*folder.rglob("*.py"), *folder.rglob("*.html"))]
    known = "\n".join((*sources, *(f'"{each.name}"' for each in SECTIONS)))
    made = (
        "_means",
        "source_",
        "question_",
        "judged_",
        "_what",
        "severity_",
        "means_",
        "attack_",
        "decision_",
        "kept_",
    )  # put together from two pieces
    missing = [
        key
        for key in catalogue(KIT, "en")["texts"]
        if f'"{key}"' not in known and not any(piece in key for piece in made)
    ]
    assert missing == []


def test_a_question_is_put_into_words_where_they_are_known() -> None:
    rows = [row.one("th").text for row in section(page_of(), "trials").one("tbody").all("tr")]
    assert rows == ["Features for the head", "odd"]


def test_a_task_brings_a_section_with_a_template_and_texts_of_its_own() -> None:
    """``toy`` is such a package: its section stands among the kit's, and its text holds where the kit has one too."""
    found = evaluated(images(NAMES, 60))
    own = Section("toy", lambda page: {"name": page.name, "images": page.metrics.n}, package="tests.report.toy")  # type: ignore[union-attr]
    kit = {each.name: each for each in SECTIONS}
    for language, heading, told, images_are in (
        ("en", "A toy", "<b> has 60 toys, 100 % as it is", "Toys"),
        ("ko", "장난감", "<b>의 장난감 60개, 100 % 있는 그대로", "장난감 수"),
    ):
        html = model_page(model(found, NAMES), "<b>", (kit["answer"], own, kit["use"]), found, language=language)  # type: ignore[arg-type]
        page = parsed(html)
        assert [node.attributes["id"] for node in page.all("h2")] == ["answer", "toy", "use"]
        assert section(page, "toy").one("h2").text == heading
        assert section(page, "toy").one("p").text == told
        assert section(page, "answer").all("dt")[1].text == images_are
    assert "toys" not in model_page(model(found, NAMES), "<b>", SECTIONS, found)


def test_the_first_screen_has_examples_of_each_kind() -> None:
    """NumPy is the oracle: the surest right ones of different classes, the surest wrong ones, the least sure others."""
    found = evaluated(images(NAMES, 60))
    strip = section(parsed(model_page(model(found, NAMES), "m", SECTIONS, found)), "answer").classed("strip")[0]
    said, sure = found.probabilities.argmax(axis=1), found.probabilities.max(axis=1)
    names = {path: row for row, path in enumerate(found.dataset.paths)}
    rows = [
        [names[image.attributes["alt"].removeprefix("Picture ")] for image in each.all("img")]
        for each in (strip.classed("right-answers") + strip.classed("wrong-answers") + strip.classed("unsure-answers"))
    ]
    right, wrong, unsure = rows
    assert {int(found.dataset.labels[row]) for row in right} == {0, 1, 2}
    assert all(said[row] == found.dataset.labels[row] for row in right)
    missed = np.flatnonzero(said != found.dataset.labels)
    assert wrong == sorted(missed.tolist(), key=lambda row: -sure[row])[:3]
    assert unsure == [row for row in np.argsort(sure, kind="stable").tolist() if row not in right + wrong][:3]
    flawless = np.eye(3, dtype=np.float32)[found.dataset.labels] * 0.97 + 0.01
    better = dataclasses.replace(
        found, probabilities=flawless, evaluation=evaluate(flawless, found.dataset.labels, NAMES)
    )
    html = model_page(model(better, NAMES), "m", SECTIONS, better)
    assert [node.text for node in section(parsed(html), "answer").classed("strip")[0].all("h3")] == [
        "Correct",
        "Unsure",
    ]


def test_the_next_step_is_the_most_urgent_one() -> None:
    found = evaluated(images(NAMES, 60))

    def step(evaluated: Evaluated | None = found, **how: object) -> Node:
        html = model_page(model(found, NAMES), "m", SECTIONS, evaluated, **how)  # type: ignore[arg-type]
        return section(parsed(html), "answer").classed("next")[0]

    assert "not used to train it" in step(dataclasses.replace(found, seen_in_training=True)).text
    assert step(evaluated(images(NAMES, 60), strange=True)).one("a").attributes["href"] == "#shift"
    blurred = finding(Case((found.dataset.paths[0],)))
    assert "(1), first: blurred" in step(checkup=checkup(found.dataset, blurred)).text
    good_to_know = dataclasses.replace(blurred, severity="note")
    assert step(checkup=checkup(found.dataset, good_to_know)).one("a").attributes["href"] in ("#worst", "#unsure")
    assert step(None).one("code").text == "topwork report m --data DATA"
    nothing = parsed(model_page(model(None, NAMES), "m", SECTIONS))
    assert "it has not seen" in section(nothing, "answer").classed("next")[0].text


def test_a_mistake_is_as_sure_as_the_rule_was_of_its_answer() -> None:
    """Each image is 95 % of another class; the first class is the answer from 2 % on, which is no sure mistake."""
    found = evaluated(images(NAMES, 60))
    sure = np.full((60, 3), 0.025, np.float32)
    sure[:, 1] = 0.95
    report = {"n": 60, "support": 20, "decided": dataclasses.asdict(Outcome()), "usual": dataclasses.asdict(Outcome())}
    rule = CriticalRecord(
        name=NAMES[0], metric="recall", target=0.9, threshold=0.02, enough=True, source="validation", out_of_fold=report
    )
    ruled = dataclasses.replace(found, probabilities=sure, decision=rule)
    np.testing.assert_array_equal(ruled.answers, 0)
    np.testing.assert_allclose(ruled.confidence, 0.025)
    html = model_page(model(found, NAMES), "m", SECTIONS, ruled)
    assert section(parsed(html), "answer").classed("next")[0].one("a").attributes["href"] == "#unsure"


def test_what_was_chosen_stands_before_what_was_left_at_its_default() -> None:
    asked = {"strategy": "probe", "test": 0.3, "config": {"epochs": 8, "batch": 32}}
    usual = {"strategy": "auto", "test": 0.3, "config": {"epochs": 30, "batch": 32}}
    made = model(None, NAMES, options=asked)
    page = section(parsed(model_page(made, "m", SECTIONS, defaults=usual)), "repeat")
    chosen, folded = page.classed("options")
    assert [node.text for node in chosen.all("dt", "dd")] == ["strategy", "probe", "config.epochs", "8"]
    assert [node.text for node in folded.all("dt", "dd")] == ["test", "0.3", "config.batch", "32"]
    same = section(parsed(model_page(made, "m", SECTIONS, defaults=asked)), "repeat")
    assert "Nothing but the defaults" in same.text


def test_right_answers_are_counted_in_images() -> None:
    found = evaluated(images(NAMES, 60))
    page = parsed(model_page(model(found, NAMES), "m", SECTIONS, found))
    rights = int(found.evaluation.confusion.trace())
    titles = [node.text for node in section(page, "confusion").all("summary")]
    assert f"Correct predictions, by class {rights}" in titles
    rows = section(page, "selective").one("tbody").all("tr")
    assert any(report.answered for report in found.selective)
    for report, row in zip(found.selective, rows, strict=True):
        answered = round(60 * report.answered.value) if report.answered else 0
        told = f"{round(report.accuracy.value * answered)} of {answered} · " if report.accuracy else "–"
        assert row.all("td")[-1].text.startswith(told)


def test_a_section_with_nothing_to_show_is_left_out() -> None:
    empty = Section("toy", lambda page: None, package="tests.report.toy")
    page = parsed(model_page(model(None, NAMES), "m", (empty, *SECTIONS)))
    assert "toy" not in {node.attributes["id"] for node in page.all("h2")}
