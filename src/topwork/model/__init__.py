"""The model: what is saved, shipped and used, whatever the task. In: a record, a backbone and tensors. Out: a folder.

``Model`` is the envelope that every task shares; ``Classifier`` is the model of every task whose answers are classes.
"""

from topwork.model._card import as_text, card, pretrained_on, quoted_yaml
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
from topwork.model._classifier_parts import DIGESTS, head_in, require_fit, trained_of
from topwork.model._decision import CostsRecord, CriticalRecord, images_needed
from topwork.model._evaluated import Compared, Evaluated, compare, decided, measure
from topwork.model._folder import EXPLAINED, RECORD, Parts, no_model, require_free
from topwork.model._hub import PREFIX, Pushed, hub_folder, push
from topwork.model._kind import IMAGES, TEXTS, Kind
from topwork.model._methods import Methods, cited, methods
from topwork.model._migrations import FORMAT
from topwork.model._model import Model, load
from topwork.model._neighbours import Neighbour, Neighbours, neighbours_of
from topwork.model._predictions import Prediction, Predictions
from topwork.model._record import (
    DataRecord,
    EngineRecord,
    ModelRecord,
    Strict,
    TaskRecord,
    TrialRecord,
    flat_options,
    parse_record,
    versions,
)

__all__ = [
    "ClassesRecord",
    "Classifier",
    "ClassifierRecord",
    "Compared",
    "CostsRecord",
    "CriticalRecord",
    "DIGESTS",
    "DataRecord",
    "EXPLAINED",
    "EngineRecord",
    "Evaluated",
    "FORMAT",
    "FoldRecord",
    "FoldsRecord",
    "IMAGES",
    "Kind",
    "MappingRecord",
    "Methods",
    "Model",
    "ModelRecord",
    "Neighbour",
    "Neighbours",
    "PREFIX",
    "Parts",
    "Prediction",
    "RECORD",
    "Predictions",
    "Pushed",
    "SelectiveRecord",
    "Strict",
    "TEXTS",
    "TaskRecord",
    "TrialRecord",
    "WordsRecord",
    "as_text",
    "card",
    "cited",
    "compare",
    "decided",
    "flat_options",
    "head_in",
    "hub_folder",
    "images_needed",
    "load",
    "measure",
    "methods",
    "neighbours_of",
    "no_model",
    "parse_record",
    "pretrained_on",
    "push",
    "quoted_yaml",
    "require_fit",
    "require_free",
    "trained_of",
    "versions",
]
