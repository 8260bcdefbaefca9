"""The gallery: exact, whole after any death, private, and without a trace of whom it forgets."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from topwork.errors import DataError, ModelError
from topwork.tasks.recognition.gallery import Gallery, _search, _segment

Rows = npt.NDArray[np.float32]
WIDTH = 32


def rows(count: int, seed: int = 0, width: int = WIDTH) -> Rows:
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    found: Rows = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return found


def filled(folder: Path | None, people: int = 20, each: int = 3) -> tuple[Gallery, Rows, list[str]]:
    gallery, embeddings = Gallery(WIDTH, "model", folder), rows(people * each)
    names = [f"person {index // each:03}" for index in range(people * each)]
    for start in range(0, len(names), each):
        gallery.add(names[start], embeddings[start : start + each])
    return gallery, embeddings, names


def plainly(queries: Rows, embeddings: Rows, names: list[str], count: int) -> list[list[str]]:
    """The same by a matrix product and a sort."""
    found = []
    for cosines in queries @ embeddings.astype(np.float16).astype(np.float32).T:
        ordered = dict.fromkeys(names[row] for row in np.argsort(-cosines))
        found.append(list(ordered)[:count])
    return found


@pytest.mark.parametrize("worth", [1, 10**9])
def test_a_search_is_exact_by_the_index_and_by_the_product(
    worth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_search, "_WORTH_AN_INDEX", worth)
    gallery, embeddings, names = filled(tmp_path / "gallery")
    queries = rows(50, seed=1)
    found = gallery.search(queries, 5)
    assert [[match.name for match in each] for each in found] == plainly(queries, embeddings, names, 5)
    again = Gallery(WIDTH, "model", tmp_path / "gallery")
    assert again.search(queries, 5) == found
    best = (queries[0] @ embeddings.T).max()
    assert found[0][0].similarity == pytest.approx(best, abs=2e-3)
    assert [match.name for match in gallery.search(queries[:1], 99)[0]] == plainly(queries[:1], embeddings, names, 99)[
        0
    ]


@pytest.mark.parametrize("worth", [1, 10**9])
def test_a_search_is_exact_where_it_looks_at_few_rows(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_search, "_WORTH_AN_INDEX", worth)
    monkeypatch.setattr(_search, "_FIRST", 4)
    embeddings = rows(5_000)
    gallery = Gallery(WIDTH, "model")
    gallery.add_all([f"{row:04}" for row in range(5_000)], embeddings)
    segment = gallery._segments[0]
    queries = np.concatenate([rows(20, seed=1), embeddings[:20]])
    rough, places, error = _search._scan(segment, queries, 100)
    assert (np.abs(rough - segment.exact(queries, places)) <= error[:, None] + 1e-5).all()
    assert error.max() < 0.05
    cosines = queries @ embeddings.astype(np.float16).astype(np.float32).T
    found, places = _search.nearest(segment, queries, 3)
    np.testing.assert_allclose(found, -np.sort(-cosines, axis=1)[:, :3], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(cosines, places, axis=1), found, atol=1e-6)


@pytest.mark.parametrize("worth", [1, 10**9])
def test_crowded_rows_are_told_apart_although_their_codes_are_not(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 rows within a hundredth of each other: the first 64 by their codes do not hold the nearest."""
    monkeypatch.setattr(_search, "_FIRST", 8)
    monkeypatch.setattr(_search, "_WORTH_AN_INDEX", worth)
    crowd = rows(1)[0] + 0.002 * np.random.default_rng(3).standard_normal((3_000, WIDTH))
    crowd[0] = rows(1, seed=7)[0]  # keeps the codes' steps wide
    crowd = (crowd / np.linalg.norm(crowd, axis=1, keepdims=True)).astype(np.float32)
    gallery = Gallery(WIDTH, "model")
    names = [f"{row:04}" for row in range(len(crowd))]
    gallery.add_all(names, crowd)
    queries = crowd[100:140]
    expected = (queries @ crowd.astype(np.float16).astype(np.float32).T).max(axis=1)
    found = [each[0].similarity for each in gallery.search(queries, 1)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_many_images_of_one_in_a_file_hide_nobody() -> None:
    """Anna's 40 images fill the best rows of the first part; Ben's is next, and the other part has but Carl."""
    gallery = Gallery(2, "model")

    def at(*degrees: float) -> Rows:
        angles = np.radians(degrees)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    gallery.add_all(["Anna"] * 40 + ["Ben"], at(*range(40), 45))
    gallery.add("Carl", at(80))
    assert [match.name for match in gallery.search(at(0), 2)[0]] == ["Anna", "Ben"]
    assert [match.name for match in gallery.search(at(0), 3)[0]] == ["Anna", "Ben", "Carl"]


def test_files_of_others_in_its_folder_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    folder.mkdir()
    (folder / "holiday").mkdir()
    (folder / "holiday.jpg").write_bytes(b"a photograph")
    dead = [folder / f"{7:016x}.safetensors", folder / ".index-abcd_123"]  # of a process that was killed
    for path in dead:
        path.write_bytes(b"")
    filled(folder, people=2)[0].remove("person 000")
    assert (folder / "holiday.jpg").exists()
    assert not any(path.exists() for path in dead)


def test_threads_share_a_gallery(tmp_path: Path) -> None:
    gallery = Gallery(WIDTH, "model", tmp_path / "gallery")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda turn: (gallery.add(f"{turn:02}", rows(1, seed=turn)), gallery.search(rows(1))), range(40)))
    assert len(gallery) == len(Gallery(WIDTH, "model", tmp_path / "gallery")) == 40


def test_adding_takes_few_files_and_keeps_everybody(tmp_path: Path) -> None:
    gallery, _, names = filled(tmp_path / "gallery", people=40, each=1)
    assert len(gallery) == 40
    assert gallery.counts == dict.fromkeys(names, 1)
    files = list((tmp_path / "gallery").glob("*.safetensors"))
    assert len(files) <= 16
    gallery.add("person 003", rows(2, seed=5))
    assert gallery.people == Gallery(WIDTH, "model", tmp_path / "gallery").people == 40
    assert gallery.counts["person 003"] == 3


def test_whom_it_forgets_is_in_no_byte_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    gallery, embeddings, _ = filled(folder)
    gone = embeddings[21:24].astype(np.float16)

    def traces() -> list[str]:
        held = {path.name: path.read_bytes() for path in folder.iterdir()}
        marks = [b"person 007", *(row.tobytes() for row in gone), gone[0, :8].tobytes()]
        return [name for name, content in held.items() if any(mark in content for mark in marks)]

    assert traces()
    assert gallery.remove("person 007") == 3
    assert traces() == []
    assert len(Gallery(WIDTH, "model", folder)) == 57
    with pytest.raises(DataError, match="nobody in the gallery is called 'person 007'"):
        gallery.remove("person 007")
    for name in list(gallery.counts):
        gallery.remove(name)
    assert [*folder.glob("*.safetensors")] == []
    assert gallery.search(rows(2), 3) == [[], []]
    assert gallery.people == 0


def test_it_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    filled(folder, people=3)[0].copy_to(tmp_path / "copy")
    for place in (folder, tmp_path / "copy"):
        assert place.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
    assert Gallery(WIDTH, "model", tmp_path / "copy").counts == Gallery(WIDTH, "model", folder).counts


ENROL = f"""
import sys
import numpy as np
from pathlib import Path
from topwork.tasks.recognition.gallery import Gallery
gallery = Gallery({WIDTH}, "model", Path(sys.argv[1]))
for turn in range(10_000):
    row = np.eye({WIDTH}, dtype=np.float32)[turn % {WIDTH}]
    gallery.add(f"p{{turn:05}}", row[None])
    print(turn, flush=True)
    if turn % 5 == 4:
        gallery.remove(f"p{{turn:05}}")
        print(-turn, flush=True)
"""


def test_nothing_is_lost_when_it_is_killed_at_any_moment(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    rng = np.random.default_rng(0)
    for _ in range(3):
        for left in folder.glob("*") if folder.exists() else ():
            left.unlink()
        done = subprocess.Popen([sys.executable, "-c", ENROL, str(folder)], stdout=subprocess.PIPE, text=True)
        assert done.stdout is not None
        with done.stdout as told:
            told.readline()
            time.sleep(rng.uniform(0.02, 0.5))
            done.send_signal(signal.SIGKILL)
            turns = [0, *map(int, re.findall(r"-?\d+\n", told.read()))]
        done.wait()
        found = Gallery(WIDTH, "model", folder).counts
        promised = {f"p{turn:05}" for turn in turns if turn >= 0 and -turn not in turns[1:]}
        last = max(map(abs, turns))
        unsettled = {f"p{turn:05}" for turn in (last, last + 1)}
        assert promised - unsettled <= set(found) <= promised | unsettled
        after = Gallery(WIDTH, "model", folder)
        after.add("another", rows(1))
        assert len([*folder.glob("*.safetensors")]) <= 17


FULL = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from topwork.errors import ModelError
from topwork.tasks.recognition.gallery import Gallery
gallery = Gallery({WIDTH}, "model", Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    gallery.add_all([f"new {{i}}" for i in range(500)], np.eye({WIDTH}, dtype=np.float32)[np.arange(500) % {WIDTH}])
except ModelError as error:
    print(error.message, "|", error.hint, "|", len(gallery))
"""


@pytest.mark.parametrize("room", [100, 10_000])
def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path, room: int) -> None:
    folder = tmp_path / "gallery"
    gallery = filled(folder, people=5)[0]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = subprocess.run([sys.executable, "-c", FULL, str(folder), str(room)], capture_output=True, text=True)
    assert "the gallery cannot be written: File too large | free some space" in told.stdout, told
    assert told.stdout.rstrip().endswith("| 15")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    gallery.refresh()
    assert len(gallery) == 15
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_another_models_gallery_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    filled(folder, people=2)
    with pytest.raises(ModelError, match="made by another model"):
        Gallery(WIDTH, "other", folder)
    with pytest.raises(ModelError, match="made by another model"):
        Gallery(WIDTH + 1, "model", folder)
    part = next(folder.glob("*.safetensors"))
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    with pytest.raises(ModelError, match="damaged: its checksum is another"):
        Gallery(WIDTH, "model", folder)
    gone = part.rename(tmp_path / part.name)
    with pytest.raises(ModelError, match=f"{part.name}: a part of the gallery is missing"):
        Gallery(WIDTH, "model", folder)
    gone.rename(part)
    index = (folder / "index.json").read_text()
    (folder / "index.json").write_text(index.replace(part.name, f"../{part.name}"))
    with pytest.raises(ModelError, match="another version of topwork"):
        Gallery(WIDTH, "model", folder)
    for broken in ("{", "[]", '{"segments": [{"file": 1}]}', "[" * 50_000):
        (folder / "index.json").write_text(broken)
        with pytest.raises(ModelError, match="index is damaged"):
            Gallery(WIDTH, "model", folder)


def test_a_large_part_that_is_not_read_through_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_segment, "_CHECKED_BYTES", 0)
    filled(tmp_path / "gallery", people=1)
    part = next((tmp_path / "gallery").glob("*.safetensors"))
    content = part.read_bytes()
    for broken in (
        content.replace(b"person 000", b"person \x00\xff0"),
        content.replace(b'"F16"', b'"Q16"'),
        content[:9],
    ):
        part.write_bytes(broken)
        with pytest.raises(ModelError, match="this part of the gallery is damaged"):
            Gallery(WIDTH, "model", tmp_path / "gallery")


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "gallery").write_text("")
    with pytest.raises(ModelError, match="the gallery cannot be read: Not a directory"):
        Gallery(WIDTH, "model", tmp_path / "gallery")


def test_two_processes_see_each_others_changes(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    first, second = Gallery(WIDTH, "model", folder), Gallery(WIDTH, "model", folder)
    first.add("a", rows(1))
    second.add("b", rows(1, seed=1))
    assert first.search(rows(1, seed=1))[0][0].name == "b"
    second.remove("a")
    assert [match.name for match in first.search(rows(1), 5)[0]] == ["b"]


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 201, "\ud800", "a\u202eb"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="cannot be a name"):
        Gallery(WIDTH, "model").add(name, rows(1))


def test_names_are_data_and_not_paths_and_differ_by_more_than_case(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    gallery = Gallery(WIDTH, "model", folder)
    strange = ["../../etc/passwd", "<script>alert(1)</script>", 'a,b;"c"', "김민수", "Renée"]
    gallery.add_all(strange, rows(5))
    assert sorted(gallery.counts) == sorted(strange)
    assert os.listdir(tmp_path) == ["gallery"]
    for other in ("renée", "Rene\u0301e", "RENÉE"):
        with pytest.raises(DataError, match="differ only by case or by the form"):
            gallery.add(other, rows(1))
    with pytest.raises(DataError, match="differ only by case"):
        gallery.add_all(["new", "New"], rows(2))
    gallery.add("Renée", rows(1, seed=2))
    assert gallery.counts["Renée"] == 2


def test_embeddings_that_are_none_are_refused() -> None:
    gallery = Gallery(WIDTH, "model")
    bad = rows(2)
    bad[1, 3] = np.nan
    for each in (bad, rows(2, width=5), rows(2)[0]):
        with contextlib.suppress(IndexError), pytest.raises(DataError, match="embeddings must be finite"):
            gallery.add("a", each)
    gallery.add("a", rows(1)[:0])
    assert len(gallery) == 0
