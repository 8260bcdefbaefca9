"""N-grams and a linear head: the floor that every network must beat, and the answer where none knows the language.

Source: Wang & Manning 2012, "Baselines and Bigrams": of two or few classes each n-gram is weighed by how much more
often it stands in a class than outside it, before a linear support vector machine is fitted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from topwork._options import SEED, Option
from topwork._system import Executor, cache_dir, optional, use, write_whole
from topwork.advising import ClassWeight, fit_head, stratified_order
from topwork.backbones import NGRAMS, TextBackbone, Weights
from topwork.data import TextDataset, content_key, k_folds_or_fewer, name_bytes
from topwork.engines import EngineChoice, Grams, NgramScorer
from topwork.features import FeatureTable
from topwork.heads import LinearFit
from topwork.tasks._classes._fitted import Probe, probe_of
from topwork.tasks._task import Announce

Float32Array = npt.NDArray[np.float32]

_MOST = 200_000  # n-grams of each kind that are kept, the most frequent
_CROWDED = 5_000_000  # n-grams that are counted at a time, half a gigabyte; 10,000 Korean texts have fewer
_RARE = 2  # texts that a run of letters must be in
_TEXTS = 100_000  # training texts that are counted: their n-grams take 5 kB a text; the others are scored like new ones
_CHUNK = 1024  # texts at a time
_FOLDS, _FEWER = 5, 3  # the latter of many classes, where each fit takes as many machines
_MANY = 10  # classes from which on n-grams are not weighed by class, which takes a fit of its own for each
_TOLERANCE = 0.05  # of the solver: a smaller one takes twice the time and answers the same
_HANGUL, _LETTERS = 0.3, 8  # share of Hangul from which on runs of its letters are this long: two or three syllables


@dataclass(frozen=True)
class NgramOptions:
    """How to count n-grams."""

    class_weight: Annotated[
        ClassWeight,
        Option("Whether rare classes get a larger weight; auto measures it where the classes are imbalanced."),
    ] = "auto"
    seed: Annotated[int, SEED] = 0


class Ngrams(Probe):
    """A linear head on scores of n-grams."""

    strategy = "ngrams"


def fit_ngrams(dataset: TextDataset, options: NgramOptions, *, announce: Announce | None = None) -> Ngrams:
    """N-grams of the split ``train``, and a head that is calibrated on scores out of fold.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    say = announce or (lambda text: None)
    table = ngram_table(dataset, options.seed, announce=say)
    say("training the head")
    fitted = fit_head(table.split("train"), class_weight=options.class_weight, seed=options.seed, method="logistic")
    return ngrams_of(table, fitted)


def ngrams_of(table: FeatureTable, fitted: LinearFit) -> Ngrams:
    """The rung of a table of scores and a head on it."""
    probe = probe_of(table, fitted, ())
    return Ngrams(probe.head, table, probe.trials, probe.cv_accuracy, probe.cv_log_loss, probe.out_of_fold)


def ngram_table(dataset: TextDataset, seed: int, *, announce: Announce) -> FeatureTable:
    """One score a class for every text; those of training texts by tables that were not fitted on them.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    optional("sklearn", extra="text", what="counting n-grams")
    progress = announce("counting words and letters")
    train = np.flatnonzero(dataset.splits == "train")
    train = train[np.sort(stratified_order(dataset.labels[train], seed)[:_TEXTS])]
    learnt = dataset.select(train)
    scorer, rows = _counted([learnt.text(row) for row in range(len(learnt))], progress)
    announce("scoring n-grams")
    labels, classes = learnt.labels.astype(np.int64), len(learnt.classes)
    folds = k_folds_or_fewer(learnt, _FOLDS if classes < _MANY else _FEWER, seed=seed)
    scores = np.zeros((len(dataset), classes), np.float32)
    for fold in [] if folds is None else np.unique(folds):
        inside = folds == fold
        weight, bias = _fitted(rows[~inside], labels[~inside], classes, seed)
        scores[train[inside]] = rows[inside] @ weight + bias
    weight, bias = _fitted(rows, labels, classes, seed)
    scorer = NgramScorer(scorer.grams, scorer.places, scorer.rarity, weight.astype(np.float16), bias)
    others = np.arange(len(dataset)) if folds is None else np.setdiff1d(np.arange(len(dataset)), train)
    for start in range(0, len(others), _CHUNK):
        part = others[start : start + _CHUNK]
        scores[part] = scorer([dataset.text(row) for row in part.tolist()])
    backbone = TextBackbone(
        NGRAMS, _kept(scorer), "ngrams", 0, 0, 0, languages="any", pretrained_on="the training texts", scores=classes
    )
    keys = b"".join(content_key(name_bytes(dataset.text(row)))[:8] for row in range(len(dataset)))
    digests = np.frombuffer(keys, "<u8").astype(np.uint64)
    return FeatureTable(dataset, backbone, EngineChoice("numpy", "f32"), (NGRAMS,), scores, digests)


def _counted(texts: list[str], progress: Callable[[int, int], None] | None) -> tuple[NgramScorer, Any]:
    """The n-grams that are worth a place, and TF-IDF of the texts: a sparse matrix (N, V)."""
    sparse = optional("scipy.sparse", extra="text", what="counting n-grams")
    grams = Grams(letters=_LETTERS) if _share_of_hangul(texts) > _HANGUL else Grams()
    frequency: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for text in texts:
        for count, found in zip(frequency, grams(text), strict=True):
            count.update(found.keys())
            _thin(count)
    names = [
        f"{mark}{name}"
        for mark, count, least in zip("wc", frequency, (1, _RARE), strict=True)
        for name, n in count.most_common(_MOST)
        if n >= least
    ]
    seen = np.array([frequency["wc".index(name[0])][name[1:]] for name in names], np.float32)
    rarity = (np.log((1 + len(texts)) / (1 + seen)) + 1).astype(np.float32)
    empty = np.zeros((len(names), 1), np.float16)
    places = {name: place for place, name in enumerate(names)}
    scorer = NgramScorer(grams, places, rarity, empty, np.zeros(1, np.float32))
    filled, ends = [], [0]
    for done, text in enumerate(texts, start=1):
        columns, values = scorer.row(text)
        filled.append((columns.astype(np.int32), values))  # half of what is held of each text
        ends.append(ends[-1] + len(filled[-1][0]))
        if progress is not None:
            progress(done, len(texts))
    held = (np.concatenate([value for _, value in filled]), np.concatenate([place for place, _ in filled]))
    return scorer, sparse.csr_matrix((*held, np.array(ends)), (len(texts), len(names)))


def _thin(count: Counter[str]) -> None:
    """Forget the rarest n-grams where there are too many to hold; what is frequent comes again.

    Source: Manku & Motwani 2002, "Approximate Frequency Counts over Data Streams".
    """
    least = 0
    while len(count) > (_CROWDED if not least else _CROWDED // 2):
        least += 1
        for name in [name for name, n in count.items() if n <= least]:
            del count[name]


def _share_of_hangul(texts: list[str]) -> float:
    letters = [sign for text in texts[:1000] for sign in text[:200] if sign.isalpha()]
    return sum("\uac00" <= sign <= "\ud7a3" for sign in letters) / max(1, len(letters))


def _fitted(rows: Any, labels: npt.NDArray[np.int64], classes: int, seed: int) -> tuple[Float32Array, Float32Array]:
    """Weight (V, C) and bias (C,) of a linear machine for each class against all others; zeros for an absent class."""
    machines = optional("sklearn.svm", extra="text", what="counting n-grams")
    weight, bias = np.zeros((rows.shape[1], classes), np.float32), np.zeros(classes, np.float32)
    present = np.unique(labels)
    if len(present) < 2:  # of a fold that holds all others out: it says the one class that it knows
        bias[present] = 1
        return weight, bias
    wanted = present[1:] if len(present) == 2 else present

    def fit(label: int) -> tuple[int, Any, float]:
        target = labels == label
        ratio = _ratio(rows, target) if classes < _MANY else None
        scaled = rows if ratio is None else rows.multiply(ratio).tocsr()
        machine = machines.LinearSVC(tol=_TOLERANCE, random_state=seed, max_iter=200)
        machine.fit(scaled, target)
        found = machine.coef_[0] if ratio is None else machine.coef_[0] * ratio[0]
        return label, found, float(machine.intercept_[0])

    with Executor("n-grams") as pool:
        for label, found, start in pool.map_ordered(fit, _ints(wanted), in_flight=2 * pool.workers):
            weight[:, label], bias[label] = found, start
    if len(present) == 2:
        weight[:, present[0]], bias[present[0]] = -weight[:, present[1]], -bias[present[1]]
    return weight, bias


def _ints(values: npt.NDArray[np.int64]) -> Iterator[int]:
    return iter(values.tolist())


def _ratio(rows: Any, target: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """How many more texts of a class than of the others hold each n-gram, as a logarithm: (1, V)."""
    there = rows.astype(bool).astype(np.float32)
    inside, outside = (np.asarray(there[part].sum(axis=0)) + 1 for part in (target, ~target))
    ratio: npt.NDArray[np.float32] = np.log((inside / inside.sum()) / (outside / outside.sum())).astype(np.float32)
    return ratio


def _kept(scorer: NgramScorer) -> Weights:
    """The table as a file in the cache, named by its hash; saving a model copies it."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(array) for name, array in scorer.to_tensors().items()})
    digest = hashlib.sha256(content).hexdigest()
    file = cache_dir() / "tuned" / f"{NGRAMS}-{digest[:16]}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)
    use(file)
    return Weights("file", digest, str(file.resolve()))
