"""Corrections: images and texts with the class that a person gave them, kept as a folder that ``topwork fit`` reads.

``DIR/LABEL/<16 digits of the content's hash>.jpg``, and a line of ``DIR/collected.jsonl`` each, with what the model had
said. What is sent twice is kept once; with another label it moves.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import threading
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from topwork._system import write_whole
from topwork.data.formats import format_of
from topwork.errors import TopworkError
from topwork.model import Prediction
from topwork.server._refusal import RefusedError, unusable

_LONGEST = 200  # bytes of a label: a folder's name takes 255
_MOST = 2_000  # labels
_DIGITS = 16
_NO_NAME = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # what some file system does not take
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)  # Windows': no folders
_SYSTEM = ("__macosx", "desktop.ini", "ehthumbs.db", "thumbs.db")  # fit passes over them
_SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif"}  # the others' are their names
_LOG = "collected.jsonl"


class Collection:
    """The folder into which corrections go; may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before there is something to keep.

        Raises:
            TopworkError: It cannot be written.
        """
        self._folder, self._lock = folder, threading.Lock()
        try:
            nearest = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise TopworkError(
                f"{folder}: cannot be written: {error.strerror or error}", hint="choose another folder for --collect"
            ) from error

    def save(self, content: bytes | str, label: str, model: str, said: Prediction) -> str:
        """Keep one image or text.

        Args:
            content: The file's bytes, of an image that can be decoded; or a text.
            label: Its class, as ``plain_label`` gives it.
            model: The name of the model that was asked.
            said: Its answer.

        Returns:
            Where it is, below the folder.

        Raises:
            RefusedError: 422 for more labels than are taken, 507 where the disk cannot be written.
        """
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        name = hashlib.sha256(data).hexdigest()[:_DIGITS] + _suffix(content)
        with self._lock:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                before = self._labels_of(name)
                self._require_room(label)
                (self._folder / label).mkdir(exist_ok=True)
                if label not in before:
                    self._place(name, label, before[:1], data)
                for other in before:
                    self._leave(name, other, label)
                self._tell(f"{label}/{name}", label, model, said, before)
            except OSError as error:
                raise RefusedError(507, f"it cannot be saved: {error.strerror or error}") from error
        return f"{label}/{name}"

    def _labels_of(self, name: str) -> list[str]:
        """Labels under which a content is kept already."""
        return [each for each in self._labels() if (self._folder / each / name).is_file()]

    def _labels(self) -> list[str]:
        with os.scandir(self._folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())

    def _require_room(self, label: str) -> None:
        labels = self._labels()
        if label not in labels and len(labels) >= _MOST:
            raise unusable(f"there are {_MOST:,} labels already", "use one of them")

    def _place(self, name: str, label: str, before: Sequence[str], data: bytes) -> None:
        """Put a file where it belongs, from where it was, if it was anywhere."""
        target = self._folder / label / name
        if before:
            os.replace(self._folder / before[0] / name, target)
        else:
            write_whole(target, data)

    def _leave(self, name: str, other: str, label: str) -> None:
        """Take a file out of another label's folder, and the folder away where it was the last: it would be a class."""
        if other == label:
            return
        (self._folder / other / name).unlink(missing_ok=True)
        if not any((self._folder / other).iterdir()):
            (self._folder / other).rmdir()

    def _tell(self, file: str, label: str, model: str, said: Prediction, before: Sequence[str]) -> None:
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "file": file,
            "label": label,
            "model": model,
            "answer": said.label,
            "probability": said.probability,
            **({"was": [each for each in before if each != label]} if set(before) - {label} else {}),
        }
        with (self._folder / _LOG).open("ab") as log:
            log.write(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            log.flush()
            os.fsync(log.fileno())


def plain_label(label: str) -> str:
    """A label that can be a folder's name everywhere, in Unicode's composed form.

    Raises:
        RefusedError: 422 where it cannot.
    """
    found = unicodedata.normalize("NFC", label).strip()
    faults = {
        "it is empty": not found,
        f"it is longer than {_LONGEST} bytes": len(found.encode("utf-8", "replace")) > _LONGEST,
        'it holds a character that no folder may have: < > : " / \\ | ? * or a control character': bool(
            _NO_NAME.search(found)
        ),
        "it holds half a character": any("\ud800" <= each <= "\udfff" for each in found),
        "it begins or ends with a dot": found.startswith(".") or found.endswith("."),
        "it is the name of a device or of the system": bool(_DEVICES.fullmatch(found)) or found.casefold() in _SYSTEM,
    }
    for fault, holds in faults.items():
        if holds:
            raise unusable(f"the label cannot be used: {fault}", "use a plain word or two")
    return found


def _suffix(content: bytes | str) -> str:
    if isinstance(content, str):
        return ".txt"
    kind = format_of(content)
    return _SUFFIXES.get(kind, f".{kind.lower()}")
