"""A model as a page: its frame, and what the sections that it is given are asked about."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from topwork.checking import Checkup
from topwork.data import BoxDataset
from topwork.explain import Explanation
from topwork.model import Model, ModelRecord
from topwork.report._excerpts import Excerpts, album_of
from topwork.report._page import brief, render
from topwork.report._pictures import Album, MapAlbum, Sheets
from topwork.report._texts import KIT, Language, Texts

_ROOM = 600_000  # characters of pictures that sections share; some have room of their own
_ROOM_BOXED = 1_500_000  # the same where objects in the pictures must be seen, so that each is larger
_ROOM_OF_SHEETS = 700_000  # of what was found out about the model before


@dataclass(frozen=True)
class Missing:
    """What a section gives in place of values where it is empty and a command would fill it."""

    command: str


@dataclass(frozen=True)
class PageContext:
    """What a model's page is about: each section makes its values of it.

    Attributes:
        model: Its record and its head.
        name: Of the model, brief.
        evaluated: What labelled images said of it, image by image; None where that is not known.
        t: The texts.
        checkup: What the data doctor found; None where it was not asked.
        explained: What was found out about the model before.
        evidence: Whether there are to be maps of where the model saw a class.
        cache: Whether these are kept on disk.
        place: What commands call the model: its folder, as whoever made the page named it.
        data: What they call the data; empty where that is not known.
        defaults: What ``fit`` would have been given without a wish of the user's, as the record has it.
    """

    model: Model
    name: str
    evaluated: Any
    t: Texts
    checkup: Checkup | None
    explained: tuple[Explanation, ...]
    evidence: bool
    cache: bool = True
    place: str = ""
    data: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def without_images(self) -> Missing:
        """What a section gives that needs images where there are none."""
        return Missing(self.command("topwork report {model} --data {data}"))

    def command(self, line: str) -> str:
        """A command that can be pasted where the page was made: ``{model}`` and ``{data}`` in it are quoted paths."""
        return line.format(model=shlex.quote(self.place or self.name), data=shlex.quote(self.data or "DATA"))

    @property
    def record(self) -> ModelRecord[Any]:
        """The model's record."""
        record: ModelRecord[Any] = self.model.record
        return record

    @cached_property
    def metrics(self) -> Any:
        """The figures, of the record where they are not known image by image; None where nothing measured the model."""
        if self.evaluated is not None:
            return getattr(self.evaluated, "evaluation", self.evaluated)
        return self.model.metrics

    @property
    def measured(self) -> Any:
        """The data set that measured it, row by row; None where it is not known."""
        return getattr(self.evaluated, "dataset", None)

    @property
    def again(self) -> bool:
        """Whether it is measured on images that were given afterwards, and not on those that the fit held out."""
        return self.evaluated is not self.model.held_out

    @cached_property
    def album(self) -> Album | Excerpts | None:
        """Shows the rows that measured it; None where they are not known one by one."""
        room = _ROOM_BOXED if isinstance(self.measured, BoxDataset) else _ROOM
        return album_of(self.measured, room=room) if self.measured is not None else None

    @cached_property
    def sheets(self) -> Sheets:
        """Reads the pictures of what was found out before."""
        return Sheets(_ROOM_OF_SHEETS)

    @cached_property
    def maps(self) -> MapAlbum | None:
        """Makes maps of where the model saw a class; None where none are wanted."""
        return MapAlbum(self.model, cache=self.cache) if self.evidence and self.evaluated is not None else None


@dataclass(frozen=True)
class Section:
    """One section of a model's page. Its heading is the text ``name``.

    Attributes:
        name: Its place on the page, and its template ``templates/model/NAME.html``.
        values: Gives what the template shows as ``it``; None where there is nothing to show, and so no section. Of
            what is ``Missing`` there is a line at the page's end.
        package: Where its template lies, and ``texts/LANGUAGE.toml`` with its texts: this kit, or another package. Of
            a text that both have, the other package's holds on the whole page.
        of_images: Whether it is there only with a data set's images, which may be nowhere else.
        narrow: Whether it may stand beside another narrow one, where there is room.
    """

    name: str
    values: Callable[[PageContext], Any]
    package: str = KIT
    of_images: bool = False
    narrow: bool = False

    @property
    def template(self) -> str:
        """The template's name, as ``render`` knows it."""
        return f"{self.package}:model/{self.name}.html"


def in_order(
    order: Sequence[Callable[[PageContext], Any]],
    *,
    package: str = KIT,
    own: Collection[Callable[[PageContext], Any]] = (),
    of_images: Collection[Callable[[PageContext], Any]] = (),
    narrow: Collection[Callable[[PageContext], Any]] = (),
) -> tuple[Section, ...]:
    """The sections of a task's page, each called as the function is that gives its values.

    Args:
        order: What gives the values of each.
        package: Where templates and texts of the task's ``own`` lie.
        own: Those of them; the others are this kit's.
        of_images: Those that are there only with a data set's images.
        narrow: Those that may stand beside another.
    """
    return tuple(
        Section(each.__name__, each, package if each in own else KIT, each in of_images, each in narrow)
        for each in order
    )


def model_page(
    model: Model,
    name: str,
    sections: Sequence[Section],
    evaluated: Any = None,
    *,
    checkup: Checkup | None = None,
    explained: Sequence[Explanation] = (),
    language: Language = "en",
    evidence: bool = False,
    cache: bool = True,
    place: str = "",
    data: str = "",
    defaults: Mapping[str, Any] | None = None,
) -> str:
    """Show a model as one HTML page that needs nothing else.

    It stays below 5 MB however many images and classes there are: of each kind of picture the first ones are shown. The
    same model and images give the same page.

    Args:
        model: What it is about.
        name: What it is called: its folder.
        sections: What is shown of it, in order: its task's list.
        evaluated: What labelled images said of it, image by image; what it was measured on at its fit when None, and
            where that is not known either, the figures of its record without pictures.
        checkup: What the data doctor found in the data, which is shown with its images.
        explained: What ``topwork.explain`` found out about the model before (``topwork.explain.stored``).
        language: ``en`` or ``ko``.
        evidence: Whether to show beside the worst mistakes where the model saw its answer and where the right class,
            and beside the least sure answers where it saw the two likeliest ones (``topwork.explain.grad_cam``); the
            model is opened in torch for maps that are not in the cache.
        cache: Whether maps are kept on disk.
        place: The model's folder as commands on the page name it, from where they will be run; ``name`` when empty.
        data: The data set as they name it; ``DATA`` when empty.
        defaults: The options of a fit without wishes (``ModelRecord.options``): what differs from them is told first.

    Returns:
        The page; ``write_page`` writes it.

    Raises:
        ReportError: There is no such language.
        BackboneError: The backbone's weights are not available, and there is to be evidence.

    Example:
        >>> model = load("model")  # doctest: +SKIP
        >>> page = model_page(model, "model", SECTIONS, model.evaluate("photos"))  # doctest: +SKIP
    """
    packages = tuple(dict.fromkeys(section.package for section in sections if section.package != KIT))
    t, found = Texts(language, packages, model.thing), model.held_out if evaluated is None else evaluated
    told: Any = (t, checkup, tuple(explained), evidence, cache, place, data, defaults or {})
    page = PageContext(model, brief(name), found, *told)
    given = [(section, section.values(page)) for section in sections]
    return render(
        "model.html",
        packages=packages,
        language=language,
        t=t,
        name=page.name,
        record=page.record,
        sections=[(section, values) for section, values in given if not isinstance(values, Missing | None)],
        missing=_commands((section.name, values) for section, values in given if isinstance(values, Missing)),
        again=page.command("topwork report {model} --data {data}"),
    )


def _commands(missing: Iterable[tuple[str, Missing]]) -> dict[str, list[str]]:
    """Each command once, with the sections that it fills."""
    found: dict[str, list[str]] = {}
    for name, values in missing:
        found.setdefault(values.command, []).append(name)
    return found
