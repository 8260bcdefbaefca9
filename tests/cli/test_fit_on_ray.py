"""``fit --on ray``: the model that one process makes, also where a machine is lost on the way."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.samples import textile_folder
from topwork import load
from topwork.model import Classifier

from .conftest import Run
from .test_torchrun import FIT, NETWORK, PROBE

ENVIRON = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command line without its model."""
    data = textile_folder(tmp_path_factory.mktemp("textile") / "data", per_class=20)
    return [str(data), *NETWORK, *FIT, "--epochs", "4", *PROBE]


@pytest.fixture(scope="module")
def alone(run: Run, given: list[str], tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """What one process makes."""
    model = tmp_path_factory.mktemp("alone") / "model"
    done = run("fit", "-o", model, *given)
    assert done.code == 0, done
    return load(model)


def require_same(model: Path, alone: Classifier) -> None:
    made = load(model)
    assert [epoch["step"] for epoch in made.history] == [epoch["step"] for epoch in alone.history]
    for ours, theirs in zip(made.history, alone.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert ours["accuracy"] == theirs["accuracy"]
    assert not model.with_name(f"{model.name}.training").exists()


@pytest.mark.slow  # three trainings
def test_workers_that_lose_one_go_on_with_what_is_left(given: list[str], alone: Classifier, tmp_path: Path) -> None:
    model = tmp_path / "model"
    program = [sys.executable, "-m", "tests.cli.workers_of_ray", str(tmp_path), f"{model}.training"]
    done = subprocess.run([*program, "fit", "-o", str(model), *given], env=ENVIRON, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "said1-0.json").read_text())
    assert (said["code"], said["out"].count("topwork predict")) == (0, 1)
    first = json.loads((tmp_path / "said0-0.json").read_text())
    if first["code"]:  # the second was killed before its end, as nearly always
        assert "another process of this training ended" in first["err"]
    require_same(model, alone)


@pytest.mark.slow  # starts a cluster
def test_a_lost_machine_changes_nothing(given: list[str], alone: Classifier, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    model, said = tmp_path / "model", tmp_path / "said.txt"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_raylet_start_wait_time_s": "300"}
    token |= {"RAY_health_check_period_ms": "1000"}  # of three seconds: a machine that is lost is missed sooner
    command = [sys.executable, "-m", "tests.cli.fit_on_ray", str(model), *given]
    with said.open("w") as to:  # a pipe stays open as long as any of Ray's processes lives
        done = subprocess.run(command, env=ENVIRON | token, stdout=to, stderr=to, check=False, timeout=580)
    if done.returncode == 77:  # as the program ends then
        pytest.skip("Ray's cluster does not start on this machine")
    assert done.returncode == 0, said.read_text()[-3000:]
    assert "lost a machine" in said.read_text()
    assert said.read_text().count("topwork predict") == 1
    require_same(model, alone)
    assert not list(tmp_path.glob(".*.ray"))


def test_what_ray_does_not_train_is_refused(run: Run, tmp_path: Path) -> None:
    for asked, said in (
        (("--on", "mars"), "--on takes local, ray"),
        (("--on", "ray", "--strategy", "probe"), "--strategy finetune, not probe"),
        (("--on", "ray", "--strategy", "finetune", "--cv", 3), "--cv works in one process"),
    ):
        found = run("fit", tmp_path, "-o", tmp_path / "model", "--strategy", "finetune", *asked)
        assert (found.code, said in found.err) == (2, True), found.err
