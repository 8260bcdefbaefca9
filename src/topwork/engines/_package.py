"""OpenVINO's package, imported without its tools for conversion."""

from __future__ import annotations

import functools
import sys
from typing import Any

_TOOLS = "openvino.tools.ovc"


@functools.cache
def openvino() -> Any:
    """The package ``openvino``.

    Importing it imports its tools too, which takes longer than all the rest and reports the import to a third party
    (Google Analytics). It does without them where they are not installed, so they are hidden while it is imported.
    Whoever shares the process finds them as ever: ``openvino.convert_model`` comes when it is asked for.
    """
    if "openvino" in sys.modules:
        return sys.modules["openvino"]
    sys.modules[_TOOLS] = None  # type: ignore[assignment]  # which is how an import is told that there is none
    try:
        import openvino
    finally:
        del sys.modules[_TOOLS]
    openvino.__getattr__ = _late
    return openvino


def _late(name: str) -> Any:
    """What was hidden."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    from openvino.tools.ovc import convert_model

    return convert_model
