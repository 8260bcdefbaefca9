"""Images as inputs of an exported model, and the images on which it is compared with ``predict``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork.backbones import Backbone
from topwork.data import decode
from topwork.errors import DataError, ImageError
from topwork.exporting._network import level_features
from topwork.exporting._nodes import Nodes, Value
from topwork.exporting._pixels import square_of
from topwork.exporting._templates import rendered

if TYPE_CHECKING:
    from onnx import ModelProto
    from PIL.Image import Image

LEAST = 64  # images that are compared
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class ImageInputs:
    """uint8 (batch, height, width, 3), RGB, of any size: the preprocessing is part of the graph.

    Attributes:
        network: From levels to features, where it is not the backbone itself but that in int8 (``_int8``).
    """

    backbone: Backbone
    network: ModelProto | None = None
    thing: str = "image"
    template: str = "images.py.jinja"
    packages: tuple[str, ...] = ("pillow",)
    feeds: str = '{"images": np.stack(images)}'

    @property
    def files(self) -> Mapping[str, str]:
        """None: all of it is in the graph."""
        return {}

    @property
    def told(self) -> str:
        """What is taken, in words."""
        size, values = self.backbone.preprocessing.size, self.backbone.preprocessing
        return (
            "`images`: uint8 [batch, height, width, 3], RGB, upright, of any size. The preprocessing "
            f"({values.crop_mode}, {values.interpolation}, {size} x {size} pixels) is part of the model and gives "
            "Pillow's pixels."
        )

    def features(self, nodes: Nodes, outputs: tuple[str, ...]) -> Value:
        """Pixels, the square that the network sees, and what it makes of that."""
        images = nodes.input("images", np.uint8, ["batch", "height", "width", 3])
        levels = square_of(nodes, images, self.backbone.preprocessing)
        return self._of_levels(nodes, levels, outputs)

    def _of_levels(self, nodes: Nodes, levels: Value, outputs: tuple[str, ...]) -> Value:
        if self.network is None:
            return level_features(nodes, levels, self.backbone, outputs)
        return nodes.absorb(self.network, {"levels": levels})[0]

    def metadata(self) -> Mapping[str, Any]:
        """The preprocessing."""
        return {"preprocessing": self.backbone.preprocessing.to_dict()}

    def settings(self) -> Mapping[str, Any]:
        """At which size a JPEG may be decoded."""
        return {"least": self.backbone.preprocessing.min_side, "square": ""}

    def outside(self) -> SquareInputs:
        """The same with the preprocessing in the script."""
        return SquareInputs(self.backbone, self.network)

    def write(self, folder: Path) -> None:
        """Nothing: all of it is in the graph."""

    def trials(self, given: Sequence[Any], folder: Path) -> list[Any]:
        """64 of the images or more, then hard cases made of them: sizes, grey, EXIF, alpha.

        Raises:
            DataError: None of the images can be read.
        """
        order = np.random.default_rng(0).permutation(len(given))  # or those of one class would come first
        readable = itertools.islice(_readable([given[place] for place in order]), LEAST)
        found, sources = [], []
        for place, (source, pixels) in enumerate(readable):
            sources.append(_as_file(source, folder / f"given-{place}.png"))
            found.append(pixels)
        if not found:
            raise DataError("none of the images to compare on can be read")
        for place in range(LEAST - len(found)):
            sources.append(_part(found[place % len(found)], place, folder / f"part-{place}.png"))
        least = self.backbone.preprocessing.min_side or self.backbone.preprocessing.size
        return [*sources, *_hard_cases(found, least, folder)]


@dataclass(frozen=True)
class SquareInputs(ImageInputs):
    """uint8 (batch, size, size, 3), RGB: the squares that Pillow made of images, for what has no double precision."""

    @property
    def told(self) -> str:
        """What is taken, in words."""
        size = self.backbone.preprocessing.size
        return (
            f"`images`: uint8 [batch, {size}, {size}, 3], RGB: the square that `predict.py` makes of an image with "
            "Pillow; mean and deviation are part of the model."
        )

    def features(self, nodes: Nodes, outputs: tuple[str, ...]) -> Value:
        """Pixels of the square, and what the network makes of them."""
        size = self.backbone.preprocessing.size
        images = nodes.input("images", np.uint8, ["batch", size, size, 3])
        return self._of_levels(nodes, images.to(np.float32).transpose(0, 3, 1, 2), outputs)

    def settings(self) -> Mapping[str, Any]:
        """At which size a JPEG may be decoded, and a function that makes the square."""
        values = self.backbone.preprocessing
        name = values.interpolation.upper()
        filters = "Image.Resampling.BILINEAR if small else Image.Resampling.BOX" if name == "AREA" else ""
        square = rendered(
            "square.py.jinja",
            values=values,
            size=values.size,
            least=math.floor(values.size / values.crop),
            whole=values.rules == "timm" and values.crop_mode != "pad",
            filter=filters or f"Image.Resampling.{name}",
            colour=tuple(np.round(np.array(values.mean) * 255).astype(int).tolist()),
        )
        return {"least": values.min_side, "square": square}

    def outside(self) -> SquareInputs:
        """Itself."""
        return self


def _readable(given: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for source in given:
        try:
            yield source, decode(source)
        except ImageError:
            continue


def _as_file(source: Any, file: Path) -> Path:
    """A path as it is; encoded bytes and pixels as a file."""
    from PIL import Image

    if isinstance(source, str | Path):
        return Path(source)
    if isinstance(source, bytes):
        file = file.with_suffix(".img")
        file.write_bytes(source)
    else:
        Image.fromarray(decode(source)).save(file)
    return file


def _part(pixels: Any, seed: int, file: Path) -> Path:
    """A part of an image, of a size and at a place that the seed draws."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    rows, columns = (int(rng.integers(max(1, side // 2), side + 1)) for side in (height, width))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    Image.fromarray(pixels[top : top + rows, left : left + columns]).save(file)
    return file


def _hard_cases(images: Sequence[Any], least: int, folder: Path) -> Iterator[Path]:
    """What is often got wrong, made of some of the images.

    Args:
        images: uint8 (height, width, 3) each.
        least: A JPEG of twice that side is decoded smaller.
        folder: Where the files go.
    """
    from PIL import Image

    in_turn = itertools.cycle([Image.fromarray(each) for each in images[:LEAST]])
    cases: list[tuple[str, Callable[[Image.Image], Image.Image]]] = [
        ("one-wide.png", lambda image: image.crop((image.width // 2, 0, image.width // 2 + 1, image.height))),
        ("one-high.png", lambda image: image.crop((0, image.height // 2, image.width, image.height // 2 + 1))),
        ("one-pixel.png", lambda image: image.resize((1, 1))),
        ("odd.png", lambda image: image.resize((333, 257))),
        ("small.png", lambda image: image.resize((49, 31))),
        ("long.jpg", lambda image: image.resize((1201, 199))),
        ("large.jpg", lambda image: image.resize((2 * least + 16, 2 * least))),
        ("grey.png", lambda image: image.convert("L")),
        ("grey.jpg", lambda image: image.convert("L")),
        ("palette.png", lambda image: image.convert("P")),
        ("alpha.png", _with_alpha),
        ("clear.png", lambda image: image.convert("P")),
        ("cmyk.jpg", lambda image: image.convert("CMYK")),
    ]
    for name, change in cases:
        file = folder / name
        more: dict[str, Any] = {"transparency": 0} if name == "clear.png" else {}
        change(next(in_turn)).save(file, **more)
        yield file
    for turn in range(2, 9):
        file, exif = folder / f"exif-{turn}.jpg", Image.Exif()
        exif[_ORIENTATION] = turn
        next(in_turn).save(file, exif=exif)
        yield file


def _with_alpha(image: Image) -> Image:
    from PIL import Image as Images

    ramp = np.linspace(0, 255, image.width * image.height).reshape(image.height, image.width).astype(np.uint8)
    image = image.copy()
    image.putalpha(Images.fromarray(ramp))
    return image
