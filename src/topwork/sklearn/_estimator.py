"""What all estimators share: a network that is found when they are fitted, and features of what they are given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from topwork._arrays import Float32Array
from topwork.backbones import AnyBackbone, TextBackbone
from topwork.data import given_texts, printable
from topwork.engines import PARITY_IMAGES, EngineChoice, EngineName, Engines, nearest_choice
from topwork.errors import DataError, ImageError
from topwork.features import Extraction, Source, extract_few

if TYPE_CHECKING:
    from sklearn.utils import Tags

Stages = Literal["last", "all"] | Sequence[str]


def image_sources(X: Any) -> list[Source]:
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


def text_sources(X: Any) -> list[str]:
    """The texts of X one by one.

    Raises:
        DataError: X is one text rather than several, a table, or empty.
    """
    if getattr(X, "ndim", 1) != 1:
        raise DataError(f"X must be several texts, not an array of shape {X.shape}", hint="a list of str, or a column")
    sources = list(given_texts(X))
    if not sources:
        raise DataError("X holds no text", hint="pass at least one text")
    return sources


class Estimator(BaseEstimator):  # type: ignore[misc]
    """What every estimator does; the engines that it opened once serve every later call."""

    engine: EngineName | None
    cache: bool
    backbone_: AnyBackbone
    outputs_: tuple[str, ...]
    _engines: Engines | None = None

    def _find_network(self) -> None:
        """Set the backbone that the parameters name, and what is taken from it."""
        raise NotImplementedError

    def _sources(self, X: Any) -> list[Any]:
        """What X holds, one by one, as the network that was found reads it."""
        return text_sources(X) if isinstance(self.backbone_, TextBackbone) else image_sources(X)

    def _extracted(self, X: Any, choice: EngineChoice | None) -> Extraction:
        """Features (N, D) of all that X holds, and the engine and precision that made them.

        Prediction must do the same as what ran the network when the estimator was fitted; None fits it now.

        Raises:
            ImageError: An image cannot be used: rows must stay as many as the labels, so nothing is left out here.
            DataError: So it is for a text.
        """
        sources = self._sources(X)
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
            source: Source = sources[place]
            hint = "remove them from X and y; topwork.read and topwork.fit do this themselves"
            told = f"cannot be used: {reason} ({len(found.refused)} such in all)"
            if isinstance(self.backbone_, TextBackbone):
                raise DataError(f"text {place} {told}", hint=hint)
            name = f" ({printable(os.fspath(source))})" if isinstance(source, str | os.PathLike) else ""
            raise ImageError(f"image {place}{name} {told}", hint=hint)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engines, which are opened again where they are needed."""
        return {name: value for name, value in super().__getstate__().items() if name != "_engines"}

    def __sklearn_tags__(self) -> Tags:
        """Rows come as names, texts or four-dimensional arrays, never as a table of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


class Extractor(TransformerMixin, Estimator):  # type: ignore[misc]
    """A network's features of rows of either kind."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the backbone; the first rows of X decide the precision, and nothing else is learnt from them.

        Raises:
            ImageError: One of those cannot be used; a DataError for a text.
        """
        self._find_network()
        sources = self._sources(X)
        self.n_features_out_ = sum(map(self.backbone_.width, self.outputs_))
        self.choice_ = self._extracted(sources[:PARITY_IMAGES], None).choice
        return self

    def transform(self, X: Any) -> Float32Array:
        """Features of images or texts.

        Args:
            X: N file names, N encoded images as bytes, N uint8 (height, width, 3) arrays, or one
                uint8 (N, height, width, 3); or N texts: a list, an array or a column of a data frame.

        Returns:
            float32 (N, n_features_out_).

        Raises:
            ImageError: An image cannot be used; a DataError for a text.
        """
        check_is_fitted(self)
        return self._extracted(X, self.choice_).values

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names such as ``blocks.4/max[17]`` or ``layers.6/max[17]``."""
        check_is_fitted(self)
        names = [f"{output}[{index}]" for output in self.outputs_ for index in range(self.backbone_.width(output))]
        return np.array(names, object)
