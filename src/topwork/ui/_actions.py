"""What changes the state: forms, a row's mending, and uploads."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from topwork.data import LabelledDataset
from topwork.errors import DataError
from topwork.ui import _views
from topwork.ui._mending import Mending
from topwork.ui._session import PAGES, Session, State
from topwork.ui._upload import Upload

_FORM_BYTES = 65_536

Form = dict[str, str]


async def _form(request: Request) -> Form:
    """The fields of a form.

    Raises:
        DataError: It is larger than any form of these pages.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise DataError("the form is too large")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def add_actions(app: FastAPI, session: Session) -> None:
    """What a person does: forms that change the state."""

    def action(name: str, do: Callable[[Form], None]) -> None:
        """A form that changes the state, and then shows where it is."""

        @app.post(f"/{name}", name=name)
        async def act(request: Request) -> Response:
            form = await _form(request)
            await run_in_threadpool(do, form)
            to = form.get("to", "")
            return RedirectResponse(f"/{to if to in PAGES else session.state.at}", 303)

    def give(form: Form) -> None:
        try:
            session.give(_path(form.get("path", "")), form.get("meant", ""))
        except DataError as error:
            session.refuse("check", error)  # told on the page where the path is

    action("path", give)
    action("recheck", lambda form: session.check())
    action("undo", lambda form: session.forget_changes())
    action("stop", lambda form: session.stop())
    action("language", lambda form: session.speak("ko" if form.get("language") == "ko" else "en"))
    action("fit", lambda form: session.fit(**_fit_options(form)))
    action("export", lambda form: session.export(form.get("target", "")))
    action("clean", lambda form: session.mend(_without_superfluous, _number(form, "check")))

    @app.post("/mend")
    async def mend(request: Request) -> Response:
        form = await _form(request)
        row, check = _number(form, "row"), _number(form, "check")
        await run_in_threadpool(session.mend, lambda state: _mended(state, row, form), check)
        state = session.state
        if not request.headers.get("accept", "").startswith("application/json"):
            return RedirectResponse("/check", 303)
        changes = _views.part(state, "changes", **_views.mendable(state))
        row_html = _views.part(state, "row", **_views.of_row(state, row))
        return JSONResponse({"row": row_html, "changes": changes, "version": state.version})


def _mended(state: State, row: int, form: Form) -> Mending:
    """What a person wants of one row."""
    assert state.checkup is not None
    dataset = state.checkup.dataset
    if not 0 <= row < len(dataset):
        raise DataError("there is no such row")
    name, label = dataset.paths[row], form.get("label", "")
    if form.get("do") == "without":
        return state.mending.without(name)
    if form.get("do") == "with":
        return state.mending.with_again(name)
    if not isinstance(dataset, LabelledDataset) or label not in dataset.classes:
        raise DataError("there is no such class", hint="choose one of the classes of these data")
    given = dataset.classes[int(dataset.labels[row])]
    return state.mending.labelled(name, label, "" if name in state.checked.labels else given)


def _without_superfluous(state: State) -> Mending:
    """All that can only do harm is left out: unreadable files, copies, copies with several classes."""
    assert state.checkup is not None
    return state.mending.without(*set(state.checkup.dataset.paths).difference(state.checkup.clean().paths))


def _path(given: str) -> Path:
    """What a person typed or pasted, perhaps with quotes around it.

    Raises:
        DataError: It is none.
    """
    text = given.strip().strip("\"'")
    if not text or "\0" in text:
        raise DataError("no path was given", hint="type where the folder or file is")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # of a user who is not known
        raise DataError(f"the path cannot be used: {error}") from error


def _fit_options(form: Form) -> dict[str, Any]:
    decision: dict[str, Any] = {}
    if critical := form.get("critical", ""):
        decision["min_recall"] = {critical: _number(form, "recall") / 100}
    elif form.get("every"):
        decision["recall"] = _number(form, "recall") / 100
    return {
        "budget": float(_number(form, "budget")),
        "allow": tuple(name for name in form.get("allow", "").split(",") if name),
        "decision": decision,
    }


def _number(form: Form, name: str) -> int:
    """A whole number of a form.

    Raises:
        DataError: It is none.
    """
    text = form.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise DataError(f"the field {name} must be a whole number")
    return int(text)


def add_uploads(app: FastAPI, session: Session, work: Path) -> None:
    """What a browser sends: files, one after the other, then their end."""
    uploads: dict[str, Upload] = {}

    @app.post("/upload")
    async def begin(request: Request) -> Response:
        form = await _form(request)
        for old in [uploads.pop(each) for each in list(uploads)]:  # one at a time: the person began anew
            await run_in_threadpool(old.drop)
        key = secrets.token_hex(8)
        uploads[key] = await run_in_threadpool(Upload, work, form.get("name", "data"))
        return JSONResponse({"upload": key})

    @app.put("/upload/{key}")
    async def add(key: str, name: str, request: Request) -> Response:
        with _of(uploads, key).file(name) as incoming:
            async for chunk in request.stream():
                incoming.write(chunk)
        return Response(status_code=204)

    @app.post("/upload/{key}/end")
    async def end(key: str) -> Response:
        upload = _of(uploads, key)
        uploads.pop(key)
        try:
            path = await run_in_threadpool(upload.finish)
        finally:
            await run_in_threadpool(upload.drop)
        await run_in_threadpool(session.give, path)
        return JSONResponse({"to": f"/{session.state.at}"})


def _of(uploads: dict[str, Upload], key: str) -> Upload:
    if key not in uploads:
        raise DataError("another upload was begun meanwhile", hint="drop the files again")
    return uploads[key]
