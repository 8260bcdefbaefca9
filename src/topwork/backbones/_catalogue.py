"""The catalogue: the backbones whose facts topwork holds itself. Any other timm name works too.

The table ``catalogue.tsv`` beside this file holds them: one backbone a line, cells parted by tabs, a column for every
field of ``CatalogueRow``. Two of its columns are written in short. ``pixels`` names the data whose mean and deviation
a network expects (``imagenet``, ``half``, ``clip``). ``stages`` lists ``name:channels/stride`` nearest the pixels
first, where ``blocks.0-11:768/16`` stands for twelve blocks that are alike. The first line is the default.
"""

from __future__ import annotations

import csv
import dataclasses
import difflib
import functools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from topwork.backbones._preprocessing import CropMode, Interpolation, Preprocessing
from topwork.errors import BackboneError

# The name of a network's own pooled features, beside its stages' names.
EMBEDDING = "embedding"

# What stands behind a stage's name where its map is not pooled.
MAP = "map"

DEFAULT = "tf_efficientnet_lite0"

Method = Literal["supervised", "self-supervised", "image-text", "segmentation"]

_TABLE = Path(__file__).with_name("catalogue.tsv")
FREE = ("Apache-2.0", "BSD-3-Clause", "MIT", "PDDL-1.0")
"""Licences that allow commercial use without terms of their own."""


@dataclass(frozen=True)
class Stage:
    """One of a backbone's successive blocks.

    Attributes:
        name: The module's name in timm, e.g. ``blocks.4``.
        stride: Input pixels per step of its output.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True)
class Family:
    """Networks of one design."""

    name: str
    year: int
    paper: str


@dataclass(frozen=True)
class Pixels:
    """Mean and deviation of the pixels that a network was trained on, per channel, on the scale 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_PIXELS = {
    "imagenet": Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": Pixels((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


class Listed:
    """What every row of a catalogue has, a frozen dataclass each."""

    parameters: float
    licence: str

    @property
    def free(self) -> bool:
        """Whether the licence allows commercial use without terms of its own."""
        return self.licence in FREE

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        fields: Any = self
        return {**dataclasses.asdict(fields), "free": self.free}


@dataclass(frozen=True)
class CatalogueRow(Listed):
    """What is known of one backbone before anything is loaded. Tests compare it with timm.

    Attributes:
        alias: The short name that ``--backbone`` takes.
        name: timm's name, with the tag of its weights: ``resnet50.a1_in1k``.
        parameters: Number of parameters in millions, classifier included.
        gmacs: Multiplications in billions for one image of ``size``, classifier included.
        top1: ImageNet-1k validation accuracy of its own classifier in per cent, from timm's table of results, which
            measures some networks at a larger size than they were trained on; None where it has no such classifier.
        embedding: Width of the network's own pooled features.
        size: Side of the square image in pixels.
        crop: Share of the shorter side that the centre crop keeps.
        crop_mode: How an image was made square when the network was evaluated.
        interpolation: Filter with which an image was resized then.
        pixels: Mean and deviation of the pixels that it expects.
        licence: The weights' licence by its SPDX name, where there is one.
        advice: One line on when to pick it.
        fixed_size: Whether it is built for one image size and must be rebuilt for another.
        mean_embedding: Whether its own pooled features are a mean over the last map.
        repository: The hub's repository, where it is not timm's with the network's name. OpenAI trained its ViTs with
            a quick approximation of GELU; with the exact one, which timm's plain names run, the same weights give
            other embeddings, and words no longer meet them. Both names share the plain one's repository.
        package: Distribution that holds the weights; empty where they come from the hub.
        weights: The weights file's path inside the package's module.
    """

    alias: str
    name: str
    family: Family
    parameters: float
    gmacs: float
    top1: float | None
    stages: tuple[Stage, ...]
    embedding: int
    size: int
    crop: float
    crop_mode: CropMode
    interpolation: Interpolation
    pixels: Pixels
    pretrained_on: str
    method: Method
    licence: str
    advice: str
    fixed_size: bool = False
    mean_embedding: bool = True
    repository: str = ""
    package: str = ""
    weights: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse, by a BackboneError, what cannot be true of any network."""
        texts = (self.alias, self.name, self.family.name, self.family.paper, self.pretrained_on, self.licence)
        sizes, methods = (self.parameters, self.gmacs, self.embedding), get_args(Method)
        in_stages = [number for stage in self.stages for number in (stage.channels, stage.stride)]
        numbers = all(0 < number < math.inf for number in (*sizes, *in_stages))
        packaged = bool(self.package) == bool(self.weights) == bool(self.sha256)
        hashed = not self.sha256 or re.fullmatch(r"[0-9a-f]{64}", self.sha256) is not None
        checks = {
            "a name, a paper, a licence, data or advice is missing": all((*texts, self.advice)),
            f"method must be one of {', '.join(methods)}, not {self.method!r}": self.method in methods,
            "parameters, gmacs, widths and strides must be above 0": numbers,
            f"top1 must be a percentage, not {self.top1}": self.top1 is None or 0 < self.top1 <= 100,
            "stages are missing": bool(self.stages),
            "a package needs a weights file and its sha256, and nothing else has them": packaged,
            f"sha256 must be 64 hexadecimal digits, not {self.sha256!r}": hashed,
        }
        for complaint, fine in checks.items():
            if not fine:
                raise BackboneError(f"{self.alias or self.name}: {complaint}")
        self.preprocessing  # noqa: B018  # it checks size, crop and pixels

    @property
    def module(self) -> str:
        """Import name of the package."""
        return self.package.replace("-", "_")

    @property
    def extra(self) -> str:
        """What brings the package, where it is not topwork itself."""
        return "lite"

    @property
    def hub(self) -> str:
        """The hub's repository, empty for a package; which commit was fetched is kept in the saved model."""
        return "" if self.package else self.repository or f"timm/{self.name}"

    @property
    def preprocessing(self) -> Preprocessing:
        """What timm evaluates the network with."""
        return Preprocessing(
            self.size, self.crop_mode, self.crop, self.interpolation, self.pixels.mean, self.pixels.std, "timm"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**super().to_dict(), "hub": self.hub}


Row = TypeVar("Row", bound=Listed)


def narrowed(rows: Iterable[Row], licence: str | None, max_params: float | None) -> tuple[Row, ...]:
    """Rows that meet every condition given, in their order.

    Args:
        rows: Of one catalogue.
        licence: An SPDX name, or ``free`` for those without terms of their own.
        max_params: Parameters in millions.
    """
    wanted = licence.strip().lower() if licence is not None else None
    return tuple(
        row
        for row in rows
        if (wanted is None or (row.free if wanted == "free" else row.licence.lower() == wanted))
        and (max_params is None or row.parameters <= max_params)
    )


def catalogue() -> tuple[CatalogueRow, ...]:
    """Every row in the table's order; the table is read when it is first asked for.

    Raises:
        BackboneError: The table is not as expected; the error names the line.
    """
    return tuple(dict.fromkeys(_rows().values()))


def row(name: str) -> CatalogueRow | None:
    """The catalogue's row of that name, None where timm has to be asked; case and ``_`` or ``-`` do not matter."""
    return _rows().get(_plain(name))


@functools.cache
def _rows() -> dict[str, CatalogueRow]:
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return parse_table(lines)


def parse_table(lines: Iterable[str]) -> dict[str, CatalogueRow]:
    """Rows of the table's text, whose first line names the columns, by every name that leads to them.

    Raises:
        BackboneError: A column is missing or unknown, a cell cannot be read or be true, or two rows have one name.
    """
    reader = csv.DictReader(lines, dialect="excel-tab", quoting=csv.QUOTE_NONE, restval="")
    told = set(reader.fieldnames or ())
    if told != _COLUMNS:
        wrong = ", ".join(sorted(told ^ _COLUMNS))
        raise BackboneError(f"{_TABLE.name}: columns are missing or unknown: {wrong}")
    rows: dict[str, CatalogueRow] = {}
    for cells in reader:
        try:
            row = _parsed(cells)
            for name in _names(row):
                if name in rows:
                    raise BackboneError(f"{name} is the name of {rows[name].alias} already")
                rows[name] = row
        except (BackboneError, ValueError) as error:
            raise BackboneError(f"{_TABLE.name}, line {reader.line_num}: {error}") from error
    return rows


def _parsed(cells: dict[str, str]) -> CatalogueRow:
    if None in cells:  # where the csv module puts what is too much
        raise ValueError("there are more cells than columns")
    values: dict[str, Any] = {name: _CELLS.get(name, str)(cell.strip()) for name, cell in cells.items()}
    family = Family(*(values.pop(name) for name in ("family", "year", "paper")))
    return CatalogueRow(family=family, **values)


def _parsed_stages(cell: str) -> tuple[Stage, ...]:
    found: list[Stage] = []
    for text in cell.split():
        match = re.fullmatch(r"([\w.]+?)(?:(\d+)-(\d+))?:(\d+)/(\d+)", text)
        if match is None:
            raise ValueError(f"a stage is written name:channels/stride, not {text!r}")
        name, first, last, channels, stride = match.groups()
        names = [name] if first is None else [f"{name}{number}" for number in range(int(first), int(last) + 1)]
        found += (Stage(each, int(channels), int(stride)) for each in names)
    return tuple(found)


def _one_of(known: dict[str, Any]) -> Callable[[str], Any]:
    def parsed(cell: str) -> Any:
        if cell not in known:
            raise ValueError(f"there must be one of {', '.join(known)}, not {cell!r}")
        return known[cell]

    return parsed


_COLUMNS = {"year", "paper", *(field.name for field in dataclasses.fields(CatalogueRow))}

# How the text of a cell is read where it does not stand for itself.
_CELLS: dict[str, Callable[[str], Any]] = {
    "year": int,
    "parameters": float,
    "gmacs": float,
    "top1": lambda cell: float(cell) if cell else None,
    "stages": _parsed_stages,
    "embedding": int,
    "size": int,
    "crop": float,
    "pixels": _one_of(_PIXELS),
    "fixed_size": _one_of({"yes": True, "no": False}),
    "mean_embedding": _one_of({"yes": True, "no": False}),
}


def _names(row: CatalogueRow) -> set[str]:
    """Every name that leads to a row: its alias, timm's name, and timm's name without the tag of the weights.

    The last means the row's weights, whatever timm's own default is or becomes.
    """
    names = (row.alias, row.name, row.name.partition(".")[0], row.name.removeprefix("tf_"))
    return {_plain(name) for name in names}


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")


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
    rows = catalogue()
    _require_known("family", family, [entry.family.name for entry in rows])
    _require_known("method", method, [entry.method for entry in rows])
    _require_known("licence", licence, ["free", *(entry.licence for entry in rows)])
    return tuple(
        entry
        for entry in rows
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
    """The error for a name that no network of images has, with the nearest right ones."""
    from topwork.backbones._text_catalogue import text_row

    if text_row(name) is not None:
        return BackboneError(f"{name} is a network of texts, not of images", hint="`topwork models` lists both kinds")
    every = [*(entry.alias for entry in catalogue()), *known]
    names = list({_plain(each): each for each in reversed(every)}.values())  # one spelling of each, an alias first
    nearest = difflib.get_close_matches(_plain(name), names, n=3, cutoff=0.5) or difflib.get_close_matches(
        name.lower(), names, n=3, cutoff=0.5
    )
    hint = f"did you mean {', '.join(nearest)}?" if nearest else "`topwork models` lists some that work"
    if Path(name).is_dir():
        hint = f"a folder is given as ./{name}"
    return BackboneError(f"no backbone is called {name!r}", hint=hint)
