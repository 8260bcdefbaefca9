"""Measure our solver of regularised regressions against scikit-learn's, on real features.

    python bench/solver.py NAME=FOLDER ... [--sample] [--many] [--breeds] [--solvers lbfgs …] [--repeats 5] [--limit 30]

Each FOLDER holds class folders, under train/ where there is one; its features are EfficientNet-Lite0's. `--sample` adds
the textile sample, with its last stage alone and with all stages; `--many` adds 100 classes that are drawn from a seed,
`--breeds` 37 of 185 images each.

The task is that of every `fit`: five folds, each at the strengths that `fit_linear` tries, then all rows at the chosen
strength. Everybody gets the same rows, standardised, and rotated into the space that they span where there are fewer
images than features. scikit-learn starts each strength at the weights of the one before; its folds run in two processes
or one after the other, and its tolerance is the loosest, of five, with which it comes as near the least objective as is
asked for here, whichever is fastest. One run chooses that; the runs that count alternate with ours. A solver that takes
`--limit` times as long as ours is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression

from _report import header, spread, table
from probe import make
from topwork.backbones import load
from topwork.data import read
from topwork.features import extract
from topwork.heads import equal_blocks, fit_linear
from topwork.heads._design import Design, build_design
from topwork.heads._linear import _fit_all
from topwork.heads._path import _solve_folds, _start
from topwork.heads._rows import stratified_folds, threads_for
from topwork.tasks.classification import sample_folder

SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky", "sag")
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
FOLDS = 5
NEAR = 1e-4  # how far above the least objective, as a share of it, …
NEARER = 1e-6  # … or in nats a row, where the whole objective is tiny
HESSIAN_BYTES = 4e9  # newton-cholesky holds one of (classes x features) squared

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What is to be solved: the rows, who holds them out, and the strengths, strong to weak."""

    name: str
    design: Design
    labels: npt.NDArray[np.intp]
    classes: int
    fold_of: npt.NDArray[np.intp]
    strengths: tuple[float, ...]
    chosen: float
    whole: float  # seconds of all of fit_linear

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """Without the constant column."""
        return self.design.rows[:, :-1]

    @property
    def size(self) -> str:
        return f"{len(self.labels)} x {self.rows.shape[1]} x {self.classes}"


def task(name: str, features: npt.NDArray[np.float32], labels: npt.NDArray[np.intp], widths: Sequence[int]) -> Task:
    start = time.perf_counter()
    found = fit_linear(
        features,
        labels,
        int(labels.max()) + 1,
        column_weights=equal_blocks(widths),
        class_weight="none",
        method="logistic",
    )
    whole = time.perf_counter() - start
    design = build_design(features, equal_blocks(widths))
    strengths = tuple(point.strength for point in found.path)
    folds = stratified_folds(labels, FOLDS, 0)
    return Task(name, design, labels, int(labels.max()) + 1, folds, strengths, found.strength, whole)


def objective(rows: Array, labels: npt.NDArray[np.intp], weights: Array, bias: Array, strength: float) -> float:
    """Summed log loss plus strength / 2 times the squared weights (C, d), in float64."""
    logits = rows @ weights.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(losses.sum() + 0.5 * strength * np.vdot(weights, weights))


def objectives(given: Task, folds: Sequence[Sequence[tuple[Array, Array]]]) -> Array:
    """(folds, strengths) of weights and biases."""
    rows = given.rows.astype(np.float64)
    found = np.empty((FOLDS, len(given.strengths)))
    for fold, path in enumerate(folds):
        train = given.fold_of != fold
        for place, (weights, bias) in enumerate(path):
            found[fold, place] = objective(rows[train], given.labels[train], weights, bias, given.strengths[place])
    return found


def excess(given: Task, found: Array, least: Array) -> float:
    """The largest distance from the least objective, in shares of what is asked for: at most 1 is near enough."""
    rows = np.array([(given.fold_of != fold).sum() for fold in range(FOLDS)])[:, None]
    return float(((found - least) / np.maximum(NEAR * least, NEARER * rows)).max())


def ours(given: Task) -> tuple[float, Array]:
    """Seconds, and objectives (folds, strengths)."""
    kept = []
    ones = np.ones(len(given.labels), np.float32)
    weights = _start(given.labels, ones, FOLDS, given.design.rows.shape[1])
    before = weights.copy()
    start = time.perf_counter()
    with threads_for(len(given.labels) * min(given.design.rows.shape) * given.classes * FOLDS):
        for strength in given.strengths:
            before, weights = weights, 2 * weights - before
            _solve_folds(given.design, given.labels, given.fold_of, ones, strength, weights)
            kept.append(weights)
        _fit_all(given.design, given.labels, ones, given.chosen, weights.mean(axis=0))
    seconds = time.perf_counter() - start
    folds = [[(each[fold, :, :-1].astype(np.float64), each[fold, :, -1]) for each in kept] for fold in range(FOLDS)]
    return seconds, objectives(given, folds)


def path(
    rows: npt.NDArray[np.float32],
    labels: npt.NDArray[np.intp],
    strengths: Sequence[float],
    solver: str,
    tolerance: float,
    until: float,
) -> list[tuple[Array, Array]] | None:
    """Weights (C, d) and biases (C,) at each strength, each started at the one before; None where time ran out."""
    rows = rows.astype(np.float64) if solver == "lbfgs" else rows  # it computes in float64 alone
    halved = 2 if labels.max() == 1 else 1  # ours gives each of two classes its own weights
    model = LogisticRegression(solver=solver, tol=tolerance, max_iter=1000, warm_start=True, random_state=0)
    found = []
    for strength in strengths:
        if time.time() > until:
            return None
        model.set_params(C=halved / strength).fit(rows, labels)
        weights, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
        if len(weights) == 1:
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        found.append((weights, bias))
    return found


@contextlib.contextmanager
def workers(processes: int) -> Iterator[Parallel]:
    with warnings.catch_warnings(), Parallel(n_jobs=processes) as parallel:
        warnings.simplefilter("ignore")
        parallel(
            delayed(path)(np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1]), [1.0], "lbfgs", 1.0, np.inf)
            for _ in "ab"
        )
        yield parallel


def theirs(given: Task, solver: str, tolerance: float, parallel: Parallel, limit: float) -> tuple[float, Array | None]:
    """Seconds, and objectives (folds, strengths); None where it took longer than the limit."""
    start, until = time.perf_counter(), time.time() + limit
    folds = parallel(
        delayed(path)(given.rows[rows], given.labels[rows], given.strengths, solver, tolerance, until)
        for rows in (given.fold_of != fold for fold in range(FOLDS))
    )
    end = path(given.rows, given.labels, [given.chosen], solver, tolerance, until)
    seconds = time.perf_counter() - start
    return seconds, None if end is None or None in folds else objectives(given, folds)


def measure(given: Task, solvers: Sequence[str], repeats: int, limit: float) -> list[tuple[str, ...]]:
    """Rows of the table: ours, then each of these solvers of scikit-learn's."""
    first, our_objectives = min((ours(given) for _ in range(2)), key=lambda found: found[0])
    least = our_objectives
    with workers(1) as serial, workers(2) as pair:
        tried: dict[str, list[tuple[float, float, str, Array]]] = {}
        slow: dict[str, float] = {}
        for solver in solvers:
            if solver == "newton-cholesky" and 8 * (given.rows.shape[1] * given.classes) ** 2 > HESSIAN_BYTES:
                continue
            for tolerance in TOLERANCES:
                seconds, found = theirs(given, solver, tolerance, pair, max(1.0, limit * first))
                print(f"{given.name}: {solver} {tolerance:g} {seconds:.2f} s, ours {first:.2f} s", file=sys.stderr)
                if found is None:
                    slow[solver] = tolerance
                    break
                least = np.minimum(least, found)
                tried.setdefault(solver, []).append((tolerance, seconds, "2", found))
        rows = [_row(given, "topwork", "", "", [first], [1.0], excess(given, our_objectives, least))]
        for solver in solvers:
            near = [each for each in tried.get(solver, []) if excess(given, each[3], least) <= 1]
            if not near:
                reason = "its Hessian is too large"
                if solver in slow:
                    reason = f"over {limit:.0f} times ours at {slow[solver]:g}"
                elif solver in tried:
                    reason = "never near enough"
                rows.append((given.name, given.size, solver, reason, "", "", "", ""))
                continue
            tolerance, seconds, _, found = near[0]
            alone, _ = theirs(given, solver, tolerance, serial, np.inf)
            processes, parallel = ("1", serial) if alone < seconds else ("2", pair)
            pairs = [(theirs(given, solver, tolerance, parallel, np.inf)[0], ours(given)[0]) for _ in range(repeats)]
            ratios = [their / our for their, our in pairs]
            rows.append(
                _row(
                    given,
                    solver,
                    f"{tolerance:g}",
                    processes,
                    [each[0] for each in pairs],
                    ratios,
                    excess(given, found, least),
                )
            )
            rows[0] = _row(
                given, "topwork", "", "", [each[1] for each in pairs], [1.0], excess(given, our_objectives, least)
            )
    return rows


def _row(
    given: Task, who: str, tolerance: str, processes: str, seconds: Sequence[float], ratios: Sequence[float], far: float
) -> tuple[str, ...]:
    ratio = "1" if who == "topwork" else spread(ratios, 1)
    return given.name, given.size, who, tolerance, processes, spread(seconds, 2), ratio, f"{far:.2f}"


def tasks(folders: dict[str, str], sample: bool, many: bool, breeds: bool) -> Iterator[Task]:
    backbone = load("lite0")

    def features(
        folder: Path, outputs: tuple[str, ...]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp], list[int]]:
        found = extract(read(folder), backbone, outputs=outputs)
        found = found.split("train") if (found.dataset.splits == "train").any() else found
        return np.asarray(found.values), found.dataset.labels, [backbone.width(output) for output in outputs]

    for name, folder in folders.items():
        yield task(name, *features(Path(folder), backbone.outputs("last")))
    if sample:
        yield task("textile", *features(sample_folder(), backbone.outputs("last")))
        yield task("textile, all stages", *features(sample_folder(), backbone.outputs("all")))
    if many:
        rows, labels = make(5000, 1280, 100)
        yield task("drawn, 100 classes", rows, labels, [1280])
    if breeds:
        rows, labels = make(37 * 185, 1280, 37)
        yield task("drawn, 37 classes of 185", rows, labels, [1280])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--sample", action="store_true", help="the textile sample too")
    parser.add_argument("--many", action="store_true", help="100 drawn classes too")
    parser.add_argument("--breeds", action="store_true", help="37 drawn classes of 185 images too")
    parser.add_argument(
        "--solvers", nargs="+", choices=SOLVERS, default=SOLVERS, help="scikit-learn's, all if not given"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=30, help="times as long as ours, at most")
    asked = parser.parse_args()
    folders = dict(named.split("=", 1) for named in asked.folders)
    print(header("Our solver and scikit-learn's: five folds along the path of strengths, and all rows"))
    head = (
        "data",
        "rows x coordinates x classes",
        "solver",
        "tolerance",
        "processes",
        "seconds",
        "times ours",
        "excess",
    )
    rows, facts = [], []
    for each in tasks(folders, asked.sample, asked.many, asked.breeds):
        rows += measure(each, asked.solvers, asked.repeats, asked.limit)
        facts.append(f"{each.name}: {len(each.strengths)} strengths, all of `fit_linear` {each.whole:.2f} s")
    print(table(head, rows))
    print(f"\n{'; '.join(facts)}.\n")
    print(
        f"Median of {asked.repeats} runs, lowest and highest in brackets. Excess: the largest distance from the least "
        f"objective that anybody found, in units of {NEAR:g} of it (or of {NEARER:g} nats a row, where that is more)."
    )


if __name__ == "__main__":
    main()
