"""``predict`` on what people point it at, and the tables it writes."""

from __future__ import annotations

import csv
import functools
import http.server
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.samples import easy_folder, textiles
from topwork.cli._table import parquet_table
from topwork.model import Prediction
from topwork.tasks import load
from topwork.tasks._classes._words import WORDS

from .conftest import Run


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for place, name in enumerate(["a.jpg", "b.jpg", "deep/c.jpg"]):
        shutil.copy(textiles("nominal")[place], folder / name)
    (folder / "notes.txt").write_text("none")
    (folder / ".hidden.jpg").write_bytes(b"")
    return folder


@pytest.fixture
def address(images: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(images))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def files(out: str) -> list[str]:
    return [line.split("\t")[0] for line in out.splitlines()]


def test_a_folder_a_pattern_a_manifest_and_stdin_are_their_images(run: Run, model: Path, images: Path) -> None:
    expected = [str(images / name) for name in ("a.jpg", "b.jpg", "deep/c.jpg")]
    assert files(run("predict", model, images).out) == expected
    assert files(run("predict", model, images / "*.jpg").out) == expected[:2]
    assert files(run("predict", model, images / "**" / "*.jpg").out) == expected
    assert files(run("predict", model, "-", stdin="\n".join(expected).encode()).out) == expected
    (images / "d.csv").write_text("label;filename\nx;a.jpg\ny;deep/c.jpg\n")
    assert files(run("predict", model, images / "d.csv").out) == [expected[0], expected[2]]
    (images / "e.csv").write_text("wo\na.jpg\n")
    assert files(run("predict", model, images / "e.csv", "--columns", "path=wo").out) == expected[:1]
    assert files(run("predict", model, images / "a.jpg", images / "deep").out) == [expected[0], expected[2]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("none*.jpg", "no file matches"),
        ("empty", "there is no image in the folder"),
        ("http://127.0.0.1:9/a.jpg", "--allow-url"),
    ],
)
def test_what_holds_no_image_is_an_error(run: Run, model: Path, tmp_path: Path, given: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    done = run("predict", model, given if "://" in given else tmp_path / given)
    assert done.code == 2
    assert told in done.err


def test_a_spreadsheets_manifest_is_read_where_it_lies(
    run: Run, model: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths of Windows, Korean names in CP949; names are told as the user would write them."""
    shutil.copy(images / "a.jpg", images / "deep/사진.jpg")
    (images / "d.csv").write_bytes(
        "경로;메모\r\ndeep\\c.jpg;x\r\ndeep\\사진.jpg;x\r\nnone\\d.jpg;x\r\n".encode("cp949")
    )
    monkeypatch.chdir(images)
    done = run("predict", model, "d.csv")
    assert files(done.out) == ["deep/c.jpg", "deep/사진.jpg"]
    assert "error: none\\d.jpg: no such file" in done.err


def test_a_table_with_a_row_for_each_object_names_each_image_once(run: Run, model: Path, images: Path) -> None:
    """As `predict --csv` writes it of boxes and objects."""
    (images / "found.csv").write_text("file,class,score\na.jpg,x,0.9\na.jpg,y,0.8\nb.jpg,x,0.7\na.jpg,x,0.6\n")
    done = run("predict", model, images / "found.csv")
    assert [Path(each).name for each in files(done.out)] == ["a.jpg", "b.jpg", "a.jpg"]


def test_a_manifest_without_a_path_column_is_an_error(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("label\nx\n")
    done = run("predict", model, tmp_path / "d.csv")
    assert done.code == 1
    assert "no column 'path' among 'label'" in done.err


def test_addresses_are_fetched_when_allowed(run: Run, model: Path, images: Path, address: str) -> None:
    done = run("predict", model, "--allow-url", f"{address}/a.jpg", f"{address}/gone.jpg", f"{address}/notes.txt")
    assert done.code == 1
    assert files(done.out) == [f"{address}/a.jpg"]
    assert done.out.split("\t")[1:] == run("predict", model, images / "a.jpg").out.split("\t")[1:]
    assert f"{address}/gone.jpg: cannot be fetched: HTTP Error 404" in done.err
    assert f"{address}/notes.txt: not an image" in done.err


def test_tables_have_a_row_for_each_image(run: Run, model: Path, images: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (images / "bad.jpg").write_bytes(b"none")
    done = run("predict", model, images, "--csv", images / "t.csv", "--parquet", images / "t.parquet", "--all")
    assert done.code == 1
    with (images / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = load(model).classes
    assert list(rows[0]) == ["file", "class", "probability", "unlike", "error", *classes]
    assert [Path(row["file"]).name for row in rows] == ["a.jpg", "b.jpg", "bad.jpg", "c.jpg"]
    assert (rows[2]["class"], rows[2]["probability"]) == ("", "")
    assert "not an image" in rows[2]["error"]
    for row in (rows[0], rows[1], rows[3]):
        assert sum(float(row[name]) for name in classes) == pytest.approx(1, abs=1e-5)
        assert float(row["probability"]) == max(float(row[name]) for name in classes)
    columns = parquet.read_table(images / "t.parquet").to_pydict()
    assert columns["file"] == [row["file"] for row in rows]
    assert columns[classes[0]][2] is None
    assert "--all" not in run("predict", model, images / "a.jpg", "--csv", images / "u.csv").err
    assert (images / "u.csv").read_text().splitlines()[0] == "file,class,probability,unlike,error"


def test_a_table_that_cannot_be_written_is_a_plain_error(run: Run, model: Path, images: Path) -> None:
    done = run("predict", model, images / "a.jpg", "--csv", images / "none" / "t.csv")
    assert done.code == 1
    assert "t.csv" in done.err
    assert "fault" not in done.err


def test_a_cache_that_cannot_be_written_stops_no_prediction(
    run: Run, spawn: Run, model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run("predict", model, images).out
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "file"))
    done = spawn("predict", model, images)
    assert (done.code, done.out, done.err) == (0, expected, "")  # the default network needs nothing of it
    quick = ("--strategy", "probe", "--stages", "last", "--crop-mode", "crop", "--size", 64)
    fit = spawn("fit", easy_folder(tmp_path / "data"), "-o", tmp_path / "m", *quick, "--no-cache")
    assert fit.code == 0
    assert os.listdir(tmp_path / "m")


def test_nothing_is_kept_without_a_cache(
    run: Run, model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "cache"))
    assert run("predict", model, images, "--no-cache").code == 0
    assert os.environ["TOPWORK_CACHE"] == str(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_addresses_on_stdin_need_permission_too(run: Run, model: Path, images: Path, address: str) -> None:
    names = f"{images / 'a.jpg'}\n{address}/b.jpg\n".encode()
    done = run("predict", model, "-", stdin=names)
    assert (done.code, files(done.out)) == (1, [str(images / "a.jpg")])
    assert f"{address}/b.jpg: is an address; --allow-url" in done.err
    assert len(run("predict", model, "-", "--allow-url", stdin=names).out.splitlines()) == 2


def test_an_address_that_speaks_no_http_is_an_error_of_its_own(run: Run, model: Path, images: Path) -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(1000)
        connection.sendall(b"no protocol\r\n\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        given = f"http://127.0.0.1:{server.getsockname()[1]}/a.jpg"
        done = run("predict", model, "--allow-url", given, images / "a.jpg")
        thread.join()
    assert (done.code, len(done.out.splitlines())) == (1, 1)
    assert f"{given}: cannot be fetched: " in done.err


def test_labels_of_a_manifest_do_not_matter(run: Run, model: Path, images: Path) -> None:
    (images / "d.jsonl").write_text('{"path": "a.jpg", "label": null, "class": 1.5, "category": []}\n')
    assert files(run("predict", model, images / "d.jsonl").out) == [str(images / "a.jpg")]


def test_all_classes_need_a_file_to_stand_in(run: Run, model: Path, images: Path) -> None:
    done = run("predict", model, images / "a.jpg", "--all")
    assert done.code == 2
    assert "--csv" in done.err


def test_a_class_may_be_called_like_a_column(tmp_path: Path) -> None:
    found = Prediction("a.jpg", "error", 0.7, {"error": 0.7, "fine": 0.3})
    assert WORDS.rows(found, ("error", "fine")) == [
        {"file": "a.jpg", "class": "error", "probability": 0.7, "unlike": None, "error": ""}
        | {"error (class)": 0.7, "fine": 0.3}
    ]


def test_a_table_may_begin_with_nothing_but_faults(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with parquet_table(tmp_path / "t.parquet") as write:
        for place in range(1500):
            write({"file": str(place), "probability": None if place < 1200 else 0.5, "error": ""})
    found = parquet.read_table(tmp_path / "t.parquet")["probability"]
    assert (found.null_count, len(found)) == (1200, 1500)
