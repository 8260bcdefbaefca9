"""What the cards of tasks on maps say alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from topwork.metrics import as_percent
from topwork.model import Kind, as_text, cited, quoted_yaml

_NAMED = 10
_WEAK = 5  # classes that are named


def results(record: Any, name: str, kind: Kind, called: str, figures: Mapping[str, Any]) -> list[str]:
    """Lines of the card's header that the hub shows: ``figures`` are the estimates by the type of each."""
    known = [f"    - {{type: {key}, value: {found.value:.4f}}}" for key, found in figures.items() if found]
    split = quoted_yaml(record.data.held_out_split)
    return [
        "model-index:",
        f"- name: {quoted_yaml(name)}",
        "  results:",
        f"  - task: {{type: {kind.pipeline}, name: {called}}}",
        f"    dataset: {{type: {kind.dataset}, name: the owner's {kind.things}, split: {split}}}",
        *(["    metrics:", *known] if known else []),
    ]


def named(classes: Sequence[str]) -> str:
    """The first classes, as text."""
    return ", ".join(map(as_text, classes[:_NAMED])) + (", …" if len(classes) > _NAMED else "")


def folds(found: Any, figures: Mapping[str, str]) -> Iterator[str]:
    """What cross-validation said, as a table; ``figures`` are the names by their fields."""
    if found is None:
        return
    of = "all images" if found.split == "all" else "the training images"
    yield "## Cross-validation\n"
    yield (
        f"The whole procedure, with everything that it chooses, was repeated on each of {len(found.folds)} folds of "
        f"{of}. The figures are of the procedure; the saved model was fitted as usual.\n"
    )
    head = ("fold", "training images", "test images", *figures.values())
    rows = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    for place, fold in enumerate(found.folds, 1):
        rows.append(_row([place, fold.training, fold.images, *(f"{getattr(fold, field):.1%}" for field in figures)]))
    means = " | ".join(as_percent(getattr(found, field)) for field in figures)
    yield "\n".join([*rows, f"| mean | | | {means} |"]) + "\n"


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def averaged(found: Any, figures: str, pooled: str) -> list[str]:
    """The same in a sentence of a paper: what the figures were, and of what the other interval is."""
    of = "all images" if found.split == "all" else "the training images"
    return [
        f"In a stratified {len(found.folds)}-fold cross-validation on {of}, in which each fold repeated the whole "
        f"procedure with all its choices, {figures}; in brackets is the wider of the corrected resampled t "
        f"interval{cited('nadeau2003inference')} and that of the pooled {pooled}."
    ]


def weak(figure: str, per_class: Sequence[tuple[str, Any]]) -> list[str]:
    """A line of the limits on classes whose figure may be below one half."""
    names = [as_text(name) for name, found in per_class if found and found.low < 0.5]
    told = ", ".join(names[:_WEAK]) + (", …" if len(names) > _WEAK else "")
    return [f"- The {figure} of these classes may be below 50 %: {told}."] if names else []


def in_paper(found: Any) -> str:
    """A figure with its interval as a paper writes it."""
    return as_percent(found).replace("%", " %")
