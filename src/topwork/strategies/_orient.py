"""Which ways round an image may be shown while a backbone is trained: asked of the data, by a probe."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.backbones import EMBEDDING
from topwork.engines import open_engine
from topwork.features import FeatureTable
from topwork.heads import LinearHead, row_losses
from topwork.strategies._compare import Trial

UInt8Array = npt.NDArray[np.uint8]
FitHead = Callable[[FeatureTable], LinearHead]

_IMAGES = 400  # of the training images; more would not change the answer, and take time


def orient_trials(
    pixels: UInt8Array,
    table: FeatureTable,
    learn: npt.NDArray[np.intp],
    check: npt.NDArray[np.intp],
    fit: FitHead,
    seed: int,
) -> tuple[Trial, ...]:
    """How a probe is served by each way of showing training images; the best is marked.

    Heads are fitted on images as they are, on these and mirrored ones, and on these, mirrored and turned ones; the one
    with the lowest log loss on validation images as they are wins. Where a mirrored image belongs to another class
    (digits, left and right), the copies contradict the originals, and the head gets worse.

    Args:
        pixels: (N, size, size, 3), of all rows of the table.
        table: Embeddings.
        learn: Its rows to learn from.
        check: Its rows to validate with.
        fit: A head for a table.
        seed: Of the turns.
    """
    rows = learn[np.unique(np.linspace(0, len(learn) - 1, _IMAGES).astype(int))]
    engine = open_engine(table.backbone, (EMBEDDING,), table.choice, images=len(rows))
    plain, held = table.select(rows), table.select(check)
    labels = held.dataset.labels.astype(np.int64)
    upright, values, tried = pixels[rows], [plain.values], []
    mirrored = np.ascontiguousarray(upright[:, :, ::-1])
    for orient, images in (("none", None), ("mirror", mirrored), ("any", turned(upright, seed))):
        if images is not None:
            with ThreadPoolExecutor(engine.callers) as pool:
                shares = np.array_split(images, min(engine.callers, len(images)))  # an engine takes no empty one
                values.append(np.concatenate(list(pool.map(engine, shares))))
        copies = table.select(np.tile(rows, len(values)))
        head = fit(replace(copies, values=np.concatenate(values)))
        logits = head.logits(held.values)
        loss = float(row_losses(logits / head.temperature, labels).mean())
        right = float((logits.argmax(axis=1) == labels).mean())
        tried.append(Trial("orient", orient, len(check), right, loss, chosen=False))
    best = min(range(len(tried)), key=lambda place: tried[place].log_loss or 0.0)
    return tuple(replace(trial, chosen=place == best) for place, trial in enumerate(tried))


def turned(images: UInt8Array, seed: int) -> UInt8Array:
    """Each of the square images (N, size, size, 3) in another of the seven ways round that are not its own."""
    ways = np.random.default_rng(seed).integers(1, 8, size=len(images))
    found = np.empty_like(images)
    for image, way, place in zip(images, ways, found, strict=True):
        quarter = np.rot90(image, way % 4)
        place[:] = quarter[:, ::-1] if way >= 4 else quarter
    return found
