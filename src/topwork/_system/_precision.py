"""Whether bfloat16 is used where the device computes in it: the variable ``TOPWORK_PRECISION``."""

from __future__ import annotations

import os

from topwork.errors import TopworkError

PRECISION_VARIABLE = "TOPWORK_PRECISION"


def uses_bf16(capable: bool, device: str) -> bool:
    """Whether to compute in bfloat16: where the device can, unless ``TOPWORK_PRECISION`` says ``f32``.

    With ``f32`` every result is what a processor without bfloat16 gives. ``bf16`` makes sure that the device has it;
    a network whose features bfloat16 would spoil still runs in float32 (``engines.decide``).

    Args:
        capable: Whether the device computes in bfloat16 natively.
        device: What it is called, for the error.

    Raises:
        TopworkError: The variable holds something else, or asks for what the device does not have.
    """
    wanted = os.environ.get(PRECISION_VARIABLE, "").strip().lower()
    if wanted not in ("", "f32", "bf16"):
        raise TopworkError(
            f"{PRECISION_VARIABLE} must be f32 or bf16, not {wanted!r}",
            hint="unset it to use bf16 where it is available",
        )
    if wanted == "bf16" and not capable:
        raise TopworkError(
            f"{PRECISION_VARIABLE} is bf16, which {device} does not support", hint="unset it, or set it to f32"
        )
    return capable and wanted != "f32"
