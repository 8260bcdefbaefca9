"""What the reader could not take as it stood: masks that it corrected, or left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from topwork.checking import Case, Examined, Finding, Severity, number, ranked
from topwork.data import MaskDataset, MaskFlaw

UNTRUE = 0.05
"""Share of all masks that may be wrong in themselves. Above it what is measured is how wrong the masks are."""

# Kind of flaw -> finding, what it says of the masks, what to do.
_KINDS = {
    "size": (
        "masks-of-another-size",
        "are of another size than their image",
        "check whether the images were made smaller or cut after the masks were drawn; give both in one size",
    ),
    "turned": (
        "masks-turned",
        "lie otherwise than their image is shown",
        "save the images upright, without an EXIF tag, and the masks as the images are shown",
    ),
    "index": (
        "masks-with-unknown-values",
        "hold values that no class has",
        "name these values in the legend (classes.txt), or mark them as unlabelled with 255",
    ),
    "blurred": (
        "blurred-masks",
        "hold colours between those of the classes",
        "save masks as PNG, and make them smaller without smoothing (nearest neighbour)",
    ),
    "pieces": ("objects-in-pieces", "have objects in several pieces", "give each object a number of its own"),
    "overlap": ("overlapping-masks", "have pixels of two at once", "let each pixel belong to one"),
    "twice": ("images-with-two-masks", "are of an image that has another mask", "keep one mask for each image"),
    "unlabelled": ("masks-without-labels", "label no pixel", "label them, or remove them"),
    "unreadable": (
        "masks-that-cannot-be-read",
        "cannot be read",
        "look at these files, and save them as PNG with whole numbers",
    ),
    "class": ("masks-of-unknown-class", "have annotations of a class that is not named", "name the class"),
    "none": ("annotations-without-outline", "have annotations without an outline", "draw an outline"),
}
_OTHER = ("other-mask-flaws", "could not be used as they stand", "look at them")
_MENDED = ("pieces", "overlap", "twice", "class", "none", "blurred")  # what is left of these is as true as it was meant


def check_flaws(examined: Examined) -> Iterator[Finding]:
    """Masks that were corrected or left out when the data were read, by what is wrong with them.

    Where many of all masks are left out, the figures are those of the rest.
    """
    dataset: MaskDataset = examined.dataset
    by_kind: dict[str, list[MaskFlaw]] = defaultdict(list)
    for flaw in dataset.flaws:
        by_kind[flaw.kind if flaw.kind in _KINDS else ""].append(flaw)
    lost = len({flaw.path for flaw in dataset.flaws if not flaw.used} - set(dataset.paths))
    count = len(dataset) + lost
    for kind, flaws in by_kind.items():
        name, what, advice = _KINDS.get(kind, _OTHER)
        gone = sum(not flaw.used for flaw in flaws)
        masks = len({flaw.path for flaw in flaws})
        untrue = gone if kind != "index" else len(flaws)
        severity: Severity = "blocks" if kind not in _MENDED and untrue > UNTRUE * count else "warning"
        told = f"{masks:,} of {number(count, 'mask')} {what}: {len(flaws) - gone:,} corrected, {gone:,} left out."
        yield Finding(name, severity, masks, told, advice, ranked(_case(flaw) for flaw in flaws))


def _case(flaw: MaskFlaw) -> Case:
    return Case((flaw.path,), flaw.detail, float(not flaw.used))
