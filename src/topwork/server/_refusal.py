"""How the server says no: one exception, one shape of answer, whatever the status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from topwork.server._language import said


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: HTTP's.
        error: What is wrong, in plain words.
        hint: What to do about it; may be empty.
        headers: More of the answer's.
    """

    def __init__(self, status: int, error: str, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.hint = status, error, hint
        self.headers = dict(headers or {})

    @property
    def body(self) -> bytes:
        """JSON: ``{"error", "hint"}``."""
        return self.body_for("")

    def body_for(self, accept: str) -> bytes:
        """The same in the language that a client's ``Accept-Language`` asks for."""
        return as_json({"error": said(self.error, accept), "hint": said(self.hint, accept)})


def as_json(value: Any) -> bytes:
    """JSON in UTF-8; of half a character, which UTF-8 does not have, JSON's own escape, which Python writes alike."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def too_busy() -> RefusedError:
    """503: as much is under way as may be."""
    return RefusedError(503, "the server is busy", "try again in a second", {"retry-after": "1"})


def too_late(seconds: float) -> RefusedError:
    """504: the deadline has passed."""
    return RefusedError(504, f"there was no answer within {seconds:g} seconds", "try again, or send fewer at once")


def unusable(error: str, hint: str = "") -> RefusedError:
    """422: what was sent cannot be used."""
    return RefusedError(422, error, hint)


def gone() -> RefusedError:
    """The client has left; nobody reads this."""
    return RefusedError(499, "the client has left")
