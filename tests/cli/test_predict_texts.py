"""``predict`` with a model of texts: what is written, lines of stdin, tables, files, and what is none of them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.samples import textiles
from topwork.cli._table import csv_table, parquet_table
from topwork.tasks import load

from .conftest import MESSAGES, Run

TEXTS = ("Where is my parcel?", "The brakes squeal.", "Thank you!")


def columns(out: str, place: int) -> list[str]:
    return [line.split("\t")[place] for line in out.splitlines()]


@pytest.fixture
def answers(text_model: Path) -> list[str]:
    """What the library says of the texts."""
    return [each.label for each in load(text_model).predict(TEXTS)]


def test_fit_says_how_to_predict_a_text(run: Run, tmp_path: Path) -> None:
    done = run("fit", MESSAGES, "-o", tmp_path / "m", "--strategy", "ngrams")
    assert done.out.endswith(f'Next:  topwork predict {tmp_path / "m"} --text "a text to classify"\n')


def test_texts_lines_tables_and_files_give_the_same_answers(
    run: Run, text_model: Path, answers: list[str], tmp_path: Path
) -> None:
    written = run("predict", text_model, *(part for text in TEXTS for part in ("--text", text)))
    assert (written.code, columns(written.out, 0)) == (0, ["text:1", "text:2", "text:3"])
    lines = "\r\n".join(("", *TEXTS)).encode("utf-8-sig")
    given = {
        "-": run("predict", text_model, "-", stdin=lines),
        "--stdin": run("predict", text_model, "--stdin", stdin=lines),
    }
    for done in given.values():
        assert (columns(done.out, 0), columns(done.out, 1)) == (["stdin:2", "stdin:3", "stdin:4"], answers)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    rows = [f"{place};{text}\n" for place, text in enumerate(TEXTS)]
    (tmp_path / "b.csv").write_text("id;wording\n" + "".join(rows))
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"review": text}) + "\n" for text in TEXTS))
    (tmp_path / "d").mkdir()
    for place, text in enumerate(TEXTS):
        (tmp_path / "d" / f"{place}.txt").write_text(text)
    table = run("predict", text_model, tmp_path / "b.csv", "--columns", "text=wording")
    assert columns(table.out, 0) == ["b.csv:2", "b.csv:3", "b.csv:4"]
    assert columns(run("predict", text_model, tmp_path / "*.txt").out, 0) == ["a.txt:1", "a.txt:2", "a.txt:3"]
    assert columns(run("predict", text_model, tmp_path / "d").out, 0) == ["0.txt", "1.txt", "2.txt"]
    for done in (written, table, *(run("predict", text_model, tmp_path / name) for name in ("a.txt", "c.jsonl", "d"))):
        assert columns(done.out, 1) == answers


def test_results_hold_the_texts_beside_the_names_of_their_rows(run: Run, text_model: Path, tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text('text,label\n"two\nlines, one text",x\n=1+1,y\n')
    tables = tmp_path / "out.csv", tmp_path / "out.parquet"
    done = run("predict", text_model, data, "--json", "--all", "--csv", tables[0], "--parquet", tables[1])
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [list(each)[:3] for each in told] == [["source", "text", "label"]] * 2
    assert [(each["source"], each["text"]) for each in told] == [
        ("reviews.csv:3", "two\nlines, one text"),
        ("reviews.csv:4", "=1+1"),
    ]
    with tables[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = ["two\nlines, one text", "=1+1"]
    assert parquet.read_table(tables[1]).column("text").to_pylist() == whole
    assert [row["text"] for row in rows] == [whole[0], "'=1+1"]  # a spreadsheet would run it
    assert set(load(text_model).classes) < set(rows[0])


def test_coverage_and_abstain_are_as_for_images(run: Run, text_model: Path) -> None:
    sets = run("predict", text_model, "--text", TEXTS[1], "--coverage", "0.95")
    assert sets.code == 0
    assert len(sets.out.split("\t")) >= 5
    unsure = run("predict", text_model, "--text", "hm", "--abstain", "0.5", "--json")
    assert (unsure.code == 1) or "answered" in unsure.json


@pytest.mark.parametrize("flag", [(), ("--json",)], ids=["lines", "json"])
def test_a_line_that_is_no_text_fails_alone(run: Run, text_model: Path, flag: tuple[str, ...]) -> None:
    """A lone surrogate in UTF-8's place, and Korean in CP949, are no text; the others are answered."""
    lines = TEXTS[0].encode() + b"\n\xed\xa0\x80 who\n" + "어디".encode("cp949") + b"\n" + TEXTS[2].encode()
    done = run("predict", text_model, "-", *flag, stdin=lines)
    assert done.code == 1
    assert "error: 2 texts could not be used" in done.err
    told = done.out if flag else done.err
    assert told.count("is not UTF-8 text") == 2
    assert "stdin:2" in told
    assert ("stdin:4" in done.out, done.out.count("\n")) == (True, 4 if flag else 2)


def test_an_empty_text_is_an_error_of_its_own(run: Run, text_model: Path) -> None:
    done = run("predict", text_model, "--text", "", "--text", TEXTS[0])
    assert (done.code, columns(done.out, 0)) == (1, ["text:2"])
    assert "error: text:1: the text is empty" in done.err


def test_a_lone_surrogate_of_a_table_is_written_as_a_mark(run: Run, text_model: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "a.jsonl", tmp_path / "out.csv"
    data.write_text('{"text": "who \\ud800 is"}\n')
    done = run("predict", text_model, data, "--json", "--csv", out)
    assert done.code == 0
    assert json.loads(done.out)["text"] == "who \ud800 is"
    assert "who � is" in out.read_text("utf-8")


def test_a_table_keeps_the_bytes_of_a_name(tmp_path: Path) -> None:
    """What is no character stands for a byte there, and is written as that."""
    with csv_table(tmp_path / "a.csv") as write:
        write({"file": "a\udcff.jpg"})
    assert b"a\xff.jpg" in (tmp_path / "a.csv").read_bytes()
    pytest.importorskip("pyarrow")
    with parquet_table(tmp_path / "a.parquet") as write:
        write({"text": "\ud800"})


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("photo.jpg",), "photo.jpg is neither a folder nor a file of texts"),
        (("Who is that?",), "Who is that? is neither a folder nor a file of texts"),
        (("none.csv",), "none.csv"),
        (("other.csv",), "text"),
        (("images",), "no .txt file in images"),
        (("http://127.0.0.1/a.csv", "--allow-url"), "no such file"),
    ],
)
def test_what_is_no_text_is_refused(
    run: Run, text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(textiles("nominal")[0].read_bytes())
    (tmp_path / "photo.jpg").write_bytes(b"none")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    found, hint = run("predict", text_model, *given).failed()
    assert error in found
    assert hint


def test_texts_are_for_models_of_texts(run: Run, model: Path, text_model: Path) -> None:
    done = run("predict", model, "--text", "a")
    assert (done.code, done.out) == (2, "")
    assert "--text is for models of texts; this is one of images" in done.err
    done = run("predict", "--backbone", "lite0", "--text", "a")
    assert "a network without a model answers to images" in done.err
    done = run("predict", text_model, "--text", "a", "a.csv")
    assert "give only one of files, --text and --stdin" in done.err
    error, hint = run("predict", "--backbone", "minilm", "a.jpg").failed()
    assert (error, hint) == ("minilm is a network of texts, not of images", "`topwork models` lists both kinds")


_PROGRAM = """
import sys
from topwork.cli import main
sys.argv[1:] = ["predict", sys.argv[1], "--text", "a car"]
try:
    main()
except SystemExit:
    print(sorted({"torch", "transformers", "sklearn", "scipy", "pandas", "pyarrow"} & set(sys.modules)))
"""


def test_predict_imports_neither_torch_nor_transformers(text_model: Path) -> None:
    command = (sys.executable, "-c", _PROGRAM, text_model)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
