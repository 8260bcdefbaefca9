"""A recogniser's results in the words of the command line: ``WORDS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from topwork._text import facts, lies_in, table
from topwork.data import printable
from topwork.metrics import as_percent
from topwork.tasks._said import counted, unread
from topwork.tasks._task import Words

if TYPE_CHECKING:
    from topwork.metrics import GroupReport
    from topwork.model import TrialRecord
    from topwork.tasks.recognition._answers import Identified
    from topwork.tasks.recognition._measured import Judged, Measured
    from topwork.tasks.recognition._model import Recognizer

_QUESTIONS = (
    ("backbone", "Backbones compared:"),
    ("features", "Features compared:"),
    ("projection", "Projections compared:"),
)
_UNMEASURED = ("No identities were held out, so nothing was measured",)
_EMPTY = "The gallery is empty: topwork enroll fills it"
_TOLD = 4  # of what was compared, the chosen one first
_ALSO = 3  # other identities named beside the answer


def fitted(model: Recognizer) -> list[str]:
    """What it was made of, how it was chosen, what it promises and how good it is."""
    record = model.record
    data, promise = record.data, record.task.promise
    lost = f"; {counted(data.left_out, lies_in('image'))} left out" if data.left_out else ""
    lines = [f"{counted(data.training, 'training image')} of {_identities(record.task.identities)}{lost}"]
    for question, words in _QUESTIONS:
        trials = [trial for trial in record.trials if trial.question == question]
        if trials:
            best = sorted(trials, key=lambda trial: (not trial.chosen, -(trial.accuracy or 0)))
            told = [_trial(trial) for trial in best[:_TOLD]]
            left = [f"and {len(trials) - _TOLD} more"] if len(trials) > _TOLD else []
            lines.append(f"{words} " + "; ".join([*told, *left]))
    lines += [
        f"Threshold: similarity {promise.threshold:.3f}, promised to take at most {promise.false_accept:.2%} of pairs "
        f"of different identities for one (set on {promise.pairs:,} pairs of {_identities(promise.identities)} that "
        "took no part in the projection)",
        *(_UNMEASURED if model.metrics is None else _quality(model.metrics)),
    ]
    people = model.gallery.people
    return [*lines, f"In the gallery: {_identities(people)}" if people else _EMPTY]


def _identities(count: int) -> str:
    return "1 identity" if count == 1 else f"{count:,} identities"


def _trial(trial: TrialRecord) -> str:
    return f"{trial.answer} (equal error rate {1 - (trial.accuracy or 0):.1%}{', chosen' if trial.chosen else ''})"


def _quality(found: Measured) -> list[str]:
    verified, named = found.verification, found.identification
    lines = [
        f"On {counted(verified.images, 'image')} of {_identities(verified.identities)} never seen: equal error rate "
        f"{as_percent(verified.eer)}",
        *_few(found),
        f"With one image enrolled: rank 1 {as_percent(named.rank_1)}"
        + (f", rank 5 {as_percent(named.rank_5)}" if named.rank_5 else ""),
    ]
    if verified.promised is not None:
        lines.append(
            f"At the threshold: false accepts {as_percent(verified.promised.false_accept)}, true accepts "
            f"{as_percent(verified.promised.true_accept)}"
        )
    if found.untrained is not None:
        lines.append(
            f"The network's own features without all this: equal error rate {as_percent(found.untrained.eer)}, rank 1 "
            f"{as_percent(found.untrained.rank_1)}"
        )
    return lines + _differing(found)


def _few(found: Measured) -> list[str]:
    from topwork.tasks.recognition._measured import FEW

    judges = found.verification.identities
    return [f"Only {judges} identities judge: these figures say little, hold out {FEW} or more"] if found.few else []


def _differing(found: Measured) -> list[str]:
    names = ", ".join(printable(each.name) for each in found.groups if each.differs)
    return [f"Groups whose error rates differ from the others' beyond chance: {names}"] if names else []


def predicted(prediction: Identified) -> str:
    """One line: the file, who it is or ``-``, the similarity, and others that come next, with tabs between."""
    similarity = "–" if prediction.similarity is None else f"{prediction.similarity:.4f}"
    others = [each for each in prediction.matches if each.name != prediction.name][:_ALSO]
    told = [f"{printable(each.name)} {each.similarity:.4f}" for each in others]
    return "\t".join([printable(prediction.source), printable(prediction.name) or "-", similarity, *told])


def brief(prediction: Identified) -> str:
    """Who it is."""
    return printable(prediction.name) or "nobody in the gallery"


def rows(prediction: Identified, classes: Sequence[str]) -> list[dict[str, Any]]:
    """A row of a table."""
    similarity = None if prediction.similarity is None else round(prediction.similarity, 4)
    found = {"path": prediction.source, "name": prediction.name, "similarity": similarity, "error": prediction.error}
    return [{**found, "remarks": "; ".join(prediction.remarks)}]


def caveats(found: Judged) -> list[str]:
    """Why the figures are better than the model."""
    seen = "the model was made from these images, so the figures are better than on identities it has not seen"
    return [seen] if found.seen_in_training else []


def fields(found: Judged) -> dict[str, Any]:
    """An evaluation, JSON-ready."""
    left_out = [{"path": item.path, "reason": item.reason} for item in found.left_out]
    return {"caveats": caveats(found), **found.to_dict(), "left_out": left_out}


def evaluated(found: Judged) -> list[str]:
    """Figures, a row for each group, and what could not be read."""
    from topwork.tasks.recognition._card import figures

    measured = found.evaluation
    verified = measured.verification
    lines = [
        *caveats(found),
        f"{counted(verified.images, 'image')} of {_identities(verified.identities)}: {verified.genuine:,} pairs of one "
        f"identity, {verified.impostor:,} of two",
        facts([(name, as_percent(value)) for name, value in figures(measured)]),
        "95 % intervals over identities in brackets.",
        *_few(measured),
    ]
    if measured.images > verified.images:
        lines.append(f"Measured on {verified.images:,} of {measured.images:,} images, drawn by identity")
    if measured.groups:
        cells = [_group(each) for each in measured.groups]
        lines += ["", table(("  group", "images", "identities", "false rejects", "false accepts"), cells)]
    return [*lines, *_differing(measured), *unread(found.left_out)]


def _group(found: GroupReport) -> tuple[str, ...]:
    name = f"{'! ' if found.differs else '  '}{printable(found.name)}"
    rates = as_percent(found.false_reject), as_percent(found.false_accept)
    return (name, f"{found.images:,}", f"{found.identities:,}", *rates)


WORDS = Words(fitted, predicted, evaluated, fields, caveats, rows=rows, brief=brief)
