"""scikit-learn's side of topwork: transformers that make features of images and texts, and a classifier of both.

In: file names or uint8 pixels, or texts. All are real estimators: they clone, go into a ``Pipeline``, and are searched
over.

Example:
    >>> from sklearn.pipeline import make_pipeline  # doctest: +SKIP
    >>> from sklearn.svm import SVC  # doctest: +SKIP
    >>> make_pipeline(FeatureExtractor(), SVC()).fit(paths, labels).score(others, their_labels)  # doctest: +SKIP
    0.97
    >>> TransferClassifier("minilm").fit(texts, labels).predict(["Where is my parcel?"])  # doctest: +SKIP
"""

from __future__ import annotations

from topwork.errors import MissingExtraError

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        "topwork.sklearn needs scikit-learn, which is not installed", hint="pip install 'topwork[sklearn]'"
    ) from error

from topwork.sklearn._classifier import TransferClassifier
from topwork.sklearn._images import FeatureExtractor
from topwork.sklearn._texts import TextFeatureExtractor

__all__ = ["FeatureExtractor", "TextFeatureExtractor", "TransferClassifier"]
