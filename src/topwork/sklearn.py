"""scikit-learn's side of topwork: a transformer that makes features of images, and a classifier of images.

In: file names, or uint8 pixels. Both are real estimators: they clone, go into a ``Pipeline``, and are searched over.

Example:
    >>> from sklearn.pipeline import make_pipeline  # doctest: +SKIP
    >>> from sklearn.svm import SVC  # doctest: +SKIP
    >>> make_pipeline(FeatureExtractor(), SVC()).fit(paths, labels).score(others, their_labels)  # doctest: +SKIP
    0.97
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, Float32Array
from topwork.backbones import Backbone, CropMode, Pooling, load
from topwork.data import printable
from topwork.engines import PARITY_IMAGES, EngineChoice, EngineName, Engines, nearest_choice
from topwork.errors import DataError, ImageError, MissingExtraError
from topwork.features import Extraction, Source, extract_few
from topwork.heads import Method, equal_blocks, fit_linear

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d
except ImportError as error:
    raise MissingExtraError(
        "topwork.sklearn needs scikit-learn, which is not installed", hint="pip install 'topwork[sklearn]'"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

Stages = Literal["last", "all"] | Sequence[str]


def _sources(X: Any) -> list[Source]:
    """The images of X one by one.

    Raises:
        DataError: X is one image or one name rather than several, or empty.
    """
    dimensions = getattr(X, "ndim", 1)  # a DataFrame has two: its columns' names are not images
    if isinstance(X, str | bytes | os.PathLike) or dimensions not in (1, 4) or not isinstance(X, Iterable):
        given = f"an array of shape {X.shape}" if hasattr(X, "shape") else repr(X)[:60]
        raise DataError(
            f"X must be several images, not {given}",
            hint="a list of file names, a list of uint8 (height, width, 3) arrays, or one uint8 (N, height, width, 3)",
        )
    sources = list(X)
    if not sources:
        raise DataError("X holds no image", hint="pass at least one file name or array")
    for source in sources:
        if not isinstance(source, str | bytes | os.PathLike | np.ndarray):
            raise DataError(f"X must hold file names, bytes or uint8 arrays, not {type(source).__name__}")
    return sources


class _ImageEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators do with images; the engines that it opened once serve every later call."""

    backbone_: Backbone
    outputs_: tuple[str, ...]
    _engines: Engines | None = None

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

    def _extracted(self, X: Any, choice: EngineChoice | None) -> Extraction:
        """Features (N, D) of all images of X, and the engine and precision that made them.

        Prediction must do the same as what ran the network when the estimator was fitted; None fits it now.

        Raises:
            ImageError: One cannot be used: rows must stay as many as the labels, so nothing is left out here.
        """
        sources = _sources(X)
        if choice is None or self._engines is None:
            self._engines = Engines(self.backbone_, self.outputs_)
        found = extract_few(
            sources,
            self.backbone_,
            self.outputs_,
            engine=self.engine,
            choice=nearest_choice(choice) if choice else None,
            open_network=self._engines,
            cache=self.cache,
        )
        if found.refused:
            place, reason = found.refused[0]
            source = sources[place]
            name = f" ({printable(os.fspath(source))})" if isinstance(source, str | os.PathLike) else ""
            raise ImageError(
                f"image {place}{name} cannot be used: {reason} ({len(found.refused)} such in all)",
                hint="remove them from X and y; topwork.read and topwork.fit do this themselves",
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engines, which are opened again where they are needed."""
        return {name: value for name, value in super().__getstate__().items() if name != "_engines"}

    def __sklearn_tags__(self) -> Tags:
        """Images come as names or as four-dimensional arrays, never as a table of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


class FeatureExtractor(TransformerMixin, _ImageEstimator):  # type: ignore[misc]
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

    def fit(self, X: Any, y: Any = None) -> FeatureExtractor:
        """Find the backbone; the first images of X decide the precision, and nothing else is learnt from them.

        Raises:
            ImageError: One of those cannot be used.
        """
        sources = _sources(X)
        self._find_network()
        self.n_features_out_ = sum(map(self.backbone_.width, self.outputs_))
        self.choice_ = self._extracted(sources[:PARITY_IMAGES], None).choice
        return self

    def transform(self, X: Any) -> Float32Array:
        """Features of images.

        Args:
            X: N file names, N encoded images as bytes, N uint8 (height, width, 3) arrays, or one
                uint8 (N, height, width, 3).

        Returns:
            float32 (N, n_features_out_).

        Raises:
            ImageError: An image cannot be used.
        """
        check_is_fitted(self)
        return self._extracted(X, self.choice_).values

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names such as ``blocks.4/max[17]``."""
        check_is_fitted(self)
        names = [f"{output}[{index}]" for output in self.outputs_ for index in range(self.backbone_.width(output))]
        return np.array(names, object)


class TransferClassifier(ClassifierMixin, _ImageEstimator):  # type: ignore[misc]
    """A pretrained network with a new linear head; strength by cross-validation, probabilities calibrated.

    It takes the stages and the fit that it is given; ``topwork.fit`` measures which are best, and a grid search over
    ``stages`` and ``crop_mode`` does so here. Its other parameters are those of ``FeatureExtractor``.

    Args:
        class_weight: ``auto`` measures whether to weigh rare classes up; ``none``, ``balanced``.
        method: ``logistic``, ``normalised`` (the same on features of length one) or ``lda``; ``auto`` compares them
            where a class has ten images or fewer.
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
            X: Images, as ``FeatureExtractor.transform`` takes them.
            y: N labels.
            sample_weight: N numbers, how much each image counts; 1 by default.

        Raises:
            ImageError: An image cannot be used.
            DataError: As many labels as images are needed, of two classes at least; weights that cannot be used.
        """
        sources = _sources(X)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if len(y) != len(sources):
            raise DataError(f"{len(sources)} images, but {len(y)} labels")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"all {len(y)} images are of class {self.classes_[0]}; two classes are needed")
        self._find_network()
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

    def predict_proba(self, X: Any) -> Float32Array:
        """Probabilities (N, C) in the order of ``classes_``."""
        check_is_fitted(self, "head_")
        return self.head_.probabilities(self._extracted(X, self.choice_).values)

    def predict(self, X: Any) -> AnyArray:
        """Labels (N,)."""
        places = self.predict_proba(X).argmax(axis=1)
        labels: AnyArray = self.classes_[places]
        return labels
