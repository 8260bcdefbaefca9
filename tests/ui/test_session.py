"""The session: its states, what goes wrong on the way, and a job that is stopped or dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from topwork.data import read, read_texts
from topwork.errors import DataError, TopworkError
from topwork.ui._jobs import Failure, Job, Message, Step, Voice
from topwork.ui._mending import Mending
from topwork.ui._session import Session
from topwork.ui._work import ExportWork

from .conftest import idle, until


def test_data_are_checked_mended_and_checked_again(session: Session, pets: Path) -> None:
    before = {path: path.read_bytes() for path in pets.rglob("*.jpg")}
    assert session.state.at == "data"
    session.give(pets)
    assert session.state.at == "check"  # while it is being done, too
    state = idle(session)
    assert state.failure is None
    assert state.checkup is not None
    assert {"damaged", "exact-duplicates"} <= {found.name for found in state.checkup.findings}
    clean = set(state.checkup.clean().paths)

    session.mend(lambda state: state.mending.without("global/broken.jpg"), 1)
    session.mend(lambda state: state.mending.labelled("nominal/wrong.jpg", "global", "nominal"), 1)
    manifest = pets.parent / "pets-mended.csv"
    mended = read(manifest)  # written at once, and read as any other
    assert len(mended) == len(before) - 1
    labels = dict(zip(mended.paths, (mended.classes[label] for label in mended.labels), strict=True))
    assert labels["pets/nominal/wrong.jpg"] == "global"
    session.check()
    state = idle(session)
    assert state.checkup is not None
    assert "damaged" not in {found.name for found in state.checkup.findings}
    assert set(state.checkup.dataset.paths) - clean == {"global/copy.jpg"} or len(state.checkup.dataset) == len(mended)

    session.mend(lambda state: state.mending.labelled("nominal/wrong.jpg", "nominal"), 2)  # and back again
    after = read(manifest)
    assert len(after) == len(mended)
    assert sorted(path.split("/")[1] for path in after.paths).count("nominal") == int((after.labels == 1).sum())
    session.forget_changes()
    assert len(idle(session).checkup.dataset) == len(before)  # type: ignore[union-attr]
    assert {path: path.read_bytes() for path in pets.rglob("*.jpg")} == before  # the data were never touched
    assert sorted(path.name for path in pets.parent.iterdir()) == ["pets", "pets-mended.csv"]


def test_texts_are_mended_beside_their_table(session: Session, tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    rows = [f"the {thing} came {when},late" for thing in ("parcel", "letter") for when in ("today", "on Monday")]
    rows += [f"many thanks for the {thing},praise" for thing in ("parcel", "letter", "visit")]
    table.write_text("\n".join(["text,label", *rows, "   ,praise"]) + "\n", "utf-8")
    session.give(table)
    state = idle(session)
    assert state.data is not None
    assert state.data.task == "text"
    assert state.checkup is not None
    first = state.checkup.dataset.paths[0]
    session.mend(lambda state: state.mending.without(first), 1)
    session.check()
    assert len(idle(session).checkup.dataset) == len(state.checkup.dataset) - 1  # type: ignore[union-attr]
    session.mend(lambda state: state.mending.labelled(state.checkup.dataset.paths[0], "praise", "late"), 2)  # type: ignore[union-attr]
    mended = read_texts(tmp_path / "messages-mended.csv")
    assert [mended.classes[label] for label in mended.labels].count("late") == 2
    assert "   ,praise" in table.read_text("utf-8")


@pytest.mark.parametrize("path", ["nowhere", "pets/none.csv", "\0", "x" * 5000])
def test_what_is_not_there_is_no_data(session: Session, tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match="no such folder or file"):
        session.give(tmp_path / path)
    assert (session.state.data, session.state.at) == (None, "data")


def test_data_without_images_or_with_one_class_say_so(session: Session, tmp_path: Path, photos: list[Path]) -> None:
    empty, alone = tmp_path / "empty", tmp_path / "alone"
    (empty / "cat").mkdir(parents=True)
    (alone / "cat").mkdir(parents=True)
    (alone / "cat" / "1.jpg").write_bytes(photos[0].read_bytes())
    for folder in (empty, alone):
        session.give(folder)
        state = idle(session)
        assert state.failure is not None
        assert state.failure[0] == "check"
        assert state.failure[1].message
        assert state.at == "data"  # where the person can give others


def test_a_change_of_what_is_old_or_of_nothing_is_refused(session: Session, pets: Path) -> None:
    with pytest.raises(DataError, match="checked again meanwhile"):
        session.mend(lambda state: state.mending.without("a"), 0)
    for do in (session.check, lambda: session.fit(60), lambda: session.export("onnx")):
        with pytest.raises(DataError, match="yet"):
            do()
    session.give(pets)
    for do in (session.check, session.forget_changes, lambda: session.give(pets)):
        with pytest.raises(DataError, match="being done already"):
            do()
    idle(session)
    with pytest.raises(DataError, match="checked again meanwhile"):
        session.mend(lambda state: state.mending.without("global/copy.jpg"), 2)
    (pets.parent / "pets-mended.csv").write_text("my own notes")
    with pytest.raises(DataError, match="was not changed"):  # nothing of the user's is written over
        session.mend(lambda state: state.mending.without("global/copy.jpg"), 1)
    assert session.state.mending == Mending()


def test_a_job_is_stopped_and_can_be_begun_again(session: Session, pets: Path) -> None:
    session.give(pets)
    until(session, lambda state: state.job is not None and state.job.step != "loading")
    session.stop()
    state = session.state
    assert (state.job, state.checkup) == (None, None)
    assert state.failure == ("check", Failure("stopped", "nothing was saved; you can start it again"))
    session.stop()  # of nothing
    session.check()
    assert idle(session).checkup is not None


@dataclass(frozen=True)
class Dying:
    """A work that is killed, as the system does when memory ends."""

    def run(self, voice: Voice) -> None:
        voice.step("dying")
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Failing:
    error: Exception

    def run(self, voice: Voice) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (Dying(), "the work ended unexpectedly"),
        (Failing(DataError("wrong data")), "wrong data"),
        (Failing(ZeroDivisionError("oops")), "internal error in topwork: ZeroDivisionError: oops"),
        (Failing(OSError(28, "No space left on device")), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_job_that_fails_or_dies_says_so_last(work: Dying | Failing, said: str) -> None:
    heard: list[Message] = []
    Job(work, lambda job, message: heard.append(message))
    end = time.monotonic() + 60
    while not (heard and isinstance(heard[-1], Failure)):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert heard[-1].message == said
    assert heard[:-1] == ([Step("dying")] if isinstance(work, Dying) else [])


def test_an_export_writes_over_no_other_zip(tmp_path: Path) -> None:
    other = tmp_path / "pets-onnx.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("pets-onnx/mine.txt", "mine")
    before = other.read_bytes()
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs, pytest.raises(TopworkError, match="is not an export; it was not changed"):
        ExportWork(tmp_path / "model", tmp_path, "onnx", tmp_path / "pets-onnx").run(Voice(theirs))
    assert other.read_bytes() == before
