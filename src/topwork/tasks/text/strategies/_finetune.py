"""Fine-tuning of a text network: a head and the last layers, or all, gently, from where a probe stands (LP-FT).

Source: Kumar et al. 2022, arXiv 2202.10054, and for layer-wise rates Sun et al. 2019, "How to Fine-Tune BERT for Text
Classification?", arXiv 1905.05583. Figures are in docs/decisions/text-finetune.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt

from topwork._options import CHECKPOINT, RESUME, TRAINING, Option
from topwork._system import freed_memory_kept, has_module
from topwork.advising import OutOfFold, fit_head
from topwork.backbones import TextBackbone
from topwork.data import TextDataset
from topwork.errors import BackboneError, MissingExtraError
from topwork.features import FeatureTable, extract
from topwork.heads import LinearHead, row_losses
from topwork.metrics import softmax
from topwork.tasks._classes._finetuned import (
    AS_SERVED,
    Finetuned,
    Halves,
    Score,
    at_temperature,
    best_epoch,
    halves_of,
    keeps,
    kept_file,
    notes_of,
    shown,
    strategy_trials,
    why_kept,
)
from topwork.tasks._classes._fitted import Probe
from topwork.tasks._task import Announce
from topwork.tasks.text.strategies._blend import Side, blended, out_of_fold, shared
from topwork.tasks.text.strategies._probe import ProbeOptions, Read, best_read, counted_head, with_counts
from topwork.train import TrainConfig, parse_config

if TYPE_CHECKING:
    from topwork.tasks.text.strategies._tunable import Tunable
    from topwork.train import TrainResult

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


def default_config(**changes: Any) -> TrainConfig:
    """What suited TREC, banking77 and SST-2 on their training texts (docs/decisions/text-finetune.md), with changes.

    Raises:
        TrainError: There is no such setting, or its value is out of range.
    """
    settings = {"epochs": 4, "batch_size": 32, "learning_rate": 3e-4, "layer_decay": 0.85, "schedule": "one-cycle"}
    return parse_config({**settings, "compile": "off", **changes})


_MARGIN = 1.1  # on the time of another training: its network is built and written too

Unfreeze = NonNegativeInt | Literal["auto", "all"]


@dataclass(frozen=True)
class FinetuneOptions:
    """How to fine-tune."""

    unfreeze: Annotated[
        Unfreeze,
        Option(
            "Number of layers to train, counted from the last; auto trains all but the table of words.",
            takes="a number of layers, all or auto",
        ),
    ] = "auto"
    lora: Annotated[
        NonNegativeInt | Literal["auto"],
        Option(
            "Rank of low-rank updates (LoRA) that are trained instead of the weights themselves, which takes less "
            "memory; 0 is off, auto uses 16 in networks of over 300 million weights.",
            takes="a rank or auto",
        ),
    ] = "auto"
    validation: Annotated[
        float,
        Option(
            "Least share of the training texts used for validation when DATA has no val beside test; of few texts up "
            "to a third, until there are 40.",
            None,
            gt=0,
            lt=1,
        ),
    ] = 0.1
    refit: Annotated[
        bool,
        Option("Train a network that is kept once more on all training texts, where time allows."),
    ] = True
    config: Annotated[TrainConfig, TRAINING] = field(default_factory=default_config)
    probe: Annotated[
        ProbeOptions, Option("Settings of the probe that fine-tuning starts from and is compared with.")
    ] = field(default_factory=ProbeOptions)
    checkpoint: Annotated[Path | None, CHECKPOINT] = None
    resume: Annotated[bool, RESUME] = False

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed


def fit_finetuned(
    dataset: TextDataset, backbone: TextBackbone, options: FinetuneOptions, *, announce: Announce | None = None
) -> Finetuned:
    """A probe with n-grams, and then the network itself, kept where that is proven to be better.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        DataError: Too few texts to set some aside for validation.
        BackboneError: The network is no transformer, or has not so many layers.
        TrainError: The training cannot be made, or not resumed.
    """
    if lacking := missing():
        raise MissingExtraError(f"fine-tuning needs {lacking[0]}, which is not installed", hint=lacking[1])
    say = announce or (lambda text: None)
    layers_to_train(backbone, options.unfreeze)
    read, trials = best_read(dataset, backbone, options.probe, announce=say)
    wanted = options.probe.ngrams and has_module("sklearn")
    counts = counted_head(read.table.dataset, options.probe, announce=say) if wanted else None
    return finetune(read, counts, with_counts(read, counts, trials), options, announce=say)


@freed_memory_kept()
def finetune(
    read: Read, counts: Read | None, probe: Probe, options: FinetuneOptions, *, announce: Announce | None = None
) -> Finetuned:
    """Train the network that a probe read, and keep that if it is proven to beat the probe.

    Both are fitted on the same texts and compared on the same others, of the training split or of ``val``, each with
    n-grams in the share that suits it there; the split ``test`` is not looked at.

    Args:
        read: The network's head and its table.
        counts: A head on n-grams; None where there is none.
        probe: What is kept otherwise: the better of both, or both together.
        options: How.
        announce: Called with what begins.

    Raises:
        DataError: Too few texts to set some aside for validation.
        BackboneError: The network is no transformer, or has not so many layers.
        TrainError: The training cannot be made, or not resumed.
    """
    say = announce or (lambda text: None)
    backbone = read.table.backbone
    count = layers_to_train(backbone, options.unfreeze)
    halves = halves_of(read.table.dataset, options.validation, options.seed)
    judges = _Judges(read.table.dataset.labels[halves.check].astype(np.int64), _said(counts, halves))
    rival = fit_head(read.table.select(halves.learn), **_how(options), method=options.probe.method).head
    alone = _logits(rival, read.table.select(halves.check))
    reference, start = judges(alone), starting(read.table, options)
    head = fit_head(start.select(halves.learn), **_how(options), method="logistic").head
    say("preparing the training")
    model, tokenizer, result = _trained(start, head, halves, count, options, say)
    reached, tuned = best_epoch(result), None
    if result.best_epoch > 0 and result.best.accuracy >= _score(alone, judges.labels).accuracy - AS_SERVED:
        side, whole = _served(model, tokenizer, start, halves, options, say)
        said = judges(side.logits)
        reached = said.score
        tuned = side if keeps(reference.losses - said.losses, reached, reference.score) else None
    name = f"finetune {count} of {backbone.layers} layers"
    rows = len(halves.check), reference.score, reached
    trials = (*strategy_trials(*rows, name, better=tuned is not None), *probe.trials)
    notes = notes_of(result, resumable=options.checkpoint is not None)
    if tuned is None:
        notes += (why_kept(result, reached, reference.score, _layers(count), len(halves.check), "texts"),)
        scores = (probe.cv_accuracy, probe.cv_log_loss, probe.out_of_fold)
        return Finetuned(probe.head, probe.table, trials, *scores, result.history, notes, strategy="probe")
    head, again = tuned.head, _refitted(start, tuned, halves, result, options, say) if options.refit else None
    if again is not None:
        head, whole = again
        notes += (f"the tuned network was trained once more on all {len(halves.learn) + len(halves.check)} texts",)
    head, table, logits = _with_counts(Side(head, whole(), tuned.logits), counts, judges)
    found = OutOfFold("validation", halves.check, softmax(logits).astype(np.float32))
    return Finetuned(head, table, trials, out_of_fold=found, history=result.history, notes=notes)


class _Judged(NamedTuple):
    """Log loss of each validation text, and how good that is."""

    losses: Float64Array
    score: Score


@dataclass(frozen=True, eq=False)
class _Judges:
    """The validation texts: their labels (M,), and what n-grams say of them (M, C), where there are any."""

    labels: Int64Array
    grams: Float32Array | None

    def __call__(self, logits: Float32Array) -> _Judged:
        """What logits (M, C) come to, with n-grams in the share that is best here, or without them."""
        said = logits
        if self.grams is not None:
            said = min(logits, shared(logits, self.grams, self.labels)[2], key=self.loss)
        return _Judged(row_losses(said, self.labels), _score(said, self.labels))

    def loss(self, logits: Float32Array) -> float:
        """Mean log loss."""
        return float(row_losses(logits, self.labels).mean())


def _with_counts(side: Side, counts: Read | None, judges: _Judges) -> Side:
    """The tuned network's head, or one on n-grams too, whichever is better on the validation texts."""
    if counts is None or judges.grams is None:
        return side
    both = blended(side, Side(counts.fit.head, counts.table, judges.grams), judges.labels).side
    return min(side, both, key=lambda each: judges.loss(each.logits))


def missing() -> tuple[str, str] | None:
    """What fine-tuning needs and is not installed, and the line that installs it; None where all is there."""
    lacking = [
        name for name, module in (("PyTorch", "torch"), ("transformers", "transformers")) if not has_module(module)
    ]
    return (lacking[0], "pip install 'topwork[tune]'") if lacking else None


def layers_to_train(backbone: TextBackbone, unfreeze: Unfreeze) -> int:
    """How many layers are trained, counted from the last.

    Raises:
        BackboneError: The network is no transformer, or has fewer.
    """
    if backbone.family != "transformer":
        raise BackboneError(f"{backbone.name} is no transformer, so there is nothing in it to train")
    if unfreeze in ("all", "auto"):
        return backbone.layers
    count = int(unfreeze)
    if not 1 <= count <= backbone.layers:
        raise BackboneError(
            f"{backbone.name} has {backbone.layers} layers, so {count} of them cannot be trained",
            hint=f"--unfreeze takes 1 to {backbone.layers}, or all",
        )
    return count


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"


def _how(options: FinetuneOptions) -> dict[str, Any]:
    return {"class_weight": options.probe.class_weight, "seed": options.seed}


def _said(counts: Read | None, halves: Halves) -> Float32Array | None:
    """What n-grams say of the validation texts, by tables and heads that have not learnt from them."""
    if counts is None:
        return None
    dataset = counts.table.dataset
    if (dataset.splits[halves.check] == "val").all():
        return _logits(counts.fit.head, counts.table.select(halves.check))
    train = np.flatnonzero(dataset.splits == "train")
    return out_of_fold(counts.fit)[np.searchsorted(train, halves.check)]


def _logits(head: LinearHead, table: FeatureTable) -> Float32Array:
    found: Float32Array = head.logits(table.values) / np.float32(head.temperature)
    return found


def _score(logits: Float32Array, labels: Int64Array) -> Score:
    return Score(float((logits.argmax(axis=1) == labels).mean()), float(row_losses(logits, labels).mean()))


def starting(table: FeatureTable, options: FinetuneOptions) -> FeatureTable:
    """The columns that the tuned network's head reads.

    They are means of tokens: dropout makes greatest values greater in training than they are later.
    """
    wanted = table.backbone.outputs("last")
    if set(wanted) <= set(table.outputs):
        return table.keep(wanted)
    return extract(table.dataset, table.backbone, outputs=wanted, choice=table.choice, cache=options.probe.cache)


def _trained(
    table: FeatureTable, head: LinearHead, halves: Halves, count: int, options: FinetuneOptions, say: Announce
) -> tuple[Tunable, bytes, TrainResult]:
    import torch

    from topwork.tasks.text.strategies._prefix import can_cut, cut
    from topwork.tasks.text.strategies._samples import samples_of
    from topwork.tasks.text.strategies._tunable import (
        in_pieces,
        lora_rank,
        threads,
        trained_layers,
        tunable,
        with_lora,
    )
    from topwork.train import train

    model, tokenizer = tunable(table.backbone, table.outputs, head)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    layers, rank = trained_layers(model, table.backbone, count), lora_rank(model, options.lora)
    layers = with_lora(model, layers, rank, options.seed) if rank else layers
    learn, check = (samples_of(table.dataset.select(rows), table.backbone, tokenizer) for rows in halves)
    config = in_pieces(options.config, table.backbone)
    if options.probe.class_weight == "balanced":
        config = config.model_copy(update={"class_weights": "balanced"})
    progress = say(f"training {_layers(count)}")
    how: Any = {"layers": layers, "checkpoint": options.checkpoint, "resume": options.resume}
    how["progress"] = shown(progress, config, "texts") if progress else None
    with threads():
        if not can_cut(model, table.backbone.layers, count, (learn, check)):
            return model, tokenizer, train(model, learn, check, config, **how)
        with cut(model, table.backbone.layers, count, (learn, check), config) as (known, judged):
            result = train(model, known, judged, config, **how)
    return model, tokenizer, result


def _served(
    model: Tunable, tokenizer: bytes, table: FeatureTable, halves: Halves, options: FinetuneOptions, say: Announce
) -> tuple[Side, Callable[[], FeatureTable]]:
    """The tuned network as it will be served: its head on the validation texts, and features of all texts on demand."""
    from topwork.tasks.text.strategies._tunable import weights_of

    backbone = table.backbone.with_weights(kept_file(table.backbone.name, weights_of(model, tokenizer)))
    how: Any = {"outputs": table.outputs, "choice": table.choice, "cache": options.probe.cache}
    check = extract(table.dataset.select(halves.check), backbone, **how)
    if len(check) < len(halves.check):
        raise BackboneError("the tuned network gives NaN or infinity", hint="try a lower learning rate")
    head = at_temperature(model.trained_head(), check)

    def whole() -> FeatureTable:
        return extract(table.dataset, backbone, progress=say("features of the tuned network"), **how)

    return Side(head, check, _logits(head, check)), whole


def _refitted(
    table: FeatureTable, tuned: Side, halves: Halves, result: TrainResult, options: FinetuneOptions, say: Announce
) -> tuple[LinearHead, Callable[[], FeatureTable]] | None:
    """The same training on all training texts, the judges among them, as it will be served.

    Its temperature is that of the first, which had not seen them.

    None where ``val`` judges, which is no training text; where the first was broken off, or there is no time for
    another; and where something went wrong: it must know the texts that it has learnt from.
    """
    config = options.config
    rows = np.sort(np.concatenate(halves))
    left = np.inf if config.budget_seconds is None else config.budget_seconds - result.seconds
    needed = _MARGIN * result.seconds * len(rows) / len(halves.learn)
    own = bool((table.dataset.splits[halves.check] == "train").all())
    if not own or result.stopped == "interrupted" or needed > left:
        return None
    say("training once more, on all texts")
    head = fit_head(table.select(rows), **_how(options), method="logistic").head
    seconds = None if config.budget_seconds is None else left
    changes = {"epochs": result.best_epoch, "budget_seconds": seconds}
    how = replace(options, config=config.model_copy(update=changes), checkpoint=None, resume=False)
    count = layers_to_train(table.backbone, options.unfreeze)
    model, tokenizer, _ = _trained(table, head, Halves(rows, halves.check), count, how, say)
    side, whole = _served(model, tokenizer, table, halves, how, say)
    labels = table.dataset.labels[halves.check]
    known, before = ((each.logits.argmax(axis=1) == labels).mean() for each in (side, tuned))
    return (replace(side.head, temperature=tuned.head.temperature), whole) if known >= before else None
