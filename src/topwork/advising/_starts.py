"""How the rungs that train nothing are asked."""

from __future__ import annotations

from topwork.advising._options import AdviceOptions
from topwork.strategies import AsIsOptions, ZeroShotOptions


def as_is_options(options: AdviceOptions) -> AsIsOptions:
    """As-is by the classes' names: a learnt map is a head like others, with less to learn from."""
    probe = options.probe
    return AsIsOptions(way="names", fit=probe.fit, engine=probe.engine, cache=probe.cache, seed=probe.seed)


def zero_shot_options(options: AdviceOptions) -> ZeroShotOptions:
    """Zero-shot with what all rungs share."""
    probe = options.probe
    return ZeroShotOptions(fit=probe.fit, engine=probe.engine, cache=probe.cache, seed=probe.seed)
