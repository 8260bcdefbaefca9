"""What the server tells of itself: a JSON object a line on stderr, never what was sent or answered.

On a terminal, where a person reads it, plain lines, and none for what goes as it should.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
import traceback
from typing import Any

from topwork.data import printable

_AS_IT_SHOULD = ("listening", "model ready", "request", "ending", "ended")


def in_words() -> bool:
    """Whether a person reads along."""
    return sys.stderr is not None and sys.stderr.isatty()


def log(event: str, **fields: Any) -> None:
    """Write one line.

    Args:
        event: What happened, in one word or two.
        fields: More of it; values that JSON has.
    """
    if not in_words():
        _write(json.dumps({"time": _now(), "event": event, **fields}))
    elif event not in _AS_IT_SHOULD:
        more = ", ".join(f"{name} {value}" for name, value in fields.items())
        _write(printable(f"{event}: {more}" if more else event))


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"


def _write(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever read it is gone
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class JsonLines(logging.Handler):
    """Writes what other packages log, as lines of the same kind."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record; of an exception where it arose, but not what it says, which may quote what was sent."""
        fields: dict[str, Any] = {"level": record.levelname.lower(), "of": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            places = traceback.extract_tb(record.exc_info[2])[-10:]
            fields |= {"kind": type(record.exc_info[1]).__name__}
            fields |= {"places": [f"{each.filename}:{each.lineno}" for each in places]}
        log("message", **fields)


def log_others() -> None:
    """Let warnings and errors of uvicorn and asyncio become lines of this log."""
    for name in ("uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not any(isinstance(each, JsonLines) for each in logger.handlers):
            logger.addHandler(JsonLines())
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its warnings quote what was sent
