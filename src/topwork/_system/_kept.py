"""Small results in the cache, each under a digest of everything that it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from topwork._system._cache import cache_dir, delete_file, make_room, use
from topwork._system._files import write_whole
from topwork._version import __version__


def digest_of(parts: Iterable[Any]) -> str:
    """A digest of values, the same on every machine: bytes-like ones as they are, all others as JSON."""
    whole = hashlib.sha256()
    for part in parts:
        try:
            data = memoryview(part).cast("B")
        except TypeError:
            data = memoryview(json.dumps(part, sort_keys=True).encode("utf-8", "surrogatepass"))
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()[:32]


def kept(kind: str, key: Iterable[Any], make: Callable[[], Any], *, cache: bool = True) -> Any:
    """A result that JSON can hold, read from the cache or made and kept there.

    A file that is damaged counts as none, and where the cache cannot be written nothing is kept.

    Args:
        kind: Folder of the cache, one for each kind of result.
        key: All that the result depends on (``digest_of``); the version of topwork is added.
        make: Gives the result.
        cache: Whether to read and to keep it.
    """
    if not cache:
        return make()
    file = cache_dir() / kind / f"{digest_of((__version__, *key))}.json"
    try:
        found = json.loads(file.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError):
        found = make()
        with contextlib.suppress(OSError, ValueError):  # the latter of a number that JSON does not have
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps(found, allow_nan=False).encode("utf-8", "surrogatepass"))
            make_room(file.parent, "*.json", delete_file)
        return found
    use(file)
    return found
