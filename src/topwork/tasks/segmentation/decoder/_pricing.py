"""What a training takes on this machine: a few steps of the real one."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import numpy as np

from topwork._arrays import UInt8Array
from topwork._system import available_cores
from topwork.advising import Prices, Timed
from topwork.engines import open_engine
from topwork.features import on_all_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from topwork.tasks.segmentation.decoder._frozen import Trained
    from topwork.tasks.segmentation.decoder._ready import Ready

_IMAGES = 8
_STEPS = 3  # the first one allocates the memory, and is not counted; the quickest of the others is


def decoder_price(given: Ready) -> Prices:
    """Seconds an image: its maps, and under 0 stages once forward and back through a decoder on them."""
    from topwork.tasks.segmentation.decoder._frozen import loss_of, new_decoder

    decoder, loss = new_decoder(given.learnt, given.options.seed).to(given.device), loss_of(given)
    engine = _engine(given)
    pixels, cores = _pixels(given), 0 if given.device == "cuda" else available_cores()
    maps = engine(pixels).to(given.device)
    _, targets = given.samples(np.resize(given.halves.learn, _IMAGES)).batch(0, np.arange(_IMAGES))
    targets = targets.to(given.device)
    image = _timed(lambda: engine(pixels), cores)
    step = _timed(lambda: loss(decoder(maps), targets).backward(), cores)  # type: ignore[no-untyped-call]
    share = (image.own + step.own) / max(image.wall + step.wall, 1e-9)
    return Prices(given.spec.size, image.own, {0: step.own}, share)


def finetune_price(given: Ready, start: Trained, stages: int, share: float) -> Prices:
    """Seconds an image: its maps, and once forward and back through the last stages and the decoder.

    Args:
        given: What would be trained on.
        start: From which it would start; stays as it is.
        stages: How many would be trained.
        share: Of the cores, what this process has had so far, 0 to 1; the share in these steps may be larger.
    """
    from topwork.tasks.segmentation.decoder._frozen import loss_of
    from topwork.tasks.segmentation.decoder._network import Network

    network, loss = Network(given.learner, copy.deepcopy(start.decoder)).to(given.device), loss_of(given)
    for _, layer in network.layers(given.backbone, stages):
        layer.requires_grad_(True)
    rows = np.resize(given.halves.learn, _IMAGES)
    images, targets = (each.to(given.device) for each in given.samples(rows).batch(0, np.arange(_IMAGES)))
    engine, pixels, cores = _engine(given), _pixels(given), 0 if given.device == "cuda" else available_cores()
    image = _timed(lambda: engine(pixels), cores)
    step = _timed(lambda: loss(network(images), targets).backward(), cores)  # type: ignore[no-untyped-call]
    ours = (image.own + step.own) / max(image.wall + step.wall, 1e-9)
    return Prices(given.spec.size, image.own, {stages: step.own}, max(share, ours))


def _engine(given: Ready) -> Callable[[UInt8Array], Tensor]:
    return on_all_cores(open_engine(given.learner, given.seen.outputs, given.seen.choice, images=_IMAGES))


def _pixels(given: Ready) -> UInt8Array:
    size = given.learnt.size
    return np.resize(np.asarray(given.images.pixels[:_IMAGES, :size, :size]), (_IMAGES, size, size, 3))


def _timed(work: Callable[[], object], cores: int) -> Timed:
    """Seconds an image, the quickest of a few."""
    found = []
    for _ in range(_STEPS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        took = time.perf_counter() - wall, time.process_time() - processor
        found.append(Timed.of(took[0] / _IMAGES, took[1] / _IMAGES, cores))
    return min(found[1:])
