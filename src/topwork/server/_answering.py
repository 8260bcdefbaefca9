"""From inputs to answers: decoded, handed to the model, cut to what was asked for; dropped when nobody waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from topwork.errors import ImageError, TopworkError
from topwork.server._intake import Input
from topwork.server._language import said
from topwork.server._limits import Receive
from topwork.server._refusal import RefusedError, gone, too_late, unusable
from topwork.server._served import Answer, Served
from topwork.server._service import Service
from topwork.tasks import Wanted


@contextlib.asynccontextmanager
async def under_way(service: Service, count: int) -> AsyncIterator[None]:
    """So many inputs are under way, with all that is told of them; after the deadline they are given up.

    Raises:
        RefusedError: 503 where that is more than may be, 504 after the deadline.
    """
    with service.admission.admitted(count):
        try:
            async with asyncio.timeout(service.settings.deadline):
                yield
        except TimeoutError:
            raise too_late(service.settings.deadline) from None


async def answer_all(
    service: Service, served: Served, inputs: Sequence[Input], wanted: Wanted
) -> list[Answer | RefusedError]:
    """What the model says of each, all at once; one that cannot be used has its refusal in its place.

    Raises:
        RefusedError: What is wrong with the input where it is the only one.
    """
    if len(inputs) == 1:
        return [await _answer(service, served, inputs[0], wanted)]
    return await answer_each(service, served, inputs, wanted)


async def answer_each(
    service: Service, served: Served, inputs: Sequence[Input], wanted: Wanted
) -> list[Answer | RefusedError]:
    """The same; the only one that cannot be used has its refusal in its place too."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_tried(service, served, each, wanted)) for each in inputs]
    return [task.result() for task in tasks]


async def _tried(service: Service, served: Served, given: Input, wanted: Wanted) -> Answer | RefusedError:
    try:
        return await _answer(service, served, given, wanted)
    except RefusedError as refusal:
        return refusal


async def _answer(service: Service, served: Served, given: Input, wanted: Wanted) -> Answer:
    if isinstance(given.content, bytes):
        decoded = await service.decode(given.content, served)
        try:
            found = await served.answer(decoded, given.name, wanted)
        except ImageError as error:
            raise unusable(error.message, error.hint) from error
    elif given.content.strip():
        found = await served.answer(given.content, given.name, wanted)
    else:
        raise unusable("the text is empty")
    if found.prediction.error:
        raise unusable(found.prediction.error)
    return found


def require(served: Served, wanted: Wanted) -> None:
    """Refuse (422) what a model cannot give."""
    if wanted != Wanted():
        try:
            served.serving.require(wanted)
        except TopworkError as error:
            raise unusable(error.message, error.hint) from error


async def told(
    served: Served, inputs: Sequence[Input], found: Sequence[Answer | RefusedError], wanted: Wanted, accept: str = ""
) -> list[dict[str, Any]]:
    """The answers as they are sent; what is drawn or looked up for them is done on a thread, one after the other."""
    pairs = list(zip(inputs, found, strict=True))
    if not (wanted.nearest or wanted.map or served.serving.slow):
        return [_told(served, *each, accept) for each in pairs]
    return [await asyncio.to_thread(_told, served, *each, accept) for each in pairs]


async def written(served: Served, found: Answer | RefusedError, kind: str) -> bytes:
    """The answer to the only input, as the file of a media type that the model gives."""
    assert isinstance(found, Answer)  # of one alone, a refusal is raised
    return await asyncio.to_thread(served.serving.formats[kind], found.prediction, found.row)


def _told(served: Served, given: Input, found: Answer | RefusedError, accept: str) -> dict[str, Any]:
    if isinstance(found, RefusedError):
        return {"source": given.name, "error": said(found.error, accept)}
    fields = served.serving.told(found.prediction, found.row)
    return fields | {"remarks": [said(each, accept) for each in fields["remarks"]]} if "remarks" in fields else fields


@contextlib.asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancels what is inside when the client leaves; the body has to be read before."""
    inside, left = asyncio.current_task(), False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        if inside is not None:
            inside.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not left or inside is None:
            raise
        inside.uncancel()
        raise gone() from None
    finally:
        watching.cancel()
