"""JSON out of a body, within a limit that its bytes alone do not set: a small one may hold millions of values."""

from __future__ import annotations

import json
from typing import Any

from topwork.server._refusal import RefusedError

_MOST = 1_000_000  # values; while so many are read nobody else is answered, for a twentieth of a second


def json_object(body: bytes, status: int) -> dict[str, Any]:
    """The fields of a JSON object.

    Args:
        body: In UTF-8.
        status: Of the refusal where it is none.

    Raises:
        RefusedError: Of that status; 413 for more values than are read.
    """
    if body.count(b",") >= _MOST:
        hint = "send images as files, or tensors as bytes behind the JSON"
        raise RefusedError(413, f"the JSON has more than {_MOST:,} values", hint)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(status, "the body is not JSON") from error
    if not isinstance(found, dict):
        raise RefusedError(status, "the body is not a JSON object")
    return found
