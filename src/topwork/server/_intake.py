"""From a request's body to inputs: images as their files' bytes, texts as they are, each with a name."""

from __future__ import annotations

from dataclasses import dataclass

from topwork.server._collect import plain_label
from topwork.server._forms import Part, form_parts
from topwork.server._json import json_object
from topwork.server._limits import Receive
from topwork.server._refusal import RefusedError, gone, unusable
from topwork.server._served import Served

IMAGE_TYPES = ("image/", "application/octet-stream")
_LONGEST = 1_000_000  # characters of a text; more says nothing to a network that reads a few hundred words


@dataclass(frozen=True)
class Input:
    """One image or text.

    Attributes:
        name: What the answer is called: a file's name, or ``#0``.
        content: A file's bytes, or a text.
    """

    name: str
    content: bytes | str


async def body_of(receive: Receive) -> bytes:
    """The whole body; limits are ``Limits``' affair."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise gone()
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces) if len(pieces) > 1 else pieces[0]


def inputs_of(body: bytes, content_type: str, served: Served, most: int) -> list[Input]:
    """What a model is asked about.

    Args:
        body: Whole.
        content_type: The request's header.
        served: The model that is asked.
        most: Inputs of a request.

    Raises:
        RefusedError: 415 for a type that is not taken; 422 where there is nothing in it that the model reads; 413 for
            too much.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = _of_form(body, content_type, served, most)
    elif kind == "application/json":
        found = _of_json(body, served)
    elif kind == "text/plain":
        found = [Input("#0", _decoded(body))]
    elif not kind or kind.startswith(IMAGE_TYPES):
        found = [Input("#0", body)]
    else:
        hint = "send an image as it is, a form with the field image or text, text/plain, or JSON"
        raise RefusedError(415, f"a body of the type {kind[:80]!r} is not taken", hint)
    return _checked(found, served, most)


def correction_of(body: bytes, content_type: str, served: Served) -> tuple[Input, str]:
    """One image or text, and the class that a person gave it, out of a form.

    Raises:
        RefusedError: 415 for what is no form; 422 where one of both is missing, given twice, or cannot be used.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise RefusedError(415, "a correction is a form", f"send a form with the fields {served.kind} and label")
    parts = {part.field: part for part in form_parts(body, content_type, 2)}
    if parts.keys() != {served.kind, "label"}:
        raise unusable(f"a correction has the fields {served.kind} and label, each once")
    part, label = parts[served.kind], plain_label(_decoded(parts["label"].content))
    content = part.content if served.kind == "image" else _decoded(part.content)
    (found,) = _checked([Input(part.filename or "#0", content)], served, 1)
    return found, label


def enrolment_of(body: bytes, content_type: str, served: Served, most: int) -> tuple[str, list[Input]]:
    """A name, and images of whom it is, out of a form.

    Raises:
        RefusedError: 415 for what is no form; 422 where the name or the images are missing; 413 for too many.
    """
    parts = _parts(body, content_type, most + 1)
    names = [part for part in parts if part.field == "name"]
    images = [part for part in parts if part.field == served.kind]
    if len(names) != 1 or not images or len(names) + len(images) != len(parts):
        raise unusable(f"an enrolment has one field name and one or more fields {served.kind}")
    called = [part.filename or f"#{place}" for place, part in enumerate(images)]
    told = [f"{name} #{place}" if called.count(name) > 1 else name for place, name in enumerate(called)]
    found = [Input(name, part.content) for name, part in zip(told, images, strict=True)]  # a reason is told by name
    return _decoded(names[0].content), _checked(found, served, most)


def name_of(body: bytes, content_type: str) -> str:
    """The name in a form that has no other field.

    Raises:
        RefusedError: 415 for what is no form; 422 where it is not there, or not alone.
    """
    parts = _parts(body, content_type, 1)
    if [part.field for part in parts] != ["name"]:
        raise unusable("whoever is to be forgotten is told in one field name")
    return _decoded(parts[0].content)


def _parts(body: bytes, content_type: str, most: int) -> list[Part]:
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise RefusedError(415, "a name is sent in a form", "send multipart/form-data with the field name")
    return form_parts(body, content_type, most)


def _of_form(body: bytes, content_type: str, served: Served, most: int) -> list[Input]:
    found = []
    for place, part in enumerate(form_parts(body, content_type, most)):
        if part.field != served.kind:
            raise unusable(
                f"the form has a field {part.field[:80]!r}, which {served.name} does not read",
                f"name every field {served.kind}",
            )
        content = part.content if served.kind == "image" else _decoded(part.content)
        found.append(Input(part.filename or f"#{place}", content))
    if not found:
        raise unusable("the form is empty", f"send one or more fields named {served.kind}")
    return found


def _of_json(body: bytes, served: Served) -> list[Input]:
    fields = json_object(body, 422)
    texts = fields.get("texts")
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
        raise unusable("the JSON has no list of texts", 'send {"texts": ["…"]}')
    if served.kind != "text":
        raise unusable(f"{served.name} reads images, not texts", "send the image as it is, or in a form")
    return [Input(f"#{place}", each) for place, each in enumerate(texts)]


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unusable("the text is not UTF-8") from error


def _checked(found: list[Input], served: Served, most: int) -> list[Input]:
    if len(found) > most:
        raise RefusedError(413, f"{len(found)} {served.kind}s are more than {most}", "send them in several requests")
    for each in found:
        if isinstance(each.content, str) != (served.kind == "text"):
            other = "text" if served.kind == "image" else "image"
            raise unusable(f"{served.name} reads {served.kind}s, and was sent an {other}".replace("an text", "a text"))
        if isinstance(each.content, str) and len(each.content) > _LONGEST:
            raise RefusedError(413, f"a text of more than {_LONGEST:,} characters is not taken", "send a part of it")
    if len(found) == 1 and not found[0].content:
        raise unusable(f"the {served.kind} is empty")
    return found
