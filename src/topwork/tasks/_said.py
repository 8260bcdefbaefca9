"""What the words of several tasks say alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from topwork._text import first_of
from topwork.data import printable

if TYPE_CHECKING:
    from topwork.data import LeftOut

_LEFT_OUT = 5


def counted(count: int, noun: str) -> str:
    """``1 image``, ``3 images``, ``2 boxes``, ``4 classes``."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}{'es' if noun.endswith(('s', 'x')) else 's'}"


def caveats(found: Any) -> list[str]:
    """Why the figures of an evaluation are better than the model, where they are known to be."""
    thing = found.dataset.thing
    if found.trained:
        return [
            f"{found.trained} of {len(found.dataset)} {thing}s were used to train this model, so these figures "
            f"are better than they would be on new {thing}s"
        ]
    seen = (
        f"The model was trained on most of these {thing}s, so these figures are better than they would be on new "
        f"{thing}s."
    )
    return [seen] if found.seen_in_training else []


def unread(left_out: Sequence[LeftOut]) -> list[str]:
    """The first rows that could not be read, and how many more there are."""
    lines = [f"left out: {printable(item.path)}: {item.reason}" for item in left_out]
    return first_of(lines, _LEFT_OUT, "left out: … and {} more; --json lists them all")
