"""From a template and values to a page, and to its file.

What is printed into a page is shown as text, whoever wrote the template.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from topwork._system import cache_dir, fault_of_place, write_whole
from topwork._version import __version__
from topwork.data import printable
from topwork.errors import ReportError
from topwork.report._texts import KIT

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment

MARK = '<meta name="generator" content="topwork'
"""What every page of this room holds in its first lines."""

STYLE = Path(__file__).parent / "templates" / "style.css"
"""The style of every page."""

_ISOLATE, _END = "\u2068", "\u2069"
_JOINERS = "\u200c\u200d\u00ad"  # zero width non-joiner and joiner, soft hyphen
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_PERCENT = re.compile("(?<=[0-9]) %")  # the space of 91.9 % ends no line
_BRIEF = 300  # characters; a path may have 4,096


def render(template: str, *, packages: Sequence[str] = (), **values: Any) -> str:
    """Fill a template, of the kit's or of these packages; those are named ``PACKAGE:FILE``.

    Every string is made printable and escaped on its way into the page, so that UTF-8 can hold it; only what a template
    says itself is HTML. A value that is missing is an error.
    """
    return _templates(tuple(packages)).get_template(template).render(version=__version__, **values)


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


def prose(text: str) -> Markup:
    """A text as what it says, escaped for a page: what cannot be seen, or would turn what follows, becomes an escape.

    Spaces of all kinds stay, and what joins letters and emoji or keeps them apart.
    """
    text = text.replace("\t", " ")
    kept = (
        each if each.isprintable() or each in _JOINERS or unicodedata.category(each) == "Zs" else printable(each)
        for each in text
    )
    return Markup.escape(text if text.isprintable() else "".join(kept))


def percent(share: float) -> str:
    """A share as a person reads it: never ``100.0 %`` for what is not all, nor ``0.0 %`` for what is not nothing.

    >>> percent(0.919), percent(1), percent(0.99999)
    ('91.9 %', '100 %', '99.9 %')
    """
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %" if 0 < share < 1 else f"{100 * share:.1f} %"


@functools.cache
def _templates(packages: tuple[str, ...]) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

    kit, colours = PackageLoader(KIT), PackageLoader("topwork.drawing", ".")
    found = Environment(
        loader=ChoiceLoader(
            [kit, colours, PrefixLoader({KIT: kit} | {each: PackageLoader(each) for each in packages}, ":")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled(),
    )
    found.filters["brief"] = brief
    found.filters["isolated"] = isolated
    found.filters["number"] = lambda count: f"{count:,}"
    found.filters["percent"] = percent
    found.filters["prose"] = prose
    return found


def _compiled() -> BytecodeCache | None:
    """Where compiled templates lie: to compile them takes longer than to fill them in. None where nothing can lie."""
    from jinja2 import FileSystemBytecodeCache
    from jinja2.bccache import Bucket

    class Compiled(FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: Bucket) -> None:
            with contextlib.suppress(OSError):  # a disk that is full or may not be written
                super().dump_bytecode(bucket)

    folder = cache_dir() / "templates"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return Compiled(str(folder))


def _as_text(value: Any) -> Any:
    """Make text printable before it is escaped, but for isolates; what a template's own macro gave is HTML already."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    pieces = re.split(f"([{_ISOLATE}{_END}])", value)  # whoever wrote them, they turn nothing beyond their paragraph
    shown = "".join(piece if place % 2 else printable(piece) for place, piece in enumerate(pieces))
    return _PERCENT.sub("\xa0%", shown)


def write_page(html: str, path: str | os.PathLike[str]) -> Path:
    """Write a page, whole or not at all.

    Args:
        html: The page.
        path: A file; its folder must be there. An earlier page of topwork's may lie there and is replaced; nothing
            else is.

    Returns:
        The path.

    Raises:
        ReportError: The folder is not there or cannot be written, or ``path`` is something else of the user's.
    """
    final = Path(path)
    require_free(final)
    try:
        write_whole(final, html.encode("utf-8"))
    except OSError as error:
        raise _not_written(final, error) from error
    return final


def require_free(path: str | os.PathLike[str], *, without: Collection[str] = (), thing: str = "image") -> None:
    """Refuse, before any work is done, a place where ``write_page`` would not write.

    Args:
        path: Where the page is to go.
        without: Sections of a data set's images (``Section.of_images``) that it will not have. It must not replace a
            page that has one: the pictures may be nowhere else.
        thing: What a row of the data set is called.

    Raises:
        ReportError: The folder is not there or cannot be written, or something else than an earlier page is there, or
            one with images where there are to be none.
    """
    final = Path(path)
    try:
        fault = fault_of_place(final, lambda head: MARK.encode() in head, "page of topwork's")
        lost = not fault and _has_section(final, without)
    except OSError as error:
        raise _not_written(final, error) from error
    if fault:
        raise ReportError(f"{printable(str(final))}: {fault}", hint="choose another name")
    if lost:
        raise ReportError(
            f"{printable(str(final))}: this page shows {thing}s, and a page without {thing}s would replace it",
            hint=f"give the {thing}s with --data, or choose another page with -o",
        )


def _has_section(page: Path, names: Collection[str]) -> bool:
    """Whether a page, perhaps not there, has a section of one of these names."""
    html = page.read_bytes() if names and page.exists() else b""
    return any(f'<h2 id="{name}">'.encode() in html for name in names)


def _not_written(final: Path, error: OSError) -> ReportError:
    return ReportError(
        f"{printable(str(final))}: cannot be written: {error.strerror or error}",
        hint="choose a file in an existing, writable folder",
    )
