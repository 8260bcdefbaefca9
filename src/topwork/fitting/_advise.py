"""Advice on a data set: the pass of ``fit`` up to where a model would be made."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from topwork.advising import Advice, AdviceOptions, Clock, climb
from topwork.backbones import DEFAULT, Backbone
from topwork.data import ImageDataset
from topwork.fitting._prepare import loaded, prepared
from topwork.strategies import Announce


def advise(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    backbone: str | Backbone | Sequence[str | Backbone] = DEFAULT,
    options: AdviceOptions | None = None,
    test: float = 0.2,
    allow: Collection[str] = (),
    announce: Announce | None = None,
) -> Advice:
    """How much of a pretrained network to keep, measured on the training split alone.

    ``fit`` with the same arguments holds the same images out, and finds in the cache what this has computed.

    Args:
        data: As for ``fit``.
        backbone: One, or several to choose from.
        options: The budget, and what all rungs share.
        test: As for ``fit``: those images take no part in the advice.
        allow: As for ``fit``.
        announce: Called with each step's name; may give a progress callback for it.

    Raises:
        DataError: The data cannot be used to train a classifier, or would make its figures untrue.
        BackboneError: The backbone is unknown or its weights are not to be had.

    Example:
        >>> advice = topwork.advise("photos/")  # doctest: +SKIP
        >>> advice.chosen.name, advice.chosen.accuracy  # doctest: +SKIP
    """
    chosen = options or AdviceOptions()
    clock = Clock(chosen.budget_seconds)
    dataset = prepared(data, test=test, seed=chosen.seed, allow=allow, announce=announce).dataset
    return climb(dataset, loaded(backbone), chosen, clock=clock, announce=announce).advice
