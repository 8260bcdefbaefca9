"""From a template and values to a page. What is printed into a page is shown as text, whoever wrote the template."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from topwork._version import __version__
from topwork.data import printable

MARK = '<meta name="generator" content="topwork'
"""What every page of this room holds in its first lines."""

_ISOLATE, _END = "\u2068", "\u2069"
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_BRIEF = 300  # characters; a path may have 4,096


def render(template: str, **values: Any) -> str:
    """Fill a template of this package.

    Every string is made printable and escaped on its way into the page; only what a template says itself is HTML.

    Args:
        template: Its file name below ``templates/``.
        values: What it names; one that is missing is an error.

    Returns:
        A whole page, which UTF-8 can hold.
    """
    return _templates().get_template(template).render(version=__version__, **values)


def brief(text: str, most: int = _BRIEF) -> str:
    """A name on one line, its middle left out where it is longer than ``most`` characters.

    >>> brief("a" * 30, 11)
    'aaaaa…aaaaa'
    """
    shown = printable(text)
    half = most // 2
    return shown if len(shown) <= most else f"{shown[:half]}…{shown[-half:]}"


def isolated(text: str, most: int = _BRIEF) -> str:
    """A name within a sentence, brief.

    One in right-to-left script stands between Unicode's first-strong isolates (UAX #9), or the words and numbers after
    it would be drawn before it. Where a name is all there is, ``<bdi>`` does the same.
    """
    shown = brief(text, most)
    turns = any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown)
    return f"{_ISOLATE}{shown}{_END}" if turns else shown


def percent(share: float) -> str:
    """A share as a person reads it: never ``100.0 %`` for what is not all, nor ``0.0 %`` for what is not nothing.

    >>> percent(0.919), percent(1), percent(0.99999)
    ('91.9 %', '100 %', '99.9 %')
    """
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %" if 0 < share < 1 else f"{100 * share:.1f} %"


@functools.cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("topwork.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["brief"] = brief
    found.filters["isolated"] = isolated
    found.filters["number"] = lambda count: f"{count:,}"
    found.filters["percent"] = percent
    return found


def _as_text(value: Any) -> Any:
    """Make text printable before it is escaped, but for isolates; what a template's own macro gave is HTML already."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    pieces = re.split(f"([{_ISOLATE}{_END}])", value)  # whoever wrote them, they turn nothing beyond their paragraph
    return "".join(piece if place % 2 else printable(piece) for place, piece in enumerate(pieces))
