"""One file from a server that breaks off, stalls, lies, or has another file now."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from topwork._texts import Texts
from topwork._web import RemoteFile, _download, download, remember
from topwork.errors import DataError

from ..file_server import Server

CONTENT = bytes(range(256)) * 4000  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(server: Server) -> RemoteFile:
    """The server's file, with its checksum."""
    server.files["/data.bin"] = CONTENT
    return RemoteFile(f"{server.url}/data.bin", len(CONTENT), "md5", hashlib.md5(CONTENT).hexdigest())


def test_a_file_arrives_whole_and_is_not_asked_for_twice(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    place = tmp_path / "data.bin"
    assert download(file, place, lambda here, whole: told.append((here, whole))) == SHA256
    assert place.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert download(file, place) == SHA256
    assert len(server.requests) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


@pytest.mark.parametrize("lengths", [True, False])
def test_a_broken_download_goes_on_where_it_broke_off(
    server: Server, file: RemoteFile, tmp_path: Path, lengths: bool
) -> None:
    server.lengths, server.cuts = lengths, [300_000, 200_000, 1]
    assert download(file, tmp_path / "data.bin") == SHA256
    assert [request.range for request in server.requests] == ["", "bytes=300000-", "bytes=500000-", "bytes=500001-"]
    assert server.requests[0].if_range == ""
    assert len({request.if_range for request in server.requests[1:]}) == 1


def test_a_second_run_goes_on_too(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    server.cuts, server.statuses = [300_000], []
    place = tmp_path / "data.bin"

    def stop(here: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(file, place, stop)
    before = (tmp_path / "data.bin.part").stat().st_size
    assert 0 < before <= 300_000
    assert download(file, place) == SHA256
    assert server.requests[-1].range == f"bytes={before}-"


def test_what_came_whole_before_the_run_was_killed_is_taken(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    place = tmp_path / "data.bin"
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert download(file, place) == SHA256
    assert [request.range for request in server.requests] == [f"bytes={len(CONTENT)}-"]
    place.unlink()
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")  # and what is longer is not
    assert download(file, place) == SHA256


def test_a_server_without_ranges_begins_anew(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [700_000]
    assert download(file, tmp_path / "data.bin") == SHA256
    assert len(server.requests) == 2


def test_a_part_that_begins_elsewhere_is_not_taken(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    server.odd_range, server.cuts = True, [700_000]
    assert download(file, tmp_path / "data.bin") == SHA256
    assert [request.range for request in server.requests] == ["", "bytes=700000-", ""]


def test_a_file_that_changed_between_begins_anew(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    place = tmp_path / "data.bin"
    (tmp_path / "data.bin.part").write_bytes(b"of an older version")
    (tmp_path / "data.bin.part.etag").write_text('"older"')
    assert download(file, place) == SHA256
    (tmp_path / "longer.bin.part").write_bytes(bytes(len(CONTENT) + 5))  # the server answers 416
    assert download(file, tmp_path / "longer.bin") == SHA256


def test_a_server_that_stalls_is_left_and_asked_for_the_rest(
    server: Server, file: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork._web._download._SECONDS", 1.0)
    server.stalls = [400_000, 200_000]  # two, since a busy machine may not bring a byte of the first in time
    assert download(file, tmp_path / "data.bin") == SHA256
    assert any(request.range for request in server.requests)


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    server: Server, file: RemoteFile, tmp_path: Path
) -> None:
    server.statuses = [503, 500, 429]
    assert download(file, tmp_path / "data.bin") == SHA256
    server.statuses, server.requests = [403], []
    with pytest.raises(DataError, match="the server answered 403") as caught:
        download(file, tmp_path / "other.bin")
    assert len(server.requests) == 1
    assert f"put it at {tmp_path / 'other.bin'}" in caught.value.hint
    server.statuses, server.requests = [503] * 9, []
    with pytest.raises(DataError, match="503"):
        download(file, tmp_path / "other.bin")
    assert len(server.requests) == 5


@pytest.mark.parametrize("spoilt", [CONTENT[:-1], CONTENT[:-1] + b"x", b""])
def test_what_is_not_the_file_is_deleted(server: Server, file: RemoteFile, tmp_path: Path, spoilt: bytes) -> None:
    server.files["/data.bin"] = spoilt
    with pytest.raises(DataError, match="not the expected file"):
        download(file, tmp_path / "data.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_far_too_large_does_not_fill_the_disk(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT * 4
    for server.lengths in (True, False):
        with pytest.raises(DataError, match="where 1024000 were expected"):
            download(file, tmp_path / "data.bin")
        assert list(tmp_path.iterdir()) == []  # what came of it is no beginning of the file


@pytest.mark.parametrize("lengths", [True, False])
def test_neither_does_one_whose_size_nobody_tells(
    server: Server, lengths: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "_UNTOLD", 2 * len(CONTENT))
    file, place, server.lengths = RemoteFile(f"{server.url}/data.bin"), tmp_path / "data.bin", lengths
    server.files["/data.bin"] = CONTENT * 4
    with pytest.raises(DataError, match=f"at most {2 * len(CONTENT)} are taken of a file of unknown size") as caught:
        download(file, place)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1  # asking again does not help
    assert Texts("ko").said(f"error: {caught.value.message}") != f"error: {caught.value.message}"
    place.write_bytes(CONTENT * 4)  # as the hint says
    assert caught.value.hint.endswith(f"put it at {place}")
    download(file, place)
    place.unlink()
    server.files["/data.bin"] = CONTENT * 2
    download(file, place)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_at_once(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left on device"):
        download(file, tmp_path / "data.bin")
    assert len(server.requests) == 1


def test_without_a_published_checksum_the_first_sound_one_is_remembered(server: Server, tmp_path: Path) -> None:
    file = RemoteFile(f"{server.url}/data.bin")
    server.files["/data.bin"] = b"<html>log in to this network first</html>"
    download(file, tmp_path / "page.bin")  # nobody could read it, so it is not remembered
    server.files["/data.bin"] = CONTENT
    assert download(file, tmp_path / "one.bin") == SHA256
    remember(file, SHA256)
    assert download(file, tmp_path / "two.bin") == SHA256
    server.files["/data.bin"] = CONTENT[::-1]
    with pytest.raises(DataError, match=f"sha256 .*, expected {SHA256[:16]}") as caught:
        download(file, tmp_path / "three.bin")
    assert not (tmp_path / "three.bin").exists()
    memory = re.search(r"delete (\S+) and", caught.value.hint)
    assert memory is not None
    Path(memory[1]).unlink()  # as the hint says
    download(file, tmp_path / "three.bin")


def test_other_addresses_than_the_webs_are_not_followed(server: Server, file: RemoteFile, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for server.redirect in (f"file://{tmp_path}/secret", "ftp://127.0.0.1/data.bin"):
        with pytest.raises(DataError, match=r"not followed|not allowed"):
            download(file, tmp_path / "data.bin")
    with pytest.raises(DataError, match="must begin with http"):
        RemoteFile(f"file://{tmp_path}/secret")


def test_offline_nothing_is_asked(
    server: Server, file: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="nothing is downloaded with --offline") as caught:
        download(file, tmp_path / "data.bin")
    assert server.requests == []
    assert str(tmp_path / "data.bin") in caught.value.hint
