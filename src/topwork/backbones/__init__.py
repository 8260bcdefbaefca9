"""Backbones: pretrained networks by name, their stages, their preprocessing, and the engines that run them.

In: a name, or a file of weights. Out: a ``Backbone`` (facts), its torch module, or an engine that turns batches of
uint8 images into features.
"""

from topwork.backbones._backbone import Backbone, Pooling, load
from topwork.backbones._catalogue import (
    CATALOGUE,
    DEFAULT,
    EMBEDDING,
    CatalogueRow,
    Family,
    Method,
    Stage,
    row,
    select,
)
from topwork.backbones._classifier import Classifier, classifier
from topwork.backbones._engine import (
    Engine,
    EngineChoice,
    EngineName,
    Engines,
    default_engine,
    has_cuda,
    open_engine,
    precisions,
)
from topwork.backbones._imagenet import Label, imagenet_indices, imagenet_labels, imagenet_near
from topwork.backbones._parity import IMAGES as PARITY_IMAGES
from topwork.backbones._parity import decide, deviation, nearest_choice, recorded_choice
from topwork.backbones._preprocessing import CropMode, Interpolation, Preprocessing
from topwork.backbones._text import TextTower, has_text, text_tower
from topwork.backbones._weights import Weights, file_sha256, package_file

__all__ = [
    "CATALOGUE",
    "DEFAULT",
    "EMBEDDING",
    "PARITY_IMAGES",
    "Backbone",
    "CatalogueRow",
    "Classifier",
    "Engine",
    "EngineChoice",
    "EngineName",
    "Engines",
    "Family",
    "CropMode",
    "Interpolation",
    "Label",
    "Method",
    "Pooling",
    "Preprocessing",
    "Stage",
    "TextTower",
    "Weights",
    "classifier",
    "decide",
    "default_engine",
    "deviation",
    "file_sha256",
    "has_cuda",
    "has_text",
    "imagenet_indices",
    "imagenet_labels",
    "imagenet_near",
    "load",
    "nearest_choice",
    "open_engine",
    "package_file",
    "precisions",
    "recorded_choice",
    "row",
    "select",
    "text_tower",
]
