"""What a network sees: features, evidence for a class, ideal images, and how it is fooled.

Open a model or a pretrained network as a ``Subject``, bring images into its square with ``subject.squares``, and ask.
What comes back is a frozen value that holds the numbers, and whose ``picture()`` draws them. Importing the room is
light: torch is loaded with the first name that needs it.

Example:
    >>> from topwork import explain, load  # doctest: +SKIP
    >>> subject = explain.Subject.of_model(load("model"))  # doctest: +SKIP
    >>> found = explain.grad_cam(subject, subject.squares(["cat.jpg"]))[0]  # doctest: +SKIP
    >>> explain.write_picture(found.picture(), "why.png")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from topwork.explain._evidence import Evidence, evidence_sheet
    from topwork.explain._grad_cam import grad_cam
    from topwork.explain._picture import write_picture
    from topwork.explain._subject import Subject

_MODULES = {
    "Evidence": "_evidence",
    "Subject": "_subject",
    "evidence_sheet": "_evidence",
    "grad_cam": "_grad_cam",
    "write_picture": "_picture",
}

__all__ = ["Evidence", "Subject", "evidence_sheet", "grad_cam", "write_picture"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'topwork.explain' has no attribute {name!r}")
    return getattr(importlib.import_module(f"topwork.explain.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
