"""The hub: one file of a repository at one commit, out of huggingface_hub's cache or fetched into it, and its hash.

What is in the cache is used without asking; the network is for what is not. A file whose hash is wrong does not stay.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from topwork._system import sha256_of
from topwork.errors import BackboneError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_OPTION = "it with --weights FILE.safetensors, or its folder"
_YES = ("1", "ON", "YES", "TRUE")  # as the client takes them; it looks only once, when it is imported


@dataclass(frozen=True)
class HubFile:
    """A file of the hub's on this machine."""

    path: Path
    revision: str  # a commit
    sha256: str


def fetch(
    repository: str,
    file: str,
    *,
    revision: str = "",
    sha256: str = "",
    offline: bool = False,
    option: str = _OPTION,
    instead: Callable[[], str] = str,
) -> HubFile:
    """A file of the hub's, verified.

    Args:
        repository: ``owner/name``.
        file: Its path in the repository, with forward slashes.
        revision: The commit; when empty the default branch's, or the one that the cache holds as that.
        sha256: The hash that the file must have; when empty the one that the hub told when it was fetched.
        offline: Whether to use no network; ``HF_HUB_OFFLINE=1`` says so too.
        option: How the command line takes a file that was fetched by hand.
        instead: Gives what else would do where the hub cannot be reached; it stands before the rest of the hint.

    Raises:
        BackboneError: It is not available, or not what it must be; then it is deleted from the cache.
    """
    from huggingface_hub import constants, errors

    try:
        path = cached_file(repository, file, revision)
    except errors.HFValidationError as error:
        raise BackboneError(
            f"{repository}: there is no such folder, and it is no name of a repository",
            hint="a repository of the hub is called owner/name",
        ) from error
    if path is None:
        if offline or constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "") in _YES:
            raise BackboneError(
                f"{repository}/{file} is not on this machine, and nothing is downloaded with --offline",
                hint=instead() + _by_hand(repository, file, revision, option),
            )
        path = _downloaded(repository, file, revision, option, instead)
    actual, promised = file_sha256(path), _promised(path)
    if sha256 and actual == promised != sha256:  # what the hub has: it is the caller who wants another file
        raise BackboneError(
            f"{repository}/{file} at {revision or 'its newest commit'} is not the requested file (sha256 "
            f"{actual[:16]}, expected {sha256[:16]})",
            hint="the model was changed, or was made from another file",
        )
    expected = sha256 or promised
    if expected and actual != expected:
        _forget(path)
        raise BackboneError(
            f"{repository}/{file}: not the expected file (sha256 {actual[:16]}, expected {expected[:16]})",
            hint=f"delete {path}"
            if path.exists()
            else "it was deleted; try again, and if that does not help, the hub or a proxy serves another file",
        )
    return HubFile(path, path.parents[len(PurePosixPath(file).parts) - 1].name, actual)


def fetch_if_there(repository: str, file: str, *, revision: str, offline: bool = False) -> Path | None:
    """A file that a repository may have; None where it has none, or where that is not known without a network.

    Raises:
        BackboneError: The hub cannot be reached, or what it gives is not what it promised.
    """
    from huggingface_hub import constants, errors, try_to_load_from_cache

    known = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(known, str):
        return Path(known)
    if known is not None or offline or constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "") in _YES:
        return None  # what is not None says that the hub had none
    try:
        return fetch(repository, file, revision=revision).path
    except BackboneError as error:
        if isinstance(error.__cause__, errors.RemoteEntryNotFoundError):
            return None
        raise


def file_sha256(path: Path) -> str:
    """The file's sha256 in hexadecimal; kept for as long as its size and time of change stay."""
    facts = path.stat()
    return _sha256_of(path, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _sha256_of(path: Path, size: int, modified: int) -> str:
    return sha256_of(path)


def cached_file(repository: str, file: str, revision: str = "") -> Path | None:
    """The file in the client's cache; None where it is not there. No network is used."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file, revision=revision or None)
    return Path(found) if isinstance(found, str) else None


def _downloaded(repository: str, file: str, revision: str, option: str, instead: Callable[[], str]) -> Path:
    """Fetch a file; the client resumes where a connection broke, and publishes it whole or not at all.

    Without a network the client would try for half a minute, so the hub is asked once before. An answer, be it a bad
    one, is left to the client, which knows when to try again.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with contextlib.suppress(HfHubHTTPError):
            get_hf_file_metadata(hf_hub_url(repository, file, revision=revision or None))
        return Path(hf_hub_download(repository, file, revision=revision or None))
    except Exception as error:  # the client's, httpx's and xet's own errors have no base in common
        raise BackboneError(
            f"{repository}/{file} cannot be downloaded from the hub: {_reason(error)}",
            hint=instead() + _by_hand(repository, file, revision, option),
        ) from error


def _reason(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # the client's own words are of a connection, whatever the hub has answered
    reasons = {
        errors.GatedRepoError: "its terms have to be accepted on the hub first",
        errors.RepositoryNotFoundError: "there is no such repository, or it needs a login",
        errors.RevisionNotFoundError: "the repository has no such revision",
        errors.EntryNotFoundError: "the repository has no such file",
    }
    told = next((text for kind, text in reasons.items() if isinstance(error, kind)), None)
    return told or str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__


def _by_hand(repository: str, file: str, revision: str, option: str) -> str:
    """What to fetch and where to put it; a commit's file has a place of its own in the client's cache."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name

    url = hf_hub_url(repository, file, revision=revision or None)
    if not revision:
        return f"download {url} on another machine and pass {option}"
    folder = repo_folder_name(repo_id=repository, repo_type="model")
    place = Path(constants.HF_HUB_CACHE, folder, "snapshots", revision, file)
    return f"download {url} on another machine and put it at {place}"


def _promised(path: Path) -> str:
    """The sha256 that the hub told: the cache links to a large file by it. Empty for a small file or a copy."""
    name = path.readlink().name if path.is_symlink() else ""
    return name if _SHA256.fullmatch(name) else ""


def _forget(path: Path) -> None:
    """Delete a file from the client's cache, and what its links lead to; nothing where the cache is another's."""
    with contextlib.suppress(OSError):
        while path.is_symlink():
            target = path.parent / path.readlink()
            path.unlink()
            path = target
        path.unlink()
