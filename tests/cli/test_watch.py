"""``watch`` as its user runs it: killed, stopped and started again, with a model that is replaced."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.model.samples import textiles
from topwork.tasks import load
from topwork.watching import watch

from .conftest import TOPWORK, Run


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def until(ready: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "in"
    (found / "deep").mkdir(parents=True)
    for place, name in enumerate(["a.jpg", "deep/b.jpg", "=1+1.jpg"]):
        shutil.copy(textiles("nominal")[place], found / name)
    (found / "bad.png").write_bytes(b"none")
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def started(model: Path, folder: Path, table: Path) -> subprocess.Popen[str]:
    command = [*TOPWORK, "watch", str(model), str(folder), "--csv", str(table), "--every", "0.1", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_once_gives_the_rows_of_predict(run: Run, model: Path, folder: Path, table: Path) -> None:
    done = run("watch", model, folder, "--csv", table, "--once", "--every", 0.1)
    assert (done.code, len(done.out.splitlines())) == (1, 3)
    assert f"error: {folder}/bad.png: not an image" in done.err
    assert "error: 1 image could not be used" in done.err
    run("predict", model, folder, "--csv", table.with_name("predicted.csv"))
    found, expected = rows(table), rows(table.with_name("predicted.csv"))
    assert [list(each) for each in found] == [list(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert {**one, "probability": ""} == {**other, "probability": ""}
        if one["probability"]:
            assert float(one["probability"]) == pytest.approx(float(other["probability"]), abs=1e-3)
    again = run("watch", model, folder, "--csv", table, "--once", "--every", 0.1, "--json")
    assert (again.code, again.out, len(rows(table))) == (0, "", 4)


def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(model: Path, folder: Path, table: Path) -> None:
    """Killed as soon as the table has grown, which is in the middle of work; then started again."""
    kinds = [path for name in ("nominal", "local", "global") for path in textiles(name)]
    for number in range(400):  # distinct contents: a JPEG may have bytes behind its end
        (folder / f"{number}.jpg").write_bytes(kinds[number % len(kinds)].read_bytes() + str(number).encode())

    def size() -> int:
        return table.stat().st_size if table.exists() else 0

    for _ in range(3):
        process, before = started(model, folder, table), size()
        until(lambda before=before: size() > before)  # type: ignore[misc]
        process.kill()
        process.communicate()
    assert len(rows(table)) < 404
    for _ in watch(model, folder, table, every=0.1, once=True):
        pass
    counted = Counter(each["file"] for each in rows(table))
    assert set(counted.values()) == {1}
    assert set(counted) == {str(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_it_goes_on_later(
    model: Path, folder: Path, table: Path, number: signal.Signals
) -> None:
    process = started(model, folder, table)
    until(lambda: table.exists() and len(rows(table)) == 4)
    shutil.copy(textiles("local")[0], folder / "later.jpg")
    until(lambda: len(rows(table)) == 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert Counter(Path(each["source"]).name for each in told) == Counter(
        ["a.jpg", "b.jpg", "=1+1.jpg", "bad.png", "later.jpg"]
    )
    assert "error" in next(each for each in told if each["source"].endswith("bad.png"))
    assert "predicted: 5, of which 1 could not be used" in err
    assert "Traceback" not in err


def test_texts_have_a_column_of_their_own(run: Run, text_model: Path, tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text('=HYPERLINK("x")\nsecond, "quoted" line\n')
    (folder / "b.txt").write_bytes(b"")
    (folder / "c.txt").write_bytes(bytes(range(128, 256)))
    (folder / "a.jpg").write_text("no text")
    done = run("watch", text_model, folder, "--csv", table, "--once", "--every", 0.1)
    found = {each["file"]: each for each in rows(table)}
    assert list(found) == ["b.txt", "c.txt", "deep/a.txt"]
    assert list(found["b.txt"])[:3] == ["file", "text", "class"]
    assert found["deep/a.txt"]["text"] == '\'=HYPERLINK("x")\nsecond, "quoted" line'
    assert "empty" in found["b.txt"]["error"]
    assert found["c.txt"]["error"] == "its encoding cannot be recognised"
    assert "error: 2 texts could not be used" in done.err


def test_a_model_that_is_replaced_answers_from_then_on(
    model: Path, text_model: Path, folder: Path, table: Path, tmp_path: Path
) -> None:
    current, notes, stop = tmp_path / "model", list[str](), threading.Event()
    loaded = load(model)
    loaded.save(current)
    found = watch(current, folder, table, every=0.1, stop=stop, tell=notes.append)
    first = [next(found) for _ in range(4)]
    swapped = {"nominal": "fine", "local": "faulty", "global": "torn"}
    task = loaded.record.task.model_copy(
        update={"classes": tuple(swapped[name] for name in loaded.record.task.classes), "metrics": None}
    )
    loaded.record = loaded.record.model_copy(update={"task": task})
    loaded.save(current)
    shutil.copy(textiles("nominal")[5], folder / "new.jpg")
    assert next(found).prediction.label in swapped.values()
    (current / "model.json").write_text("{}")
    shutil.copy(textiles("nominal")[6], folder / "newer.jpg")
    assert next(found).prediction.label in swapped.values()
    shutil.rmtree(current)
    load(text_model).save(current)
    shutil.copy(textiles("nominal")[7], folder / "newest.jpg")
    assert next(found).prediction.label in swapped.values()
    stop.set()
    assert list(found) == []
    assert len(first) == 4
    assert notes[0].partition(": ")[0] == "the model was replaced"
    assert all(note.endswith("the model that was there before goes on") for note in notes[1:])
    assert len(notes) == 3


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (["MODEL", "IN", "--once"], 2, "--csv"),
        (["MODEL", "none", "--csv", "OUT"], 1, "there is no such folder"),
        (["none", "IN", "--csv", "OUT"], 1, "there is no such model folder"),
        (["MODEL", "IN", "--csv", "IN/none/out.csv"], 1, "cannot be written"),
        (["MODEL", "IN", "--csv", "OUT", "--every", "0"], 2, "--every"),
        (["MODEL", "IN", "--csv", "IN/a.jpg"], 1, "already exists and was not made by `topwork watch`"),
    ],
)
def test_what_cannot_be_watched_is_a_plain_error(
    run: Run, model: Path, folder: Path, table: Path, given: list[str], code: int, told: str
) -> None:
    places = {"MODEL": str(model), "OUT": str(table)}
    done = run("watch", *(places.get(each, each.replace("IN", str(folder))) for each in given))
    assert done.code == code
    assert told in done.err
    assert "Traceback" not in done.err
    assert (folder / "a.jpg").read_bytes() == textiles("nominal")[0].read_bytes()
    assert not os.path.exists(table)


def test_it_speaks_korean(run: Run, model: Path, folder: Path, table: Path) -> None:
    done = run("watch", model, folder.with_name("none"), "--csv", table, "--lang", "ko")
    assert "그런 폴더가 없습니다" in done.err
    assert "지켜볼 폴더" in run("watch", "--help", "--lang", "ko").out


def test_it_promises_and_tells_what_predict_does(run: Run, model: Path, folder: Path, table: Path) -> None:
    asked = ("--all", "--coverage", 0.9)
    done = run("watch", model, folder, "--csv", table, "--once", "--every", 0.1, *asked, "--json")
    other = table.with_name("predicted.csv")
    said = run("predict", model, folder, "--csv", other, *asked, "--json")
    assert list(rows(table)[0]) == list(rows(other)[0])
    labels = [
        {row["source"]: row.get("labels") for row in map(json.loads, each.out.splitlines())} for each in (done, said)
    ]
    assert labels[0] == labels[1]
    assert any(labels[0].values())


def test_what_the_model_cannot_promise_is_refused_before_a_table_is_there(
    run: Run, model: Path, folder: Path, table: Path
) -> None:
    done = run("watch", model, folder, "--csv", table, "--once", "--abstain", 0.999999)
    assert done.code == 1
    assert "error: " in done.err
    assert not table.exists()
    assert run("watch", model, folder, "--csv", table, "--abstain", 0.9, "--coverage", 0.9).code == 2
