"""What the server says to people, in the language that a client asks for: English, or Korean where it prefers that."""

from __future__ import annotations

import functools

from topwork._texts import LIBRARY, Texts
from topwork.tasks import packages


def said(text: str, accept: str) -> str:
    """A sentence as ``Accept-Language`` wants it; in English unless Korean comes first there."""
    return _korean().said(text) if accept.strip()[:2].lower() == "ko" else text


@functools.cache
def _korean() -> Texts:
    return Texts("ko", (LIBRARY, *packages(), "topwork.server"))
