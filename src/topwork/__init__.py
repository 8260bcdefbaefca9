"""topwork: keep a pretrained backbone, give it a new head, and reshape only as much of it as the data calls for.

Example:
    >>> import topwork  # doctest: +SKIP
    >>> model = topwork.fit("photos/")  # doctest: +SKIP
    >>> print(model.metrics.accuracy)  # doctest: +SKIP
    >>> model.save("model/")  # doctest: +SKIP
    >>> topwork.load("model/").predict(["a.jpg"])[0].label  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from topwork._version import __version__

if TYPE_CHECKING:
    from topwork.backbones import load as load_backbone
    from topwork.backbones import load_text as load_text_backbone
    from topwork.checking import check
    from topwork.data import BoxDataset, ImageDataset, TextDataset, read, read_boxes, read_texts
    from topwork.errors import TopworkError
    from topwork.features import extract
    from topwork.fitting import advise, fit
    from topwork.model import Model
    from topwork.tasks import export, load
    from topwork.tasks.classification.ladder import AdviceOptions
    from topwork.tasks.classification.strategies import AsIsOptions, FinetuneOptions, ProbeOptions, ScratchOptions
    from topwork.tasks.segmentation.promptable import Promptable
    from topwork.train import TrainConfig

# Public name -> the room it comes from and its name there. Loaded on first use, so that `import topwork` is light.
_ROOMS = {
    "AdviceOptions": ("topwork.tasks.classification.ladder", "AdviceOptions"),
    "AsIsOptions": ("topwork.tasks.classification.strategies", "AsIsOptions"),
    "BoxDataset": ("topwork.data", "BoxDataset"),
    "FinetuneOptions": ("topwork.tasks.classification.strategies", "FinetuneOptions"),
    "ImageDataset": ("topwork.data", "ImageDataset"),
    "Model": ("topwork.model", "Model"),
    "Promptable": ("topwork.tasks.segmentation.promptable", "Promptable"),
    "ProbeOptions": ("topwork.tasks.classification.strategies", "ProbeOptions"),
    "ScratchOptions": ("topwork.tasks.classification.strategies", "ScratchOptions"),
    "TextDataset": ("topwork.data", "TextDataset"),
    "TopworkError": ("topwork.errors", "TopworkError"),
    "TrainConfig": ("topwork.train", "TrainConfig"),
    "advise": ("topwork.fitting", "advise"),
    "check": ("topwork.checking", "check"),
    "export": ("topwork.tasks", "export"),
    "extract": ("topwork.features", "extract"),
    "fit": ("topwork.fitting", "fit"),
    "load": ("topwork.tasks", "load"),
    "load_backbone": ("topwork.backbones", "load"),
    "load_text_backbone": ("topwork.backbones", "load_text"),
    "read": ("topwork.data", "read"),
    "read_boxes": ("topwork.data", "read_boxes"),
    "read_texts": ("topwork.data", "read_texts"),
}

__all__ = [
    "AdviceOptions",
    "AsIsOptions",
    "BoxDataset",
    "FinetuneOptions",
    "ImageDataset",
    "Model",
    "ProbeOptions",
    "Promptable",
    "ScratchOptions",
    "TextDataset",
    "TopworkError",
    "TrainConfig",
    "__version__",
    "advise",
    "check",
    "export",
    "extract",
    "fit",
    "load",
    "load_backbone",
    "load_text_backbone",
    "read",
    "read_boxes",
    "read_texts",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'topwork' has no attribute {name!r}")
    room, attribute = _ROOMS[name]
    return getattr(importlib.import_module(room), attribute)


def __dir__() -> list[str]:
    return __all__
