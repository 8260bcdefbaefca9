"""The ladder: climbed from cheap to dear, until the next rung is not expected to gain more than it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from topwork.advising._answers import crossed, knn, of_head
from topwork.advising._clock import Clock
from topwork.advising._grid import Trained, depths, halved, larger, train
from topwork.advising._ground import Ground
from topwork.advising._honest import accuracy_of_best, best, goes_with_labels
from topwork.advising._keep import Keeper
from topwork.advising._rung import Answers, Measured, Reading, Rung, RungStrategy, expected
from topwork.advising._tuning import gain, plan, rung_of, set_apart, tuned
from topwork.advising._worth import Outlook, enough_images, of_finetuning, of_readings
from topwork.backbones import has_text
from topwork.errors import TopworkError
from topwork.evaluate import wilson_interval
from topwork.strategies import (
    INTERRUPTED,
    Announce,
    AsIsOptions,
    Finetuned,
    ZeroShotOptions,
    as_is_of,
    zero_shot_of,
)

if TYPE_CHECKING:
    from topwork.strategies._tunable import Unfreeze

AS_IS, ZERO_SHOT, KNN = "as-is", "zero-shot", "kNN"
PROBE, BEST_PROBE = "probe, last features", "probe, best reading"
FINETUNING, FINETUNING_ALL = "fine-tuning, last stages", "fine-tuning, all stages"
BY_NAME = AsIsOptions(way="names")  # a learnt map is a head like others, with less to learn from
ORDER = (AS_IS, ZERO_SHOT, KNN, PROBE, BEST_PROBE, FINETUNING, FINETUNING_ALL)

_SECONDS_A_SIZE = 12.0  # to convert a network for another size; its extraction comes on top
_SECONDS_OF_HEADS = 10.0  # to cross-validate all readings on the samples


@dataclass(frozen=True, eq=False)
class Way:
    """Something that may be chosen: its rung, and how it answered.

    Attributes:
        rung: Name.
        answers: To training images that it had not learnt from.
        trained: The head, where it is a linear one.
    """

    rung: str
    answers: Answers
    trained: Trained | None = None


class Ladder:
    """What has been climbed so far.

    Args:
        ground: Features of the training images.
        clock: The budget.
        say: Announces a step.
        keeper: Where checkpoints of a training go; None keeps none.
    """

    def __init__(self, ground: Ground, clock: Clock, say: Announce, keeper: Keeper | None = None) -> None:
        self.ground = ground
        self.clock = clock
        self.say = say
        self.keeper = keeper
        self.rungs: list[Rung] = []
        self.ways: list[Way] = []
        self.tuned: Finetuned | None = None
        self.gained = 0.0  # accuracy of what was fine-tuned over that of the best head
        self.tuned_rung: str | None = None
        self.stopped = ""
        self.cut_short = False
        self.enough: int | None = None

    def climb(self) -> None:
        """All rungs, or as many as pay."""
        self.probe()
        if self.in_time(KNN, "knn"):
            self.knn()
        if self.in_time(AS_IS, "as-is"):
            self.as_is()
        if self.in_time(ZERO_SHOT, "zero-shot"):
            self.zero_shot()
        if self.in_time(BEST_PROBE, "probe"):
            self.readings()
        unfreeze = self.ground.options.finetune.unfreeze
        rest: tuple[Unfreeze, ...] = ("auto", "all") if unfreeze == "auto" else (unfreeze,)
        for again, stages in enumerate(rest):
            name = FINETUNING_ALL if stages == "all" else FINETUNING
            if self.stopped:
                self.skip(name, "finetune", "the rung before it ended the climb")
            else:
                self.finetuning(name, stages, again=bool(again))

    def probe(self) -> None:
        """A head on the network's own pooled features: the rung without which nothing can be said."""
        found = train(self.ground, self.ground.own, self.ground.train)
        self.note(PROBE, "probe", found.reading, found.answers, "cross-validated")
        self.ways.append(Way(PROBE, found.answers, found))

    def knn(self) -> None:
        """Nearest neighbours: the baseline, which is not chosen itself."""
        own = self.ground.own
        answers = crossed(knn, self.ground.train.keep(own.outputs(self.ground.backbone)), self.ground.options.seed)
        if answers is None:
            return self.skip(KNN, "knn", "too few images to hold any out")
        self.note(KNN, "knn", own, answers, "cross-validated")
        return None

    def as_is(self) -> None:
        """The network's own classes, where the user's names mean something to it."""
        try:
            found = as_is_of(self.ground.train, BY_NAME)
        except TopworkError as error:
            return self.skip(AS_IS, "as-is", error.message)
        answers = of_head(found.head, found.table)
        self.note(AS_IS, "as-is", self.ground.own, answers, "as it is", "by the classes' names")
        self.ways.append(Way(AS_IS, replace(answers, trained=False)))
        return None

    def zero_shot(self) -> None:
        """The classes' names, as an image-text model understands them."""
        if not has_text(self.ground.backbone.name):
            return self.skip(ZERO_SHOT, "zero-shot", f"{self.ground.backbone.name} knows no words")
        try:
            found = zero_shot_of(self.ground.train, ZeroShotOptions(), announce=self.say)
        except TopworkError as error:
            return self.skip(ZERO_SHOT, "zero-shot", error.message)
        answers = of_head(found.head, found.table)
        self.note(ZERO_SHOT, "zero-shot", self.ground.own, answers, "as it is", found.prompts[0][0])
        self.ways.append(Way(ZERO_SHOT, replace(answers, trained=False)))
        return None

    def readings(self) -> None:
        """Depth, pooling and resolution."""
        sizes, seconds = self.affordable_sizes()
        outlook = of_readings(self.error, seconds)
        if not outlook.worth:
            return self.skip(BEST_PROBE, "probe", outlook.words)
        own = depths(self.ground)
        readings = [replace(each, size=size) for size in sizes for each in (self.ground.own, *own)]
        found, why = halved(self.ground, [each for each in readings if each != self.ground.own], self.clock)
        if not found:
            self.cut_short = True
            return self.skip(BEST_PROBE, "probe", why)
        found.sort(key=lambda each: (each.reading.size, each.reading.stages))  # the plain one first: it wins a tie
        winner = found[best([each.answers for each in found])]
        self.note(BEST_PROBE, "probe", winner.reading, winner.answers, "cross-validated")
        self.ways += [Way(BEST_PROBE, each.answers, each) for each in found]
        return None

    def affordable_sizes(self) -> tuple[list[int], float]:
        """Sizes that there is time to try, the network's own first, and the seconds that they take."""
        sizes, seconds = [self.ground.size], _SECONDS_OF_HEADS
        own = self.ground.size
        for size in larger(self.ground):
            an_image = self.ground.seconds_an_image(own) * (size / own) ** 2
            more = _SECONDS_A_SIZE + len(self.ground.train) * an_image
            if seconds + more <= self.clock.left:
                sizes, seconds = [*sizes, size], seconds + more
            else:
                self.cut_short = True
        return sizes, seconds

    def finetuning(self, name: str, stages: Unfreeze, *, again: bool) -> None:
        """Train the last stages, or all, where that is expected to pay."""
        if not self.learnable():
            return self.end(
                name, f"no way is better than always naming the largest class ({self.chance:.1%}), beyond chance"
            )
        if not self.clock.left:
            self.cut_short = True
            return self.end(name, "the time was up")
        if not (free := self.outlook(0.0, again=again)).worth:  # what it would take need not be measured then
            return self.end(name, free.words)
        sizes = [size for size in (self.ground.size, *larger(self.ground)) if size <= self.best_reading.size]
        planned = plan(self.ground, stages, sizes, self.clock.left)
        outlook = self.outlook(planned.seconds, again=again)
        if not outlook.worth:
            return self.end(name, outlook.words)
        if planned.needed > planned.left:
            self.cut_short = True
            times = f"it takes {planned.needed:.0f} seconds at least, and {planned.left:.0f} were left"
            return self.end(name, f"{outlook.words}; but {times}")
        try:
            start = self.start(planned.size)
            found = tuned(self.ground, planned, start, self.clock.left, self.say, self.keeper)
        except TopworkError as error:  # such as too few images, or groups of them, to set any aside
            return self.end(name, error.message)
        reading = start.reading
        self.cut_short |= planned.seconds >= planned.left or INTERRUPTED in " ".join(found.notes)
        self.rungs.append(rung_of(found, reading, name, self.clock.lap(), self.ground.milliseconds(reading.size)))
        ahead = gain(found) - (self.leader.answers.accuracy - start.answers.accuracy)
        if found.strategy == "finetune" and ahead > self.gained:
            self.tuned, self.tuned_rung, self.gained = found, name, ahead
        else:
            self.stopped = f"{name}: {outlook.words}; it gained {100 * (ahead - self.gained):.1f}"
        return None

    def outlook(self, seconds: float, *, again: bool) -> Outlook:
        """What is expected of a fine-tuning that takes so long."""
        last = 1 - self.ways[0].answers.accuracy
        images, judges = set_apart(self.ground)
        found = of_finetuning(last, self.error, images, judges, seconds, again=again)
        shares = judges / images, len(self.ground.train) / images
        self.enough = None if found.worth or again else enough_images(last, self.error, *shares)
        return found

    @property
    def plain_first(self) -> list[Way]:
        """Ways in the order in which they win a tie: heads that read less, at smaller sizes; then what is no head."""
        return sorted(
            self.ways,
            key=lambda way: (0, way.trained.reading.size, way.trained.reading.stages) if way.trained else (1, 0, 0),
        )

    @property
    def leader(self) -> Way:
        """The best way without training the network."""
        ways = self.plain_first
        return ways[best([way.answers for way in ways])]

    @property
    def error(self) -> float:
        """Share of images that the best way so far gets wrong."""
        return max(0.0, 1 - self.leader.answers.accuracy - self.gained)

    @property
    def chance(self) -> float:
        """Accuracy of always naming the largest class."""
        counts = self.ground.train.dataset.counts()
        return float(counts.max() / counts.sum())

    def learnable(self) -> bool:
        """Whether anything was learnt, beyond chance.

        Either the best way names more images right than always naming the largest class would, or the plain probe's
        answers suit the labels better than they suit shuffled ones, which tells of a rare class too.
        """
        images = int(self.leader.answers.held.sum())
        if images and wilson_interval(round(self.honest() * images), images)[0] > self.chance:
            return True
        plain = self.ways[0].trained
        assert plain is not None
        held = plain.fitted.held_out
        return goes_with_labels(plain.fitted.oof_logits[held], self.ground.labels[held], self.ground.options.seed)

    def start(self, size: int) -> Trained:
        """The head that a fine-tuning at a size starts from, and must beat: it reads what the best one reads."""
        wanted = replace(self.best_reading, size=size)
        there = next((way.trained for way in self.ways if way.trained and way.trained.reading == wanted), None)
        return there or train(self.ground, wanted, self.ground.table(size))

    @property
    def best_reading(self) -> Reading:
        """What the head with the lowest log loss reads."""
        trained = [way.trained for way in self.ways if way.trained is not None]
        return min(trained, key=lambda each: each.answers.log_loss).reading

    def honest(self) -> float:
        """The leader's accuracy, without the luck of having been chosen."""
        return accuracy_of_best([way.answers for way in self.plain_first], self.ground.options.seed)

    def note(
        self,
        name: str,
        strategy: RungStrategy,
        reading: Reading,
        answers: Answers,
        measured: Measured,
        detail: str = "",
    ) -> None:
        """A rung that was measured."""
        known, images = answers.held.any(), int(answers.held.sum())
        milliseconds = self.ground.milliseconds(reading.size) if self.clock.left else None
        self.rungs.append(
            Rung(
                name=name,
                strategy=strategy,
                detail=detail or reading.words(self.ground.backbone),
                accuracy=expected(answers.accuracy, images) if known else None,
                log_loss=answers.log_loss if known else None,
                images=images,
                measured=measured if known else "",
                seconds=self.clock.lap(),
                milliseconds=milliseconds,
                note="" if known else "too few images to hold any out",
            )
        )

    def skip(self, name: str, strategy: RungStrategy, why: str) -> None:
        """A rung that was not climbed."""
        self.rungs.append(Rung(name, strategy, seconds=self.clock.lap(), note=why))

    def end(self, name: str, why: str) -> None:
        """A rung of fine-tuning that was not climbed: no other one is."""
        self.stopped = f"{name}: {why}"
        self.skip(name, "finetune", why)

    def in_time(self, name: str, strategy: RungStrategy) -> bool:
        """Whether there is any time left; a rung that there is none for is skipped."""
        if self.clock.left > 0:
            return True
        self.cut_short = True
        self.skip(name, strategy, "the time was up")
        return False
