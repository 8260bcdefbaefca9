"""What the user should know about a data set before training on it; each note is one plain sentence."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from topwork.data._names import printable, quoted

IMBALANCE = 10
"""The largest class may hold this many times the smallest one's images before a note says so."""


def training_notes(classes: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
    """Note empty classes, classes of one image, imbalance, and names that are hard to tell apart.

    Args:
        classes: C class names.
        counts: C numbers of training images.
    """
    return (
        *_empty(classes, counts),
        *_single(classes, counts),
        *_imbalance(classes, counts),
        *_alike(classes),
    )


def evaluation_notes(classes: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
    """Note the classes that an evaluation on these images cannot speak of."""
    missing = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if not missing:
        return ()
    return (f"no image of {_some(missing)}: nothing will be measured for {_them(missing)}",)


def _empty(classes: Sequence[str], counts: Sequence[int]) -> list[str]:
    names = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    return [f"no training image of {_some(names)}: kept as a class, never predicted well"] if names else []


def _single(classes: Sequence[str], counts: Sequence[int]) -> list[str]:
    names = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    return [f"only one training image of {_some(names)}: nothing can be held out to measure it"] if names else []


def _imbalance(classes: Sequence[str], counts: Sequence[int]) -> list[str]:
    filled = [(count, name) for name, count in zip(classes, counts, strict=True) if count]
    if not filled:
        return []
    (fewest, rare), (most, common) = min(filled), max(filled)
    if most <= IMBALANCE * fewest:
        return []
    return [
        f"imbalanced: '{printable(common)}' has {most:,} training images, '{printable(rare)}' has {fewest:,} "
        f"({most / fewest:,.0f}:1)"
    ]


def _alike(classes: Sequence[str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(_plain(name), []).append(name)
    return [
        f"class names {_spelt(names)} differ only by case or Unicode form: one class, or two?"
        for names in groups.values()
        if len(names) > 1
    ]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _spelt(names: Sequence[str]) -> str:
    """Show names; where they look the same (two Unicode forms), as code points."""
    if len({unicodedata.normalize("NFC", name) for name in names}) == len(names):
        return quoted(names)
    return ", ".join(ascii(name) for name in names)


def _some(names: Sequence[str]) -> str:
    """Show at most five names, so that a note on a thousand classes stays one line."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ("class " if len(names) == 1 else f"{len(names):,} classes: ") + quoted(names[:5]) + more


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
