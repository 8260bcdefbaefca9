"""How threads wait: told to OpenMP once, only where the user has not; without a fault on any system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from topwork._system import _waiting, wait_considerately


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what the test sets is gone afterwards
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("loads", "cores", "crowded"),
    [
        (["3"] * 5, 2, True),  # two others that run all the time
        (["1"] * 5, 2, False),  # this process alone
        (["3", "3", "1", "3", "3"], 2, False),  # a blip
        (["3"] * 5, 64, False),  # the machine has cores for all: 2 others and the 2 that this process may use
        (["64"] * 5, 64, True),
    ],
)
def test_only_those_that_run_all_the_time_crowd_the_cores(
    loads: list[str], cores: int, crowded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(loads)
    file = tmp_path / "loadavg"
    monkeypatch.setattr(_waiting, "_LOAD", file)
    monkeypatch.setattr(_waiting, "available_cores", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    def look(_: float = 0) -> None:
        file.write_text(f"0.50 0.40 0.30 {next(looks)}/120 4711\n")

    monkeypatch.setattr("time.sleep", look)
    look()
    assert _waiting.crowded() is crowded
    looks = iter(loads)
    look()
    wait_considerately()
    assert os.environ["GOMP_SPINCOUNT"] == ("0" if crowded else "1000")


@pytest.mark.parametrize("content", [None, "", "0.5 0.4 0.3", "0.5 0.4 0.3 many/120 4711\n"])
def test_a_system_that_tells_nothing_is_taken_for_idle(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "loadavg"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(_waiting, "_LOAD", file)
    assert not _waiting.crowded()


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_has_set_stays(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    wait_considerately()
    assert {key: os.environ.get(key) for key in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")} == {
        "OMP_WAIT_POLICY": None,
        "GOMP_SPINCOUNT": None,
        name: value,
    }


@pytest.mark.skipif(sys.platform != "linux", reason="another OpenMP")
def test_the_number_of_threads_stays_so_that_a_seed_repeats_a_result() -> None:
    threads = "import torch; print(torch.get_num_threads())"
    ours = f"from topwork._system import wait_considerately; wait_considerately(); {threads}"
    environ = {**os.environ, "OMP_DISPLAY_ENV": "verbose"}
    plain, done = (
        subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
        for code in (threads, ours)
    )
    assert done.stdout == plain.stdout
    assert "GOMP_SPINCOUNT = '" in done.stderr  # OpenMP has read it
    assert done.stderr.split("GOMP_SPINCOUNT = '")[1].split("'")[0] in ("0", "1000")
