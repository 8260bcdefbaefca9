"""The model: what is saved, shipped and used, whatever the task. In: a record, a backbone and tensors. Out: a folder.

``Model`` is the envelope that every task shares; ``Classifier`` is the model of every task whose answers are classes.
"""

from topwork.model._classes_record import (
    ClassesRecord,
    ClassifierRecord,
    FoldRecord,
    FoldsRecord,
    MappingRecord,
    SelectiveRecord,
    WordsRecord,
)
from topwork.model._classifier import Classifier
from topwork.model._decision import CostsRecord, CriticalRecord, images_needed
from topwork.model._evaluated import Compared, Evaluated, compare, decided, measure
from topwork.model._folder import EXPLAINED, Parts, require_free
from topwork.model._migrations import FORMAT
from topwork.model._model import Model, load
from topwork.model._predictions import Prediction
from topwork.model._record import (
    DataRecord,
    EngineRecord,
    ModelRecord,
    TaskRecord,
    TrialRecord,
    flat_options,
    parse_record,
    versions,
)

__all__ = [
    "EXPLAINED",
    "FORMAT",
    "ClassesRecord",
    "Classifier",
    "ClassifierRecord",
    "Compared",
    "CostsRecord",
    "CriticalRecord",
    "DataRecord",
    "EngineRecord",
    "Evaluated",
    "FoldRecord",
    "FoldsRecord",
    "MappingRecord",
    "Model",
    "ModelRecord",
    "Parts",
    "Prediction",
    "SelectiveRecord",
    "TaskRecord",
    "TrialRecord",
    "WordsRecord",
    "compare",
    "decided",
    "images_needed",
    "flat_options",
    "load",
    "measure",
    "parse_record",
    "require_free",
    "versions",
]
