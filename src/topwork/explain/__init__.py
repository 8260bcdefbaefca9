"""What a network sees: features, evidence for a class, ideal images, and how it is fooled.

Open a model or a pretrained network as a ``TorchClassifier``, bring images into its square with ``classifier.squares``,
and ask. What comes back is a frozen value that holds the numbers, and whose ``picture()`` draws them. Importing the
room is light: torch is imported by what is called.

Example:
    >>> from topwork import explain, load  # doctest: +SKIP
    >>> classifier = explain.TorchClassifier.of_model(load("model"))  # doctest: +SKIP
    >>> found = explain.grad_cam(classifier, classifier.squares(["cat.jpg"]))[0]  # doctest: +SKIP
    >>> explain.write_picture(found.picture(), "why.png")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topwork.explain._activations import Exciting, FeatureMaps, Filters, StageMaps, exciting, feature_maps, filters
from topwork.explain._attacks import Attack, AttackOptions, Fooled, Norm, attack, fool
from topwork.explain._attention import attention_rollout, weighted_attention
from topwork.explain._attribution import grad_cam, integrated_gradients, occlusion
from topwork.explain._classifier import TorchClassifier
from topwork.explain._evidence import Evidence, evidence_sheet
from topwork.explain._ideal import FINE_STEPS, QUICK_STEPS, IdealImage, Painted, ideal_image
from topwork.explain._overlay import Overlay, can_overlay, laid_over, overlay, overlay_needs_torch, overlay_of_square
from topwork.explain._pictures import (
    Explanation,
    Result,
    picture_bytes,
    stored,
    write_numbers,
    write_picture,
    write_result,
)
from topwork.explain._robust import (
    CORRUPTIONS,
    CorruptionAccuracy,
    RobustAccuracy,
    corruption_accuracy,
    labelled_squares,
    robust_accuracy,
)
from topwork.explain._space import FeatureSpace, Projection, feature_space, space_of

if TYPE_CHECKING:
    from topwork.explain._modules import torch_head

__all__ = [
    "CORRUPTIONS",
    "FINE_STEPS",
    "QUICK_STEPS",
    "Attack",
    "AttackOptions",
    "CorruptionAccuracy",
    "Evidence",
    "Exciting",
    "Explanation",
    "FeatureMaps",
    "FeatureSpace",
    "Filters",
    "Fooled",
    "IdealImage",
    "Norm",
    "Overlay",
    "Painted",
    "Projection",
    "Result",
    "RobustAccuracy",
    "StageMaps",
    "TorchClassifier",
    "attack",
    "attention_rollout",
    "can_overlay",
    "corruption_accuracy",
    "evidence_sheet",
    "exciting",
    "feature_maps",
    "feature_space",
    "filters",
    "fool",
    "grad_cam",
    "ideal_image",
    "integrated_gradients",
    "labelled_squares",
    "occlusion",
    "laid_over",
    "overlay",
    "overlay_needs_torch",
    "overlay_of_square",
    "picture_bytes",
    "robust_accuracy",
    "space_of",
    "stored",
    "torch_head",
    "weighted_attention",
    "write_numbers",
    "write_picture",
    "write_result",
]


def __getattr__(name: str) -> Any:
    if name != "torch_head":  # which needs torch
        raise AttributeError(f"module 'topwork.explain' has no attribute {name!r}")
    from topwork.explain._modules import torch_head

    return torch_head


def __dir__() -> list[str]:
    return __all__
