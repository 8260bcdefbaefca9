"""A form's parts out of a body that is in memory whole; nothing is written to disk."""

from __future__ import annotations

from dataclasses import dataclass

from topwork.server._refusal import RefusedError, unusable

_HEADER_BYTES = 4096  # of one part


@dataclass(frozen=True)
class Part:
    """One part of a form.

    Attributes:
        field: Its name.
        filename: The file's, without a folder; empty where it is no file.
        content: Its bytes.
    """

    field: str
    filename: str
    content: bytes


def form_parts(body: bytes, content_type: str, most: int) -> list[Part]:
    """The parts of ``multipart/form-data``, in order.

    Raises:
        RefusedError: 413 for more than ``most`` parts, 422 for what is no such form.
    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise unusable("the form has no boundary", "let your client write the Content-Type of a form")
    collected = _Collected(most)
    try:
        parser = MultipartParser(boundary, collected.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise unusable(f"the form is damaged: {error}") from error
    if not collected.ended:
        raise unusable("the form is damaged: its end is missing")
    found = []
    for headers, content in collected.parts:
        _, named = parse_options_header(headers.get(b"content-disposition", b""))
        field, file = (named.get(key, b"").decode("utf-8", "replace") for key in (b"name", b"filename"))
        found.append(Part(field, file.replace("\\", "/").rpartition("/")[2], content))
    return found


class _Collected:
    """What the parser tells, part by part."""

    def __init__(self, most: int) -> None:
        self.parts: list[tuple[dict[bytes, bytes], bytes]] = []
        self.ended = False
        self._most = most
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value, self._pieces = b"", b"", list[bytes]()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_part_data": lambda data, start, end: self._pieces.append(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == self._most:
            raise RefusedError(413, f"the form has more than {self._most} parts", "send it in several requests")
        self._headers, self._pieces = {}, []

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._require_short()

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._require_short()

    def _require_short(self) -> None:
        if len(self._name) + len(self._value) > _HEADER_BYTES:
            raise RefusedError(413, f"a part of the form has a header of more than {_HEADER_BYTES} bytes")

    def _on_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_part(self) -> None:
        self.parts.append((self._headers, b"".join(self._pieces)))

    def _end(self) -> None:
        self.ended = True
