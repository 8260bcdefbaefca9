"""Features of texts."""

from __future__ import annotations

from pathlib import Path

from topwork.backbones import TextBackbone, load_text, text_row
from topwork.engines import EngineName
from topwork.sklearn._estimator import Extractor, Stages

_IMAGES = ("hf-hub:", "hf_hub:")  # how timm begins the names of the hub's networks of images


def is_of_texts(backbone: str, weights: str) -> bool:
    """Whether these name a network of texts."""
    named = "/" in backbone and not backbone.startswith(_IMAGES)
    return named or text_row(backbone) is not None or (Path(weights) / "tokenizer.json").is_file()


def text_network(backbone: str, weights: str) -> TextBackbone:
    """The network of texts of that name."""
    return load_text(backbone, weights=weights)


def outputs_of_texts(backbone: TextBackbone, layers: Stages, pooling: str) -> tuple[str, ...]:
    """What is taken of a network: ``last`` is its last layer, pooled as it is asked for."""
    return backbone.outputs(backbone.stages[-1:] if layers == "last" else layers, pooling)


class TextFeatureExtractor(Extractor):
    """Texts in, a pretrained network's features out.

    Args:
        backbone: A name that ``topwork.backbones.load_text`` takes.
        weights: ``pretrained``, a folder as transformers saves it, or a file of word vectors.
        layers: ``last``, ``all``, or names such as ``layers.6``; ``embedding`` is what the network itself pools.
        pooling: How the tokens of a layer become one row: ``mean``, ``max``, ``cls``, ``last``, or several with ``+``.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are kept on disk, so that a grid search over what follows extracts them once.

    Attributes:
        n_features_out_: Number of features.
    """

    def __init__(
        self,
        backbone: str = "minilm",
        *,
        weights: str = "pretrained",
        layers: Stages = "last",
        pooling: str = "mean+max",
        engine: EngineName | None = None,
        cache: bool = True,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.layers = layers
        self.pooling = pooling
        self.engine = engine
        self.cache = cache

    def _find_network(self) -> None:
        self.backbone_ = text_network(self.backbone, self.weights)
        self.outputs_ = outputs_of_texts(self.backbone_, self.layers, self.pooling)
