"""The catalogue: the backbones whose facts topwork holds itself. Any other timm name works too."""

from __future__ import annotations

import difflib

from topwork.backbones._cnns import CNNS
from topwork.backbones._mobile import MOBILE
from topwork.backbones._row import EMBEDDING, CatalogueRow, Family, Method, Stage
from topwork.backbones._transformers import TRANSFORMERS
from topwork.errors import BackboneError

__all__ = ["CATALOGUE", "DEFAULT", "EMBEDDING", "CatalogueRow", "Family", "Method", "Stage", "row", "select", "unknown"]

CATALOGUE: tuple[CatalogueRow, ...] = (*MOBILE, *CNNS, *TRANSFORMERS)

DEFAULT = CATALOGUE[0].name


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")


# Every name that leads to a row: its alias, timm's name, and timm's name without the tag of the weights, which then
# means the row's weights whatever timm's own default is or becomes.
_ROWS = {
    _plain(name): entry
    for entry in CATALOGUE
    for name in (entry.alias, entry.name, entry.name.partition(".")[0], entry.name.removeprefix("tf_"))
}


def row(name: str) -> CatalogueRow | None:
    """The catalogue's row of that name, None where timm has to be asked; case and ``_`` or ``-`` do not matter."""
    return _ROWS.get(_plain(name))


def select(
    *,
    family: str | None = None,
    method: str | None = None,
    licence: str | None = None,
    max_params: float | None = None,
    max_gmacs: float | None = None,
) -> tuple[CatalogueRow, ...]:
    """Rows that meet every condition given, in the catalogue's order.

    Args:
        family: A family's name, whatever its case.
        method: How they were pretrained: ``supervised``, ``self-supervised``, ``image-text`` or ``segmentation``.
        licence: An SPDX name, or ``free`` for those without terms of their own.
        max_params: Parameters in millions.
        max_gmacs: Multiplications in billions for one image.

    Raises:
        BackboneError: No row has that family, method or licence; the hint names those that there are.
    """
    _require_known("family", family, [entry.family.name for entry in CATALOGUE])
    _require_known("method", method, [entry.method for entry in CATALOGUE])
    _require_known("licence", licence, ["free", *(entry.licence for entry in CATALOGUE)])
    return tuple(
        entry
        for entry in CATALOGUE
        if (family is None or _plain(entry.family.name) == _plain(family))
        and (method is None or entry.method == _plain(method))
        and (licence is None or (entry.free if _plain(licence) == "free" else _plain(entry.licence) == _plain(licence)))
        and (max_params is None or entry.parameters <= max_params)
        and (max_gmacs is None or entry.gmacs <= max_gmacs)
    )


def _require_known(what: str, value: str | None, known: list[str]) -> None:
    if value is not None and _plain(value) not in map(_plain, known):
        raise BackboneError(f"no {what} is called {value!r}", hint=f"there are {', '.join(dict.fromkeys(known))}")


def unknown(name: str, known: list[str]) -> BackboneError:
    """The error for a name that nobody knows, with the nearest right ones.

    Args:
        name: What was asked for.
        known: timm's names.
    """
    names = [*(entry.alias for entry in CATALOGUE), *known]
    nearest = difflib.get_close_matches(_plain(name), names, n=3, cutoff=0.5) or difflib.get_close_matches(
        name.lower(), names, n=3, cutoff=0.5
    )
    hint = f"did you mean {', '.join(nearest)}?" if nearest else "`topwork models` lists some that work"
    return BackboneError(f"no backbone is called {name!r}", hint=hint)
