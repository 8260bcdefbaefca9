"""The ladder: climbed from cheap to dear, until the next rung is not expected to gain more than it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from topwork._system import WITH_TORCH, has_torch
from topwork.advising import (
    Advice,
    BudgetClock,
    ExpectedGain,
    FeatureSpec,
    Measured,
    Plan,
    Rung,
    RungStrategy,
    Scores,
    accuracy_of_best,
    best,
    cross_val_scores,
    enough_images,
    expected,
    goes_with_labels,
    knn,
    of_finetuning,
    of_specs,
    scores_of_head,
)
from topwork.backbones import has_text
from topwork.errors import TopworkError
from topwork.metrics import wilson_interval
from topwork.tasks._task import Announce, Climb
from topwork.tasks.classification.ladder._advice_cache import AdviceCache
from topwork.tasks.classification.ladder._by_plan import by_plan, taken_over
from topwork.tasks.classification.ladder._candidates import Trained, depths, halved, larger, train
from topwork.tasks.classification.ladder._training_features import TrainingFeatures
from topwork.tasks.classification.ladder._tuning import set_apart
from topwork.tasks.classification.strategies import (
    AsIsOptions,
    Finetuned,
    ZeroShotOptions,
    as_is_of,
    zero_shot_of,
)

if TYPE_CHECKING:
    from topwork.features import Progress
    from topwork.tasks.classification.strategies._tunable import Unfreeze

AS_IS, ZERO_SHOT, KNN = "as-is", "zero-shot", "kNN"
PROBE, BEST_PROBE = "probe, last features", "probe, best features"
FINETUNING, FINETUNING_ALL = "fine-tuning, last stages", "fine-tuning, all stages"
BY_NAME = AsIsOptions(way="names")  # a learnt map is a head like others, with less to learn from
ORDER = (AS_IS, ZERO_SHOT, KNN, PROBE, BEST_PROBE, FINETUNING, FINETUNING_ALL)

_SECONDS_A_SIZE = 12.0  # to convert a network for another size; its extraction comes on top
_SECONDS_OF_HEADS = 10.0  # to cross-validate all specs on the samples


class Contender(NamedTuple):
    """Something that may be chosen, and its scores on training images that it had not learnt from."""

    rung: str
    scores: Scores
    trained: Trained | None = None  # where it is a linear head


class RungAnnouncer:
    """Announces with the rung that is climbed, which of how many it is, and what is done on it."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._rung = ""

    def __call__(self, text: str) -> Progress | None:
        return self._announce(f"{self._rung}: {text}" if self._rung else text)

    def begin(self, place: int, of: int, rung: str) -> None:
        """The next rung."""
        self._rung = f"{place} of {of}: {rung}"
        self._announce(self._rung)

    def end(self) -> None:
        """What comes is on no rung any more."""
        self._rung = ""


class Ladder:
    """What has been climbed so far; without a cache no checkpoint of a training is kept.

    ``before`` is what an earlier climb came to that was cut short: it is gone on from.
    """

    def __init__(
        self,
        features: TrainingFeatures,
        clock: BudgetClock,
        say: RungAnnouncer,
        cache: AdviceCache | None = None,
        before: tuple[Advice, Finetuned | None] | None = None,
        climbed: Climb | None = None,
    ) -> None:
        self.features = features
        self.clock = clock
        self.say = say
        self.cache = cache
        self.before = before
        self.climbed = climbed
        self.rungs: list[Rung] = []
        self.contenders: list[Contender] = []
        self.scores: dict[str, Scores] = {}  # of each rung that was judged on the training images
        self.tuned: Finetuned | None = None
        self.gained = 0.0  # accuracy of what was fine-tuned over that of the best head
        self.tuned_rung: str | None = None
        self.stopped = ""
        self.cut_short = False
        self.enough: int | None = None
        self.losses: dict[int, float] = {}  # of the best head on a sample, by size
        self.plans: list[Plan] = []  # of fine-tuning: tried, or left for more time

    def climb(self) -> None:
        """All rungs, or as many as pay."""
        cheap: tuple[tuple[str, RungStrategy, Callable[[], None]], ...] = (
            (KNN, "knn", self.knn),
            (AS_IS, "as-is", self.as_is),
            (ZERO_SHOT, "zero-shot", self.zero_shot),
            (BEST_PROBE, "probe", self.feature_specs),
        )
        unfreeze = self.features.options.finetune.unfreeze
        rest: tuple[Unfreeze, ...] = ("auto", "all") if unfreeze == "auto" else (unfreeze,)
        rungs = 1 + len(cheap) + len(rest)
        self.say.begin(1, rungs, PROBE)
        self.probe()
        for place, (name, strategy, measure) in enumerate(cheap, start=2):
            self.say.begin(place, rungs, name)
            if self.clock.left > 0:
                measure()
            else:
                self.cut_short = True
                self.skip(name, strategy, "the time was used up")
        for again, stages in enumerate(rest):
            name = FINETUNING_ALL if stages == "all" else FINETUNING
            self.say.begin(2 + len(cheap) + again, rungs, name)
            if self.stopped:
                self.skip(name, "finetune", "the search ended at the previous strategy")
            else:
                self.finetuning(name, stages, again=bool(again))

    def probe(self) -> None:
        """A head on the network's own pooled features: the rung without which nothing can be said."""
        found = train(self.features, self.features.own, self.features.train)
        self.note(PROBE, "probe", found.spec, found.scores, "cross-validated")
        self.contenders.append(Contender(PROBE, found.scores, found))

    def knn(self) -> None:
        """Nearest neighbours: the baseline, which is not chosen itself."""
        own = self.features.own
        scores = cross_val_scores(
            knn, self.features.train.keep(own.outputs(self.features.backbone)), self.features.options.seed
        )
        if scores is None:
            return self.skip(KNN, "knn", "too few images to hold any out")
        self.note(KNN, "knn", own, scores, "cross-validated")
        return None

    def as_is(self) -> None:
        """The network's own classes, where the user's names mean something to it."""
        try:
            found = as_is_of(self.features.train, BY_NAME)
        except TopworkError as error:
            return self.skip(AS_IS, "as-is", error.message)
        scores = scores_of_head(found.head, found.table)
        self.note(AS_IS, "as-is", self.features.own, scores, "as it is", "by the classes' names")
        self.contenders.append(Contender(AS_IS, replace(scores, trained=False)))
        return None

    def zero_shot(self) -> None:
        """The classes' names, as an image-text model understands them."""
        if not has_text(self.features.backbone.name):
            return self.skip(ZERO_SHOT, "zero-shot", "needs an image-text model such as clip-b32")
        try:
            found = zero_shot_of(self.features.train, ZeroShotOptions(), announce=self.say)
        except TopworkError as error:
            return self.skip(ZERO_SHOT, "zero-shot", error.message)
        scores = scores_of_head(found.head, found.table)
        self.note(ZERO_SHOT, "zero-shot", self.features.own, scores, "as it is", found.prompts[0][0])
        self.contenders.append(Contender(ZERO_SHOT, replace(scores, trained=False)))
        return None

    def feature_specs(self) -> None:
        """Depth, pooling and resolution."""
        sizes, seconds = self.affordable_sizes()
        expected_gain = of_specs(self.error, seconds)
        if not expected_gain.worth:
            return self.skip(BEST_PROBE, "probe", expected_gain.words)
        own = depths(self.features)
        specs = [replace(each, size=size) for size in sizes for each in (self.features.own, *own)]
        specs = [each for each in specs if each != self.features.own]
        found, why, self.losses = halved(self.features, specs, self.clock)
        if not found:
            self.cut_short = True
            return self.skip(BEST_PROBE, "probe", why)
        found.sort(key=lambda each: (each.spec.size, each.spec.stages))  # the plain one first: it wins a tie
        winner = found[best([each.scores for each in found])]
        self.note(BEST_PROBE, "probe", winner.spec, winner.scores, "cross-validated")
        self.contenders += [Contender(BEST_PROBE, each.scores, each) for each in found]
        return None

    def affordable_sizes(self) -> tuple[list[int], float]:
        """Sizes that there is time to try, the network's own first, and the seconds that they take."""
        sizes, seconds = [self.features.size], _SECONDS_OF_HEADS
        own = self.features.size
        for size in larger(self.features):
            an_image = self.features.seconds_an_image(own) * (size / own) ** 2
            more = _SECONDS_A_SIZE + len(self.features.train) * an_image
            if seconds + more <= self.clock.left:
                sizes, seconds = [*sizes, size], seconds + more
            else:
                self.cut_short = True
        return sizes, seconds

    def finetuning(self, name: str, stages: Unfreeze, *, again: bool) -> None:
        """Train the last stages, or all, where that is expected to pay."""
        if not self.learnable():
            return self.end(
                name,
                f"no strategy is significantly better than always predicting the largest class ({self.chance:.1%})",
            )
        free = self.expected_gain(0.0, again=again)
        done = taken_over(self, name)
        if not self.clock.left:
            self.cut_short = True
            return None if done else self.end(name, "the time was used up")
        if done is None and not free.worth:  # what it would take need not be measured then
            return self.end(name, free.words)
        if not has_torch():
            return self.end(name, f"{free.words}; but it needs PyTorch, which is not installed ({WITH_TORCH})")
        try:
            by_plan(self, name, stages, done, free, again=again)
        except TopworkError as error:  # such as too few images, or groups of them, to set any aside
            if all(rung.name != name for rung in self.rungs):
                self.end(name, error.message)
        return None

    def expected_gain(self, seconds: float, *, again: bool) -> ExpectedGain:
        """What is expected of a fine-tuning that takes so long."""
        last = 1 - self.contenders[0].scores.accuracy
        images, judges = set_apart(self.features)
        found = of_finetuning(last, self.error, images, judges, seconds, again=again)
        shares = judges / images, len(self.features.train) / images
        self.enough = None if found.worth or again else enough_images(last, self.error, *shares)
        return found

    @property
    def plain_first(self) -> list[Contender]:
        """Ways in the order in which they win a tie: heads that read less, at smaller sizes; then what is no head."""
        return sorted(
            self.contenders,
            key=lambda way: (0, way.trained.spec.size, way.trained.spec.stages) if way.trained else (1, 0, 0),
        )

    @property
    def leader(self) -> Contender:
        """The best way without training the network."""
        contenders = self.plain_first
        return contenders[best([way.scores for way in contenders])]

    @property
    def error(self) -> float:
        """Share of images that the best way so far gets wrong."""
        return max(0.0, 1 - self.leader.scores.accuracy - self.gained)

    @property
    def chance(self) -> float:
        """Accuracy of always naming the largest class."""
        counts = self.features.train.dataset.counts()
        return float(counts.max() / counts.sum())

    def learnable(self) -> bool:
        """Whether anything was learnt, beyond chance.

        Either the best way names more images right than always naming the largest class would, or the plain probe's
        scores suit the labels better than they suit shuffled ones, which tells of a rare class too.
        """
        images = int(self.leader.scores.held.sum())
        if images and wilson_interval(round(self.corrected_accuracy() * images), images)[0] > self.chance:
            return True
        plain = self.contenders[0].trained
        assert plain is not None
        held = plain.fitted.held_out
        return goes_with_labels(plain.fitted.oof_logits[held], self.features.labels[held], self.features.options.seed)

    def start(self, size: int) -> Trained:
        """The head that a fine-tuning at a size starts from, and must beat: it reads what the best one reads."""
        wanted = replace(self.best_spec, size=size)
        there = next((way.trained for way in self.contenders if way.trained and way.trained.spec == wanted), None)
        return there or train(self.features, wanted, self.features.table(size))

    @property
    def best_spec(self) -> FeatureSpec:
        """What the head with the lowest log loss reads."""
        trained = [way.trained for way in self.contenders if way.trained is not None]
        return min(trained, key=lambda each: each.scores.log_loss).spec

    def corrected_accuracy(self) -> float:
        """The leader's accuracy without the bias of having been chosen (``advising.accuracy_of_best``)."""
        return accuracy_of_best([way.scores for way in self.plain_first], self.features.options.seed)

    def add(self, rung: Rung) -> None:
        """A rung that is known, and takes the place of what was known of it."""
        self.rungs = [*(each for each in self.rungs if each.name != rung.name), rung]
        if self.climbed is not None:
            self.climbed(rung)

    def note(
        self, name: str, strategy: RungStrategy, spec: FeatureSpec, scores: Scores, measured: Measured, detail: str = ""
    ) -> None:
        """A rung that was measured."""
        self.scores[name] = scores
        known, images = scores.held.any(), int(scores.held.sum())
        milliseconds = self.features.milliseconds(spec.size) if self.clock.left else None
        self.add(
            Rung(
                name=name,
                strategy=strategy,
                detail=detail or spec.words(self.features.backbone),
                accuracy=expected(scores.accuracy, images) if known else None,
                log_loss=scores.log_loss if known else None,
                images=images,
                measured=measured if known else "",
                seconds=self.clock.lap(),
                milliseconds=milliseconds,
                note="" if known else "too few images to hold any out",
            )
        )

    def skip(self, name: str, strategy: RungStrategy, why: str) -> None:
        """A rung that was not climbed."""
        self.add(Rung(name, strategy, seconds=self.clock.lap(), note=why))

    def end(self, name: str, why: str) -> None:
        """A rung of fine-tuning that was not climbed: no other one is."""
        self.stopped = f"{name}: {why}"
        self.skip(name, "finetune", why)
