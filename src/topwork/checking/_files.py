"""Findings on files: what the reader left out, and what only decoding tells."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from topwork.checking._examined import Examined
from topwork.checking._finding import Case, Finding, Severity, number, ranked
from topwork.data import LeftOut, printable

# Words of the reason -> finding, its severity, what it says of the files, what to do. The first that fits is taken.
_KINDS: tuple[tuple[tuple[str, ...], str, Severity, str, str], ...] = (
    (
        ("its mask",),
        "unusable-masks",
        "warning",
        "their masks cannot be used",
        "mend these masks, or remove the images with them",
    ),
    (
        ("an image without a mask", "a mask without an image"),
        "masks-without-a-partner",
        "warning",
        "an image has no mask, or a mask no image",
        "give image and mask the same name, in images/ and masks/, or leave them out",
    ),
    (
        (
            *("annotation", "none of its boxes", "that of another image", "without a file_name"),
            *("imagesets", "not xml", "document type", "no image is called", "file of boxes"),
        ),
        "unusable-annotations",
        "warning",
        "their annotations are missing, cannot be read or do not fit them",
        "mend these annotations, or remove the images with them",
    ),
    (
        (
            *(
                "extension",
                "is not supported",
                "is not read",
                "not an image",
                "that of an image",
                "belongs to no image",
            ),
            *("not in a class folder", "beside 'train'", "beside shards", "beside tables"),
            *("read already", "mask of", "made by topwork", "more than once", "of the sample"),
        ),
        "not-{things}",
        "note",
        "not recognised as {a_thing} of a class",
        "nothing to do, unless one of them should be used",
    ),
    (
        ("a link", "linked folder"),
        "links",
        "warning",
        "links that lead out of the data folder or nowhere, and were not followed",
        "copy the images into the data folder",
    ),
    (
        ("too large to decode", "too costly to decode", "more than the"),
        "bombs",
        "warning",
        "too large or too costly to decode safely",
        "make them smaller or leave them out; one such file can use up all memory",
    ),
    (
        ("text is empty",),
        "empty-texts",
        "warning",
        "empty, or of white space and what cannot be seen",
        "look for what made them so; remove them if nothing did",
    ),
    (
        ("label is empty",),
        "unlabelled",
        "note",
        "without a label",
        "label them if they should be used",
    ),
    (
        ("truncated", "premature end", "end of file", "empty file"),
        "truncated",
        "warning",
        "truncated, probably by an interrupted copy or download",
        "copy or download them again",
    ),
    (
        ("permission", "not a regular file", "no such file", "changed while", "cannot be read"),
        "unreadable-files",
        "warning",
        "files that cannot be opened, or changed during the check",
        "check their permissions, and whether another program is writing to the folder",
    ),
)
_OTHER: tuple[str, Severity, str, str] = (
    "damaged",
    "warning",
    "damaged: they cannot be decoded",
    "copy or download them again, or leave them out",
)

_OF_MASK = "its mask"  # of an image that is left out for its mask: what is wrong with that is a finding of its own
_OF_FLAWS = re.compile(r"[\d,]+ (mask|box)(e?s)? (was|were) (corrected|left out): ")  # so is this

ABOUT_FILES = (
    *dict.fromkeys(name.format(things=things) for things in ("images", "texts") for _, name, _, _, _ in _KINDS),
    _OTHER[0],
)
"""Names of the findings on files and rows that cannot be used."""


def check_files(examined: Examined) -> Iterator[Finding]:
    """What of a set of images cannot be used, see ``check_left_out``; and whose white is an assumption."""
    yield from check_left_out(examined)
    yield from _assumed_white(examined)


def check_left_out(examined: Examined) -> Iterator[Finding]:
    """What cannot be used, by the kind of its fault, each in exactly one finding; and what the reader had to say.

    None of it blocks: the files or rows are listed, counted and not trained on, so that no figure is untrue for them.
    """
    dataset, thing = examined.dataset, examined.thing
    called, a_thing = ("file", "an image") if thing == "image" else (thing, f"a {thing}")
    failed = [LeftOut(dataset.paths[row], reason) for row, reason in examined.survey.refused.items()]
    by_kind: dict[tuple[str, Severity, str, str], list[LeftOut]] = defaultdict(list)
    flawed = {flaw.path for flaw in getattr(dataset, "flaws", ()) if not flaw.used}
    lost = [item for item in dataset.left_out if not (item.path in flawed and item.reason.startswith(_OF_MASK))]
    for item in (*lost, *failed):
        by_kind[_kind(item.reason)].append(item)
    for (name, severity, what, advice), items in by_kind.items():
        cases = ranked(Case((item.path,), printable(item.reason)) for item in items)
        told = f"{number(len(items), called)} left out: {what.format(a_thing=a_thing)}."
        yield Finding(name.format(things=examined.things), severity, len(items), told, advice, cases)
    if dataset.ignored:
        what = f"{number(dataset.ignored, 'hidden or system file')} skipped, such as .DS_Store and Thumbs.db."
        yield Finding("hidden-files", "note", dataset.ignored, what, "nothing to do")
    elsewhere = (f"no training {thing}", "only one training", "imbalanced")  # what other findings say in more detail
    if notes := [note for note in dataset.notes if not (note.startswith(elsewhere) or _OF_FLAWS.match(note))]:
        what = "; ".join(notes)
        what += "" if what.endswith("?") else "."
        yield Finding("reader-notes", "note", len(notes), what, "read these notes; they are not errors by themselves")


def _assumed_white(examined: Examined) -> Iterator[Finding]:
    """Images of 16 bits that use fewer: what is white in them is an assumption, and may differ from one to the next."""
    white = examined.survey.facts["white"]
    rows = np.flatnonzero(white).tolist()
    if rows:
        cases = ranked(Case((examined.dataset.paths[row],), f"white is taken to be {white[row]:,}") for row in rows)
        yield Finding(
            "assumed-white",
            "warning",
            len(rows),
            f"{number(len(rows), 'image')} of 16 bits use 12 or fewer, and no file says what is white.",
            "save them with 8 bits, or scaled to all 16, so that equal brightness has equal numbers in all of them",
            cases,
        )


def _kind(reason: str) -> tuple[str, Severity, str, str]:
    lower = reason.lower()
    for words, name, severity, what, advice in _KINDS:
        if any(word in lower for word in words):
            return name, severity, what, advice
    return _OTHER
