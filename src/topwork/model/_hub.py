"""Models on the hub: a model's folder as a repository, by one commit, and back.

In: a folder, or ``hf:OWNER/NAME``. Out: what was pushed, or the folder. What is there already is not sent again, so an
upload that broke off goes on where it was. A token goes to the client alone, and never into a message.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork._system import optional
from topwork.data import printable
from topwork.errors import ModelError
from topwork.model._folder import BACKBONE, CARD, EXPLAINED, HISTORY, METHODS, NGRAMS, RECORD, REFERENCES, no_model

PREFIX = "hf:"
"""How the name of a model begins that is on the hub."""

_FILES = (RECORD, CARD, METHODS, REFERENCES, HISTORY, BACKBONE, NGRAMS, "report.html")
_TENSORS = ("head", "novelty", "training", "neighbours")
_PICTURES = f"{EXPLAINED}/*.png"
_SHOWING = ("report.html", "neighbours.safetensors", _PICTURES)  # what holds pictures of a person's data, or texts
_YES = ("1", "ON", "YES", "TRUE")
_LOGIN = "give a token that may write there in HF_TOKEN, or log in with `hf auth login`"
_AGAIN = "run the same command again: what was sent already is not sent twice"


@dataclass(frozen=True)
class Pushed:
    """What was pushed.

    Attributes:
        repository: Its whole name, ``OWNER/NAME``.
        address: Of the commit.
        commit: Its hash.
        files: What the repository has of the model, sorted.
        showing: Those among them that show training or held-out data.
    """

    repository: str
    address: str
    commit: str
    files: tuple[str, ...]
    showing: tuple[str, ...]


def push(
    folder: str | os.PathLike[str],
    repository: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Upload a model's folder to the hub, as one commit; the repository is made where there is none.

    Files of an earlier model that this one does not have are deleted there by the same commit; others stay.

    Args:
        folder: The model's.
        repository: ``OWNER/NAME``, or ``NAME`` for one of the token's owner.
        private: Whether a repository that is made is private.
        revision: A branch that is there already; the default one when None.
        token: What may write; the client's own (``HF_TOKEN``, ``hf auth login``) when None.

    Raises:
        ModelError: It is no model's folder, the name is none, nothing may be uploaded offline, or the hub refuses.
    """
    place = Path(folder)
    if not (place / RECORD).is_file():
        raise no_model(place)
    _require_online("nothing is uploaded with --offline")
    hub: Any = optional("huggingface_hub", extra="hub", what="pushing to the hub")
    files = _files_in(place)
    try:
        api = hub.HfApi(token=token)
        name = api.create_repo(repository, private=private or None, exist_ok=True).repo_id
        commit = api.upload_folder(
            repo_id=name,
            folder_path=place,
            revision=revision,
            commit_message="Model by topwork",
            allow_patterns=files,
            delete_patterns=[*_FILES, *(f"{each}.safetensors" for each in _TENSORS), _PICTURES],
        )
    except Exception as error:  # the client's, httpx's and xet's own errors have no base in common
        raise _refused(printable(repository), error, token) from error
    showing = tuple(file for file in files if any(Path(file).match(each) for each in _SHOWING))
    return Pushed(name, str(commit.commit_url), str(commit.oid), tuple(files), showing)


def hub_folder(name: str) -> Path:
    """The folder of a model that is on the hub, fetched into the client's cache; without a network what is there.

    Args:
        name: ``hf:OWNER/NAME``, or ``hf:OWNER/NAME@REVISION``.

    Raises:
        ModelError: It cannot be had.
    """
    hub: Any = optional("huggingface_hub", extra="hub", what="a model of the hub")
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    wanted = [*_FILES, *(f"{each}.safetensors" for each in _TENSORS)]
    try:
        found = hub.snapshot_download(
            repository, revision=revision or None, allow_patterns=wanted, local_files_only=_is_offline()
        )
    except Exception as error:
        raise _refused(printable(repository), error, None) from error
    return Path(found)


def _files_in(folder: Path) -> list[str]:
    """Names of what belongs to the model, sorted."""
    named = [*_FILES, *(f"{each}.safetensors" for each in _TENSORS)]
    drawn = [f"{EXPLAINED}/{path.name}" for path in folder.glob(_PICTURES)]
    return sorted([name for name in named if (folder / name).is_file()] + drawn)


def _is_offline() -> bool:
    """Whether no network may be used; the client looks only once, when it is imported."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def _require_online(message: str) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES:
        raise ModelError(message, hint="run it without --offline, and without HF_HUB_OFFLINE")


def _refused(repository: str, error: Exception, token: str | None) -> ModelError:
    """What the client says, in a line, without the token, should it ever be in it."""
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, errors.HFValidationError):
        return ModelError(f"{repository}: no name of a repository", hint="OWNER/NAME, of letters, digits, - _ and .")
    if status in (401, 403) or isinstance(error, errors.LocalTokenNotFoundError):
        return ModelError(f"{repository}: the hub does not let this token in", hint=_LOGIN)
    if isinstance(error, errors.LocalEntryNotFoundError):
        told = f"{repository}: is not on this machine, and the hub cannot be reached"
        return ModelError(told, hint="run it once where the hub can be reached")
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(f"{repository}: the repository has no such revision", hint="make that branch first")
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(f"{repository}: there is no such repository, or it needs a login", hint=_LOGIN)
    told = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
    told = told.replace(token, "…") if token else told
    return ModelError(f"{repository}: the hub cannot be used: {printable(told)}", hint=_AGAIN)
