"""An object store: what fsspec reaches, tried again where it stumbles, for so long and no longer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from topwork._system import optional
from topwork.data import printable
from topwork.errors import DataError, MissingExtraError

T = TypeVar("T")

TRIES = 7
"""How often anything is tried: with the waits between, about a minute."""

_BLOCK = 16 * 2**20  # bytes a request: what is lost when one breaks off
_WAIT, _LONGEST = 0.5, 30.0  # seconds before the second try, which double, and at most
_SECONDS = 60  # without a byte, after which a request has failed
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "hf": "huggingface_hub"}
_EXTRAS = {"s3": "cloud", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "hf": "hf"}
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "InvalidAccessKeyId")


def is_remote(name: str) -> bool:
    """Whether a name is an address rather than a path."""
    return "://" in name


class Store:
    """A place in an object store; every request is tried again where the store is slow, short or overloaded.

    Args:
        address: Such as ``s3://bucket/photos``.

    Raises:
        MissingExtraError: The package for this kind of store is not installed.
        DataError: There is no such kind of store.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        scheme = address.partition("://")[0]
        core = optional("fsspec.core", extra=_EXTRAS.get(scheme, "cloud"), what=f"{scheme}://")
        self._files, self.root = _opened(core, self.address)

    def sizes(self) -> dict[str, int]:
        """Every object below the address and its bytes, by its path from there."""
        found = self._tried("", lambda: self._files.find(self.root, detail=True))
        start = len(self.root.rstrip("/")) + 1
        return {name[start:] or name.rpartition("/")[2]: int(info["size"] or 0) for name, info in sorted(found.items())}

    def names(self) -> set[str]:
        """What lies right below the address; nothing where it does not exist."""
        try:
            found = self._tried("", lambda: self._files.ls(self.root, detail=False))
        except FileNotFoundError:
            return set()
        return {name.rstrip("/").rpartition("/")[2] for name in found}

    def size(self, name: str) -> int:
        """An object's bytes."""
        return int(self._tried(name, lambda: self._files.info(self._path(name)))["size"])

    def read(self, name: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        try:
            return bytes(self._tried(name, lambda: self._files.cat_file(self._path(name))))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Put an object; it appears whole or not at all."""
        self._tried(name, lambda: self._files.pipe_file(self._path(name), content))

    def put(self, name: str, file: Path) -> None:
        """Put a file as an object."""
        self._tried(name, lambda: self._files.put_file(str(file), self._path(name)))

    def fetch(self, name: str, into: Path) -> None:
        """An object as a file, block after block: one that breaks off or comes short is asked for again."""
        size = self.size(name)
        with into.open("wb") as file:
            for start in range(0, size, _BLOCK):
                block = partial(self._block, name, start, min(start + _BLOCK, size))
                file.write(self._tried(name, block))

    def _block(self, name: str, start: int, end: int) -> bytes:
        content: bytes = self._files.cat_file(self._path(name), start=start, end=end)
        if len(content) != end - start:
            raise TimeoutError(f"{len(content):,} bytes came instead of {end - start:,}")
        return content

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def _tried(self, name: str, ask: Callable[[], T]) -> T:
        """The answer of the store, asked several times where it must be.

        Raises:
            FileNotFoundError: There is no such object.
            DataError: It is not allowed, or the store gave no answer in all this time.
        """
        where = printable(f"{self.address}/{name}".rstrip("/"))
        for wait in (*_waits(), None):
            try:
                return ask()
            except FileNotFoundError:
                raise
            except Exception as error:  # each store raises its own
                said = printable(str(error)) or type(error).__name__
                if isinstance(error, _LASTING) or type(error).__name__ in _CREDENTIALS:
                    raise DataError(f"{where}: {said}", hint="check the address and the store's credentials") from error
                if wait is None:
                    raise DataError(
                        f"{where}: the store did not answer in {TRIES} tries; the last time: {said}",
                        hint="run the command again when the store answers: it does what is missing",
                    ) from error
                time.sleep(wait)
        raise AssertionError


def _waits() -> Iterator[float]:
    """Seconds between the tries, with chance in them: a thousand workers must not come back at once."""
    for attempt in range(TRIES - 1):
        yield random.uniform(0.5, 1.0) * min(_LONGEST, _WAIT * 2**attempt)


def _opened(core: Any, address: str) -> tuple[Any, str]:
    scheme = address.partition("://")[0]
    try:
        files, root = core.url_to_fs(address, **_options(scheme))
    except ImportError as error:
        package = _PACKAGES.get(scheme, scheme)
        line = f"pip install 'topwork[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else f"pip install {package}"
        raise MissingExtraError(f"{scheme}:// needs {package}, which is not installed", hint=line) from error
    except ValueError as error:
        raise DataError(
            f"{printable(address)}: {printable(str(error))}", hint="s3://, gs://, az:// and hf:// are known"
        ) from error
    if hasattr(files, "retries"):
        files.retries = 1  # one place says how often, and how long
    return files, str(root)


def _options(scheme: str) -> dict[str, Any]:
    """Listings are never remembered: other workers write; and a request that hangs ends."""
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": _SECONDS}
    return options
