"""Measure `fit_linear` against the plain way, scikit-learn's `LogisticRegressionCV`, in the same run.

Features are made from a seed: a power-law spectrum (eigenvalue ~ 1 / index, as pooled features of
convolutional networks have), rotated at random, with class means in the leading directions, so that the
classes overlap. Both ways get the same rows, the same standardisation, the same folds and the same strengths
(those that `fit_linear` tried).

    python bench/probe.py [--quick] [--sizes 1000x4000x2 ...] [--plain-limit 50000000]
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

from topwork.heads import LinearFit, fit_linear, row_losses
from topwork.heads._rows import stratified_folds

SIZES = ("1000x4000x2", "1000x4000x10", "10000x4000x10")
HEADER = (
    f"{'N x D x C':>16} {'strengths':>10} {'accuracy':>9} {'log loss':>9} {'plain':>9} "
    f"{'topwork s':>10} {'plain s':>9} {'ratio':>7}"
)
QUICK = ("300x1000x2", "300x1000x5")


def make(n_rows: int, width: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, D) float32 and labels (N,)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_rows) % n_classes)
    spectrum = np.arange(1, width + 1) ** -0.5
    rows = rng.standard_normal((n_rows, width), dtype=np.float32)
    rows[:, 4:64] += 0.55 * rng.standard_normal((n_classes, 60))[labels]
    rows *= spectrum.astype(np.float32)
    # A random rotation by Householder reflections and sign flips: the spectrum stays, the axes mix.
    for _ in range(2):
        axis = rng.standard_normal(width).astype(np.float32)
        axis /= np.linalg.norm(axis)
        rows -= 2 * np.outer(rows @ axis, axis)
        rows = rows[:, rng.permutation(width)] * rng.choice(np.float32([-1, 1]), width)
    return rows, labels


def plain(rows: np.ndarray, labels: np.ndarray, fit: LinearFit) -> tuple[float, float]:
    """Seconds of scikit-learn, and its out-of-fold log loss at the strength that `fit_linear` chose."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import PredefinedSplit

    split = PredefinedSplit(stratified_folds(labels, 5, 0))
    # Ours gives each of two classes its own weights, so its penalty counts half of scikit-learn's.
    halved = 2 if labels.max() == 1 else 1
    tried = sorted(halved / point.strength for point in fit.path)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaled = (rows - fit.head.mean) / fit.head.scale
        model = LogisticRegressionCV(
            Cs=tried, cv=split, scoring="neg_log_loss", max_iter=1000, use_legacy_attributes=False
        )
        model.fit(scaled, labels)
    seconds = time.perf_counter() - start
    scores = np.asarray(model.scores_).reshape(5, len(tried))
    return seconds, float(-scores.mean(axis=0)[tried.index(halved / fit.strength)])


def measure(size: str, plain_limit: float) -> str:
    """One line of the table."""
    n_rows, width, n_classes = (int(part) for part in size.split("x"))
    rows, labels = make(n_rows, width, n_classes)
    start = time.perf_counter()
    fit = fit_linear(rows, labels, n_classes, method="logistic")
    ours = time.perf_counter() - start
    loss = row_losses(fit.oof_logits, labels).mean()
    line = f"{size:>16} {len(fit.path):10d} {fit.cv_accuracy:9.3f} {loss:9.4f} "
    if rows.size * n_classes > plain_limit:
        return f"{line}{'not run':>9} {ours:10.2f} {'not run':>9}"
    seconds, their_loss = plain(rows, labels, fit)
    return f"{line}{their_loss:9.4f} {ours:10.2f} {seconds:9.2f} {seconds / ours:7.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes only, a few seconds")
    parser.add_argument("--sizes", nargs="+", help="N x D x C, such as 1000x4000x10")
    parser.add_argument("--plain-limit", type=float, default=5e7, help="run the plain way up to this N * D * C")
    options = parser.parse_args()
    print(HEADER)
    for size in options.sizes or (QUICK if options.quick else SIZES):
        print(measure(size, options.plain_limit), flush=True)


if __name__ == "__main__":
    main()
