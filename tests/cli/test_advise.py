"""`topwork advise`, and `fit`, which goes on from it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.model.samples import easy_folder
from topwork.tasks import load

from .conftest import TOPWORK, Run, without_progress

QUICK = ("--crop-mode", "squash", "--budget", "1h")  # however busy the machine is; nothing is left to gain


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return easy_folder(tmp_path_factory.mktemp("data") / "easy", "snapshot", "weaving\x1b[31m", count=14)


@pytest.mark.slow
def test_the_card_has_the_ladder_the_choice_and_why(run: Run, easy: Path, tmp_path: Path) -> None:
    done = run("advise", easy, *QUICK)
    assert (done.code, done.err) == (0, ""), done
    assert done.out.startswith("22 training images in 2 classes (11 to 11 per class), about ")
    assert "Distance from the network's pretraining images: " in done.out
    assert "Nearest-neighbour accuracy by stage: bn1 " in done.out
    assert done.out.count("\n* probe, ") == 1
    assert "fine-tuning, last stages: expected gain 0.0 points" in done.out
    assert "\nChoice: probe, " in done.out
    assert "\x1b" not in done.out
    told = run("advise", easy, *QUICK, "--json").json  # from the disk
    assert told["data"] == str(easy)
    assert told["rungs"][told["choice"]]["accuracy"]["value"] == 1
    assert told["description"]["images"] == 22
    fitted = run("fit", easy, "-o", tmp_path / "model", *QUICK)
    assert fitted.code == 0, fitted
    assert "Strategies tried: kNN (" in fitted.out
    assert load(tmp_path / "model").record.strategy == "probe"
    trials = [trial for trial in load(tmp_path / "model").record.trials if trial.chosen]
    assert trials[0].answer == told["rungs"][told["choice"]]["name"]
    saved = load(tmp_path / "model").record.advice
    assert saved is not None
    assert saved["description"] == told["description"]  # its distance is known from `advise` alone: fit went on from it
    assert "Strategies compared" in (tmp_path / "model" / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_fault_43_killed_again_and_again_it_comes_to_the_same_advice(run: Run, easy: Path, tmp_path: Path) -> None:
    command = [*TOPWORK, "advise", str(easy), *QUICK, "--json"]
    environment = {**os.environ, "TOPWORK_CACHE": str(tmp_path / "cache")}
    killed = 0
    for files in (1, 3):  # as soon as so many are in the cache
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and sum(len(names) for *_, names in os.walk(tmp_path / "cache")) < files:
                time.sleep(0.01)
            killed += process.poll() is None
            process.kill()
            process.communicate()
    assert killed
    last = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (last.returncode, without_progress(last.stderr)) == (0, "")
    told, unbroken = json.loads(last.stdout), run("advise", easy, *QUICK, "--json").json
    assert told["choice"] == unbroken["choice"]
    assert [rung["accuracy"] for rung in told["rungs"]] == [rung["accuracy"] for rung in unbroken["rungs"]]


@pytest.mark.parametrize("budget", ["soon", "0s", "-1m", ""])
def test_a_budget_that_is_no_time_is_a_wrong_command_line(run: Run, easy: Path, budget: str) -> None:
    done = run("advise", easy, "--budget", budget)
    assert done.code == 2
    assert "--budget takes a time such as 90s, 5m or 1h" in " ".join(done.err.split())


def test_what_stops_a_fit_stops_advice(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    folder = easy_folder(tmp_path / "data")
    copy = sorted((folder / "photo").iterdir())[0]
    (folder / "textile" / f"copy{copy.suffix}").write_bytes(copy.read_bytes())
    error, hint = run("advise", folder).failed()
    assert "measured accuracy would be misleading" in error
    assert "--allow label-conflicts" in hint
    assert run("advise", tmp_path / "none").failed()[0].endswith("no such folder or manifest")
