"""The card of a recogniser: its figures, its promise, and what it must not be used for; and its methods."""

from __future__ import annotations

from typing import Any

from topwork.metrics import as_percent
from topwork.model import Kind, Methods, ModelRecord, as_text, card, cited, methods, pretrained_on
from topwork.tasks.recognition._measured import Measured

_USE = """## Use

    pip install topwork
    topwork enroll MODEL NAME photo1.jpg photo2.jpg
    topwork predict MODEL photo.jpg
    topwork forget MODEL NAME

The gallery in the model's folder holds names and embeddings of whoever was enrolled, and no image. Only its owner can
read it, and `topwork push` does not upload it.
"""
_MISUSE = """## Use and misuse

- Embeddings of people are biometric data. In many countries they may be kept and compared only with a person's informed
  consent, for a stated purpose, and for as long as that lasts.
- A match is a similarity above a threshold and no proof. Let a person decide whatever has consequences for somebody.
- The figures hold for identities and images like those that were measured. They do not say how the model does on
  other people, ages, skin colours, cameras or light; measure that (`topwork evaluate`, with a column `group`).
- With more people in the gallery, more strangers are taken for one of them: the promised rate is that of one
  comparison.
- `topwork forget MODEL NAME` removes somebody from every file of the gallery. It does not reach copies of the
  folder.
"""


_PAPERS = {"within": cited("hatch2006wccn"), "discriminant": cited("friedman1989rda")}


def card_of(record: ModelRecord[Any], name: str, kind: Kind) -> str:
    """The card of a recogniser: Markdown after a YAML header.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.
        kind: What it answers to.
    """
    return card(record, name, kind=kind, results=(), before=[_summary(record), _USE], after=[_figures(record), _MISUSE])


def _summary(record: ModelRecord[Any]) -> str:
    return (
        f"Recogniser, made by topwork {as_text(record.versions.get('topwork', ''))} on {as_text(record.created[:10])} "
        f"from images of {record.task.identities} identities. The network is `{record.backbone['name']}`"
        f"{pretrained_on(record)}.\n"
    )


def _figures(record: ModelRecord[Any]) -> str:
    promise = record.task.promise
    told = (
        f"Two images are taken for one identity from a similarity of {promise.threshold:.3f} on. On {promise.pairs:,} "
        f"pairs of {promise.identities} training identities, none of which took part in what compared it, that took at "
        f"most {promise.false_accept:g} of the pairs of different identities for one.\n"
    )
    if record.task.metrics is None:
        return f"## Metrics\n\n{told}\nNo identities were held out, so nothing was measured.\n"
    rows = [f"| {name} | {as_percent(value)} |" for name, value in figures(Measured.from_dict(record.task.metrics))]
    found = Measured.from_dict(record.task.metrics).verification
    lines = [
        told,
        f"On {found.images} images of {found.identities} identities that the model never saw, with 95 % intervals over "
        "identities:",
        "",
        "| metric | value |",
        "| --- | ---: |",
        *rows,
    ]
    return "## Metrics\n\n" + "\n".join(lines) + "\n"


def figures(found: Measured) -> list[tuple[str, Any]]:
    """Names and estimates, those that were measured."""
    verified, named = found.verification, found.identification
    rows: list[tuple[str, Any]] = [("equal error rate", verified.eer)]
    rows += [
        (f"true accepts at a false-accept rate of {point.false_accept.value:.4f}", point.true_accept)
        for point in verified.points
    ]
    if verified.promised is not None:
        rows += [
            ("false accepts at the model's threshold", verified.promised.false_accept),
            ("true accepts at the model's threshold", verified.promised.true_accept),
        ]
    rows += [("rank 1 with one image enrolled", named.rank_1), ("rank 5", named.rank_5)]
    if named.promised is not None:
        rows += [
            ("known ones named rightly at the model's threshold", named.promised.found),
            ("strangers taken for somebody there", named.promised.strangers),
        ]
    rows += [
        (f"known ones named rightly where {point.strangers.value:.1%} of strangers are taken for somebody", point.found)
        for point in named.open_set
    ]
    rows.append(("mean average precision of retrieval", named.mean_average_precision))
    return [(name, value) for name, value in rows if value is not None]


def methods_of(record: ModelRecord[Any], kind: Kind) -> Methods:
    """The methods of a recogniser."""
    promise, made = record.task.promise, record.task.identities
    version = as_text(record.versions.get("topwork", ""))
    options = record.options.get("projection", "auto")
    chosen = next(
        (each.answer for each in record.trials if each.question == "projection" and each.chosen), str(options)
    )
    after = [
        f"Features were compared by the cosine after the projection `{as_text(chosen)}`{_PAPERS.get(chosen, '')}, "
        f"fitted on images of {made} identities; what is compared was chosen on identities that each fold held out.",
        f"The threshold {promise.threshold:.3f} keeps false accepts at {promise.false_accept:g} on {promise.pairs} "
        f"pairs of {promise.identities} identities that took no part in the projection that compared them.",
        *_measured(record),
    ]
    return methods(record, task=[f"A recogniser was made with topwork {version}."], after=after, kind=kind)


def _measured(record: ModelRecord[Any]) -> list[str]:
    if record.task.metrics is None:
        return ["No identities measured the finished model."]
    found = Measured.from_dict(record.task.metrics).verification
    return [
        f"On {found.images} images of {found.identities} identities that were held out, the equal error rate is "
        f"{as_percent(found.eer).replace('%', ' %')}, with a 95 % bootstrap interval over "
        f"identities{cited('efron1993bootstrap')} in brackets."
    ]
