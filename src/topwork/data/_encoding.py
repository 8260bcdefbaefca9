"""Tells which encoding a file of texts is in, and opens it."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from topwork.data._names import printable
from topwork.data._source import read_bytes
from topwork.data._table import UTF_16_MARKS, is_utf16
from topwork.errors import DataError, ImageError

_CHUNK = 2**20
_SAMPLE = 2**22  # bytes of the lines that are looked at
_HANGUL = 0.8
"""The least share of the letters outside ASCII that are Hangul of KS X 1001 in Korean text; the rest is rare."""
_FREQUENT = frozenset("이다는에의가을고로하은지를한도사어기아나해요그서자리시게있것수으대보정일니라들만인주스ㅋㅎㅠㅜ")
_FREQUENT_SHARE = 0.05
"""Of the Hangul; in Korean text it is some 40 %, in Chinese that is read as Korean hardly any."""
_ACCENTED = 0.4
"""The largest share of the letters that lie outside ASCII in the languages that Windows-1252 is for."""

_UNKNOWN = "its encoding cannot be recognised"


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes are read: Python's name, and the one for people where it is worth a note."""

    codec: str
    title: str = ""

    def opened(self, file: Path, newline: str | None) -> TextIO:
        """Open a file's text; a lone surrogate, which is no character, is read as it was written."""
        return open(file, encoding=self.codec, errors=self._errors, newline=newline)

    def decoded(self, content: bytes) -> str:
        """The text of bytes."""
        return content.decode(self.codec, self._errors)

    @property
    def _errors(self) -> str:
        return "surrogatepass" if self.codec.startswith("utf-") else "strict"


UTF_8 = Encoding("utf-8-sig")
_UTF_16 = Encoding("utf-16")


def encoding_of(file: Path) -> Encoding:
    """The encoding of a whole file, which is read once for it.

    UTF-16 where the first bytes say so, UTF-8 where every byte is; else the one encoding of Korean or Western Windows
    that makes words of the lines that are not ASCII.

    Raises:
        DataError: It cannot be told.
        OSError: It cannot be read.
    """
    if is_utf16(file):
        return _UTF_16
    with open(file, "rb") as stream:
        if _is_utf8(iter(lambda: stream.read(_CHUNK), b"")):
            return UTF_8
        stream.seek(0)
        strange, others = _foreign_lines(stream)
    encoding = told(b"".join(strange.values()))
    # Two bytes of CP949 may be one character of UTF-8 by chance, such as 첫, and hardly ever three one of Korean text.
    if encoding and all(encoding.codec == "cp949" and max(line.decode(errors="replace")) < "\u0800" for line in others):
        return encoding
    line = next(iter(strange))
    fault = "not UTF-8, and other lines are" if encoding else "not UTF-8, and its encoding cannot be recognised"
    raise DataError(
        f"{printable(str(file))}, line {line}: {fault}",
        hint=f"convert it to UTF-8: iconv -f ENCODING -t UTF-8 {printable(file.name)}",
    )


def text_of(content: bytes) -> str:
    """The text of a file's bytes, by themselves, without the line end that closes it.

    Raises:
        DataError: It cannot be told which encoding they are in.
    """
    for encoding in filter(None, (_marked(content) or told(content),)):
        with contextlib.suppress(UnicodeDecodeError):
            return encoding.decoded(content).removesuffix("\n").removesuffix("\r")
    raise DataError(_UNKNOWN)


class FileTexts:
    """The texts of files that are one each.

    Those that are not UTF-8 are read in the encoding that is told by all of them together, where one of them alone may
    be too short.

    Args:
        paths: The files.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = paths
        self._shared: list[Encoding | None] = []

    def text(self, path: str) -> tuple[str, str]:
        """The text of a file, without the line end that closes it, and its encoding where that is worth a note.

        Raises:
            DataError: It cannot be read, or it cannot be told which encoding it is in; does not name the file.
        """
        try:
            content = read_bytes(path)
        except ImageError as error:
            raise DataError(error.message.removeprefix(f"{printable(path)}: ")) from error
        marked = _marked(content)
        for encoding in (marked,) if marked else (self._together(), told(content)):
            with contextlib.suppress(UnicodeDecodeError):
                if encoding:
                    return encoding.decoded(content).removesuffix("\n").removesuffix("\r"), encoding.title
        raise DataError(_UNKNOWN)

    def _together(self) -> Encoding | None:
        if not self._shared:
            sample = bytearray()
            for path in self._paths:
                with contextlib.suppress(ImageError, UnicodeDecodeError):
                    content = read_bytes(path)
                    content.decode("cp949")  # what is in no encoding says nothing of the others
                    sample += b"" if _marked(content) else content
                if len(sample) > _SAMPLE:
                    break
            self._shared.append(told(bytes(sample)) if sample else None)
        return self._shared[0]


def _marked(content: bytes) -> Encoding | None:
    """UTF-16 or UTF-8, where the content of a file is."""
    if content.startswith(UTF_16_MARKS):
        return _UTF_16
    return UTF_8 if _is_utf8([content]) else None


def told(content: bytes) -> Encoding | None:
    """The encoding of bytes that are not UTF-8; None where it cannot be told."""
    for codec, title, fits in _KNOWN:
        try:
            text = content.decode(codec)
        except UnicodeDecodeError:
            continue
        letters = [letter for letter in text if letter.isalpha()]
        if fits(letters, [letter for letter in letters if not letter.isascii()]):
            return Encoding(codec, title)
    return None


def _is_korean(_: list[str], foreign: list[str]) -> bool:
    hangul = _hangul(foreign)
    frequent = sum(letter in _FREQUENT for letter in hangul)
    return len(hangul) >= _HANGUL * len(foreign) and frequent > _FREQUENT_SHARE * len(hangul)


def _hangul(foreign: list[str]) -> list[str]:
    common = (
        "".join(foreign).encode("euc_kr", "ignore").decode("euc_kr")
    )  # the rest has bytes that Western text has too
    return [letter for letter in common if "가" <= letter <= "힣" or "ㄱ" <= letter <= "ㆎ"]


def _is_western(letters: list[str], foreign: list[str]) -> bool:
    return len(foreign) <= _ACCENTED * len(letters)


_KNOWN: tuple[tuple[str, str, Callable[[list[str], list[str]], bool]], ...] = (
    ("cp949", "CP949", _is_korean),
    ("cp1252", "Windows-1252", _is_western),
)


def _is_utf8(chunks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _foreign_lines(stream: BinaryIO) -> tuple[dict[int, bytes], list[bytes]]:
    """Number -> line of those that are not UTF-8, and those that are and not ASCII; as many as are looked at."""
    strange: dict[int, bytes] = {}
    others: list[bytes] = []
    size = 0
    for number, line in enumerate(stream, start=1):
        if line.isascii():
            continue
        if _is_utf8([line]):
            others.append(line)
        else:
            strange[number] = line
        size += len(line)
        if size > _SAMPLE and strange:
            break
    return strange, others
