"""The rung of fine-tuning: what is expected of it, whether there is time, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from topwork.advising import PRICE, SPARE, ExpectedGain, Rung, Scores, expected
from topwork.backbones import TextBackbone
from topwork.errors import TopworkError
from topwork.features import FeatureTable
from topwork.heads import LinearHead
from topwork.metrics import mcnemar
from topwork.tasks._classes._finetuned import INTERRUPTED, Finetuned, halves_of
from topwork.tasks.text.strategies import FinetuneOptions, Read, finetune, layers_to_train, missing, starting

if TYPE_CHECKING:
    from topwork.tasks.text._ladder import Ladder

FINETUNING = "fine-tuning"

_SHARE = 0.2  # of the errors left that are expected to be mended (docs/decisions/text-finetune.md)
_TEXTS = 300.0  # training texts at which half of that is expected
_SENSITIVE = 0.5  # of the standard error of an accuracy: a difference of log losses on the same texts shows earlier
_STRANGE = 0.7  # errors of n-grams over the network's, below which it does not know the language
_OPENING = 15.0  # seconds: a head to start from, the network built, compiled and written
_LEAST_OF_HALF = 2  # epochs below which half of the layers is not begun
_FORWARD = 4.0  # a text's features take so many times less than its part in a step


def gain_of(error: float, texts: int, judges: int, seconds: float = 0.0) -> ExpectedGain:
    """What is expected of fine-tuning: a share of the errors left, more of it with more texts.

    Args:
        error: Of the best way so far, 0 to 1.
        texts: That it would learn from.
        judges: Texts that would judge it.
        seconds: What it would take.
    """
    share = _SHARE * texts / (texts + _TEXTS)
    noise = _SENSITIVE * math.sqrt(max(error * (1 - error), 0.0) / max(judges, 1))
    price = PRICE * seconds / 60
    unless = (
        f"that can be measured on {judges} texts"
        if noise >= price
        else f"that {seconds:.0f} seconds of computing should bring"
    )
    because = f"{share:.0%} of the {error:.1%} errors that remain, with {texts} texts to learn from"
    return ExpectedGain(share * error, max(noise, price), because, unless)


def knows_language(network: Scores, counts: Scores) -> bool:
    """Whether n-grams are not so much better that the network cannot know the language."""
    held = network.held & counts.held
    ours, theirs = network.hits[held], counts.hits[held]
    far = (~theirs).sum() < _STRANGE * (~ours).sum()
    return not (far and mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum())) < 0.05)


def try_finetuning(ladder: Ladder, heads: Sequence[Read], counts: Read | None) -> None:
    """Train the network where that is expected to pay and there is time; what came of it is noted on the ladder."""
    options, backbone = ladder.options.finetune, ladder.backbone
    why = _against(ladder, backbone, counts)
    if why:
        return ladder.end(FINETUNING, why)
    read = min(heads, key=lambda each: each.fit.cv_log_loss or math.inf)
    try:
        learn, check = halves_of(read.table.dataset, options.validation, options.seed)
        error = 1 - ladder.leader.scores.accuracy
        free = gain_of(error, len(learn), len(check))
        if not free.worth:
            return ladder.end(FINETUNING, free.words)
        if lacking := missing():
            name, line = lacking
            return ladder.end(FINETUNING, f"{free.words}; but it needs {name}, which is not installed ({line})")
        planned = _planned(ladder, read, free, (error, len(learn), len(check)))
        if isinstance(planned, str):
            return ladder.end(FINETUNING, planned)
        found = finetune(read, counts, read.probe(), planned, announce=ladder.named(FINETUNING))
    except TopworkError as error_:
        return ladder.end(FINETUNING, error_.message)
    _note(ladder, found)
    return None


def _against(ladder: Ladder, backbone: TextBackbone, counts: Read | None) -> str:
    """What speaks against trying; empty where nothing does."""
    if backbone.family != "transformer":
        return "the network has no layers that could be trained"
    if not ladder.learnable():
        return f"no strategy is significantly better than always predicting the largest class ({ladder.chance:.1%})"
    if not ladder.clock.left:
        ladder.cut_short = True
        return "the time was used up"
    networks = [way.scores for way in ladder.contenders if way.rung.startswith("probe,")]
    known = [way.scores for way in ladder.contenders if way.rung == "n-grams"]
    best = min(networks, key=lambda each: each.log_loss)
    if counts is not None and not knows_language(best, known[0]):
        return (
            f"n-grams are far better ({known[0].accuracy:.1%}) than the network ({best.accuracy:.1%}), so it does not "
            f"know the language well; name one that does with --backbone"
        )
    return ""


def _planned(ladder: Ladder, read: Read, free: ExpectedGain, facts: tuple[float, int, int]) -> FinetuneOptions | str:
    """The options with the time that the budget has; or why no epoch fits."""
    from topwork.tasks.text.strategies._pricing import seconds_a_text

    options, (error, texts, judges) = ladder.options.finetune, facts
    ladder.named(FINETUNING)("measuring how long training takes")
    table, layers = starting(read.table, options), read.table.backbone.layers
    count = layers_to_train(read.table.backbone, options.unfreeze)
    a_text = seconds_a_text(table.split("train"), _zeros(table), count, options.config)
    beside = _OPENING + a_text / _FORWARD * (len(table) + texts)
    left, epoch = (1 - SPARE) * ladder.clock.left - beside, a_text * texts
    epochs = int(left / epoch)
    halved = epochs < 1 and options.unfreeze == "auto" and layers > 1
    if halved:  # the frozen layers run once, and what they give is kept
        count = layers // 2
        epochs = int((left - epoch / _FORWARD) / (epoch * count / layers))
    if epochs < (_LEAST_OF_HALF if halved else 1):
        ladder.cut_short = True
        needed = ladder.clock.spent + (beside + 2 * epoch) / (1 - SPARE)
        times = f"an epoch takes {epoch:.0f} seconds and {max(left, 0.0):.0f} were left"
        return f"{free.words}; but {times}; there is time for it with --budget {math.ceil(needed / 60)}m"
    epochs = min(epochs, options.config.epochs)
    priced = gain_of(error, texts, judges, beside + epochs * epoch * (count / layers if halved else 1.0))
    if not priced.worth:
        return priced.words
    config = options.config.model_copy(update={"budget_seconds": left})  # which shortens the schedule as needed
    return replace(options, config=config, unfreeze=count, checkpoint=None, resume=False)


def _zeros(table: FeatureTable) -> LinearHead:
    """A head that says nothing: what steps take does not depend on it."""
    width, classes = table.values.shape[1], len(table.dataset.classes)
    plain = np.zeros(width, np.float32), np.ones(width, np.float32)
    return LinearHead(*plain, np.zeros((width, classes), np.float32), np.zeros(classes, np.float32), 1.0)


def _note(ladder: Ladder, found: Finetuned) -> None:
    """What the training came to, and whether it leads."""
    both = [trial for trial in found.trials if trial.question == "strategy"]
    ladder.cut_short |= any(INTERRUPTED in note for note in found.notes)
    if len(both) < 2 or both[0].accuracy is None or both[1].accuracy is None:
        return ladder.end(FINETUNING, "no epoch was finished")
    base = min(ladder.contenders, key=lambda way: way.scores.log_loss)
    gained = both[1].accuracy - both[0].accuracy - (ladder.leader.scores.accuracy - base.scores.accuracy)
    better = found.strategy == "finetune" and gained > 0
    note = "" if better else "not clearly better than the probe on the same texts"
    accuracy = expected(both[1].accuracy, both[1].images)
    rung = Rung(FINETUNING, "finetune", both[1].answer, accuracy, both[1].log_loss, both[1].images, "held out")
    ladder.add(replace(rung, seconds=ladder.clock.lap(), note=note))
    if better:
        ladder.tuned = found
    return None
