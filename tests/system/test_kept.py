"""Small results in the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork._system import kept


class Counted:
    """Gives a result, and counts how often it was asked."""

    def __init__(self, result: Any) -> None:
        self.result, self.calls = result, 0

    def __call__(self) -> Any:
        self.calls += 1
        return self.result


def test_a_result_is_made_once(empty_cache: Path) -> None:
    make = Counted([[1, 0.1], ["벌\udcff", None]])
    key = ("a", np.arange(3), {"b": 1})
    assert kept("things", key, make) == kept("things", key, make) == make.result
    assert make.calls == 1


@pytest.mark.parametrize(
    "other", [("a", np.arange(4)), ("b", np.arange(3)), (np.arange(3), "a"), ("a", np.arange(3), 0)]
)
def test_another_key_is_another_result(empty_cache: Path, other: tuple[Any, ...]) -> None:
    kept("things", ("a", np.arange(3)), lambda: 1)
    assert kept("things", other, lambda: 2) == 2


def test_parts_do_not_run_into_each_other(empty_cache: Path) -> None:
    kept("things", (b"ab", b"c"), lambda: 1)
    assert kept("things", (b"a", b"bc"), lambda: 2) == 2


def test_without_the_cache_nothing_is_read_or_written(empty_cache: Path) -> None:
    make = Counted(1)
    assert [kept("things", ("a",), make, cache=False) for _ in range(2)] == [1, 1]
    assert make.calls == 2
    assert not empty_cache.exists()


@pytest.mark.parametrize("damage", [b"", b"[1, 2", b"\xff\xfe"])
def test_a_damaged_file_counts_as_none(empty_cache: Path, damage: bytes) -> None:
    kept("things", ("a",), lambda: 1)
    (file,) = (empty_cache / "things").glob("*.json")
    file.write_bytes(damage)
    assert kept("things", ("a",), lambda: 2) == 2
    assert kept("things", ("a",), lambda: 3) == 2


def test_a_cache_that_cannot_be_written_keeps_nothing(empty_cache: Path) -> None:
    empty_cache.mkdir()
    (empty_cache / "things").write_text("a file where the folder would be")
    make = Counted(1)
    assert [kept("things", ("a",), make) for _ in range(2)] == [1, 1]
    assert make.calls == 2


def test_what_json_does_not_have_is_not_kept(empty_cache: Path) -> None:
    make = Counted(float("nan"))
    for _ in range(2):
        kept("things", ("a",), make)
    assert make.calls == 2
