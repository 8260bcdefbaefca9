"""Rows in shards, read pass after pass; what each shard adds is summed in the order of their names, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array, IntpArray
from topwork._system import Executor
from topwork.errors import DataError
from topwork.metrics import softmax

from ._crossed import IMBALANCE, ClassWeight, class_weights
from ._moments import Block, Moments, checked, folds_of, moments_of

_JUDGING = 4_000_000  # logits that are kept to judge by: 16 MB
_JUDGES = 100_000  # rows; more tell nothing that their own error does not hide
_Result = TypeVar("_Result")


class Shards(Protocol):
    """Rows in named pieces, each of which can be read again and gives the same rows in the same order.

    Attributes:
        names: Of the pieces, in any order.
    """

    @property
    def names(self) -> Sequence[str]: ...

    def blocks(self, name: str) -> Iterable[Block]:
        """The rows of one piece, some at a time; called on several threads at once."""


class Evaluated(NamedTuple):
    """What rows say of K sets of weights, each judged by the rows that train it.

    Attributes:
        losses: (K,) summed log loss in nats, each row's times its weight; so are the next two.
        gradient: (K, S, D + 1) of it.
        spread: (K, S) sum of p (1 - p), the curvature of each class.
        logits: (J, S) of the rows that judge, each by the weights that did not train on it; none where K is 1.
        labels: (J,) theirs.
    """

    losses: Float64Array
    gradient: Float64Array
    spread: Float64Array
    logits: Float32Array
    labels: IntpArray


class Rows:
    """Rows in shards once their moments are known: standardised, with the fold that holds each out.

    Args:
        shards: The rows.
        n_classes: C.
        folds: K.
        cores: What reads the shards, one each at a time.

    Raises:
        DataError: Features or labels that cannot be used, fewer than two classes, a shard named twice.
    """

    def __init__(self, shards: Shards, n_classes: int, folds: int, cores: Executor) -> None:
        self._shards, self._cores, self._folds = shards, cores, folds
        self._names = sorted(shards.names)
        if len(set(self._names)) < len(self._names):
            raise DataError("a shard is named twice")
        self._n_classes = n_classes
        moments = self._moments()
        self.seen: IntpArray = np.flatnonzero(moments.counts.sum(axis=0))
        self.moments = Moments(moments.counts[:, self.seen], moments.sums[:, self.seen], moments.grams)
        self.counts: Float64Array = self.moments.counts.sum(axis=0)
        self.mean, self.scale = self.moments.statistics(balanced=self.balanced)
        # As where images are in memory: a class whose rows are all in one fold trains in all, and judges in none.
        self._held: BoolArray = (self.moments.counts > 0).sum(axis=0) > 1
        judges = min(_JUDGES, _JUDGING // len(self.seen))
        self._last_judge = np.uint64(min(1.0, judges / self.moments.rows) * (2**64 - 2**11))
        self.passes = 1

    @property
    def balanced(self) -> bool:
        """Whether no class has many more rows than another."""
        return bool(self.counts.max() <= IMBALANCE * self.counts.min())

    def standardised(self, weighting: ClassWeight) -> Moments:
        """The moments of the standardised rows; those of weighed classes take one more pass."""
        found = self.moments
        if weighting != "none":
            by_class = np.zeros(self._n_classes)
            by_class[self.seen] = class_weights(self.counts, weighting)
            weighed = self._moments(by_class)
            found = Moments(weighed.counts[:, self.seen], weighed.sums[:, self.seen], weighed.grams)
            self.passes += 1
        return found.standardised(self.mean, self.scale)

    def _moments(self, by_class: Float64Array | None = None) -> Moments:
        total: Moments | None = None
        how = (self._n_classes, self._folds, by_class)
        work = self._in_order(lambda name: moments_of(self._shards.blocks(name), *how))
        for found in work:
            if found is None:
                continue
            if total is None:
                total = found
            elif found.sums.shape == total.sums.shape:
                total.add(found)
            else:
                raise DataError(f"rows of {total.sums.shape[2]} and of {found.sums.shape[2]} features")
        if total is None:
            raise DataError("there are no rows to fit on")
        counts = total.counts.sum(axis=0)
        if (counts > 0).sum() < 2:
            raise DataError(
                f"all {total.rows} rows are of class {int(counts.argmax())}",
                hint="add rows of at least one other class",
            )
        if not ((total.counts > 0).sum(axis=0) > 1).any() or not total.counts.sum(axis=1).all():
            raise DataError(
                f"{total.rows} rows are too few to be held out in {self._folds} folds", hint="fit them in memory"
            )
        return total

    def judged(self, weights: Float32Array) -> tuple[list[Float32Array], IntpArray]:
        """Logits (J, S) by each of M families (M, K, S, D + 1), each row's by its fold's weights; and labels (J,)."""
        self.passes += 1
        pieces = [piece for shard in self._in_order(lambda name: self._judge(name, weights)) for piece in shard]
        logits = np.concatenate([piece[0] for piece in pieces])
        return list(np.moveaxis(logits, 1, 0)), np.concatenate([piece[1] for piece in pieces])

    def evaluate(self, weights: Float32Array, weighting: ClassWeight = "none") -> Evaluated:
        """What the rows say of weights (K, S, D + 1), each set without a fold; or of one (1, S, D + 1) on all rows."""
        self.passes += 1
        by_class = class_weights(self.counts, weighting)
        pieces = iter(self._in_order(lambda name: self._evaluate(name, weights, by_class)))
        first = next(pieces)
        logits, labels = [first.logits], [first.labels]
        for piece in pieces:
            for mine, theirs in zip(first[:3], piece[:3], strict=True):
                mine += theirs
            logits.append(piece.logits)
            labels.append(piece.labels)
        return first._replace(logits=np.concatenate(logits), labels=np.concatenate(labels))

    def _in_order(self, work: Callable[[str], _Result]) -> Iterator[_Result]:
        return self._cores.map_ordered(work, self._names, in_flight=self._cores.workers)

    def _read(self, name: str) -> Iterator[tuple[Float32Array, IntpArray, IntpArray, BoolArray]]:
        """Standardised rows (n, D + 1), the last column 1; labels among those seen; folds, -1 trains in all; judges."""
        width = len(self.mean)
        inverse = 1 / self.scale
        for block in self._shards.blocks(name):
            if not len(block.labels):
                continue
            labels = np.searchsorted(self.seen, checked(block, self._n_classes, width))
            rows = np.ones((len(labels), width + 1), np.float32)
            np.subtract(block.features, self.mean, out=rows[:, :-1])
            rows[:, :-1] *= inverse
            held = self._held[labels]
            fold_of = np.where(held, folds_of(block.keys, self._folds), -1)
            yield rows, labels, fold_of, held & (block.keys <= self._last_judge)

    def _judge(self, name: str, weights: Float32Array) -> list[tuple[Float32Array, IntpArray]]:
        out = []
        for rows, labels, fold_of, judges in self._read(name):
            logits = np.empty((int(judges.sum()), len(weights), len(self.seen)), np.float32)
            for fold in range(self._folds):
                place = fold_of[judges] == fold
                logits[place] = np.tensordot(rows[judges][place], weights[:, fold], axes=(1, 2))
            out.append((logits, labels[judges]))
        return out

    def _evaluate(self, name: str, weights: Float32Array, by_class: Float32Array) -> Evaluated:
        total = Evaluated(
            np.zeros(len(weights)),
            np.zeros(weights.shape),
            np.zeros(weights.shape[:2]),
            np.empty((0, len(self.seen)), np.float32),
            np.empty(0, np.intp),
        )
        logits, answers = [total.logits], [total.labels]
        flat = weights.reshape(-1, weights.shape[2])
        for rows, labels, fold_of, judges in self._read(name):
            own, place = labels, np.arange(len(labels))
            found = (flat @ rows.T).reshape(*weights.shape[:2], -1)
            if len(weights) > 1:
                logits.append(found[fold_of[judges], :, place[judges]])
                answers.append(labels[judges])
                trains = (np.arange(len(weights))[:, None] != fold_of).astype(np.float32)
            else:
                trains = np.ones((1, len(labels)), np.float32)
            trains *= by_class[labels]
            shares = softmax(found, out=found)
            losses = -np.log(np.maximum(shares[:, own, place], np.finfo(np.float32).tiny)) * trains
            total.losses[:] += losses.sum(axis=1, dtype=np.float64)
            total.spread[:] += ((shares - shares**2) * trains[:, None]).sum(axis=2, dtype=np.float64)
            shares[:, own, place] -= 1
            shares *= trains[:, None]
            total.gradient[:] += (shares.reshape(len(flat), -1) @ rows).reshape(weights.shape)
        return total._replace(logits=np.concatenate(logits), labels=np.concatenate(answers))
