"""What a channel looks for, told by the images that excite it most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset
from topwork.drawing import Cell, overlay, sheet, stretched
from topwork.errors import ExplainError
from topwork.explain._maps import stage_maps
from topwork.explain._subject import Float32Array, Subject, UInt8Array
from topwork.features import Progress, extract


@dataclass(frozen=True, eq=False)
class Exciting:
    """The images that excite some channels of a stage most.

    Attributes:
        stage: The stage.
        channels: int (K,), which.
        paths: For each channel, the images' names, the most exciting one first.
        labels: Their classes.
        values: float32 (K, M), the largest number in the channel's map of each.
        images: uint8 (K, M, size, size, 3).
        maps: float32 (K, M, h, w), the channel's map of each.
    """

    stage: str
    channels: tuple[int, ...]
    paths: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[str, ...], ...]
    values: Float32Array
    images: UInt8Array
    maps: Float32Array

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        return f"the images that excite {len(self.channels)} channels of {self.stage} most"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, without pixels."""
        rows = zip(self.channels, self.paths, self.values.tolist(), strict=True)
        return {
            "stage": self.stage,
            "channels": [{"channel": channel, "images": paths, "values": values} for channel, paths, values in rows],
        }

    def picture(self) -> UInt8Array:
        """A row a channel; what excites it glows: uint8 (H, W, 3)."""
        rows = []
        for channel, images, maps, labels in zip(self.channels, self.images, self.maps, self.labels, strict=True):
            glow = stretched(maps)
            rows.append(
                [
                    Cell(overlay(image, _enlarged(each, image.shape[0])), f"channel {channel}: {label}")
                    for image, each, label in zip(images, glow, labels, strict=True)
                ]
            )
        return sheet(rows, title=f"What excites channels of {self.stage} most", side=160)


def exciting(
    subject: Subject,
    dataset: ImageDataset,
    *,
    stage: str | None = None,
    channels: Sequence[int] | None = None,
    count: int = 6,
    cache: bool = True,
    progress: Progress | None = None,
) -> Exciting:
    """The images of a data set that excite channels of a stage most.

    Args:
        subject: The classifier; its head takes no part.
        dataset: The images.
        stage: Which stage; the last one when None.
        channels: Which channels; the ``count`` that tell the classes apart best when None.
        count: How many images for each, and how many channels where none are named.
        cache: Whether features are kept on disk.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such stage or channel, no image was asked for, or none can be read.
    """
    known = {each.name: each.channels for each in subject.backbone.stages}
    stage = stage or subject.backbone.stages[-1].name
    if count < 1:
        raise ExplainError(f"there must be an image for each channel at least, not {count}")
    if stage not in known:
        raise ExplainError(f"{subject.backbone.name} has no stage {stage!r}", hint=f"its stages are {', '.join(known)}")
    table = extract(dataset, subject.backbone, outputs=(f"{stage}/max",), cache=cache, progress=progress)
    if not len(table):
        raise ExplainError("no image of the data can be read", hint="`topwork check` says why")
    chosen = _telling(table.values, table.dataset.labels, count) if channels is None else tuple(map(int, channels))
    if any(not 0 <= channel < known[stage] for channel in chosen) or not chosen:
        raise ExplainError(f"the channels of {stage} have numbers from 0 to {known[stage] - 1}, not {list(chosen)}")
    rows = np.argsort(-table.values[:, list(chosen)], axis=0, kind="stable")[:count].T
    dataset = table.dataset
    images = np.stack([subject.squares([dataset.source(int(row)) for row in each]) for each in rows])
    maps = [stage_maps(subject, each, [stage])[stage][:, channel] for each, channel in zip(images, chosen, strict=True)]
    return Exciting(
        stage,
        chosen,
        tuple(tuple(dataset.paths[row] for row in each) for each in rows),
        tuple(tuple(dataset.classes[dataset.labels[row]] for row in each) for each in rows),
        np.stack([table.values[each, channel] for each, channel in zip(rows, chosen, strict=True)]),
        images,
        np.stack(maps),
    )


def _telling(values: Float32Array, labels: npt.NDArray[np.integer], count: int) -> tuple[int, ...]:
    """Channels whose variance is most of all between the classes."""
    between = np.zeros(values.shape[1])
    whole = values.mean(axis=0, dtype=np.float64)
    for label in np.unique(labels):
        rows = values[labels == label]
        between += len(rows) / len(values) * (rows.mean(axis=0, dtype=np.float64) - whole) ** 2
    share = between / values.var(axis=0, dtype=np.float64).clip(1e-12)
    return tuple(np.argsort(-share, kind="stable")[:count].tolist())


def _enlarged(values: Float32Array, side: int) -> Float32Array:
    from PIL import Image

    return np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR))
