"""How what reads maps is trained: its settings, what the time is enough for, and how many stages follow it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from topwork._arrays import UInt8Array
from topwork.advising import Timed, Trial
from topwork.backbones import Backbone
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError, DataError
from topwork.features import MapSamples, Squares, on_all_cores, scratch
from topwork.tasks._maps._samples import SquareSamples
from topwork.tasks._maps._settings import UNHEARD, Orient, Unfreeze
from topwork.tasks._task import Announce
from topwork.train import TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

    from topwork.train import TrainResult

IMAGES = 8
"""Of which a step is timed."""

_STEPS = 3  # the first one allocates the memory, and is not counted; the quickest of the others is
_MAPS_SHARE = 0.4  # of the time, at most, for maps of more views than one
_ENOUGH = 0.75  # of the epochs; with fewer, it is said that there was too little time


class Reads(NamedTuple):
    """How maps of samples are made, for training.

    Attributes:
        network: The pretrained one, as it sees samples: the square, or parts of it.
        outputs: That are read of it.
        choice: What runs it.
        n_features: D, numbers that they are.
    """

    network: Backbone
    outputs: tuple[str, ...]
    choice: EngineChoice
    n_features: int


class MapsReady:
    """What a data set that can be trained on offers, whatever its images show; a room adds its fields and samples."""

    images: Squares
    spec: Any
    options: Any
    what: ClassVar[str]
    """Is trained, such as ``a decoder``."""
    precision: ClassVar[Literal["auto", "f32"]] = "auto"
    """In which a processor trains it: ``f32`` where gradients take longer in bfloat16, though the processor has it."""

    @property
    def backbone(self) -> Backbone:
        """The pretrained network, with its preprocessing."""
        raise NotImplementedError

    @property
    def reads(self) -> Reads:
        """How maps of samples are made."""
        raise NotImplementedError

    @property
    def device(self) -> str:
        """Where torch trains: where the maps are made."""
        return "cuda" if self.reads.choice.name == "torch-cuda" else "cpu"

    def config(self, given: TrainConfig) -> TrainConfig:
        """With what the options leave open: the seed, and the precision on a processor.

        Raises:
            DataError: A setting that only classes of images have.
        """
        unheard = [name for name in UNHEARD if getattr(given, name) != TrainConfig.model_fields[name].default]
        if unheard:
            raise DataError(f"{self.what}'s training does not know {unheard[0]}", hint=f"leave out --set {unheard[0]}")
        changes: dict[str, Any] = {"seed": self.options.seed}
        if given.precision == "auto" and self.device == "cpu":
            changes["precision"] = self.precision
        return given.model_copy(update=changes)

    def engine(self, images: int) -> Callable[[UInt8Array], Tensor]:
        """What makes maps of so many images, on all cores."""
        how = self.reads
        return on_all_cores(open_engine(how.network, how.outputs, how.choice, images=images))

    def few_pixels(self) -> UInt8Array:
        """uint8 (IMAGES, size, size, 3): squares to time the network on."""
        size = self.reads.network.preprocessing.size
        return np.resize(np.asarray(self.images.pixels[:IMAGES, :size, :size]), (IMAGES, size, size, 3))

    @contextlib.contextmanager
    def maps(self, samples: SquareSamples, views: int) -> Iterator[MapSamples]:
        """What the frozen network makes of samples, on disk for as long as the context lasts."""
        how, views = self.reads, views if samples.varied else 1
        engine = self.engine(len(samples.labels))
        with scratch((views, len(samples.labels), how.n_features), np.int16) as room:
            yield MapSamples(
                samples, engine, room, f"{self.backbone.weights.sha256} {how.outputs} {views} {how.choice}"
            )

    def stages_to_train(self, unfreeze: Unfreeze) -> int:
        """How many of the stages up to the last that is read.

        Raises:
            BackboneError: There are fewer.
        """
        names = [stage.name for stage in self.backbone.stages]
        read = names.index(self.spec.stages[-1]) + 1
        if unfreeze in ("all", "auto"):
            return read
        if not 1 <= int(unfreeze) <= read:
            raise BackboneError(
                f"{self.what} reads {read} stages of {self.backbone.name}, so {unfreeze} of them cannot be trained",
                hint=f"--unfreeze takes 1 to {read}, or all",
            )
        return int(unfreeze)


def stages_said(count: int) -> str:
    """``1 stage``, ``3 stages``."""
    return "1 stage" if count == 1 else f"{count} stages"


def timed(work: Callable[[], object], cores: int) -> Timed:
    """Seconds an image that some work on ``IMAGES`` of them takes, the quickest of a few times."""
    found = []
    for _ in range(_STEPS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        took = time.perf_counter() - wall, time.process_time() - processor
        found.append(Timed.of(took[0] / IMAGES, took[1] / IMAGES, cores))
    return min(found[1:])


def in_what_is_left(config: TrainConfig, learn: MapSamples, check: MapSamples, say: Announce) -> TrainConfig:
    """With a budget, the maps are made first, of as many views as fit into a part of it; the rest is for the training.

    The steps then all take the same time, so that the schedule fits what is left from its first step on.
    """
    if config.budget_seconds is None:
        return config
    begun = time.monotonic()
    say("maps of views of the images")
    check.make_within(0)
    learn.make_within(_MAPS_SHARE * config.budget_seconds - (time.monotonic() - begun))
    left = config.budget_seconds - (time.monotonic() - begun)
    return config.model_copy(update={"budget_seconds": max(1.0, left)})


def too_short(config: TrainConfig, result: TrainResult, part: str, whole: str) -> tuple[str, ...]:
    """That the time ended long before a part, such as ``the head``, could learn what it can."""
    done = len(result.history)
    if config.budget_seconds is None or result.interrupted or done >= _ENOUGH * config.epochs:
        return ()
    return (
        f"the time was enough for {done} of {config.epochs} epochs of {part}, so {whole} is worse than it could be; "
        f"give it about {math.ceil(config.epochs / max(1, done))} times as long with --budget",
    )


def seeded(make: Callable[[Any], Any], spec: Any, seed: int) -> Any:
    """What ``make`` gives of a spec, with random numbers that the seed alone decides."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(spec)


def upright_trials(images: int, shown: tuple[float, float], *, alike: bool) -> tuple[Trial, ...]:
    """How validation images do as they are, and upside down; what suits training is marked.

    What is asked learnt from mirrored images, never from upturned ones. Where those are no harder for it, as under a
    microscope or from the air, there is more to learn from when both are shown.
    """
    return (
        Trial("orient", "mirror", images, shown[0], None, chosen=not alike),
        Trial("orient", "any", images, shown[1], None, chosen=alike),
    )


def chosen_orient(trials: tuple[Trial, ...]) -> Orient:
    """What the trials say; ``mirror`` where there are none."""
    return "any" if any(trial.chosen and trial.answer == "any" for trial in trials) else "mirror"


def strategy_trials(
    images: int, before: tuple[str, float], after: tuple[str, float], *, better: bool
) -> tuple[Trial, ...]:
    """A frozen network and a tuned one, each by its name and figure."""
    return tuple(
        Trial("strategy", name, images, figure, None, chosen=chosen)
        for (name, figure), chosen in ((before, not better), (after, better))
    )
