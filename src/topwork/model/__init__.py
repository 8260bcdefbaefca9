"""The model: what is saved, shipped and used. In: a record, a head and a backbone. Out: predictions and a folder."""

from topwork.model._folder import require_free
from topwork.model._model import Evaluated, Model, Prediction, load
from topwork.model._record import (
    FORMAT,
    DataRecord,
    EngineRecord,
    MappingRecord,
    ModelRecord,
    TrialRecord,
    WordsRecord,
)

__all__ = [
    "FORMAT",
    "DataRecord",
    "EngineRecord",
    "Evaluated",
    "MappingRecord",
    "Model",
    "ModelRecord",
    "Prediction",
    "TrialRecord",
    "WordsRecord",
    "load",
    "require_free",
]
