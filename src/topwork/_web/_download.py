"""Downloads one file: goes on where it broke off, tries again, and keeps nothing that is not what it must be."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from topwork._system import cache_dir, write_whole
from topwork._version import __version__
from topwork.errors import DataError

_ALGORITHMS = {"md5": 32, "sha256": 64}

Progress = Callable[[int, int], None]
"""Is told bytes that are here and bytes in all, 0 where that is not known."""

_PIECE = 2**20
_SECONDS = 60.0  # without a byte
_TRIES = 5  # one after another that bring nothing
_PAUSES = (0.0, 1.0, 3.0, 10.0, 30.0)
_SLACK = 2**20  # bytes that a file may have over what the catalogue says: sizes are published in round numbers too
_UNTOLD = 2**30  # bytes of a file whose size the catalogue leaves out, as it does of small ones, whatever a server says
_YES = ("1", "ON", "YES", "TRUE")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOENT)
_FAULTS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, OSError)


@dataclass(frozen=True)
class RemoteFile:
    """One file of the web.

    Attributes:
        address: Where it is published.
        bytes: Its size, 0 where it is not known.
        algorithm: ``md5`` or ``sha256``; empty where no checksum is published.
        checksum: In hexadecimal.
    """

    address: str
    bytes: int = 0
    algorithm: str = ""
    checksum: str = ""

    def __post_init__(self) -> None:
        """Refuse, by a DataError, what cannot be a file's facts."""
        digits = _ALGORITHMS.get(self.algorithm, 0)
        checks = {
            "an address must begin with http:// or https://": urlsplit(self.address).scheme in ("http", "https"),
            "a checksum must be md5:… or sha256:… in hexadecimal": re.fullmatch(rf"[0-9a-f]{{{digits}}}", self.checksum)
            is not None
            and bool(self.algorithm) == bool(self.checksum),
            "a size must not be below 0": self.bytes >= 0,
        }
        for complaint, fine in checks.items():
            if not fine:
                raise DataError(f"{self.address}: {complaint}")

    @property
    def name(self) -> str:
        """Its name on the disk."""
        return unquote(urlsplit(self.address).path).rstrip("/").rpartition("/")[2] or "file"


class _Redirected(urllib.request.HTTPRedirectHandler):
    """Follows to other addresses of the web alone, and from an encrypted one to encrypted ones."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https") or (before, after) == ("https", "http"):
            raise DataError(f"{req.full_url}: is sent on to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_offline() -> bool:
    """Whether nothing may be downloaded: ``--offline`` and ``HF_HUB_OFFLINE=1`` say so."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def download(file: RemoteFile, place: Path, progress: Progress | None = None) -> str:
    """Fetch a file to a place, unless it is there; what came before a break is kept as ``PLACE.part``.

    Args:
        file: Its address, size and checksum.
        place: Where it is to lie; its folder is there.
        progress: Is told how much has come.

    Returns:
        Its sha256 in hexadecimal. Where no checksum is published, ``remember`` it once the file has proved sound.

    Raises:
        DataError: It cannot be had, or is not what it must be; then it is deleted.
    """
    if not place.is_file():
        if is_offline():
            raise DataError(
                f"{file.address} is not on this machine, and nothing is downloaded with --offline",
                hint=f"download it on another machine and put it at {place}",
            )
        part = place.with_name(f"{place.name}.part")
        _fetch(file, part, progress)
        os.replace(part, place)
        part.with_name(f"{part.name}.etag").unlink(missing_ok=True)
    return _verified(file, place)


def _fetch(file: RemoteFile, part: Path, progress: Progress | None) -> None:
    """Fill the part until it is whole; a try that brought something does not count."""
    tries, last = 0, ""
    while tries < _TRIES:
        time.sleep(_PAUSES[tries])
        before = _size(part)
        try:
            if _attempt(file, part, progress):
                return
            last = f"the connection ended after {_size(part)} bytes"
        except urllib.error.HTTPError as error:
            last = f"the server answered {error.code} {error.reason}"
            if error.code == 416:  # there is no more than what is here, or it is not the beginning of what is there now
                if error.headers.get("Content-Range") == f"bytes */{_size(part)}":
                    return
                part.unlink(missing_ok=True)
            elif error.code not in (408, 425, 429, 500, 502, 503, 504):
                break
        except _FAULTS as error:
            last = str(getattr(error, "reason", "") or error) or type(error).__name__
            number = getattr(error, "errno", None)
            if number in _DISK:  # asking again does not help
                last = os.strerror(number)
                break
        tries = 0 if _size(part) > before else tries + 1
    raise DataError(
        f"{file.address} cannot be downloaded: {last}",
        hint="run the same command again, which goes on where it broke off, or download it by other means and put it "
        f"at {part.with_name(part.name.removesuffix('.part'))}",
    )


def _attempt(file: RemoteFile, part: Path, progress: Progress | None) -> bool:
    """One answer of the server; whether the part is whole after it."""
    here, tag = _size(part), part.with_name(f"{part.name}.etag")
    headers = {"User-Agent": f"topwork/{__version__}", "Accept-Encoding": "identity"}
    known = tag.read_text("utf-8") if here and tag.is_file() else ""
    if here:
        headers |= {"Range": f"bytes={here}-", **({"If-Range": known} if known else {})}
    request = urllib.request.Request(file.address, headers=headers)
    with urllib.request.build_opener(_Redirected).open(request, timeout=_SECONDS) as answer:
        starts = _start(answer)
        if starts not in (0, here):  # not what was asked for: the next try begins anew
            part.unlink(missing_ok=True)
            return False
        if starts == 0 and here:  # the server sends all of it: it knows no ranges, or the file has changed
            here = 0
            part.unlink(missing_ok=True)
        told = answer.headers.get("Content-Length", "")
        whole = here + int(told) if told.isdecimal() else None
        _require_size(file, whole or 0, part)
        if etag := answer.headers.get("ETag", ""):
            tag.write_text(etag, "utf-8")
        with part.open("ab") as out:
            while piece := answer.read1(_PIECE):  # what has come, so that a stall loses nothing
                out.write(piece)
                here += len(piece)
                _require_size(file, here, part)
                if progress is not None:
                    progress(here, whole or file.bytes)
    return here >= file.bytes if whole is None else here == whole


def _start(answer: Any) -> int:
    """Which byte an answer begins with; -1 where it does not say so."""
    if answer.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _require_size(file: RemoteFile, size: int, part: Path) -> None:
    """Refuse an answer that is much larger than the file, before it fills the disk; what came of it is deleted."""
    most = file.bytes + max(_SLACK, file.bytes // 50) if file.bytes else _UNTOLD
    if size <= most:
        return
    for each in (part, part.with_name(f"{part.name}.etag")):
        each.unlink(missing_ok=True)
    if file.bytes:
        raise DataError(
            f"{file.address}: has {size} bytes or more, where {file.bytes} were expected",
            hint="its makers have published another file at this address",
        )
    raise DataError(
        f"{file.address}: has {size} bytes or more, where at most {most} are taken of a file of unknown size",
        hint=f"download it by other means and put it at {part.with_name(part.name.removesuffix('.part'))}",
    )


def _size(part: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return part.stat().st_size
    return 0


def _verified(file: RemoteFile, place: Path) -> str:
    """The file's sha256; where its checksum is another than the published or first seen one, it is deleted."""
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", file.algorithm} if name}
    with place.open("rb") as content:
        while piece := content.read(_PIECE):
            for digest in digests.values():
                digest.update(piece)
    found = {name: digest.hexdigest() for name, digest in digests.items()}
    if file.checksum and found[file.algorithm] != file.checksum:
        place.unlink()
        raise DataError(
            f"{file.address}: not the expected file ({file.algorithm} {found[file.algorithm][:16]}, expected "
            f"{file.checksum[:16]})",
            hint="it was deleted; try again, and if that does not help, the server or a proxy serves another file",
        )
    if not file.checksum:
        _require_first_seen(file, place, found["sha256"])
    return found["sha256"]


def _require_first_seen(file: RemoteFile, place: Path, sha256: str) -> None:
    """Refuse, and delete, a file that is another than the one that came from its address before."""
    memory = _memory(file)
    seen = ""
    with contextlib.suppress(OSError, ValueError):
        seen = memory.read_text("ascii").strip()
    if seen and seen != sha256:
        place.unlink()
        raise DataError(
            f"{file.address}: another file than the one that was first downloaded (sha256 {sha256[:16]}, expected "
            f"{seen[:16]})",
            hint=f"it was deleted; if its makers have published a new version, delete {memory} and try again",
        )


def remember(file: RemoteFile, sha256: str) -> None:
    """Take this content, which was unpacked and read, for the file's from now on, where no checksum is published."""
    memory = _memory(file)
    with contextlib.suppress(OSError):
        if not file.checksum and not memory.is_file():
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_whole(memory, sha256.encode())


def _memory(file: RemoteFile) -> Path:
    return cache_dir() / "downloads" / f"{hashlib.sha256(file.address.encode()).hexdigest()[:32]}.sha256"
