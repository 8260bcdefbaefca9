"""Several processes on one machine: torchrun with the command line, against one process with the same batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.samples import textile_folder
from topwork import load

from .conftest import TOPWORK, Run

# Without batch norms, which would see their own process's half of a batch.
NETWORK = ("--backbone", "test_vit", "--weights", "random:1", "--engine", "torch-cpu")
FIT = ("--strategy", "finetune", "--unfreeze", "1", "--epochs", "2", "--orient", "mirror", "--set", "precision=f32")
PROBE = ("--stages", "last", "--crop-mode", "crop")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "topwork")


@pytest.mark.slow
def test_two_processes_make_the_model_that_one_makes(run: Run, tmp_path: Path) -> None:
    data = textile_folder(tmp_path / "data", per_class=20)
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    given = ("fit", str(data), *NETWORK, *FIT, *PROBE, "-o")
    alone = run(*given, tmp_path / "one")
    command = [*TORCHRUN, *given, str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=300)
    assert (alone.code, done.returncode) == (0, 0), done.stderr
    assert done.stdout.count("topwork predict") == alone.out.count("topwork predict") == 1  # the first one tells
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    assert [epoch["step"] for epoch in two.history] == [epoch["step"] for epoch in one.history]
    for ours, theirs in zip(two.history, one.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert ours["accuracy"] == theirs["accuracy"]
    assert one.classes == two.classes
    assert not (tmp_path / "two.training").exists()


def test_processes_that_train_together_train_the_backbone(tmp_path: Path, shared_cache: Path) -> None:
    environ = {**os.environ, "WORLD_SIZE": "2", "RANK": "0"}
    given = [*TOPWORK, "fit", str(tmp_path), "-o", str(tmp_path / "m"), "--strategy", "probe"]
    done = subprocess.run(given, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 2
    assert "training in several processes (torchrun) works with --strategy finetune" in " ".join(done.stderr.split())
