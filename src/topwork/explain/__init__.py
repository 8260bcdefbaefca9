"""What a network sees: features, evidence for a class, ideal images, and how it is fooled.

Open a model or a pretrained network as a ``Subject``, bring images into its square with ``subject.squares``, and ask.
What comes back is a frozen value that holds the numbers, and whose ``picture()`` draws them. Importing the room is
light: torch is loaded with the first name that needs it.

Example:
    >>> from topwork import explain, load  # doctest: +SKIP
    >>> subject = explain.Subject.of_model(load("model"))  # doctest: +SKIP
    >>> found = explain.grad_cam(subject, subject.squares(["cat.jpg"]))[0]  # doctest: +SKIP
    >>> explain.write_picture(found.picture(), "why.png")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from topwork.explain._attacks import Attack, AttackOptions, Norm, attack
    from topwork.explain._attention import attention_rollout, weighted_attention
    from topwork.explain._corruptions import CORRUPTIONS
    from topwork.explain._evidence import Evidence, evidence_sheet
    from topwork.explain._exciting import Exciting, exciting
    from topwork.explain._faithful import (
        Faithfulness,
        PointingGame,
        faithfulness,
        likeness_without_head,
        pointing_game,
        random_map,
    )
    from topwork.explain._fooled import Fooled, fool
    from topwork.explain._grad_cam import grad_cam
    from topwork.explain._ideal import IdealImage, Painted, ideal_image
    from topwork.explain._integrated import integrated_gradients
    from topwork.explain._maps import FeatureMaps, Filters, StageMaps, feature_maps, filters
    from topwork.explain._occlusion import occlusion
    from topwork.explain._picture import write_picture
    from topwork.explain._robust import (
        CorruptionAccuracy,
        RobustAccuracy,
        corruption_accuracy,
        labelled_squares,
        robust_accuracy,
    )
    from topwork.explain._space import FeatureSpace, Projection, feature_space, space_of
    from topwork.explain._stored import Explanation, Result, stored, write_result
    from topwork.explain._subject import Subject

_MODULES = {
    "CORRUPTIONS": "_corruptions",
    "Attack": "_attacks",
    "AttackOptions": "_attacks",
    "CorruptionAccuracy": "_robust",
    "Evidence": "_evidence",
    "Exciting": "_exciting",
    "Explanation": "_stored",
    "Faithfulness": "_faithful",
    "FeatureMaps": "_maps",
    "FeatureSpace": "_space",
    "Filters": "_maps",
    "Fooled": "_fooled",
    "IdealImage": "_ideal",
    "Norm": "_attacks",
    "Painted": "_ideal",
    "PointingGame": "_faithful",
    "Projection": "_space",
    "Result": "_stored",
    "RobustAccuracy": "_robust",
    "StageMaps": "_maps",
    "Subject": "_subject",
    "attack": "_attacks",
    "attention_rollout": "_attention",
    "corruption_accuracy": "_robust",
    "evidence_sheet": "_evidence",
    "exciting": "_exciting",
    "faithfulness": "_faithful",
    "feature_maps": "_maps",
    "feature_space": "_space",
    "filters": "_maps",
    "fool": "_fooled",
    "grad_cam": "_grad_cam",
    "ideal_image": "_ideal",
    "integrated_gradients": "_integrated",
    "labelled_squares": "_robust",
    "likeness_without_head": "_faithful",
    "occlusion": "_occlusion",
    "pointing_game": "_faithful",
    "random_map": "_faithful",
    "robust_accuracy": "_robust",
    "space_of": "_space",
    "stored": "_stored",
    "weighted_attention": "_attention",
    "write_picture": "_picture",
    "write_result": "_stored",
}

__all__ = [
    "CORRUPTIONS",
    "Attack",
    "AttackOptions",
    "CorruptionAccuracy",
    "Evidence",
    "Exciting",
    "Explanation",
    "Faithfulness",
    "FeatureMaps",
    "FeatureSpace",
    "Filters",
    "Fooled",
    "IdealImage",
    "Norm",
    "Painted",
    "PointingGame",
    "Projection",
    "Result",
    "RobustAccuracy",
    "StageMaps",
    "Subject",
    "attack",
    "attention_rollout",
    "corruption_accuracy",
    "evidence_sheet",
    "exciting",
    "faithfulness",
    "feature_maps",
    "feature_space",
    "filters",
    "fool",
    "grad_cam",
    "ideal_image",
    "integrated_gradients",
    "labelled_squares",
    "likeness_without_head",
    "occlusion",
    "pointing_game",
    "random_map",
    "robust_accuracy",
    "space_of",
    "stored",
    "weighted_attention",
    "write_picture",
    "write_result",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'topwork.explain' has no attribute {name!r}")
    return getattr(importlib.import_module(f"topwork.explain.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
