"""The user's classes among those that a trained detector or segmenter has, by their names."""

from __future__ import annotations

from collections.abc import Sequence

from topwork.backbones import spellings
from topwork.data import printable, quoted
from topwork.errors import DataError

_SAME = (
    ("person", "people", "human", "pedestrian", "man", "woman"),
    ("bicycle", "bike", "cycle"),
    ("motorcycle", "motorbike"),
    ("airplane", "aeroplane", "plane", "aircraft"),
    ("car", "automobile"),
    ("truck", "lorry"),
    ("boat", "ship"),
    ("traffic light", "stop light"),
    ("fire hydrant", "hydrant"),
    ("couch", "sofa"),
    ("potted plant", "plant", "houseplant"),
    ("dining table", "table"),
    ("tv", "television", "tv monitor", "monitor"),
    ("cell phone", "mobile phone", "smartphone", "phone"),
    ("refrigerator", "fridge"),
    ("donut", "doughnut"),
    ("hair drier", "hair dryer"),
    ("handbag", "purse"),
    ("remote", "remote control"),
    ("sports ball", "ball"),
    ("wine glass", "wineglass"),
    ("laptop", "notebook computer"),
    ("cow", "cattle"),
    ("teddy bear", "teddy"),
)
"""Names that data sets have for a class of COCO's, which comes first: Pascal VOC's are among them."""


def meet(
    classes: Sequence[str], own: Sequence[str], *, needed: bool = True, words: str = "owlv2"
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Which of a network's classes is which of the user's.

    Names meet by their spelling, whatever the case, blanks and hyphens, plural or singular; then by a word that means
    the same.

    Args:
        classes: The user's.
        own: The network's, in the order of its logits; empty where a logit has no class.
        needed: Whether one at least has to meet.
        words: The network that can be told classes in words, for the hint.

    Returns:
        For each logit the place among the user's classes, or -1; and the user's classes that met none.

    Raises:
        DataError: None meets any, or two of the user's mean the same.
    """
    places = {key: place for place, name in reversed(list(enumerate(own))) if name for key in _keys(name)}
    met = {name: next((places[key] for key in _keys(name, others=True) if key in places), None) for name in classes}
    taken: dict[int, str] = {}
    for name, place in met.items():
        if place is not None and place in taken:
            raise DataError(
                f"{quoted([taken[place], name])} both mean the network's class '{printable(own[place])}'",
                hint="merge them into one class, or train: --strategy probe",
            )
        if place is not None:
            taken[place] = name
    if needed and not taken:
        raise DataError(
            f"the network has none of the classes {quoted(list(classes)[:5])}",
            hint=f"it has {', '.join([name for name in own if name][:8])}, …; train with --strategy probe, or "
            f"tell them in words: --strategy zero-shot --backbone {words}",
        )
    order = {name: place for place, name in enumerate(classes)}
    rows = tuple(order[taken[place]] if place in taken else -1 for place in range(len(own)))
    return rows, tuple(name for name in classes if met[name] is None)


def _keys(name: str, *, others: bool = False) -> list[str]:
    """How a name may be spelt, itself first; with ``others`` then those that mean the same."""
    own = list(spellings(name))
    same = [each for group in _SAME if {*own} & {key for each in group for key in spellings(each)} for each in group]
    return [*own, *(key for each in same for key in spellings(each))] if others else own[:1]
