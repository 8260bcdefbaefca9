"""In which format an answer is wanted: by name in the address, or else by ``Accept``."""

from __future__ import annotations

from collections.abc import Collection

from topwork.server._refusal import RefusedError, unusable

JSON = "application/json"
FORMATS = {"json": JSON, "png": "image/png", "geojson": "application/geo+json"}
"""Media types by the names that an address has for them."""
_NAMES = {kind: name for name, kind in FORMATS.items()}


def format_of(name: str | None, accept: str, model: str, others: Collection[str]) -> str:
    """The media type of an answer.

    Args:
        name: What the address asks for, one of ``FORMATS``; it goes before ``accept``.
        accept: The request's header; JSON where it is empty.
        model: What the model is called.
        others: Media types that the model's answers are given in beside JSON.

    Raises:
        RefusedError: 422 where the model has no such format; 406 where it has none that is accepted.
    """
    given = (JSON, *(each for each in others if each != JSON))
    if name is not None:
        if FORMATS[name] not in given:
            names = ", ".join(_NAMES[each] for each in given)
            raise unusable(f"{model} has no answers in the format {name}", f"its formats: {names}")
        return FORMATS[name]
    best = max(given, key=lambda kind: _wish(kind, accept))  # the first of several: JSON
    if accept.strip() and _wish(best, accept)[0] <= 0:
        raise RefusedError(406, f"{model} has no answers of a type that is accepted", f"its types: {', '.join(given)}")
    return best


def _wish(kind: str, accept: str) -> tuple[float, int]:
    """How much a header wants a media type, 0 to 1, and how exactly it names it (RFC 9110, 12.5.1)."""
    ranges = [("*/*", 0), (f"{kind.partition('/')[0]}/*", 1), (kind, 2)]
    found = [(exact, _quality(rest)) for text, exact in ranges for wanted, rest in _listed(accept) if wanted == text]
    exact, quality = max(found, default=(0, 0.0))  # the most exact range tells, also where it wants the type less
    return quality, exact


def _listed(accept: str) -> list[tuple[str, str]]:
    pieces = [each.partition(";") for each in accept.lower().split(",")]
    return [(wanted.strip(), rest) for wanted, _, rest in pieces]


def _quality(parameters: str) -> float:
    """The weight of a range; 0 where it is no number from 0 to 1."""
    for each in parameters.split(";"):
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return quality if 0 <= (quality := float(value)) <= 1 else 0.0
            except ValueError:
                return 0.0
    return 1.0
