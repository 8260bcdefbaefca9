"""Advice on a data set: the pass of ``fit`` up to where a model would be made."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

from topwork.advising import Advice
from topwork.backbones import DEFAULT, Backbone
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.fitting._prepare import loaded, prepared
from topwork.tasks import DEFAULT as DEFAULT_TASK
from topwork.tasks import Announce, Run, Task
from topwork.tasks import task as find_task


def advise(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    task: str | Task = DEFAULT_TASK,
    backbone: str | Backbone | Sequence[str | Backbone] = DEFAULT,
    options: Any = None,
    test: float = 0.2,
    allow: Collection[str] = (),
    announce: Announce | None = None,
) -> Advice:
    """How much of a pretrained network to keep, measured on the training split alone.

    ``fit`` with the same arguments holds the same images out, and finds in the cache what this has computed.

    Args:
        data: What ``fit`` takes.
        task: What is to be learnt.
        backbone: One, or several to choose from.
        options: The budget, and what all rungs share: ``AdviceOptions``.
        test: Share to hold out where the data is not split; those images take no part in the advice.
        allow: Names of findings that would stop it, to go on in spite of.
        announce: Called with each step's name; may give a progress callback for it.

    Raises:
        DataError: The data cannot be used to train a model, or would make its figures untrue.
        BackboneError: The backbone is unknown or its weights are not available.

    Example:
        >>> advice = topwork.advise("photos/")  # doctest: +SKIP
        >>> advice.chosen.name, advice.chosen.accuracy  # doctest: +SKIP
    """
    run, room = Run(announce), find_task(task)
    strategy = next((each for each in room.strategies if each.advise is not None), None)
    if strategy is None or strategy.advise is None:
        raise DataError(f"the task {room.name} compares no strategies", hint="fit it with one that you name")
    chosen = strategy.checked(options)
    dataset = prepared(data, room, test=test, seed=chosen.seed, allow=allow, announce=announce).dataset
    return strategy.advise(dataset, loaded(backbone), chosen, run)
