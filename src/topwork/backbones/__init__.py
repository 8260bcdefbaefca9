"""Backbones: pretrained networks by name, their stages, their preprocessing, ImageNet's words and text towers.

In: a name, or a file of weights. Out: a ``Backbone`` (facts), or its torch module. ``topwork.engines`` runs it.
"""

from topwork.backbones._backbone import Backbone, Pooling, load
from topwork.backbones._blocks import Block, Convolution, blocks_of, has_blocks, named_arrays
from topwork.backbones._catalogue import DEFAULT, EMBEDDING, CatalogueRow, Family, Method, Stage, catalogue, row, select
from topwork.backbones._hub import file_sha256
from topwork.backbones._imagenet import Classifier, Label, classifier, imagenet_indices, imagenet_labels, imagenet_near
from topwork.backbones._preprocessing import CropMode, Interpolation, Preprocessing, Rules
from topwork.backbones._text import TextTower, has_text, text_tower
from topwork.backbones._weights import Weights, from_seed, package_file, works_offline

__all__ = [
    "DEFAULT",
    "EMBEDDING",
    "Backbone",
    "Block",
    "CatalogueRow",
    "Classifier",
    "Convolution",
    "CropMode",
    "Family",
    "Interpolation",
    "Label",
    "Method",
    "Pooling",
    "Preprocessing",
    "Rules",
    "Stage",
    "TextTower",
    "Weights",
    "blocks_of",
    "catalogue",
    "classifier",
    "file_sha256",
    "from_seed",
    "has_blocks",
    "has_text",
    "imagenet_indices",
    "imagenet_labels",
    "imagenet_near",
    "load",
    "named_arrays",
    "package_file",
    "row",
    "select",
    "text_tower",
    "works_offline",
]
