"""Advising: what is worth trying, measured on the user's own data; whatever the task.

In: feature tables with labels, budgets, errors so far. Out: comparisons by cross-validation, out-of-fold predictions,
what another rung is expected to gain, what more data would bring, and advice as values.
"""

from topwork.advising._advice import (
    Advice,
    Description,
    FeatureSpec,
    Measured,
    Rung,
    RungStrategy,
    Shortlisted,
    expected,
)
from topwork.advising._bbc_cv import accuracy_of_best, best, goes_with_labels
from topwork.advising._budget import BudgetClock, ExpectedGain, enough_images, of_finetuning, of_specs
from topwork.advising._comparison import (
    Candidate,
    ClassWeight,
    Comparison,
    HeadMethod,
    Trial,
    compare,
    fit_head,
    fit_mlp_head,
    held_out_losses,
    mean_or_none,
    method_trials,
    stratified_order,
)
from topwork.advising._learning_curve import Forecast, forecast
from topwork.advising._out_of_fold import (
    FitHead,
    OutOfFold,
    Scores,
    cross_val_probabilities,
    cross_val_scores,
    from_logits,
    knn,
    novelty_of,
    scores_of_head,
    scores_of_linear,
    training_rows,
)
from topwork.advising._scores import h_score, logme

__all__ = [
    "Advice",
    "BudgetClock",
    "Candidate",
    "ClassWeight",
    "Comparison",
    "Description",
    "ExpectedGain",
    "FeatureSpec",
    "FitHead",
    "Forecast",
    "HeadMethod",
    "Measured",
    "OutOfFold",
    "Rung",
    "RungStrategy",
    "Scores",
    "Shortlisted",
    "Trial",
    "accuracy_of_best",
    "best",
    "compare",
    "cross_val_probabilities",
    "cross_val_scores",
    "enough_images",
    "expected",
    "fit_head",
    "fit_mlp_head",
    "forecast",
    "from_logits",
    "goes_with_labels",
    "h_score",
    "held_out_losses",
    "knn",
    "logme",
    "mean_or_none",
    "method_trials",
    "novelty_of",
    "of_finetuning",
    "of_specs",
    "scores_of_head",
    "scores_of_linear",
    "stratified_order",
    "training_rows",
]
