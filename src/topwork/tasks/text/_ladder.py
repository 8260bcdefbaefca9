"""The ladder of texts: climbed from cheap to dear, until the next rung is not expected to gain more than it costs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import numpy as np

from topwork._options import Option
from topwork._system import has_module
from topwork.advising import (
    Advice,
    BudgetClock,
    Description,
    Forecast,
    Measured,
    Rung,
    RungStrategy,
    Scores,
    Trial,
    accuracy_of_best,
    best,
    expected,
    forecast,
    goes_with_labels,
    scores_of_head,
    scores_of_linear,
)
from topwork.backbones import EMBEDDING, TextBackbone
from topwork.data import TextDataset
from topwork.errors import DataError, TopworkError
from topwork.heads import row_losses
from topwork.metrics import mcnemar, wilson_interval
from topwork.tasks._classes._budgeted import Budgeted
from topwork.tasks._classes._finetuned import Finetuned
from topwork.tasks._classes._fitted import Fitted, Probe
from topwork.tasks._task import Announce, Climb
from topwork.tasks.text._tuning import FINETUNING, try_finetuning
from topwork.tasks.text.strategies import (
    FinetuneOptions,
    ProbeOptions,
    Read,
    ZeroShotOptions,
    blend_of,
    counted_head,
    network_heads,
    ngrams_of,
    zero_shot_of,
)

NGRAMS, ZERO_SHOT = "n-grams", "zero-shot"
PROBE, BEST_PROBE, BOTH = "probe, last features", "probe, last layers", "probe and n-grams"
_READS = {
    "last": "pooled features of the network",
    "last layers": "last four layers, mean and maximum",
    "random features": "random features of the words",
}
ORDER = (NGRAMS, ZERO_SHOT, PROBE, BEST_PROBE, BOTH, FINETUNING)


@dataclass(frozen=True)
class AdviceOptions(Budgeted):
    """How far to climb, and how. A rung that has begun is finished."""

    describe: Annotated[bool, Option("Whether to forecast the effect of more texts.", None)] = True
    finetune: Annotated[FinetuneOptions, Option("Settings of fine-tuning.")] = field(default_factory=FinetuneOptions)

    @property
    def probe(self) -> ProbeOptions:
        """What all rungs share."""
        return self.finetune.probe

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed


class Contender(NamedTuple):
    """Something that may be chosen, its scores on training texts that it had not learnt from, and what makes it."""

    rung: str
    scores: Scores
    fitted: Callable[[], Fitted]


class Climbed(NamedTuple):
    """Advice, and what makes the model on the chosen rung."""

    advice: Advice
    fitted: Callable[[], Fitted]


class Ladder:
    """What has been climbed so far."""

    def __init__(
        self,
        dataset: TextDataset,
        backbone: TextBackbone,
        options: AdviceOptions,
        clock: BudgetClock,
        announce: Announce,
        climbed: Climb | None = None,
    ) -> None:
        self.dataset = dataset
        self.backbone = backbone
        self.options = options
        self.clock = clock
        self.say = announce
        self.climbed = climbed
        self.rungs: list[Rung] = []
        self.contenders: list[Contender] = []
        self.tuned: Finetuned | None = None
        self.stopped = ""
        self.cut_short = False

    def climb(self) -> None:
        """All rungs, or as many as there is time for."""
        counts = self.counts()
        heads = self.network()
        if counts is not None:
            self.both(heads, counts)
        self.zero_shot(heads[0])
        try_finetuning(self, heads, counts)
        self.stopped = self.stopped or "there are no more strategies to try"

    def counts(self) -> Read | None:
        """N-grams: the floor."""
        if not has_module("sklearn"):
            self.skip(NGRAMS, "ngrams", "needs scikit-learn: pip install 'topwork[text]'")
            return None
        found = counted_head(self.dataset, self.options.probe, announce=self.named(NGRAMS))
        scores = scores_of_linear(found.fit, found.table.split("train"))
        self.note(NGRAMS, "ngrams", "words and runs of letters", scores, "cross-validated")
        self.contenders.append(Contender(NGRAMS, scores, lambda: ngrams_of(found.table, found.fit)))
        return found

    def network(self) -> list[Read]:
        """Heads on the network's pooled features, and on its last layers."""
        heads = network_heads(self.dataset, self.backbone, self.options.probe, announce=self.named(PROBE))
        for name, read in zip((PROBE, BEST_PROBE), heads, strict=False):
            scores = scores_of_linear(read.fit, read.table.split("train"))
            self.note(name, "probe", _READS.get(read.name, ", ".join(read.table.outputs)), scores, "cross-validated")
            self.contenders.append(Contender(name, scores, read.probe))
        return heads

    def both(self, heads: Sequence[Read], counts: Read) -> None:
        """The better network head and n-grams together."""
        read = min(heads, key=lambda each: each.fit.cv_log_loss or math.inf)
        found = blend_of(read.probe(), read.fit, counts.probe(), counts.fit)
        told = next((trial.answer for trial in found.trials if trial.question == "counts" and trial.chosen), "")
        if not told.startswith("both"):
            if read.fit.head.normalised:
                return self.skip(BOTH, "probe", "of so few texts they cannot be added")
            return self.skip(BOTH, "probe", "together they are not better than one of them alone")
        scores = _scores_of(found)
        self.note(BOTH, "probe", told, scores, "cross-validated")
        self.contenders.append(Contender(BOTH, scores, lambda: found))
        return None

    def zero_shot(self, read: Read) -> None:
        """The classes' names, as the network understands them."""
        if EMBEDDING not in read.table.outputs:
            return self.skip(ZERO_SHOT, "zero-shot", "needs the embedding of the network")
        train = read.table.split("train")
        try:
            found = zero_shot_of(train.keep((EMBEDDING,)), ZeroShotOptions())
        except TopworkError as error:
            return self.skip(ZERO_SHOT, "zero-shot", error.message)
        scores = dataclasses.replace(scores_of_head(found.head, found.table), trained=False)
        self.note(ZERO_SHOT, "zero-shot", f"by the name {found.words.prompts[0][0]!r} and others", scores, "as it is")
        whole = read.table.keep((EMBEDDING,))
        self.contenders.append(Contender(ZERO_SHOT, scores, lambda: zero_shot_of(whole, ZeroShotOptions())))
        return None

    @property
    def plain_first(self) -> list[Contender]:
        """Ways in the order in which they win a tie."""
        order = (PROBE, NGRAMS, BEST_PROBE, BOTH, ZERO_SHOT)
        return sorted(self.contenders, key=lambda way: order.index(way.rung))

    @property
    def leader(self) -> Contender:
        """The best way."""
        contenders = self.plain_first
        return contenders[best([way.scores for way in contenders])]

    @property
    def chosen(self) -> str:
        """The rung to stand on."""
        return FINETUNING if self.tuned is not None else self.leader.rung

    @property
    def corrected_accuracy(self) -> float:
        """The leader's accuracy without the bias of having been chosen (``advising.accuracy_of_best``)."""
        return accuracy_of_best([way.scores for way in self.plain_first], self.options.seed)

    @property
    def chance(self) -> float:
        """Accuracy of always naming the largest class."""
        counts = self.dataset.split("train").counts()
        return float(counts.max() / max(1, counts.sum()))

    def learnable(self) -> bool:
        """Whether anything was learnt, beyond chance."""
        leader = self.leader
        texts = int(leader.scores.held.sum())
        if texts and wilson_interval(round(self.corrected_accuracy * texts), texts)[0] > self.chance:
            return True
        found = leader.fitted().out_of_fold
        if found is None:
            return False
        labels = self.dataset.labels[found.rows].astype(np.int64)
        logits = np.log(np.maximum(found.probabilities, 1e-6)).astype(np.float32)
        return goes_with_labels(logits, labels, self.options.seed)

    def named(self, rung: str) -> Announce:
        """Announces with the rung that is climbed."""
        return lambda text: self.say(f"{ORDER.index(rung) + 1} of {len(ORDER)}: {rung}: {text}")

    def add(self, rung: Rung) -> None:
        """A rung that is known."""
        self.rungs.append(rung)
        if self.climbed is not None:
            self.climbed(rung)

    def note(self, name: str, strategy: RungStrategy, detail: str, scores: Scores, measured: Measured) -> None:
        """A rung that was measured."""
        texts = int(scores.held.sum())
        if not texts:
            return self.skip(name, strategy, "too few texts to hold any out")
        known = expected(scores.accuracy, texts)
        lap = self.clock.lap()
        self.add(Rung(name, strategy, detail, known, scores.log_loss, texts, measured, lap))
        return None

    def end(self, name: str, why: str) -> None:
        """Fine-tuning that was not climbed, with which the search ends."""
        self.stopped = f"{name}: {why}"
        self.skip(name, "finetune", why)

    def skip(self, name: str, strategy: RungStrategy, why: str) -> None:
        """A rung that was not climbed."""
        self.add(Rung(name, strategy, seconds=self.clock.lap(), note=why))


def climb(
    dataset: TextDataset,
    backbones: Sequence[TextBackbone],
    options: AdviceOptions,
    *,
    clock: BudgetClock | None = None,
    announce: Announce | None = None,
    climbed: Climb | None = None,
) -> Climbed:
    """Climb the ladder; ``climbed`` hears of each rung. Nothing is learnt of the held-out splits.

    Raises:
        DataError: Fewer than two classes have a training text, or several backbones are given.
    """
    if len(backbones) != 1:
        raise DataError(
            "auto takes one text backbone", hint="--strategy probe compares several; or name the one to climb with"
        )
    clock = clock or BudgetClock(options.budget_seconds)
    ladder = Ladder(dataset, backbones[0], options, clock, announce or (lambda text: None), climbed)
    ladder.climb()
    leader = ladder.leader
    return Climbed(_advice(ladder), lambda: _with_trials(ladder.tuned or leader.fitted(), ladder))


def _scores_of(probe: Probe) -> Scores:
    """What a probe's answers out of fold come to."""
    train, found = probe.table.split("train"), probe.out_of_fold
    assert found is not None
    places = np.flatnonzero(probe.table.dataset.splits == "train")
    rows = np.searchsorted(places, found.rows)
    labels = train.dataset.labels.astype(np.int64)
    logits = np.log(np.maximum(found.probabilities, 1e-9)).astype(np.float32)
    hits, held, losses = np.zeros(len(train), np.bool_), np.zeros(len(train), np.bool_), np.zeros(len(train))
    hits[rows] = logits.argmax(axis=1) == labels[rows]
    losses[rows] = row_losses(logits, labels[rows])
    held[rows] = True
    return Scores(hits, losses, held)


def _with_trials(found: Fitted, ladder: Ladder) -> Fitted:
    """What stands on the chosen rung, with every rung among its trials."""
    chosen = ladder.chosen
    trials = tuple(
        Trial("rung", rung.name, rung.images, rung.accuracy.value, rung.log_loss, chosen=rung.name == chosen)
        for rung in _ordered(ladder)
        if rung.accuracy is not None
    )
    told = () if ladder.tuned is None else found.trials
    return dataclasses.replace(found, trials=(*trials, *told))


def _ordered(ladder: Ladder) -> list[Rung]:
    return sorted(ladder.rungs, key=lambda rung: ORDER.index(rung.name))


def _advice(ladder: Ladder) -> Advice:
    leader = ladder.leader
    scores = {way.rung: way.scores for way in ladder.contenders}
    corrected, tuned = ladder.corrected_accuracy, ladder.tuned is not None
    rungs = tuple(_compared(rung, leader, scores, corrected, tuned=tuned) for rung in _ordered(ladder))
    place = next(i for i, rung in enumerate(rungs) if rung.name == ladder.chosen)
    others = [i for i, rung in enumerate(rungs) if i != place and rung.accuracy is not None]
    second = max(others, key=lambda i: rungs[i].accuracy.value, default=None)  # type: ignore[union-attr]
    return Advice(
        backbone=ladder.backbone.name,
        rungs=rungs,
        choice=place,
        runner_up=second,
        tie=second is not None and _tie(rungs[place], rungs[second]),
        spec=None,
        cut_short=ladder.cut_short,
        stopped=ladder.stopped,
        enough=None,
        chance=ladder.chance,
        learnable=ladder.learnable(),
        description=_described(ladder.dataset.split("train")),
        forecast=_forecast(ladder, leader),
        shortlist=(),
        changes=(),
        budget=ladder.clock.budget,
        seconds=ladder.clock.spent,
        thing="text",
    )


def _forecast(ladder: Ladder, leader: Contender) -> Forecast | None:
    if not ladder.options.describe or not ladder.clock.left or ladder.chosen not in (PROBE, BEST_PROBE, NGRAMS):
        return None
    options, now = ladder.options.probe, leader.scores.accuracy
    return forecast(leader.fitted().table, options.class_weight, options.seed, ladder.clock, now=now)


def _compared(rung: Rung, leader: Contender, scores: dict[str, Scores], corrected: float, *, tuned: bool) -> Rung:
    """The leader's rung with its corrected accuracy, the others with the p-value of their difference from it."""
    if rung.accuracy is None:
        return rung
    if rung.name == leader.rung:
        return dataclasses.replace(rung, accuracy=expected(corrected, rung.images))
    other = scores.get(rung.name)
    if other is None or tuned:
        return rung
    shared = other.held & leader.scores.held
    ours, theirs = leader.scores.hits[shared], other.hits[shared]
    return dataclasses.replace(rung, p_value=mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum())))


def _tie(first: Rung, second: Rung) -> bool:
    """Whether each one's accuracy lies within the other's interval."""
    a, b = first.accuracy, second.accuracy
    return a is not None and b is not None and a.low <= b.value and b.high >= a.value


def _described(train: TextDataset) -> Description:
    counts = train.counts()
    present = counts[counts > 0]
    return Description(len(train), len(train.classes), int(present.min()), int(present.max()), 0, 0)
