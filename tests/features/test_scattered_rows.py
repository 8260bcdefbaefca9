"""A few rows of a table that lies on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topwork.features import _table, scattered_rows

STATUS = Path("/proc/self/status")


def mapped(tmp_path: Path, rows: int, columns: int) -> np.ndarray:
    file = tmp_path / "table"
    with file.open("wb") as table:
        table.truncate(rows * columns * 4)
    return np.memmap(file, np.float32, "r+", 0, (rows, columns))


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 200])
@pytest.mark.parametrize("first", [0, 3, 7])
def test_scattered_rows_are_those_that_indexing_gives(tmp_path: Path, count: int, first: int) -> None:
    rng = np.random.default_rng(count)
    values = mapped(tmp_path, 500, 7)
    values[:] = rng.standard_normal((500, 7))
    rows = rng.integers(0, 500, count)
    assert np.array_equal(scattered_rows(values, rows, first), np.array(values)[rows, first:])
    assert np.array_equal(scattered_rows(np.array(values), rows, first), np.array(values)[rows, first:])


@pytest.mark.skipif(not STATUS.exists(), reason="tells no memory of mapped files")
def test_scattered_rows_map_little_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = mapped(tmp_path, 32_000, 1_000)  # 128 MB, of which 2,000 rows, side by side, are 8
    seen = []
    release = _table.release_pages

    def told(array: np.ndarray) -> None:
        seen.append(file_megabytes())
        release(array)

    monkeypatch.setattr(_table, "release_pages", told)
    before = file_megabytes()
    scattered_rows(values, np.arange(0, 32_000, 16))
    assert max(seen) - before < 64
    assert file_megabytes() - before < 8
    _ = np.array(values[::16])
    assert file_megabytes() - before > 100  # what it would be


def file_megabytes() -> float:
    """Pages of files that count as this process's memory."""
    return next(int(line.split()[1]) / 1024 for line in STATUS.read_text().splitlines() if line.startswith("RssFile"))
