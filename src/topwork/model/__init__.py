"""The model: what is saved, shipped and used. In: a record, a head and a backbone. Out: predictions and a folder."""

from topwork.model._compare import Compared, compare
from topwork.model._folder import EXPLAINED, require_free
from topwork.model._model import Model, load
from topwork.model._record import (
    FORMAT,
    DataRecord,
    EngineRecord,
    MappingRecord,
    ModelRecord,
    SelectiveRecord,
    TrialRecord,
    WordsRecord,
)
from topwork.model._results import Evaluated, Prediction

__all__ = [
    "EXPLAINED",
    "FORMAT",
    "SelectiveRecord",
    "Compared",
    "DataRecord",
    "EngineRecord",
    "Evaluated",
    "MappingRecord",
    "Model",
    "ModelRecord",
    "Prediction",
    "TrialRecord",
    "WordsRecord",
    "compare",
    "load",
    "require_free",
]
