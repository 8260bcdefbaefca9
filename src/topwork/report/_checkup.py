"""The data doctor's findings with pictures of the images that they are about, and the page that shows them all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Checkup, Finding
from topwork.data import BoxDataset, Dataset, MaskDataset, printable
from topwork.drawing import class_colours
from topwork.report._excerpts import Shows, album_of
from topwork.report._page import brief, render
from topwork.report._pictures import Picture, outlined, rows_of
from topwork.report._texts import Language, Texts

MOST_CASES = 12  # of a finding, the worst first
MOST_FILES = 4  # of a case: two copies say as much as twenty
MOST_CLASSES = 200  # rows of the table


def shown_findings(
    findings: Sequence[Finding], checkup: Checkup, album: Shows, *, most: int = MOST_CASES
) -> list[dict[str, Any]]:
    """Lay some of a checkup's findings out for a page, each with its first cases and the number of the others."""
    chosen = [(finding, finding.cases[:most]) for finding in findings]
    rows = rows_of(checkup.dataset, {path for _, cases in chosen for case in cases for path in case.paths[:MOST_FILES]})
    return [
        {
            "finding": finding,
            "cases": [_shown_case(case, album, checkup.dataset, rows) for case in cases],
            "more": len(finding.cases) - len(cases),
        }
        for finding, cases in chosen
    ]


def _shown_case(case: Case, album: Shows, dataset: Any, rows: dict[str, int]) -> dict[str, Any]:
    """A case with the pictures of its first files, and the names of those that were left out of the data set."""
    first = case.paths[:MOST_FILES]
    known = [rows[path] for path in first if path in rows]
    pictures = list(album.pictures(known))
    if case.outlines and case.paths[0] in rows and isinstance(pictures[0], Picture):
        pictures[0] = outlined(pictures[0], dataset, known[0], case.outlines)
    suspected = len(case.paths) == 1 and bool(case.likely)  # of a wrong label; both labels are told, and how sure it is
    told = suspected or any(case.detail == printable(picture.reason) for picture in pictures)
    return {
        "case": case,
        "pictures": pictures,
        "names": [path for path in first if path not in rows],
        "more": len(case.paths) > len(first),
        "suspected": suspected,
        "detail": "" if told else case.detail,
    }


def checkup_page(checkup: Checkup, *, language: Language = "en", packages: Sequence[str] = ()) -> str:
    """Show what the data doctor found as one HTML page, with pictures of what it found it in.

    The page needs nothing else: pictures and style lie in it, it has no scripts and makes no requests. It holds the
    first twelve cases of each finding and stays below 5 MB. Images are read again from where the data set has them.

    Args:
        checkup: What ``check`` or ``vet`` gave.
        language: ``en`` or ``ko``.
        packages: Of the tasks whose checks were asked, where their texts in other languages lie.

    Returns:
        The page; ``write_page`` writes it. The same checkup gives the same page.

    Example:
        >>> write_page(checkup_page(check(read("photos"))), "photos.html")  # doctest: +SKIP
    """
    t = Texts(language, packages, thing=checkup.things.removesuffix("s"))
    album = album_of(checkup.dataset, checkup.unusable)
    return render(
        "checkup.html",
        language=language,
        t=t,
        name=brief(str(checkup.dataset.root)),
        findings=shown_findings(checkup.findings, checkup, album),
        command=f"topwork check {shlex.quote(str(checkup.dataset.root))} --json",
        **checkup_values(checkup, t),
    )


def checkup_values(checkup: Checkup, t: Texts) -> dict[str, Any]:
    """What a page tells of a checkup beside its findings: whether ``fit`` would go on, and the rows of each class.

    Returns:
        ``checkup``, ``blocking``, ``obstacles``, ``splits``, ``classes`` (the first 200 rows), ``more_classes`` and
        ``more_names`` of the others, ``total``, ``largest``: usable rows of the largest class, at least 1; ``counted``,
        what is counted there, as a key in the texts, ``colours`` of masks, and ``usable`` rows in all.
    """
    splits = tuple(name for name in ("train", "val", "test") if (checkup.dataset.splits == name).any())
    counts = _counts(checkup, splits)
    rows = [_class_row(name, found) for name, found in zip(checkup.classes, counts, strict=False)]
    return {
        "checkup": checkup,
        "blocking": checkup.blocking(),
        "obstacles": tuple(_obstacles(checkup, t)),
        "splits": splits,
        "classes": rows[:MOST_CLASSES],
        "more_classes": _class_row("", counts[MOST_CLASSES:].sum(axis=0)),
        "more_names": tuple(checkup.classes[MOST_CLASSES:]),
        "total": _class_row("", counts.sum(axis=0)),
        "counted": _counted(checkup.dataset),
        "colours": mask_colours(checkup.dataset),
        "usable": int(_usable(checkup).sum()),
        "largest": max((row["usable"] for row in rows), default=0) or 1,
    }


def _counted(dataset: Dataset) -> str:
    """What the table of classes counts, as a key in the texts."""
    kinds = {BoxDataset: "classes_boxes", MaskDataset: "classes_masks"}
    return next((key for kind, key in kinds.items() if isinstance(dataset, kind)), "classes")


def mask_colours(dataset: Dataset) -> list[tuple[str, str]]:
    """The classes that pictures of a data set of masks show, and their colours; none of any other data set."""
    if not isinstance(dataset, MaskDataset):
        return []
    names = [dataset.classes[place] for place in dataset.foreground]
    return [(name, f"#{bytes(colour).hex()}") for name, colour in zip(names, class_colours(len(names)), strict=True)]


def _obstacles(checkup: Checkup, t: Texts) -> Iterator[str]:
    """Why ``fit`` would stop although no finding blocks: it needs two classes to learn and something to measure."""
    dataset, usable = checkup.dataset, _usable(checkup)
    training = usable & (dataset.splits == "train") if (dataset.splits == "train").any() else usable
    if isinstance(dataset, BoxDataset):
        if not dataset.counts[training].any():
            yield t("obstacle_boxes")
    elif isinstance(dataset, MaskDataset):
        if (dataset.pixels[training, :-1].sum(axis=0) > 0).sum() < 2:
            yield t("obstacle_masks")
    elif checkup.classes and len(np.unique(dataset.labels[training])) < 2:
        yield t("obstacle_classes")
    held_out = dataset.held_out_split
    if held_out and not (usable & (dataset.splits == held_out)).any():
        yield t("obstacle_test", split=held_out)


def _usable(checkup: Checkup) -> npt.NDArray[np.bool_]:
    """(N,), which images can be decoded."""
    usable = np.ones(len(checkup.dataset), dtype=bool)
    usable[list(checkup.unusable)] = False
    return usable


def _counts(checkup: Checkup, splits: Sequence[str]) -> npt.NDArray[np.intp]:
    """(classes, 2 + splits), of each class's images, or boxes, how many can be used, cannot, and can in each split."""
    dataset, usable = checkup.dataset, _usable(checkup)
    masks = [usable, ~usable, *(usable & (dataset.splits == split) for split in splits)]
    if isinstance(dataset, BoxDataset):
        labels, masks = dataset.labels, [mask[dataset.rows_of_boxes] & ~dataset.crowd for mask in masks]
    elif isinstance(dataset, MaskDataset):
        return np.stack([(dataset.pixels[mask, :-1] > 0).sum(axis=0) for mask in masks], axis=1)
    else:
        labels = dataset.strata()
    count = len(checkup.classes) or dataset.n_strata
    return np.stack([np.bincount(labels[mask], minlength=count) for mask in masks], axis=1)


def _class_row(name: str, counts: npt.NDArray[np.intp]) -> dict[str, Any]:
    """A row of the table of classes: usable images in all and in each split, and those that cannot be used."""
    usable, unusable, *in_splits = counts.tolist()
    return {"name": name, "splits": in_splits, "usable": usable, "unusable": unusable}
