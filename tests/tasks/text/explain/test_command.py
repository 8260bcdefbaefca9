"""``topwork explain`` with a model of texts: lines, JSON, a page, and plain errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_language import korean
from tests.report.pages import parsed
from tests.tasks.text.explain.conftest import FILLER, PLANTED


@pytest.fixture
def word(language: str) -> str:
    return list(PLANTED[language].values())[1]


def test_words_of_a_text_are_marked(run: Run, folder: Path, word: str) -> None:
    done = run("explain", folder / "model", "--text", f"one {word} two")
    assert done.code == 0, done
    first, marked, weightiest = done.out.splitlines()[:3]
    assert f"'{word}' speaks for" in first
    assert f"[{word}]" in marked
    assert weightiest.split()[1] == word
    (told,) = run("explain", folder / "model", "--text", f"one {word} two", "--json").json["texts"]
    assert [told["text"][each["start"] : each["stop"]] for each in told["words"]] == ["one", word, "two"]
    assert told["method"] == "contributions"
    assert told["deletion"]["holds"]


def test_occlusion_can_be_asked_for_and_a_class_too(run: Run, folder: Path, language: str, word: str) -> None:
    other = next(iter(PLANTED[language]))
    given = ("--method", "occlusion", "--class", other, "--json")
    (told,) = run("explain", folder / "model", "--text", word, *given).json["texts"]
    assert (told["method"], told["label"]) == ("occlusion", other)
    assert told["answer"] != other


@pytest.mark.parametrize("what", ["words", "neighbours", "fewest"])
def test_the_worst_mistakes_of_held_out_texts_are_explained(run: Run, folder: Path, what: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("explain", folder / "model", folder / "texts.csv", "--what", what, "--json", "--report", page)
    assert done.code == 0, done
    told = done.json["texts"]
    assert told[0]["source"] == "texts.csv:2"  # the row with the wrong label
    assert all(each["truth"] != each["answer"] for each in told)
    assert told[0]["text"] in parsed(page.read_text("utf-8")).text
    assert run("explain", folder / "model", folder / "texts.csv", "--what", what).out.startswith(told[0]["headline"])


@pytest.mark.parametrize(
    "asked",
    [(), ("--what", "fewest"), ("--method", "occlusion"), ("--class",), ("--what", "neighbours", "--data")],
    ids=["words", "fewest", "occlusion", "class", "neighbours"],
)
def test_it_is_said_in_korean_too(
    run: Run, folder: Path, language: str, word: str, asked: tuple[str, ...], tmp_path: Path
) -> None:
    """Of a text that was typed in, whose headline has no true class, and of one word alone."""
    label, other = list(PLANTED[language])[1], next(iter(PLANTED[language]))
    few = [f"{each} {label} {number},{label}" for number, each in enumerate([word] * 6)]
    (tmp_path / "few.csv").write_text("\n".join(["text,label", *few]), "utf-8")
    behind = {"--class": (other,), "--data": (tmp_path / "few.csv",)}.get(asked[-1] if asked else "", ())
    filler = " ".join(FILLER[language].split()[:3]) if language == "ko" else "7 8 9"
    for text in (f"{filler} {word}", word):
        command = ("explain", folder / "model", "--text", text, *asked, *behind)
        korean(run(*command), run(*command, "--lang", "ko"))


def test_a_page_escapes_a_text_and_marks_its_words_without_colour(
    run: Run, folder: Path, word: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    text = f"<script>alert(1)</script> {word} & 'שלום'\x1b[31m"
    assert run("explain", folder / "model", "--text", text, "--report", page).code == 0
    html = page.read_text("utf-8")
    assert "<script" not in html
    assert "\x1b" not in html
    (shown,) = [each for each in parsed(html).all("p") if "marked" in each.attributes.get("class", "").split()]
    assert shown.attributes["dir"] == "auto"
    marks = {each.text: each.attributes["class"] for each in shown.all("mark")}
    assert marks[word] == "for"


def test_neighbours_need_data(run: Run, folder: Path, word: str) -> None:
    error, hint = run("explain", folder / "model", "--text", word, "--what", "neighbours").failed()
    assert "data" in error
    assert "--data" in hint
    given = ("--what", "neighbours", "--data", folder / "texts.csv", "--json")
    (told,) = run("explain", folder / "model", "--text", word, *given).json["texts"]
    assert {each["label"] for each in told["neighbours"]} == {told["answer"]}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--what", "evidence", "--text", "a"], "--text is for --what words"),
        (["--what", "filters"], "is for images"),
        (["--text", ""], "the text is empty"),
        (["--text", "a", "--class", "none"], "no class is called"),
        (["--text", "a", "--method", "grad-cam"], "is for images"),
        (["--text", "a", "--keep"], "--keep is for --what"),
        (["--what", "neighbours", "--text", "a", "--class", "x"], "--class is for --what"),
        ([], "give a text with --text"),
        (["a.csv", "b.csv"], "give one set of texts"),
        (["nowhere.csv"], "no such folder or file"),
    ],
)
def test_what_cannot_be_explained_is_a_plain_error(run: Run, folder: Path, given: list[str], says: str) -> None:
    done = run("explain", folder / "model", *given)
    assert done.code in (1, 2)
    assert says in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err


def test_data_without_a_mistake_say_so(run: Run, folder: Path, language: str, tmp_path: Path) -> None:
    label, word = next(iter(PLANTED[language].items()))
    (tmp_path / "right.jsonl").write_text(json.dumps({"text": f"{word} {word}", "label": label}), "utf-8")
    done = run("explain", folder / "model", tmp_path / "right.jsonl")
    assert (done.code, done.out) == (0, "No mistake was found in 1 held-out text.\n")
