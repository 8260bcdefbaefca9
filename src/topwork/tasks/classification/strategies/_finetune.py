"""Fine-tuning: the head and the top stages of the backbone, gently, from where the probe stands (LP-FT).

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
arXiv 2202.10054: a head that is fitted first keeps the first steps from spoiling the features.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt

from topwork._options import CHECKPOINT, RESUME, TRAINING, VALIDATION, Option
from topwork._system import freed_memory_kept
from topwork.advising import HeadMethod, OutOfFold, Trial, fit_head
from topwork.backbones import EMBEDDING
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.features import FeatureTable, Squares, extract, squares
from topwork.heads import LinearHead
from topwork.tasks._classes._finetuned import (
    AS_SERVED,
    Finetuned,
    Halves,
    best_epoch,
    halves_of,
    keeps,
    losses,
    notes_of,
    score,
    shown,
    strategy_trials,
    why_kept,
)
from topwork.tasks._classes._fitted import Probe
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies._augment import (
    WAYS,
    Augmentation,
    Level,
    Orient,
    orient_trials,
)
from topwork.tasks.classification.strategies._pictures import ImageSamples
from topwork.tasks.classification.strategies._probe import ProbeOptions
from topwork.tasks.classification.strategies._tuned import calibrated, served
from topwork.train import TrainConfig, parse_config

if TYPE_CHECKING:
    from topwork.tasks.classification.strategies._tunable import Tunable
    from topwork.train import Samples, TrainResult

_OFTEN = 4  # epochs for each way round: with 8 for cloth's eight ways, crops cost 1.3 points (docs/decisions)


def default_config(**changes: Any) -> TrainConfig:
    """What the textile sample and the two-class sets were tried with (docs/decisions/finetune.md), with changes.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    return parse_config({"epochs": 8, "batch_size": 32, "learning_rate": 1e-3, "schedule": "one-cycle", **changes})


Unfreeze = NonNegativeInt | Literal["auto", "all"]


@dataclass(frozen=True)
class FinetuneOptions:
    """How to fine-tune.

    With ``views`` 0 no maps are kept: the frozen stages run anew in every epoch.
    """

    unfreeze: Annotated[
        Unfreeze,
        Option(
            "Number of stages to train, counted from the last; auto trains about half.",
            takes="a number of stages, all or auto",
        ),
    ] = "auto"
    augment: Annotated[
        Literal["auto"] | Level,
        Option(
            "Augmentation of training images; auto crops at random where an image would otherwise be seen over "
            "four times in the same orientation."
        ),
    ] = "auto"
    orient: Annotated[
        Literal["auto"] | Orient,
        Option(
            "Flip training images (mirror), flip and rotate them (any), or neither; auto chooses what improves a probe."
        ),
    ] = "auto"
    validation: Annotated[float, VALIDATION] = 0.15
    config: Annotated[TrainConfig, TRAINING] = field(default_factory=default_config)
    probe: Annotated[
        ProbeOptions, Option("Settings of the probe that fine-tuning starts from and is compared with.")
    ] = field(default_factory=ProbeOptions)
    checkpoint: Annotated[Path | None, CHECKPOINT] = None
    resume: Annotated[bool, RESUME] = False
    views: Annotated[
        int,
        Option(
            "Largest number of augmented views per image whose feature maps before the trained stages are kept "
            "in memory or on disk, where that saves time.",
            None,
            ge=0,
        ),
    ] = 8

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed


@freed_memory_kept()
def finetune(
    dataset: ImageDataset, probe: Probe, options: FinetuneOptions, *, announce: Announce | None = None
) -> Finetuned:
    """Train the top stages of the probe's backbone with a head, and keep that if it is proven to beat the probe.

    Both are fitted on the same images and compared on the same others, of the training split or of ``val``; the split
    ``test`` is not looked at. It trains where the probe's engine runs: on the GPU, or on the CPU. The data set has
    splits, as the probe was given it; the probe's crop mode is kept.

    Raises:
        DataError: Too few images to set some aside for validation, no room for them, or the probe's head is not linear.
        BackboneError: There are not so many stages.
        TrainError: The training cannot be made, or not resumed.
    """
    from topwork.tasks.classification.strategies._tunable import stages_to_train, tunable

    if options.probe.head != "linear":
        raise DataError(
            f"fine-tuning needs a linear head, not {options.probe.head}", hint=f"leave out --head {options.probe.head}"
        )
    say = announce or (lambda text: None)
    backbone = probe.table.backbone
    count = stages_to_train(backbone, options.unfreeze)
    halves = halves_of(probe.table.dataset, options.validation, options.seed)
    last = _embedding(probe, options)
    start = _fit(last.select(halves.learn), options)
    rival = _fit(probe.table.select(halves.learn), options, options.probe.method)
    judges = probe.table.select(halves.check)
    reference = score(rival, judges)
    model = tunable(backbone, start)
    with squares(last.dataset, backbone.preprocessing, say("resizing images")) as images:
        say("preparing the training")
        augmentation, tried = _augmentation(images, last, halves, options)
        result = _trained(model, images, augmentation, last, halves, count, options, say)
    notes = notes_of(result)
    better = False
    reached = best_epoch(result)
    if result.best_epoch > 0 and result.best.accuracy >= reference.accuracy - AS_SERVED:
        table = served(model, dataset, backbone, options.probe, say)
        places = {path: row for row, path in enumerate(table.dataset.paths)}
        rows = np.array([places[last.dataset.paths[row]] for row in halves.check.tolist()], np.intp)
        check = table.select(rows)
        head = calibrated(model, check)
        reached = score(head, check)  # as it will be served: perhaps in bfloat16, which the training was not
        better = keeps(losses(rival, judges) - losses(head, check), reached, reference)
    name = f"finetune {count} of {len(backbone.stages)} stages"
    trials = (*strategy_trials(len(halves.check), reference, reached, name, better=better), *tried, *probe.trials)
    if better:
        out_of_fold = OutOfFold("validation", rows, head.probabilities(check.values))
        return Finetuned(head, table, trials, out_of_fold=out_of_fold, history=result.history, notes=notes)
    notes += (why_kept(result, reached, reference, _stages(count), len(halves.check)),)
    scores = (probe.cv_accuracy, probe.cv_log_loss, probe.out_of_fold)
    return Finetuned(probe.head, probe.table, trials, *scores, result.history, notes, strategy="probe")


def _stages(count: int) -> str:
    return "1 stage" if count == 1 else f"{count} stages"


def _fit(table: FeatureTable, options: FinetuneOptions, method: HeadMethod = "logistic") -> LinearHead:
    """A head; a logistic one is a layer on the features as they are, from which the network's own can start."""
    return fit_head(table, class_weight=options.probe.class_weight, seed=options.seed, method=method).head


def _embedding(probe: Probe, options: FinetuneOptions) -> FeatureTable:
    """The embedding of every image that the probe could read."""
    table = probe.table
    if EMBEDDING in table.outputs:
        return table.keep((EMBEDDING,))
    found = extract(table.dataset, table.backbone, choice=table.choice, cache=options.probe.cache)
    if found.dataset.paths != table.dataset.paths:
        raise DataError("an image was deleted or changed during the run", hint="run it again")
    return found


def _augmentation(
    images: Squares, last: FeatureTable, halves: Halves, options: FinetuneOptions
) -> tuple[Augmentation, tuple[Trial, ...]]:
    tried: tuple[Trial, ...] = ()
    orient: Any = options.orient
    if orient == "auto":
        fit = partial(_fit, options=options)
        tried = orient_trials(images.pixels, last, halves.learn, halves.check, fit, options.seed)
        orient = next(trial.answer for trial in tried if trial.chosen)
    often = options.config.epochs / WAYS[orient] > _OFTEN
    level = options.augment if options.augment != "auto" else "light" if often else "none"
    return Augmentation(level, orient), tried


def _trained(
    model: Tunable,
    images: Squares,
    augmentation: Augmentation,
    last: FeatureTable,
    halves: Halves,
    count: int,
    options: FinetuneOptions,
    say: Announce,
) -> TrainResult:
    from topwork.tasks.classification.strategies._prefix import kept_prefix
    from topwork.tasks.classification.strategies._tunable import settle, trained_layers
    from topwork.train import train

    dataset, classes, config = last.dataset, len(last.dataset.classes), config_of(model, last, options)
    model.to("cuda" if last.choice.name == "torch-cuda" else "cpu")
    layers = trained_layers(model, last.backbone, count)
    views = min(options.views, config.epochs)
    kept = kept_prefix(model, layers, last.backbone, last.choice, len(dataset), views)
    with contextlib.ExitStack() as stack:

        def samples(rows: npt.NDArray[np.intp], how: Augmentation | None = None) -> Samples:
            found = ImageSamples(images, rows, dataset.labels[rows], classes, augmentation=how, seed=config.seed)
            return stack.enter_context(kept.samples(found)) if kept else found

        def refit(values: npt.NDArray[np.float32]) -> LinearHead:
            return _fit(replace(last.select(halves.learn), values=values), options)

        learner, layers = (kept.model, kept.layers) if kept else (model, layers)
        plain = samples(halves.learn)
        settle(learner, layers, plain, config.batch_size, refit)
        progress = say(f"training {_stages(count)}{' from kept maps' if kept else ''}")
        return train(
            learner,
            samples(halves.learn, augmentation) if augmentation.varies else plain,
            samples(halves.check),
            config,
            layers=layers,
            checkpoint=options.checkpoint,
            resume=options.resume,
            progress=shown(progress, config) if progress else None,
        )


def config_of(model: Tunable, last: FeatureTable, options: FinetuneOptions) -> TrainConfig:
    """With what the options leave open."""
    from topwork.tasks.classification.strategies._tunable import cpu_precision

    changes: dict[str, Any] = {}
    if options.config.precision == "auto" and last.choice.name != "torch-cuda":
        changes["precision"] = cpu_precision(model)
    if options.probe.class_weight == "balanced":
        changes["class_weights"] = "balanced"
    return options.config.model_copy(update=changes)
