"""A classifier from a folder of shards: the head of more images than memory holds, measured on some set aside."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, Preprocessing
from topwork.backbones import load as load_backbone
from topwork.data import printable
from topwork.engines import EngineChoice
from topwork.errors import DataError
from topwork.features import recipe_of
from topwork.fitting._shard_sample import Sample, sampled
from topwork.heads import LinearHead, StreamedFit, StreamedMethod, fit_streamed
from topwork.metrics import (
    LEVELS,
    Answered,
    Evaluation,
    abstention_thresholds,
    conformal_thresholds,
    evaluate,
    evaluate_streamed,
    selective_reports,
    softmax,
)
from topwork.model import ClassesRecord, Classifier, DataRecord, EngineRecord, ModelRecord, SelectiveRecord, versions
from topwork.sharding import HeldOut, LabelledShards, TableOfLabels, mixed
from topwork.tasks import Announce

_ROOM = 16_000_000  # probabilities of held-out rows that are kept, 64 MB: up to there the areas under curves are known


class _Rows(NamedTuple):
    train: LabelledShards
    held: LabelledShards | None
    split: str  # that held is called
    share: float  # of the rows that was drawn for it; 0 where the data say which they are
    notes: tuple[str, ...]


def fit_shards(
    out: str,
    labels: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    backbone: str | Backbone | None = None,
    method: StreamedMethod = "logistic",
    class_weight: Literal["none", "balanced", "auto"] = "auto",
    test: float = 0.2,
    seed: int = 0,
    announce: Announce | None = None,
) -> Classifier:
    """Fit a linear head on the features in a folder of shards and measure it on rows that it has not seen.

    Nothing is held but a block of rows for each core, some bytes for each row, and a sample. The strength is chosen by
    cross-validation (``heads.fit_streamed``). The model is a classifier like any other: it predicts images.

    Args:
        out: A folder that ``embed`` has filled, or its address.
        labels: A table ``id,label[,split]`` (CSV, TSV, JSONL, Parquet) of the rows' classes; those that the parts hold
            when None.
        columns: Column of the table -> what it is called there.
        backbone: The network that made the features, or its name; the one that the plan names when None.
        method: Which head (``heads.fit_streamed``).
        class_weight: Whether rare classes get a larger weight (``heads.fit_linear``); "auto" measures it where the
            classes are imbalanced.
        test: Share of the rows to hold out where they have no ``test`` or ``val`` split, drawn by a hash of their
            images' content, so that copies of an image stay together; 0 holds none out.
        seed: Of that draw and of intervals.
        announce: Called with each step's name.

    Returns:
        The model, not yet saved.

    Raises:
        TopworkError: There is no plan in the folder, or parts of it are missing.
        DataError: The rows cannot train a classifier: no classes, one alone, an id twice, NaN; or another network made
            the features.
        BackboneError: The network is unknown.
    """
    if not 0 <= test < 1:
        raise DataError(f"test must be at least 0 and below 1, not {test}")
    say: Announce = announce or (lambda text: None)
    say("looking at the shards")
    rows = _rows(out, labels, columns, test, seed)
    network, outputs, choice = network_of(rows.train.recipe, backbone)
    say("training the head")
    fit = fit_streamed(rows.train, len(rows.train.classes), method=method, class_weight=class_weight)
    say("measuring the model")
    sample = sampled(rows.train, [network.width(each) for each in outputs], seed)
    selective = _selective(fit)
    evaluation = None
    if rows.held is not None:
        evaluation, reports = _measured(rows.held, fit.head, selective, seed)
        selective = selective.model_copy(update={"measured": tuple(each.to_dict() for each in reports)})
    block = ClassesRecord(
        name="classification",
        classes=rows.train.classes,
        training=tuple(rows.train.counts.tolist()),
        calibration=fit.head.calibration,
        selective=selective,
        metrics=evaluation.to_dict() if evaluation else None,
    )
    record: ModelRecord[Any] = ModelRecord[ClassesRecord](
        task=block,
        strategy="probe",
        backbone=network.to_dict(),
        outputs=outputs,
        engine=EngineRecord(**dataclasses.asdict(choice)),
        head=fit.head.kind,
        cross_validation={"accuracy": fit.cv_accuracy, "log_loss": fit.cv_log_loss},
        trials=(),
        data=_data(rows, sample, evaluation),
        seed=seed,
        options={
            "strategy": "probe",
            "shards": len(rows.train.names),
            "method": method,
            "class_weight": fit.class_weight,
            "test": test,
            "seed": seed,
        },
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return Classifier(record, fit.head, network, novelty=sample.novelty, trained=sample.digests)


def network_of(
    recipe: Mapping[str, Any], backbone: str | Backbone | None = None, **made_by: Any
) -> tuple[Backbone, tuple[str, ...], EngineChoice]:
    """The network, outputs and engine that made a folder's features, with the preprocessing that it tells.

    Args:
        recipe: As its plan holds it.
        backbone: The network, or its name; the name that the recipe has when None.
        **made_by: What ``backbones.load`` takes beside the name and the size.

    Raises:
        DataError: It is another network, or one with other weights.
    """
    if "preprocessing" not in recipe:
        raise DataError("the features in this folder are not of images", hint="topwork fit takes texts as they are")
    read = dict(recipe["preprocessing"])
    preprocessing = Preprocessing.from_dict({"crop_mode": read.pop("fit"), **read})
    name = str(recipe["backbone"])
    found = backbone
    if not isinstance(found, Backbone):
        found = load_backbone(found or name, size=preprocessing.size, **made_by)
    found = dataclasses.replace(found, preprocessing=preprocessing)
    outputs, choice = tuple(recipe["outputs"]), EngineChoice(recipe["engine"], recipe["precision"])
    own = recipe_of(found, outputs, choice)
    for what in ("backbone", "weights"):
        if own[what] != recipe[what]:
            raise DataError(
                f"the features are of {printable(name)} with the weights {str(recipe['weights'])[:12]}, "
                f"not of {printable(found.name)} with {found.weights.sha256[:12]}",
                hint="name the network as for embed, with --backbone and --weights",
            )
    return found, outputs, choice


def _rows(out: str, labels: str | None, columns: Mapping[str, str] | None, test: float, seed: int) -> _Rows:
    table = TableOfLabels(labels, columns) if labels is not None else None
    told = None if table is None else table.labels
    known = LabelledShards(
        out,
        ("train", "val", "test", None),
        labels=told,
        split_of=table.splits if table is not None and table.has_splits else None,
    )
    notes = _notes(known, table)
    split = next((each for each in ("test", "val") if known.told[each]), "")
    if split:
        train = known.only("train", None)
        return _Rows(train, train.beside(split), split, 0.0, notes)
    if not test:
        return _Rows(known, None, "", 0.0, notes)
    drawn = LabelledShards(out, ("train",), labels=told, split_of=HeldOut(test, seed))
    held = drawn.beside("test")
    if not held.rows:
        raise DataError(
            f"of {drawn.rows:,} rows none was held out", hint="hold out more with --test, or none with --test 0"
        )
    return _Rows(drawn, held, "test", test, notes)


def _notes(known: LabelledShards, table: TableOfLabels | None) -> tuple[str, ...]:
    found = []
    if known.unlabelled:
        found.append(f"{known.unlabelled:,} rows of the shards have no class and are not used")
    if known.errors:
        found.append(f"{known.errors:,} rows of the shards hold an error instead of features")
    if table is not None and len(table) > known.rows:
        found.append(f"{len(table) - known.rows:,} of the {len(table):,} ids in the table are not among the features")
    return tuple(found)


def _selective(fit: StreamedFit) -> SelectiveRecord:
    """The promises, read off the rows that judged the strengths."""
    said = softmax(fit.oof_logits / np.float32(fit.head.temperature))
    return SelectiveRecord(
        source="cross-validation",
        images=len(said),
        levels=LEVELS,
        sets=conformal_thresholds(said, fit.oof_labels),
        answers=abstention_thresholds(said, fit.oof_labels, decided=said.argmax(axis=1)),
    )


def _measured(
    held: LabelledShards, head: LinearHead, selective: SelectiveRecord, seed: int
) -> tuple[Evaluation, Sequence[Any]]:
    """The figures of all held-out rows, and of their promises; of more rows than are kept, those of a sample."""
    classes, most = held.classes, _ROOM // len(held.classes)
    kept: list[Answered] = []
    if held.rows <= most:
        kept.extend(_answers(held, head))
        whole = _joined(kept)
        found = evaluate(whole.probabilities, whole.labels, classes, before_scaling=whole.before, seed=seed)
    else:
        found = evaluate_streamed(_keeping(_answers(held, head), most / held.rows, seed, kept), classes, seed=seed)
        whole = _joined(kept)
    thresholds: Any = {name: getattr(selective, name) for name in ("levels", "sets", "answers")}
    return found, selective_reports(whole.probabilities, whole.labels, **thresholds)


def _answers(held: LabelledShards, head: LinearHead) -> Iterator[Answered]:
    plain = head.uncalibrated()
    for name in held.names:
        for features, labels, keys in held.blocks(name):
            if len(labels):
                rows = features.astype(np.float32)
                before = None if plain is None else plain.probabilities(rows)
                yield Answered(head.probabilities(rows), labels, keys, before)


def _keeping(blocks: Iterator[Answered], share: float, seed: int, kept: list[Answered]) -> Iterator[Answered]:
    """The blocks as they are; a share of their rows, drawn by key, is kept."""
    for block in blocks:
        drawn = mixed(block.keys, seed) < np.uint64(share * 2.0**64)
        kept.append(Answered(block.probabilities[drawn], block.labels[drawn], block.keys[drawn]))
        yield block


def _joined(blocks: Sequence[Answered]) -> Answered:
    columns: list[npt.NDArray[Any] | None] = []
    for each in zip(*blocks, strict=True):
        columns.append(None if each[0] is None else np.concatenate([part for part in each if part is not None]))
    probabilities, labels, keys, before = columns
    assert probabilities is not None
    assert labels is not None
    assert keys is not None
    return Answered(probabilities, labels, keys, before)


def _data(rows: _Rows, sample: Sample, evaluation: Evaluation | None) -> DataRecord:
    shards = "\n".join([*rows.train.names, *rows.train.classes, *map(str, rows.train.counts.tolist()), rows.split])
    return DataRecord(
        fingerprint=hashlib.sha256(shards.encode("utf-8", "surrogatepass")).hexdigest(),
        training=rows.train.rows,
        held_out=0 if evaluation is None else evaluation.n,
        held_out_split=rows.split,
        held_out_share=rows.share,
        left_out=rows.train.errors,
        notes=(*rows.notes, *sample.notes),
    )
