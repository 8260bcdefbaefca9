"""``fit --on ray``: the model that one process makes, also where a machine is lost on the way."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.samples import textile_folder
from topwork import load

from .conftest import TOPWORK, Run
from .test_torchrun import FIT, NETWORK, PROBE


@pytest.mark.slow  # starts a cluster
def test_a_lost_machine_changes_nothing(tmp_path: Path, shared_cache: Path) -> None:
    pytest.importorskip("ray")
    data = textile_folder(tmp_path / "data", per_class=20)
    given = [str(data), *NETWORK, *FIT, "--epochs", "4", *PROBE]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_raylet_start_wait_time_s": "300"}
    here = [*TOPWORK, "fit", "-o", str(tmp_path / "here"), *given]
    there = [sys.executable, "-m", "tests.cli.fit_on_ray", "3", "loses", str(tmp_path / "there"), *given]
    for name, command in (("here", here), ("there", there)):
        said = tmp_path / f"{name}.txt"
        with said.open("w") as to:  # a pipe stays open as long as any of Ray's processes lives
            done = subprocess.run(command, env=environ | token, stdout=to, stderr=to, check=False, timeout=580)
        assert done.returncode == 0, said.read_text()[-3000:]
    assert "lost a machine" in (tmp_path / "there.txt").read_text()
    assert (tmp_path / "there.txt").read_text().count("topwork predict") == 1
    one, other = load(tmp_path / "here"), load(tmp_path / "there")
    assert [epoch["step"] for epoch in other.history] == [epoch["step"] for epoch in one.history]
    for ours, theirs in zip(other.history, one.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert ours["accuracy"] == theirs["accuracy"]
    assert not (tmp_path / "there.training").exists()
    assert not list(tmp_path.glob(".*.ray"))


def test_what_ray_does_not_train_is_refused(run: Run, tmp_path: Path) -> None:
    for asked, said in (
        (("--on", "mars"), "--on takes local, ray"),
        (("--on", "ray", "--strategy", "probe"), "--strategy finetune, not probe"),
        (("--on", "ray", "--strategy", "finetune", "--cv", 3), "--cv works in one process"),
    ):
        found = run("fit", tmp_path, "-o", tmp_path / "model", "--strategy", "finetune", *asked)
        assert (found.code, said in found.err) == (2, True), found.err
