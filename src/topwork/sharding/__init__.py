"""Large sets in shards: planned once, each computed by itself, one Parquet file each, whole or not at all.

In: a source of images that may be larger than any memory, and a recipe (a network's features, or a model's
probabilities). Out: a folder of parts. The same unit of work and of restart on one machine, in an array of jobs and on
Ray: :func:`plan` cuts the source into shards and names each by its content and the recipe, :func:`work` computes one,
a part that exists is done, and :class:`Parts` reads them all back. :class:`LabelledShards` hands
them to ``heads.fit_streamed``.
"""

from topwork.sharding._labelled import LabelledShards
from topwork.sharding._parts import Part, Parts
from topwork.sharding._plan import SIZE, Plan, Shard, plan
from topwork.sharding._predicting import Predicting
from topwork.sharding._ray import in_ray, work_on, workers_of
from topwork.sharding._recipe import Embedding, Recipe, embedding
from topwork.sharding._splits import HeldOut, TableOfLabels, mixed
from topwork.sharding._work import Done, work, work_all

__all__ = [
    "SIZE",
    "Done",
    "Embedding",
    "HeldOut",
    "LabelledShards",
    "Part",
    "Parts",
    "Plan",
    "Predicting",
    "Recipe",
    "Shard",
    "TableOfLabels",
    "embedding",
    "in_ray",
    "mixed",
    "plan",
    "work",
    "work_all",
    "work_on",
    "workers_of",
]
