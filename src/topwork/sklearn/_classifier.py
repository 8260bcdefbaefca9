"""A network with a new linear head, of images or of texts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from topwork._arrays import AnyArray, Float32Array
from topwork.backbones import CropMode, Pooling, TextBackbone
from topwork.engines import EngineName
from topwork.errors import DataError
from topwork.heads import Method, equal_blocks, fit_linear
from topwork.sklearn._estimator import Stages
from topwork.sklearn._images import NetworkEstimator
from topwork.sklearn._texts import is_of_texts, outputs_of_texts, text_network


class TransferClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A pretrained network with a new linear head; strength by cross-validation, probabilities calibrated.

    ``backbone`` says what it reads: with the name of a network of texts, such as ``minilm``, it is a classifier of
    texts, whose ``stages`` and ``pooling`` are the ``layers`` and ``pooling`` of ``TextFeatureExtractor``.

    It takes the stages and the fit that it is given; ``topwork.fit`` measures which are best, and a grid search over
    ``stages`` and ``crop_mode`` does so here. Its other parameters are those of ``FeatureExtractor``.

    Args:
        class_weight: ``auto`` measures whether to weigh rare classes up; ``none``, ``balanced``.
        method: ``logistic``, ``lda`` or the mean of both, ``blend``; that on features of length one, ``normalised``, or
            on their roots, ``power``; ``auto`` compares these three up to 500 images.
        random_state: Seed of the folds.

    Attributes:
        classes_: Labels in the order of ``predict_proba``'s columns.
        head_: The fitted ``LinearHead``.
    """

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
        class_weight: Literal["auto", "none", "balanced"] = "auto",
        method: Literal["auto"] | Method = "auto",
        random_state: int = 0,
    ) -> None:
        super().__init__(
            backbone,
            weights=weights,
            stages=stages,
            pooling=pooling,
            crop_mode=crop_mode,
            preprocessing=preprocessing,
            size=size,
            engine=engine,
            cache=cache,
        )
        self.class_weight = class_weight
        self.method = method
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TransferClassifier:
        """Train the head.

        Args:
            X: Images, as ``FeatureExtractor.transform`` takes them, or texts.
            y: N labels.
            sample_weight: N numbers, how much each image counts; 1 by default.

        Raises:
            ImageError: An image cannot be used.
            DataError: As many labels as images are needed, of two classes at least; weights that cannot be used.
        """
        self._find_network()
        sources = self._sources(X)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        things = "texts" if isinstance(self.backbone_, TextBackbone) else "images"
        if len(y) != len(sources):
            raise DataError(f"{len(sources)} {things}, but {len(y)} labels")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"all {len(y)} {things} are of class {self.classes_[0]}; two classes are needed")
        found = self._extracted(sources, None)
        self.choice_ = found.choice
        self.head_ = fit_linear(
            found.values,
            labels,
            len(self.classes_),
            seed=self.random_state,
            class_weight=self.class_weight,
            method=self.method,
            column_weights=equal_blocks([*map(self.backbone_.width, self.outputs_)]),
            sample_weight=None if sample_weight is None else np.asarray(sample_weight),
        ).head
        return self

    def _find_network(self) -> None:
        if not is_of_texts(self.backbone, self.weights):
            return super()._find_network()
        if (self.crop_mode, self.preprocessing, self.size) != (None, "topwork", None):
            raise DataError("crop_mode, preprocessing and size are for images", hint="leave them out for texts")
        self.backbone_ = text_network(self.backbone, self.weights)
        self.outputs_ = outputs_of_texts(self.backbone_, self.stages, self.pooling)
        return None

    def predict_proba(self, X: Any) -> Float32Array:
        """Probabilities (N, C) in the order of ``classes_``."""
        check_is_fitted(self, "head_")
        return self.head_.probabilities(self._extracted(X, self.choice_).values)

    def predict(self, X: Any) -> AnyArray:
        """Labels (N,)."""
        places = self.predict_proba(X).argmax(axis=1)
        labels: AnyArray = self.classes_[places]
        return labels
