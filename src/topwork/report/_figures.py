"""A model's figures for print: SVG, PNG and PDF of one drawing each, by matplotlib, which is an extra."""

from __future__ import annotations

import contextlib
import functools
import io
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork._system import optional, write_whole
from topwork.data import printable
from topwork.errors import ReportError
from topwork.model import Model
from topwork.report._model import PageContext
from topwork.report._page import brief
from topwork.report._texts import KIT, Language, Texts

_KINDS = ("svg", "png", "pdf")
_DOTS = 300  # an inch, of the PNG
_MARK = "topwork"  # in every file, so that a later run may replace it
_FAMILIES = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic")
_STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "svg.fonttype": "path",  # letters as shapes: the same wherever it is opened
    "svg.hashsalt": _MARK,  # the same file again for the same model
    "text.usetex": False,
    "text.parse_math": False,  # a class may be called $x$
}


@dataclass(frozen=True)
class PrintFigure:
    """One figure that a model's task draws.

    Attributes:
        name: Of its files: ``confusion-matrix`` for ``confusion-matrix.svg``.
        draw: Draws it of a page's context on matplotlib's axes; False where there is nothing to draw. Its texts go
            through ``letters``.
        size: Width and height in inches.
        package: Where ``texts/LANGUAGE.toml`` with its words lies, beside this kit's.
    """

    name: str
    draw: Callable[[PageContext, Any], bool]
    size: tuple[float, float] = (3.5, 2.8)
    package: str = KIT


def write_figures(
    model: Model,
    folder: Path,
    figures: Sequence[PrintFigure],
    evaluated: Any = None,
    *,
    language: Language = "en",
) -> list[Path]:
    """Write a model's figures, each as SVG, PNG (300 dots an inch) and PDF.

    The same model and images give the same files. Letters that no font here has are written as escapes, not as boxes.

    Args:
        model: What they are about.
        folder: Where; it is made where it is not there.
        figures: What the model's task draws.
        evaluated: What labelled images said of it; what it was measured on at its fit when None, and where that is not
            known either, the figures of its record.
        language: Of the words in them.

    Returns:
        The files, in the order of the figures.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ReportError: The task draws none, a file of the user's has the name of one, or the folder cannot be written.
    """
    require_matplotlib()
    if not figures:
        raise ReportError(f"models of the task {model.record.task.name} have no figures for print")
    found = model.held_out if evaluated is None else evaluated
    packages = tuple(dict.fromkeys(figure.package for figure in figures if figure.package != KIT))
    page = PageContext(model, "", found, Texts(language, packages, model.thing), None, (), False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_ours(folder / f"{figure.name}.{kind}" for figure in figures for kind in _KINDS)
        drawn = {name: content for figure in figures for name, content in _drawn(figure, page).items()}
        for name, content in drawn.items():
            write_whole(folder / name, content)
    except OSError as error:
        raise ReportError(
            f"{printable(str(folder))}: the figures cannot be written: {error.strerror or error}",
            hint="choose another folder with --figures",
        ) from error
    return [folder / name for name in drawn]


def require_matplotlib() -> None:
    """Refuse figures where matplotlib is not installed (``MissingExtraError``)."""
    optional("matplotlib", extra="figures", what="writing figures for print")


def _require_ours(files: Iterable[Path]) -> None:
    for file in files:
        if file.exists() and not (file.is_file() and _MARK.encode() in file.read_bytes()):
            raise ReportError(
                f"{printable(str(file))}: already exists and is not a figure of topwork; it was not changed",
                hint="choose another folder with --figures",
            )


def _drawn(figure: PrintFigure, page: PageContext) -> Mapping[str, bytes]:
    """Its files by their names; none where it has nothing to show."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: Any = _STYLE | {"font.family": _families()}
    with rc_context(style):
        canvas = Figure(figsize=figure.size, layout="constrained")
        if not figure.draw(page, canvas.add_subplot()):
            return {}
        return {f"{figure.name}.{kind}": _saved(canvas, kind) for kind in _KINDS}


def _saved(canvas: Any, kind: str) -> bytes:
    file = io.BytesIO()
    facts: dict[str, dict[str, Any]] = {
        "svg": {"Creator": _MARK, "Date": None},
        "png": {"Software": _MARK},
        "pdf": {"Creator": _MARK, "CreationDate": None},
    }
    canvas.savefig(file, format=kind, dpi=_DOTS, metadata=facts[kind])
    return file.getvalue()


@functools.cache
def _families() -> list[str]:
    """Matplotlib's own font, and those here that have Korean, Chinese and Japanese letters."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    listed = {entry.fname for entry in manager.ttflist}
    for file in set(font_manager.findSystemFonts()) - listed:  # installed since matplotlib made its list
        with contextlib.suppress(Exception):  # whatever a damaged font makes of it
            manager.addfont(file)
    known = manager.get_font_names()
    others = sorted(name for name in known if "CJK" in name)
    return ["DejaVu Sans", *dict.fromkeys([name for name in _FAMILIES if name in known] + others)]


@functools.cache
def _known() -> frozenset[int]:
    """Characters that one of the families has."""
    from matplotlib import font_manager

    files = {font_manager.findfont(font_manager.FontProperties(family=[family])) for family in _families()}
    return frozenset(character for file in files for character in font_manager.get_font(file).get_charmap())


def letters(text: str) -> str:
    """A text as it can be drawn: a letter that no font has loses its accents, or becomes an escape."""
    return "".join(each if each.isascii() or ord(each) in _known() else _escaped(each) for each in brief(text, 40))


def _escaped(character: str) -> str:
    plain = "".join(each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each))
    return plain if plain.isascii() and plain else character.encode("unicode_escape").decode("ascii")
