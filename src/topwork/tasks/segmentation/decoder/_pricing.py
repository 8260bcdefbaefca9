"""What a training takes on this machine: a few steps of the real one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from topwork._system import available_cores
from topwork.advising import Prices
from topwork.tasks._maps._training import IMAGES, seeded, timed

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._frozen import Trained
    from topwork.tasks.segmentation.decoder._ready import Ready


def decoder_price(given: Ready) -> Prices:
    """Seconds an image: its maps, and under 0 stages once forward and back through a decoder on them."""
    from topwork.tasks.segmentation.decoder import torch_decoder
    from topwork.tasks.segmentation.decoder._frozen import loss_of

    decoder, loss = seeded(torch_decoder, given.learnt, given.options.seed).to(given.device), loss_of(given)
    engine = given.engine(IMAGES)
    pixels, cores = given.few_pixels(), 0 if given.device == "cuda" else available_cores()
    maps = engine(pixels).to(given.device)
    _, targets = given.samples(np.resize(given.halves.learn, IMAGES)).batch(0, np.arange(IMAGES))
    targets = targets.to(given.device)
    image = timed(lambda: engine(pixels), cores)
    step = timed(lambda: loss(decoder(maps), targets).backward(), cores)  # type: ignore[no-untyped-call]
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
    rows = np.resize(given.halves.learn, IMAGES)
    images, targets = (each.to(given.device) for each in given.samples(rows).batch(0, np.arange(IMAGES)))
    engine, pixels, cores = given.engine(IMAGES), given.few_pixels(), 0 if given.device == "cuda" else available_cores()
    image = timed(lambda: engine(pixels), cores)
    step = timed(lambda: loss(network(images), targets).backward(), cores)  # type: ignore[no-untyped-call]
    ours = (image.own + step.own) / max(image.wall + step.wall, 1e-9)
    return Prices(given.spec.size, image.own, {stages: step.own}, max(share, ours))
