"""Features of images."""

from __future__ import annotations

from typing import Literal

from topwork.backbones import CropMode, Pooling, load
from topwork.engines import EngineName
from topwork.sklearn._estimator import Estimator, Extractor, Stages


class NetworkEstimator(Estimator):
    """An estimator with every parameter that a network of images has."""

    def __init__(
        self,
        backbone: str = "lite0",
        *,
        weights: str = "pretrained",
        stages: Stages = "last",
        pooling: Pooling = "mean+max",
        crop_mode: CropMode | None = None,
        preprocessing: Literal["topwork", "timm"] = "topwork",
        size: int | None = None,
        engine: EngineName | None = None,
        cache: bool = True,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.stages = stages
        self.pooling = pooling
        self.crop_mode = crop_mode
        self.preprocessing = preprocessing
        self.size = size
        self.engine = engine
        self.cache = cache

    def _find_network(self) -> None:
        """The backbone that the parameters name, and what is taken from it."""
        found = load(self.backbone, weights=self.weights, size=self.size, preprocessing=self.preprocessing)
        self.backbone_ = found if self.crop_mode is None else found.replace(crop_mode=self.crop_mode)
        self.outputs_ = self.backbone_.outputs(self.stages, self.pooling)


class FeatureExtractor(Extractor, NetworkEstimator):
    """Images in, a pretrained network's features out.

    Args:
        backbone: A name that ``topwork.load_backbone`` takes.
        weights: ``pretrained``, a ``.safetensors`` file, or ``random``.
        stages: ``last``, ``all``, or names of stages.
        pooling: ``mean``, ``max`` or ``mean+max``; the last features ignore it.
        crop_mode: How an image fits into the network's square: ``crop``, ``squash`` or ``pad``; the network's own
            way when None.
        preprocessing: ``topwork``, or ``timm`` for what timm's evaluation does, to the pixel.
        size: Side of that square in pixels; the network's own when None.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are kept on disk, so that a grid search over what follows extracts them once.

    Attributes:
        n_features_out_: Number of features.
    """
