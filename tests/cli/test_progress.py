"""Progress without a terminal: a line every few seconds on stderr, whatever is done, and none with --quiet."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.model.samples import easy_folder
from topwork.cli import _progress
from topwork.cli._console import Console
from topwork.cli._progress import LINE, Lines, Step, duration

QUICK = ("--strategy", "probe", "--stages", "last", "--crop-mode", "crop")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "EVERY", 0.02)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_step_tells_what_is_left_at_the_rate_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    step = Step("features of images")
    now[0] += 9
    assert step.line() == "features of images, 9 s so far"
    step(420, 1000)
    assert step.line() == "features of images, 420 of 1,000, about 12 s left"  # 9 s / 420 * 580
    step(1000, 1000)
    assert step.line() == "features of images, all 1,000 done, working on the result"
    step(1200, 0)
    assert step.line() == "features of images, 1,200 so far"
    step.tell("epoch 3 of 10")
    assert step.line() == "features of images: epoch 3 of 10, 1,200 so far"


def test_the_budget_is_of_the_whole(monkeypatch: pytest.MonkeyPatch, often: None) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for passed, left in ((100, "3 min 20 s of the budget of 5 min left"), (301, "the budget of 5 min is used up")):
        told: list[str] = []
        now[0] = 100.0
        lines = Lines(told.append)
        lines.budget = 300
        now[0] += passed
        with lines.shown():
            _until(told)
        assert told[0] == f"{LINE}loading, {duration(passed)} so far; {left}"


def _until(calls: list[str]) -> None:
    for _ in range(500):
        if calls:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nothing came")


def test_nobody_who_reads_ends_the_lines_and_not_the_work(often: None, capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []

    def broken(line: str) -> None:
        calls.append(line)
        raise BrokenPipeError

    with Lines(broken).shown():
        _until(calls)
        time.sleep(0.1)
    assert len(calls) == 1
    assert capfd.readouterr() == ("", "")
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_a_console_that_becomes_quiet_says_no_more(often: None, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=False, quiet=False)
    with console.lines():
        console.quiet = True
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_every_step_of_a_command_is_told_and_stdout_stays_clean(run: Run, tmp_path: Path, often: None) -> None:
    data = easy_folder(tmp_path / "data", count=6)
    done = run("fit", data, "-o", tmp_path / "model", *QUICK, "--no-cache", "--json")
    assert done.code == 0
    assert json.loads(done.out)["strategy"] == "probe"
    told = "\n".join(done.progress)
    assert f"{LINE}features of images" in told
    assert f"{LINE}training the head" in told
    assert f"{LINE}saving the model and its page" in told
    quiet = run("evaluate", tmp_path / "model", data, "--no-cache", "--quiet")
    assert (quiet.code, quiet.progress, quiet.err) == (0, (), "")


@pytest.mark.slow
def test_the_ladder_tells_the_rung_and_the_budget(run: Run, tmp_path: Path, often: None) -> None:
    data = easy_folder(tmp_path / "data", count=6)
    done = run("advise", data, "--budget", "60", "--no-cache")
    assert done.code == 0, done
    told = "\n".join(done.progress)
    assert f"{LINE}1 of 7: probe, last features" in told
    assert "of the budget of 1 min left" in told


def test_an_error_stands_behind_the_lines_and_ends_them(run: Run, tmp_path: Path, often: None) -> None:
    (tmp_path / "a").mkdir()
    error, _ = run("check", tmp_path).failed()
    assert str(tmp_path) in error
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]
