"""The section of a page that tells how a model does on short and on long texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.metrics import Estimate, wilson_interval
from topwork.report import Missing, PageContext

_GROUPS = 4


def lengths(page: PageContext) -> dict[str, Any] | Missing | None:
    """Accuracy of groups of about equal size, the shortest texts first; None where all are of about one length."""
    found = page.evaluated
    if found is None:
        return page.without_images
    dataset = found.dataset
    characters = np.array([len(dataset.text(row)) for row in range(len(dataset))])
    right = found.answers == dataset.labels
    ends = np.unique(np.quantile(characters, np.arange(1, _GROUPS + 1) / _GROUPS, method="inverted_cdf"))
    groups = np.searchsorted(ends, characters)
    if len(ends) < 2:
        return None
    rows = []
    for group in range(len(ends)):
        inside = groups == group
        hits, count = int(right[inside].sum()), int(inside.sum())
        accuracy = Estimate(hits / count, *wilson_interval(hits, count))
        rows.append((int(characters[inside].min()), int(characters[inside].max()), count, accuracy))
    return {"rows": rows, "tokens": page.record.backbone["reading"]["longest"]}
