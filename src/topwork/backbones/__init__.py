"""Backbones: pretrained networks by name, their stages, their preprocessing, ImageNet's words and text towers.

In: a name, or a file of weights. Out: a ``Backbone`` (facts), or its torch module. ``topwork.engines`` runs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from topwork._arrays import Float32Array
from topwork._system import require_torch
from topwork.backbones._backbone import Backbone, Pooling, is_timms, load
from topwork.backbones._blocks import Block, Convolution, blocks_of, face_arrays, has_blocks, named_arrays
from topwork.backbones._catalogue import (
    DEFAULT,
    EMBEDDING,
    MAP,
    CatalogueRow,
    Family,
    Method,
    Stage,
    catalogue,
    row,
    select,
)
from topwork.backbones._detector import QUERIES, DetectorNetwork, Scoring
from topwork.backbones._detector_catalogue import (
    DetectorRow,
    detector_row,
    detector_rows,
    detectors_near,
    require_permissive,
    select_detectors,
)
from topwork.backbones._detector_files import detector_works_offline, is_detector, load_detector
from topwork.backbones._dlib import LAST as DLIB_LAST
from topwork.backbones._dlib import LEVELS as DLIB_LEVELS
from topwork.backbones._domains import DomainRow, domain_rows, select_domain
from topwork.backbones._faces import FACES, ONNX, FaceRow, face_row, is_face
from topwork.backbones._hub import file_sha256
from topwork.backbones._imagenet import (
    Classifier,
    Label,
    classifier,
    imagenet_indices,
    imagenet_labels,
    imagenet_near,
    spellings,
)
from topwork.backbones._preprocessing import CropMode, Interpolation, Preprocessing, Rules
from topwork.backbones._segmenter import CLASSES, IMAGE, PromptableNetwork, SegmenterNetwork
from topwork.backbones._segmenter_catalogue import (
    SegmenterRow,
    segmenter_row,
    segmenter_rows,
    segmenters_near,
    select_segmenters,
)
from topwork.backbones._segmenter_files import is_onnx, is_segmenter, load_segmenter, segmenter_works_offline
from topwork.backbones._text import TextTower, has_text, text_tower
from topwork.backbones._text_backbone import ENTAILMENT, NGRAMS, POOLINGS, RELU, Reading, TextBackbone, TextFamily
from topwork.backbones._text_catalogue import DEFAULT_TEXT, TextRow, select_texts, text_row, text_rows
from topwork.backbones._text_files import (
    arrays_of,
    files_of,
    load_text,
    package_path,
    text_arrays,
    text_works_offline,
    with_tokenizer,
    word_vectors,
)
from topwork.backbones._torch_file import Arrays
from topwork.backbones._torchhub import is_torchhub, trust
from topwork.backbones._transformers import TransformersBackbone
from topwork.backbones._vectors import Vectors
from topwork.backbones._weights import (
    Weights,
    face_works_offline,
    from_seed,
    own_file,
    package_file,
    packaged,
    read_safetensors,
    works_offline,
)

AnyBackbone = Backbone | TextBackbone
"""A network of images or of texts: what generic rooms take."""

__all__ = [
    "AnyBackbone",
    "Arrays",
    "DLIB_LAST",
    "DLIB_LEVELS",
    "FACES",
    "FaceRow",
    "ONNX",
    "face_arrays",
    "face_row",
    "face_works_offline",
    "is_face",
    "packaged",
    "DEFAULT",
    "DEFAULT_TEXT",
    "EMBEDDING",
    "QUERIES",
    "DetectorNetwork",
    "DetectorRow",
    "DomainRow",
    "domain_rows",
    "select_domain",
    "Scoring",
    "detector_row",
    "detector_rows",
    "detector_works_offline",
    "detectors_near",
    "is_detector",
    "load_detector",
    "require_permissive",
    "select_detectors",
    "CLASSES",
    "IMAGE",
    "PromptableNetwork",
    "SegmenterNetwork",
    "SegmenterRow",
    "is_onnx",
    "is_segmenter",
    "load_segmenter",
    "segmenter_row",
    "segmenter_rows",
    "segmenter_works_offline",
    "segmenters_near",
    "select_segmenters",
    "own_classes",
    "word_classes",
    "MAP",
    "ENTAILMENT",
    "NGRAMS",
    "POOLINGS",
    "RELU",
    "Reading",
    "TextBackbone",
    "TextFamily",
    "TextRow",
    "arrays_of",
    "backbone_from_dict",
    "files_of",
    "load_text",
    "own_file",
    "package_path",
    "read_safetensors",
    "select_texts",
    "text_arrays",
    "text_row",
    "text_rows",
    "text_works_offline",
    "with_tokenizer",
    "word_vectors",
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
    "TransformersBackbone",
    "Vectors",
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
    "spellings",
    "text_tower",
    "is_torchhub",
    "is_timms",
    "trust",
    "works_offline",
]


def backbone_from_dict(fields: Mapping[str, Any]) -> AnyBackbone:
    """The backbone of a record, of images or of texts.

    Raises:
        BackboneError: A field is missing, unknown or of the wrong kind.
    """
    kinds: dict[Any, Any] = {
        "text": TextBackbone,
        "objects": DetectorNetwork,
        "prompts": PromptableNetwork,
        "pixels": SegmenterNetwork,
        "transformers": TransformersBackbone,
    }
    kind = fields.get("reads", fields.get("library"))
    found: AnyBackbone = kinds.get(kind, Backbone).from_dict(dict(fields))
    return found


def own_classes(network: DetectorNetwork) -> tuple[Float32Array, Float32Array]:
    """The layer with which a detector tells its own classes: weight float32 (d, R) and bias (R,).

    Raises:
        BackboneError: Words tell the classes, or the weights do not fit.
        MissingExtraError: PyTorch or transformers is not installed.
    """
    require_torch(f"the network {network.name}")
    from topwork.backbones import _detector_module

    return _detector_module.own_classes(network)


def word_classes(network: DetectorNetwork, words: Sequence[Sequence[str]]) -> tuple[Float32Array, Float32Array]:
    """The same layer for classes that words tell: the mean of what each says.

    Args:
        network: Whose classes words tell.
        words: For each class what is said of it.

    Raises:
        BackboneError: It has classes of its own, or there is no tokenizer beside its weights.
        MissingExtraError: PyTorch, transformers or tokenizers is not installed.
    """
    require_torch(f"the network {network.name}")
    from topwork.backbones import _detector_words

    return _detector_words.word_classes(network, words)
