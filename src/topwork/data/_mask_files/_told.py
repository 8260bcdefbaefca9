"""Tells what the values of masks mean, by the legend where there is one, or by what all the masks of a set hold.

Without a legend, of masks of numbers:

- one number beside 0, or one alone: that is the object (0 and 255, 0 and 1).
- *objects*, where in nine of ten masks that show something the numbers each lie in one piece, and either have 16 bits
  or more, or count from 1 without a gap to a greatest one that is at least 10 and differs between masks. A class
  lies in many places of an image, an object in one.
- shades of grey where 1 is not among the numbers but 255 is: each shade is a class.
- *indices* otherwise. 255 is then unlabelled where 1 is a class too: so do VOC, Cityscapes and ADE20K.

Numbers below 0, as arrays may hold them, are unlabelled.

Of masks of colours each colour is a class, black the background. Where masks hold many colours (JPEG, smoothed edges)
those count that many pixels have and that are far from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from topwork.data._mask_files._look import Look
from topwork.data._mask_files._meaning import NEAR, Meaning, as_keys, shown_value
from topwork.data._mask_files._raw import unpacked
from topwork.data._masks import UNLABELLED
from topwork.errors import DataError

BACKGROUND, OBJECT = "background", "object"
_BACKGROUNDS = frozenset({"background", "bg", "_background_", "back", "배경"})
_VOIDS = frozenset({"void", "ignore", "ignored", "unlabelled", "unlabeled", "unknown", "don't care", "무시"})
_MOST_COLOURS = 256  # classes that colours may make
_ONE_PIECE, _MASKS = 0.9, 0.9  # shares of numbers and masks that make them objects
_LEAST_OBJECTS = 10  # of 8 bits
_SHARE = 0.005  # of all pixels, above which a colour among thousands counts
_GREYS = 9  # different ones, from which they may be mixtures of black and white
_MOST_VALUES = 200  # that may be classes without a legend


@dataclass(frozen=True)
class Legend:
    """What a file, or whoever asks, says about values.

    Attributes:
        names: The classes' names.
        keys: Of each its number or colour; its place where None.
        colours: Whether those are colours.
        greys: Whether those are shades, so that what lies between is a mixture.
    """

    names: tuple[str, ...]
    keys: tuple[int, ...] | None = None
    colours: bool = False
    greys: bool = False


def told(looks: Sequence[Look], legend: Legend | None, objects: bool | None) -> Meaning:
    """What the masks' values mean.

    Args:
        looks: At all of them.
        legend: What is said of the values.
        objects: Whether they are said to be objects, or not to be.
    """
    if objects or (objects is None and _are_objects(looks) and (legend is None or len(legend.names) <= 2)):
        return _of_objects(legend)
    if legend is not None:
        return _of_legend(_placed(legend, looks))
    if any(look.colours for look in looks):
        return _of_colours(looks)
    meaning = _of_numbers(looks)
    if not any((look.values < 0).any() for look in looks):
        return meaning
    return replace(meaning, notes=(*meaning.notes, "numbers below 0 are read as unlabelled"))


def _of_objects(legend: Legend | None) -> Meaning:
    names = tuple(name for name in legend.names if not is_background(name)) if legend else ()
    first = next((name for name in legend.names if is_background(name)), BACKGROUND) if legend else BACKGROUND
    classes = (first, names[0] if names else OBJECT)
    return Meaning("objects", np.zeros(0, np.int64), np.zeros(0, np.int32), classes, True)


def is_background(name: str) -> bool:
    """Tell the name of what belongs to no class."""
    return name.strip().casefold() in _BACKGROUNDS


def is_void(name: str) -> bool:
    """Tell the name of what is not labelled."""
    return name.strip().casefold() in _VOIDS


def _placed(legend: Legend, looks: Sequence[Look]) -> Legend:
    """A legend of names alone with the values that they mean, which are their places, but for two usual things.

    Masks of 0 and one other value mean the last name by it, and names without a background begin at 1 where the
    values run from 0 to their number.
    """
    if legend.keys is not None:
        return legend
    totals = _totals(looks, "indices")
    shown = {value for value in totals if value > 0 and value != 255}
    with_white = 255 in totals
    names = legend.names if any(map(is_background, legend.names)) else (BACKGROUND, *legend.names)
    if len(names) == 2 and with_white and 1 not in shown:
        return Legend(names, (0, 255), greys=True)
    if len(names) == 2 and len(shown) == 1 and not with_white and max(shown) > 1:
        return Legend(names, (0, max(shown)))
    begins_at_1 = len(legend.names) < len(names) and 0 in totals and max(shown, default=0) == len(legend.names)
    return Legend(names if begins_at_1 or len(legend.names) == 1 else legend.names)


def _of_legend(legend: Legend) -> Meaning:
    keys = legend.keys if legend.keys is not None else tuple(range(len(legend.names)))
    declared = legend.names if legend.colours else [name for _, name in sorted(zip(keys, legend.names, strict=True))]
    names = [name for name in dict.fromkeys(declared) if not is_void(name)]
    names.sort(key=lambda name: not is_background(name))
    of = {name: place for place, name in enumerate(names)}
    pairs = sorted(zip(keys, legend.names, strict=True))
    places = [of.get(name, UNLABELLED) for _, name in pairs]
    sorted_keys = [key for key, _ in pairs]
    if not legend.colours and 255 not in keys:
        sorted_keys, places = [*sorted_keys, 255], [*places, UNLABELLED]
        order = np.argsort(sorted_keys, kind="stable")
        sorted_keys, places = [sorted_keys[at] for at in order], [places[at] for at in order]
    return Meaning(
        "colours" if legend.colours else "greys" if legend.greys else "indices",
        np.array(sorted_keys, np.int64),
        np.array(places, np.int32),
        tuple(names),
        is_background(names[0]),
    )


def _are_objects(looks: Sequence[Look]) -> bool:
    """As this module's description says."""
    seen = [look for look in looks if (look.values > 0).any()]
    if not seen or any(look.colours or look.parts is not None for look in looks):
        return False
    candidates = [look for look in seen if len(look.pieces)]
    if len(candidates) < _MASKS * len(seen) or len({int(v) for look in seen for v in look.values[look.values > 0]}) < 2:
        return False
    shown = [look.pieces[look.values > 0] for look in candidates]
    single, numbers = sum(int((each == 1).sum()) for each in shown), sum(map(len, shown))
    if single < _ONE_PIECE * numbers:
        return False
    if sum(look.deep for look in candidates) >= _MASKS * len(candidates):
        return True
    largest = [int(look.values[-1]) for look in candidates]
    return max(largest) >= _LEAST_OBJECTS and len(set(largest)) > 1


def _of_numbers(looks: Sequence[Look]) -> Meaning:
    totals = _totals(looks, "indices")
    values = sorted(value for value in totals if value >= 0)
    foreground = [value for value in values if value]
    if len(foreground) <= 1:
        return _numbered([0, *(foreground or [1])], (BACKGROUND, OBJECT), "greys" if foreground == [255] else "indices")
    if 255 in values and _is_blurred(totals, looks):
        note = "masks hold greys between black and white, as JPEG or smoothing makes them: read as one class"
        return _numbered([0, 255], (BACKGROUND, OBJECT), "greys", (note,))
    if 255 in values and 1 not in values:
        return _named("greys", values, ())
    if 255 in values:
        note = "255 is read as unlabelled; a legend (classes.txt) that names it makes it a class"
        return _named("indices", [value for value in values if value != 255], (note,), void=255)
    return _named("indices", values, ())


def _numbered(keys: list[int], classes: tuple[str, ...], kind: str, notes: tuple[str, ...] = ()) -> Meaning:
    places = np.arange(len(keys), dtype=np.int32)
    return Meaning(kind, np.array(keys, np.int64), places, classes, True, notes=notes)


def _named(kind: str, values: list[int], notes: tuple[str, ...], void: int | None = None) -> Meaning:
    """A class for each value, called by it; 0 is the background."""
    if len(values) > _MOST_VALUES:
        raise DataError(
            f"the masks hold {len(values):,} different values, too many to be classes that nothing names",
            hint="name the classes in classes.txt; where values are objects, call the folder of the masks 'instances'",
        )
    classes = tuple(BACKGROUND if not value else shown_value(kind, value) for value in values)
    note = f"the classes have no names: they are called by their {'colours' if kind == 'colours' else 'values'}"
    keys, places = list(values), list(range(len(values)))
    if void is not None:
        keys, places = [*keys, void], [*places, UNLABELLED]
    return Meaning(
        kind, np.array(keys, np.int64), np.array(places, np.int32), classes, values[0] == 0, notes=(note, *notes)
    )


def _totals(looks: Sequence[Look], kind: str) -> dict[int, int]:
    totals: dict[int, int] = {}
    for look in looks:
        values = as_keys(kind, look.values, look.colours, look.palette)
        for value, count in zip(values.tolist(), look.counts.tolist(), strict=True):
            totals[value] = totals.get(value, 0) + count
    return totals


def _is_blurred(totals: dict[int, int], looks: Sequence[Look]) -> bool:
    """Whether greys are mixtures of black and white: many of them, and less than twice as many pixels as are white."""
    near = NEAR if any(look.lossy for look in looks) else 0
    white = sum(count for value, count in totals.items() if value >= 255 - near)
    between = sum(count for value, count in totals.items() if near < value < 255 - near)
    return len(totals) >= _GREYS and 2 * white > between


def _of_colours(looks: Sequence[Look]) -> Meaning:
    totals = _totals(looks, "colours")
    colours = np.array(sorted(totals), np.int64)
    counts = np.array([totals[colour] for colour in colours.tolist()], np.int64)
    notes: tuple[str, ...] = ()
    if len(colours) > _MOST_COLOURS or any(look.lossy for look in looks):
        colours = _frequent(colours, counts)
        notes = (
            "masks hold colours between others, as JPEG or smoothing makes them: those of many pixels are classes",
        )
    return _named("colours", colours.tolist(), notes)


def _frequent(colours: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Colours that many pixels have and that are far from each other, sorted."""
    order = np.argsort(-counts, kind="stable")
    points, kept = unpacked(colours).astype(np.float64), list[int]()
    least = _SHARE * counts.sum()
    for at in order[:_MOST_COLOURS].tolist():
        away = np.sqrt(((points - points[at]) ** 2).sum(axis=1))
        if counts[away <= NEAR / 2].sum() < least:
            continue
        if all(away[other] > NEAR for other in kept):
            kept.append(at)
    return np.sort(colours[kept])
