"""Networks of torch.hub: code of others, which runs only at a pinned commit and once the user has said so.

``torchhub:OWNER/REPO:ENTRY@COMMIT`` names a function of the ``hubconf.py`` in a repository at one commit. ``trust``
fetches the code, without running it, and remembers what it looked like; ``require_trusted`` gives its folder for as
long as not a byte of it has changed. Trust is of this machine: a model that is made with such a network asks for it
again where it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork._system import cache_dir, write_whole, written_whole
from topwork.errors import BackboneError, DataError

PREFIX = "torchhub:"

_NAME = re.compile(
    r"torchhub:(?P<owner>[A-Za-z0-9](?:-?[A-Za-z0-9])*)/(?P<repo>[\w.-]+):(?P<entry>[A-Za-z_]\w*)(?:@(?P<commit>.*))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FOLDER = "torchhub"  # in the cache
_RECORD = "trusted.json"
_ARCHIVE = "https://github.com/{owner}/{repo}/archive/{commit}.zip"


@dataclass(frozen=True)
class HubName:
    """A function of a repository at one commit."""

    owner: str
    repo: str
    entry: str
    commit: str

    @property
    def spelled(self) -> str:
        """As the command line takes it."""
        return f"{PREFIX}{self.owner}/{self.repo}:{self.entry}@{self.commit}"

    @property
    def name(self) -> str:
        """As a network is called, which becomes the name of folders: owners have no two hyphens, entries have none."""
        return f"torchhub--{self.owner}--{self.repo}--{self.entry}--{self.commit}"

    @property
    def address(self) -> str:
        """The code's archive."""
        return _ARCHIVE.format(owner=self.owner, repo=self.repo, commit=self.commit)

    @property
    def place(self) -> Path:
        """Where the code is kept."""
        return cache_dir() / _FOLDER / f"{self.owner}--{self.repo}--{self.commit}"


def is_torchhub(name: str) -> bool:
    """Whether a name is one of torch.hub's, as the command line or as a record has it."""
    return name.startswith((PREFIX, "torchhub--"))


def parsed(name: str) -> HubName:
    """The parts of a name.

    Raises:
        BackboneError: It is no such name, or is not pinned to a commit.
    """
    if name.startswith("torchhub--"):
        owner, _, rest = name.removeprefix("torchhub--").partition("--")
        parts = rest.rsplit("--", 2)
        name = f"{PREFIX}{owner}/{parts[0]}:{parts[1]}@{parts[2]}" if len(parts) == 3 else name
    found = _NAME.fullmatch(name)
    if found is None:
        raise BackboneError(
            f"{name!r} is no network of torch.hub",
            hint="write torchhub:OWNER/REPO:NAME@COMMIT, such as NAME = resnet18",
        )
    if not _COMMIT.fullmatch(found["commit"] or ""):
        raise BackboneError(
            f"{name} is not pinned: code is run only from a commit, of 40 hexadecimal digits, since branches and tags "
            "may be moved",
            hint=f"git ls-remote https://github.com/{found['owner']}/{found['repo']} HEAD tells the newest commit",
        )
    return HubName(found["owner"], found["repo"], found["entry"], found["commit"])


def trust(name: str) -> Path:
    """Fetch the code of a network, and remember that the user lets it run. Nothing of it is run here.

    What is remembered is what was fetched: code that has changed since is not taken for that of its commit.

    Raises:
        BackboneError: It is not pinned to a commit, cannot be had, or has changed since it was trusted.
    """
    found = parsed(name)
    if _record(found) is not None:
        return require_trusted(name)
    _fetch(found)
    code = found.place / "code"
    record = {"address": found.address, "tree": _tree(code)}
    write_whole(found.place / _RECORD, json.dumps(record, indent=1).encode())
    return code


def require_trusted(name: str) -> Path:
    """The folder with a network's code, which the user lets run.

    Raises:
        BackboneError: The user has not said so on this machine, or the code has changed since.
    """
    found = parsed(name)
    hint = f"if you trust the code at https://github.com/{found.owner}/{found.repo}/tree/{found.commit}: "
    line = f"topwork models {found.spelled} --trust"
    record = _record(found)
    if record is None:
        raise BackboneError(
            f"{found.spelled} is code of others, which could do anything on this machine, so it is not run",
            hint=hint + line,
        )
    if record.get("tree") != _tree(found.place / "code"):
        raise BackboneError(
            f"{found.place / 'code'}: the code of {found.spelled} has changed since it was trusted, so it is not run",
            hint=f"delete {found.place}, and {line}",
        )
    return found.place / "code"


def _record(found: HubName) -> dict[str, Any] | None:
    """What is remembered of a network's code; None where this user does not trust it: a cache may be shared."""
    file = found.place / _RECORD
    with contextlib.suppress(OSError, ValueError):
        own = not hasattr(os, "getuid") or file.lstat().st_uid == os.getuid()
        record = json.loads(file.read_text("utf-8"))
        return record if own and isinstance(record, dict) else None
    return None


def _fetch(found: HubName) -> None:
    """Download and unpack a repository; its archive carries the commit that it was made of."""
    from topwork._web import RemoteFile, download, lift, remember, unpack

    archive = found.place.with_name(f"{found.place.name}.zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = RemoteFile(found.address)
        sha256 = download(file, archive)
        with zipfile.ZipFile(archive) as opened:
            told, roots = opened.comment.decode("ascii", "replace"), {n.partition("/")[0] for n in opened.namelist()}
        if told != found.commit or len(roots) != 1:
            raise BackboneError(f"{found.address}: is an archive of {told or 'no commit'}, not of {found.commit}")
        with written_whole(found.place, replace=True) as draft:
            (draft / "code").mkdir()
            unpack(archive, draft / "code")
            lift(draft / "code", roots.pop())
        remember(file, sha256)
    except DataError as error:
        raise BackboneError(error.message, hint=error.hint) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise BackboneError(f"{found.address}: cannot be unpacked: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _tree(folder: Path) -> str:
    """A hash of every file of a folder and its name; what Python compiles beside them does not count.

    Raises:
        BackboneError: A file cannot be read, and so could be anything.
    """
    digest = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    except OSError as error:
        raise BackboneError(f"{folder}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()
