from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.errors import TopworkError
from topwork.features._store import DiskStore, MemoryStore, recipe_folder

WIDTH = 8


@pytest.fixture
def folder(empty_cache: Path) -> Path:
    return recipe_folder({"recipe": 1})


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def row(number: int) -> Any:
    """What content ``number`` gives."""
    return np.arange(WIDTH, dtype=np.float32) + 100 * number


def put(folder: Path, *numbers: int) -> None:
    with DiskStore(folder, WIDTH) as store:
        store.add([key(number) for number in numbers], np.stack([row(number) for number in numbers]))


def found(folder: Path, *numbers: int) -> list[int]:
    """Those of the numbers that are there, each with its own features."""
    with DiskStore(folder, WIDTH) as store:
        there = [number for number in numbers if key(number) in store]
        values = store.gather([key(number) for number in there])
    np.testing.assert_array_equal(values, np.array([row(number) for number in there]).reshape(-1, WIDTH))
    return there


def test_recipes_that_differ_have_folders_that_differ(empty_cache: Path) -> None:
    one = recipe_folder({"a": 1, "b": (2, 3)})
    assert one == recipe_folder({"b": [2, 3], "a": 1})
    assert one != recipe_folder({"a": 1, "b": [3, 2]})
    assert one.parent == empty_cache / "features"


def test_both_stores_give_back_what_they_took(folder: Path) -> None:
    with DiskStore(folder, WIDTH) as disk:
        for store in (MemoryStore(WIDTH), disk):
            assert key(1) not in store
            store.add([key(1), key(2)], np.stack([row(1), row(2)]))
            store.add([key(3)], row(3)[None])
            assert key(3) in store
            values = store.gather([key(3), key(1), key(3)])
            np.testing.assert_array_equal(values, [row(3), row(1), row(3)])
            assert store.gather([]).shape == (0, WIDTH)


def test_features_are_their_owners_alone(folder: Path) -> None:
    with DiskStore(folder / "recipe", WIDTH):
        assert (folder / "recipe").stat().st_mode & 0o777 == 0o700


def test_a_later_run_finds_the_segments_of_all_earlier_ones(folder: Path) -> None:
    put(folder, 1, 2, 3)
    put(folder, 4)
    assert found(folder, 4, 2, 5, 1, 3) == [4, 2, 1, 3]


def test_what_was_added_is_published_when_the_body_raises(folder: Path) -> None:
    def body() -> None:
        with DiskStore(folder, WIDTH) as store:
            store.add([key(1)], row(1)[None])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        body()
    assert found(folder, 1) == [1]


def test_nobody_sees_a_segment_before_it_is_whole(folder: Path) -> None:
    with DiskStore(folder, WIDTH) as store:
        store.add([key(1)], row(1)[None])
        assert found(folder, 1) == []
    assert found(folder, 1) == [1]


def test_values_outlive_the_store_and_its_files(folder: Path) -> None:
    put(folder, 1, 2)
    with DiskStore(folder, WIDTH) as store:
        values = store.gather([key(1), key(2)])
    for path in folder.iterdir():
        path.unlink()
    np.testing.assert_array_equal(values, [row(1), row(2)])


def test_a_segment_deleted_under_a_reader_is_still_read(folder: Path) -> None:
    put(folder, 1, 2)
    with DiskStore(folder, WIDTH) as store:
        for path in folder.iterdir():
            path.unlink()
        np.testing.assert_array_equal(store.gather([key(2), key(1)]), [row(2), row(1)])


@pytest.mark.parametrize("size", [0, 1, WIDTH * 4, 2 * WIDTH * 4 + 1, 10_000])
def test_a_segment_of_another_length_is_passed_over(folder: Path, size: int) -> None:
    put(folder, 1, 2)
    put(folder, 3)
    broken = next(path for path in folder.glob("*.rows") if path.stat().st_size == 2 * WIDTH * 4)
    with broken.open("rb+") as file:
        file.truncate(size)
    assert found(folder, 1, 2, 3) == [3]
    put(folder, 1, 2)
    assert found(folder, 1, 2, 3) == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(48), os.urandom(1000)], ids=len)
def test_garbage_keys_are_passed_over(folder: Path, content: bytes) -> None:
    put(folder, 1, 2)
    next(folder.glob("*.keys")).write_bytes(content)
    put(folder, 3)
    assert found(folder, 1, 2, 3) == [3]


def test_keys_without_rows_and_rows_without_keys_are_passed_over(folder: Path) -> None:
    put(folder, 1)
    next(folder.glob("*.rows")).unlink()
    put(folder, 2)
    for path in folder.glob("*.rows"):
        path.with_suffix(".keys").unlink()
    put(folder, 3)
    assert found(folder, 1, 2, 3) == [3]


def test_many_runs_leave_few_files_open(folder: Path) -> None:
    """A process may hold 1,024 files open; a thousand runs that each add an image must not use them up."""
    for number in range(200):
        put(folder, number)
        assert len(list(folder.glob("*.keys"))) <= 65
    assert found(folder, *range(201)) == list(range(200))
    assert len(list(folder.glob("*.rows"))) == len(list(folder.glob("*.keys")))


def test_large_segments_are_not_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.features._store._MOST_SEGMENTS", 3)
    monkeypatch.setattr("topwork.features._store._SMALL_SEGMENT", 3 * WIDTH * 4)
    put(folder, 1, 2, 3)
    (large,) = folder.glob("*.keys")
    for number in range(4, 8):
        put(folder, number)
    assert large.exists()
    assert len(list(folder.glob("*.keys"))) < 5
    assert found(folder, *range(1, 8)) == list(range(1, 8))


def test_values_gathered_before_a_merge_stay_right(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.features._store._MOST_SEGMENTS", 2)
    put(folder, 1)
    put(folder, 2)
    with DiskStore(folder, WIDTH) as store:
        store.add([key(3), key(4)], np.stack([row(3), row(4)]))
        new = store.gather([key(3), key(4)])
        mixed = store.gather([key(4), key(1), key(2), key(3)])  # leaves the draft's file in its middle
    assert len(list(folder.glob("*.keys"))) == 1
    np.testing.assert_array_equal(mixed, [row(4), row(1), row(2), row(3)])
    np.testing.assert_array_equal(new, [row(3), row(4)])
    assert found(folder, 1, 2, 3, 4) == [1, 2, 3, 4]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_fault_32_a_full_disk_while_rows_are_written_is_a_named_error(folder: Path) -> None:
    with DiskStore(folder, WIDTH) as store:
        store.add([key(1)], row(1)[None])
        assert store._draft is not None
        store._draft.rows.close()
        store._draft.rows = store._files[-1] = open("/dev/full", "wb+", buffering=0)  # noqa: SIM115
        with pytest.raises(TopworkError, match="cannot be written: No space left on device") as caught:
            store.add([key(2)], row(2)[None])
    assert "TOPWORK_CACHE" in caught.value.hint
    assert list(folder.glob("*.keys")) == []


def test_fault_32_a_full_disk_at_the_end_costs_the_cache_and_not_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("topwork.features._store.os.fsync", full)
    with DiskStore(folder, WIDTH) as store:
        store.add([key(1)], row(1)[None])
        values = store.gather([key(1)])
    np.testing.assert_array_equal(values, [row(1)])
    assert list(folder.iterdir()) == []


# ---- how much is kept


def test_a_limit_that_is_none_is_refused_before_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "much")
    with pytest.raises(TopworkError, match="TOPWORK_CACHE_SIZE"), DiskStore(folder, WIDTH):
        pytest.fail("the work began")


def age(folder: Path, days: float) -> None:
    for path in folder.iterdir():
        os.utime(path, (time.time() - days * 86_400,) * 2)


def test_the_segments_used_longest_ago_make_room(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [recipe_folder({"recipe": number}) for number in range(4)]
    for number, folder in enumerate(recipes):
        put(folder, number)
    for folder, days in zip(recipes, (3, 2, 4, 0), strict=True):
        age(folder, days)
    assert found(recipes[2], 2) == [2]  # read just now: no longer the oldest
    segment = WIDTH * 4 + 16
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", str(3 * segment))
    put(recipes[3], 5)
    assert [len(list(folder.glob("*.keys"))) for folder in recipes] == [0, 0, 1, 2]
    assert [len(list(folder.iterdir())) for folder in recipes] == [0, 0, 2, 4]


def test_this_runs_own_recipe_goes_last(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = recipe_folder({"mine": 1}), recipe_folder({"other": 1})
    put(mine, 1)
    age(mine, 9)
    put(other, 2)
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", str(2 * (WIDTH * 4 + 16)))
    put(mine, 3)
    assert (found(mine, 1, 3), found(other, 2)) == ([1, 3], [])


def test_with_no_room_at_all_the_results_still_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "0")
    with DiskStore(folder, WIDTH) as store:
        store.add([key(1)], row(1)[None])
        values = store.gather([key(1)])
    np.testing.assert_array_equal(values, [row(1)])
    assert list(folder.iterdir()) == []


def test_fault_31_rows_that_a_killed_run_left_are_swept_and_a_living_runs_are_not(folder: Path) -> None:
    folder.mkdir(parents=True)
    dead, living = folder / f"{'a' * 32}.rows", folder / f"{'b' * 32}.rows"
    for path in (dead, living):
        path.write_bytes(bytes(100))
    os.utime(dead, (time.time() - 90_000,) * 2)
    put(folder, 1)
    assert (dead.exists(), living.exists()) == (False, True)
