from __future__ import annotations

import os
from pathlib import Path

import pytest

from topwork._system import _executor, available_cores


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight cores by affinity, and no quota yet; files written here are the control group's."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(_executor, "_CGROUP_V2", tmp_path / "cpu.max")
    monkeypatch.setattr(_executor, "_CGROUP_V1", tmp_path)
    return tmp_path


def test_without_a_quota_the_affinity_counts(machine: Path) -> None:
    assert available_cores() == 8


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", 8),
        ("100000 100000\n", 1),
        ("250000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1000 100000\n", 1),
        ("6400000 100000\n", 8),
    ],
)
def test_fault_63_a_containers_quota_counts(machine: Path, text: str, cores: int) -> None:
    (machine / "cpu.max").write_text(text)
    assert available_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("0", 8), ("300000", 3), ("20000", 1), ("9900000", 8)])
def test_fault_63_an_older_containers_quota_counts(machine: Path, quota: str, cores: int) -> None:
    (machine / "cpu.cfs_quota_us").write_text(quota + "\n")
    (machine / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores() == cores


@pytest.mark.parametrize("text", ["", "max", "a b", "100000 0\n", "1 2 3"])
def test_a_quota_that_cannot_be_read_counts_as_none(machine: Path, text: str) -> None:
    (machine / "cpu.max").write_text(text)
    assert available_cores() == 8


def test_systems_without_affinity_count_the_machines_cores(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_fault_63_the_real_affinity_counts() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
