"""Networks that learnt from one field's data (``domains.tsv``): whose they are, their licence, and how they are used.

They are no rows of the catalogues: what is known of them is their makers' word, and the command line that takes them.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from topwork.backbones._catalogue import Listed, narrowed
from topwork.errors import BackboneError


@dataclass(frozen=True)
class DomainRow(Listed):
    """One network of a field.

    Attributes:
        domain: The field: ``satellite``, ``medical``, …
        reads: ``image`` or ``text``.
        parameters: In millions.
        licence: By its SPDX name, where it has one.
        options: What the commands take: the network with its weights, or weights alone, which are downloaded by hand.
        address: Where the network is published, or the file of weights.
        source: The paper, or its makers' page.
    """

    name: str
    domain: str
    reads: str
    parameters: float
    licence: str
    pretrained_on: str
    options: str
    address: str
    source: str
    advice: str


@functools.cache
def domain_rows() -> tuple[DomainRow, ...]:
    """Every row, in the table's order."""
    file = resources.files("topwork.backbones") / "domains.tsv"
    rows = csv.DictReader(file.read_text("utf-8").splitlines(), dialect="excel-tab", quoting=csv.QUOTE_NONE)
    return tuple(DomainRow(**{**row, "parameters": float(row["parameters"])}) for row in rows)  # type: ignore[arg-type]


def select_domain(
    domain: str, *, reads: str | None = None, licence: str | None = None, max_params: float | None = None
) -> tuple[DomainRow, ...]:
    """The networks of a field, of both kinds or of one, that meet every condition given.

    Args:
        domain: The field.
        reads: ``image`` or ``text``.
        licence: An SPDX name, or ``free`` for those without terms of their own.
        max_params: Parameters in millions.

    Raises:
        BackboneError: No networks of this kind are known of the field; the hint names the fields that there are.
    """
    found = tuple(row for row in domain_rows() if row.domain == domain.strip().lower() and reads in (None, row.reads))
    if not found:
        known = ", ".join(dict.fromkeys(row.domain for row in domain_rows() if reads in (None, row.reads)))
        raise BackboneError(f"no networks of the field {domain!r} are known", hint=f"there are {known}")
    return narrowed(found, licence, max_params)
