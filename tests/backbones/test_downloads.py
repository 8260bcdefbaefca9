"""Downloads that break off or arrive changed: nothing of them stays, and the next one is whole (FAULT 49)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from topwork.backbones import load
from topwork.errors import BackboneError

from .hub import CHUNK, FILE, NAME, REPOSITORY, Files, Hub, etag, require_refused, require_whole


def kept(cache: Path) -> list[str]:
    """Names of what the client's cache holds of the file, whole or not."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 1000)


@pytest.mark.parametrize("ranges", [True, False], ids=["resumed", "started again"])
def test_fault_49_an_interrupted_download_goes_on(
    hub: Hub, tiny_files: Files, commit: str, hub_cache: Path, ranges: bool
) -> None:
    hub.cuts, hub.ranges = [10 * CHUNK], ranges
    require_whole(tiny_files)
    assert [request.range for request in hub.downloads] == ["", f"bytes={10 * CHUNK}-"]
    assert kept(hub_cache) == [etag(FILE, tiny_files[FILE]), FILE]


def test_fault_49_a_download_that_never_ends_leaves_nothing(
    hub: Hub, tiny_files: Files, commit: str, hub_cache: Path
) -> None:
    hub.cuts = [10 * CHUNK, *[0] * 50]
    error = require_refused(f"{REPOSITORY}/{FILE} cannot be downloaded from the hub: peer closed connection")
    assert "--weights FILE.safetensors" in error.hint
    assert kept(hub_cache) == []
    hub.cuts = []
    require_whole(tiny_files)


def test_fault_49_a_short_file_is_no_file(hub: Hub, tiny_files: Files, commit: str, hub_cache: Path) -> None:
    hub.short = True
    require_refused("cannot be downloaded from the hub: Consistency check failed")
    assert kept(hub_cache) == []
    hub.short = False
    require_whole(tiny_files)


def test_fault_49_a_file_that_arrives_changed_is_deleted(
    hub: Hub, tiny_files: Files, commit: str, hub_cache: Path
) -> None:
    hub.spoilt = True
    error = require_refused(rf"{REPOSITORY}/{FILE}: not the expected file \(sha256 ")
    assert error.hint.startswith("it was deleted; try again")
    assert kept(hub_cache) == []
    hub.spoilt = False
    require_whole(tiny_files)


@pytest.mark.parametrize("damage", ["half", "a byte", "nothing"])
def test_fault_49_a_file_damaged_in_the_cache_is_deleted(
    tiny_files: Files, commit: str, hub_cache: Path, damage: str
) -> None:
    load(NAME)
    good = tiny_files[FILE]
    blob = next(hub_cache.rglob(etag(FILE, good)))
    blob.write_bytes({"half": good[: len(good) // 2], "a byte": good[:-1] + b"!", "nothing": b""}[damage])
    require_refused("not the expected file")
    assert kept(hub_cache) == []
    require_whole(tiny_files)


def test_fault_49_a_damaged_file_that_repositories_share_is_deleted_too(
    tiny_files: Files, commit: str, hub_cache: Path, tmp_path: Path
) -> None:
    """The client keeps what comes in chunks once for all repositories, under a hash of its own."""
    load(NAME)
    blob = next(hub_cache.rglob(etag(FILE, tiny_files[FILE])))
    shared = blob.rename(tmp_path / ("f" * 64))
    blob.symlink_to(shared)
    assert load(NAME).weights.sha256 == etag(FILE, tiny_files[FILE])
    shared.write_bytes(tiny_files[FILE][:-1] + b"!")
    require_refused("not the expected file")
    assert not shared.exists()
    require_whole(tiny_files)


def test_fault_49_a_cache_that_cannot_be_changed_is_named(
    tiny_files: Files, commit: str, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(NAME)
    next(hub_cache.rglob(etag(FILE, tiny_files[FILE]))).write_bytes(b"no weights")

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refused)
    assert require_refused("not the expected file").hint.startswith(f"delete {hub_cache}")


def test_fault_49_a_record_with_another_hash_is_refused_and_costs_no_good_file(commit: str, hub_cache: Path) -> None:
    """What the hub itself promised is in the cache: a model folder from elsewhere must not be able to delete it."""
    backbone = load(NAME)
    wrong = backbone.with_weights(replace(backbone.weights, sha256="0" * 64))
    before = kept(hub_cache)
    assert before
    with pytest.raises(BackboneError, match=r"expected 0000000000000000\)"):
        wrong.module()
    assert kept(hub_cache) == before
