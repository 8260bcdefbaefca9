"""Labelling by clicks: a page on which points and boxes become masks by SAM, and are saved as ``fit`` reads them.

The page holds the prompts of the mask that is proposed, and sends all of them: what is asked twice is answered alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork import page, tasks
from topwork._system import optional
from topwork._texts import LIBRARY, Texts, catalogue
from topwork.data import printable
from topwork.drawing import class_colours
from topwork.errors import DataError, TopworkError
from topwork.server import listening
from topwork.tasks.segmentation.promptable import Labelling, Promptable, legend, named

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from topwork._texts import Language
    from topwork.ui._door import Door

_HOST = "127.0.0.1"
_BODY = 2**16  # bytes of a request: prompts and a class
_PACKAGE = "topwork.ui"
_BEFORE = "label_"  # what keys of this page's texts begin with
_SHARED = ("page.css", "colours.css", "dom.js", "words.js", "masks.js")  # of the page on which models are tried


class LabellingSession:
    """What is labelled, and what has been kept.

    Args:
        network: SAM.
        images: Files; each is read when it is shown.
        classes: Names that may be given, behind those that the folder has; more are added.
        folder: Where images, masks and legend go.

    Raises:
        DataError: No image, two of one name, or a class is none.
    """

    def __init__(self, network: Promptable, images: Sequence[Path], classes: Sequence[str], folder: Path) -> None:
        names = [each.stem for each in images]
        if not names:
            raise DataError("there is no image to label", hint="give an image, or a folder of them")
        if double := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"two images are called {printable(double)}", hint="rename one: their masks would be one")
        self.images, self.folder = tuple(images), folder
        self._network, self._classes = network, named(tuple(dict.fromkeys([*legend(folder), *classes])))
        self._open: dict[int, Labelling] = {}
        self._saved: set[int] = set()
        self._lock = threading.Lock()  # the decoder answers one at a time

    def told(self, place: int) -> dict[str, Any]:
        """An image's size, the classes, and what is kept of it.

        Raises:
            TopworkError: It cannot be read.
        """
        with self._lock:
            return self._told(self._at(place))

    def png(self, place: int) -> bytes:
        """The image as a browser shows it."""
        from topwork.tasks.segmentation._drawn import png

        with self._lock:
            return png(self._at(place).image.pixels)

    def ask(self, place: int, points: Sequence[Sequence[float]], box: Sequence[float] | None) -> dict[str, Any]:
        """The mask that prompts mean: the first proposes it, each further point corrects it."""
        with self._lock:
            return self._asked(self._at(place), points, box).proposal.to_dict()  # type: ignore[union-attr]

    def keep(
        self, place: int, points: Sequence[Sequence[float]], box: Sequence[float] | None, name: str
    ) -> dict[str, Any]:
        """Keep that mask as an object of a class, which may be new."""
        with self._lock:
            session = self._asked(self._at(place), points, box)
            if name.strip() not in self._classes:
                self._classes = session.add_class(name)
            session.add_classes(self._classes)
            session.keep(name.strip())
            return self._told(session)

    def undo(self, place: int) -> dict[str, Any]:
        """Take back what was kept last."""
        with self._lock:
            self._at(place).undo()
            return self._told(self._at(place))

    def save(self, place: int) -> Path:
        """Write image and mask; an image on which nothing was kept is all background.

        Raises:
            DataError: The folder has a mask of it that this session did not write, or other classes.
            ModelError: It cannot be written.
        """
        with self._lock:
            session = self._at(place)
            session.add_classes(self._classes)
            before = self.folder / "masks" / f"{self.images[place].stem}.png"
            if before.exists() and place not in self._saved:  # nothing that was labelled before is lost
                raise DataError(
                    f"{printable(str(before))}: there is a mask of this image already",
                    hint="move it away to replace it",
                )
            saved = session.save(self.folder)
            self._saved.add(place)
            return saved

    def _asked(self, session: Labelling, points: Sequence[Sequence[float]], box: Sequence[float] | None) -> Labelling:
        first = () if box is not None else points[:1]
        session.ask(first, box)
        for point in points[len(first) :]:
            session.correct(point)
        return session

    def _at(self, place: int) -> Labelling:
        if place not in self._open:
            if not 0 <= place < len(self.images):
                raise DataError("there is no such image")
            self._open[place] = Labelling(self._network.image(str(self.images[place])), self._classes)
        return self._open[place]

    def _told(self, session: Labelling) -> dict[str, Any]:
        height, width = session.image.size
        kept = [
            {"category": session.classes[label - 1], "segmentation": mask.to_dict()["segmentation"]}
            for label, mask in session.kept
        ]
        colours = ["#" + bytes(each).hex() for each in class_colours(len(self._classes))]
        return {"width": width, "height": height, "classes": self._classes, "colours": colours, "kept": kept}


def labelling_app(session: LabellingSession, door: Door, language: Language = "en") -> ASGIApp:
    """The page as an ASGI app behind its door."""
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import HTMLResponse, JSONResponse

    app = FastAPI(title="topwork", docs_url=None, redoc_url=None, openapi_url=None)
    t = Texts(language, (_PACKAGE,), named=(LIBRARY, *tasks.packages()))

    async def told(error: Any, status: int = 409) -> Response:
        return JSONResponse({"error": t.said(error.message), "hint": t.said(error.hint)}, status)

    async def first(request: Request) -> Response:
        return HTMLResponse(labelling_page(session, language))

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        own = {"label.js": "text/javascript"}
        kinds = {**own, **{each: "text/css" if each.endswith("css") else "text/javascript" for each in _SHARED}}
        if name not in kinds:
            return Response(status_code=404)
        content = (Path(__file__).parent / "static" / name).read_bytes() if name in own else _files()[name]
        return Response(content, media_type=kinds[name])

    async def picture(request: Request) -> Response:
        try:
            return Response(await asyncio.to_thread(session.png, request.path_params["place"]), media_type="image/png")
        except TopworkError as error:
            return await told(error)

    async def work(request: Request) -> Response:
        try:
            fields = await _fields(request)
            name, place = request.path_params["work"], fields.get("image")
            if type(place) is not int:
                raise DataError("there is no such image")
            points, box = fields.get("points") or [], fields.get("box")
            calls: dict[str, Callable[[], Any]] = {
                "open": lambda: session.told(place),
                "ask": lambda: session.ask(place, points, box),
                "keep": lambda: session.keep(place, points, box, str(fields.get("class") or "")),
                "undo": lambda: session.undo(place),
                "save": lambda: {"saved": str(session.save(place))},
            }
            if name not in calls:
                return Response(status_code=404)
            return JSONResponse(await asyncio.to_thread(calls[name]))
        except TopworkError as error:
            return await told(error)
        except (TypeError, ValueError, KeyError, IndexError):
            return await told(DataError("the request is not as the page sends it"))

    for address, answer in (("/", first), ("/ui/{name}", static), ("/image/{place:int}", picture)):
        app.add_route(address, answer, methods=["GET"])
    app.add_route("/{work}", work, methods=["POST"])
    return door.guard(app, lambda: f"<!doctype html><title>topwork</title><p>{t('refused_what')}</p>")


async def _fields(request: Any) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY:
            raise DataError("the request is not as the page sends it")
    fields = json.loads(body)
    if not isinstance(fields, dict):
        raise DataError("the request is not as the page sends it")
    return fields


def _files() -> dict[str, bytes]:
    return page.static_files("server")


def labelling_page(session: LabellingSession, language: Language) -> str:
    """The page's HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    own = {key: each for key, each in catalogue(_PACKAGE, language)["texts"].items() if key.startswith(_BEFORE)}
    shared = catalogue("topwork.page", language)["texts"]
    loader = PackageLoader(_PACKAGE)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    html: str = environment.get_template("label.html").render(
        language=language, t=Texts(language, (_PACKAGE,)), texts={language: {**shared, **own}},
        images=[printable(each.name) for each in session.images],
    )  # fmt: skip
    return html


def label(
    network: Promptable,
    images: Sequence[Path],
    classes: Sequence[str],
    folder: Path,
    *,
    port: int = 0,
    browser: bool = True,
    language: Language = "en",
    tell: Callable[[str], None] = print,
) -> None:
    """Serve the page on this machine alone until Ctrl-C.

    Args:
        network: SAM.
        images: What is labelled.
        classes: See ``LabellingSession``.
        folder: Where what is saved goes; ``topwork fit`` reads it.
        port: To listen on; 0 takes a free one.
        browser: Whether to open the page.
        language: Of the page.
        tell: Called with an address that opens the page, once.

    Raises:
        DataError: No image, or a class is none.
        MissingExtraError: The extra ``serve`` is not installed.
    """
    for package in ("fastapi", "uvicorn"):
        optional(package, extra="serve", what="the page")
    import uvicorn

    from topwork.ui._door import Door

    session = LabellingSession(network, images, classes, folder)
    with listening(_HOST, port) as listener:
        door = Door(listener.getsockname()[1], tell)
        address = door.address()
        tell(address)
        if browser:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        how: Any = {"ws": "none", "log_level": "warning", "access_log": False}
        server = uvicorn.Server(uvicorn.Config(labelling_app(session, door, language), **how))
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
