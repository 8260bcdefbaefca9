"""The strategy ``decoder``: one is trained on the maps of a frozen backbone, which is run once for each view."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from topwork._system import freed_memory_kept
from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.features import MapSamples
from topwork.tasks._classes._finetuned import notes_of, shown
from topwork.tasks._task import Announce
from topwork.tasks.segmentation.decoder import torch_decoder
from topwork.tasks.segmentation.decoder._options import DecoderOptions
from topwork.tasks.segmentation.decoder._ready import Ready, ready
from topwork.tasks.segmentation.decoder._spec import DecoderSpec
from topwork.tasks.segmentation.strategies._fitted import Fitted, judged
from topwork.tasks.segmentation.strategies._probe import decide_by
from topwork.train import TrainConfig, TrainResult

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._loss import SegmentationLoss
    from topwork.tasks.segmentation.decoder._module import TorchDecoder

MEASURE = "IoU of an image"

_MAPS_SHARE = 0.4  # of the time, at most, for maps of more views than one
_DISK = 16  # GB of kept maps, at most, but for one view
_ENOUGH = 0.75  # of the epochs; with fewer, it is said that there was too little time


class Trained(NamedTuple):
    """A segmenter, and its decoder as it can be trained further."""

    fitted: Fitted
    decoder: TorchDecoder


@freed_memory_kept()
def fit_decoder(
    dataset: MaskDataset, backbone: Backbone, options: DecoderOptions, *, announce: Announce | None = None
) -> Fitted:
    """Train a decoder on the split ``train``; of the other splits it is only seen which images can be read.

    Raises:
        DataError: The training images show fewer than two classes, or are too few to set any aside.
        BackboneError: The network has no maps that serve.
        TrainError: The training cannot be made, or not resumed.
    """
    say = announce or (lambda text: None)
    with ready(dataset, backbone, options, say) as given:
        return trained(given, options, say).fitted


def trained(given: Ready, options: DecoderOptions, say: Announce) -> Trained:
    """A decoder trained on the kept maps of views of the images that are learnt from."""
    from topwork.train import train

    decoder = new_decoder(given.learnt, options.seed)
    decoder.to(given.device)
    config = given.config(options.config)
    views, kept = _views(given, min(options.views, config.epochs))
    with contextlib.ExitStack() as stack:
        learn = stack.enter_context(given.maps(given.samples(given.halves.learn, given.augmentation()), views))
        check = stack.enter_context(given.maps(given.samples(given.halves.check), 1))
        config = _in_what_is_left(config, learn, check, say)
        progress = say("training the decoder on kept maps")
        result = train(
            decoder,
            learn,
            check,
            config,
            layers=[("decoder", decoder)],
            loss=loss_of(given),
            checkpoint=options.checkpoint,
            resume=options.resume,
            progress=shown(progress, config, measure=MEASURE) if progress else None,
        )
    head = given.head(decoder)
    say("measuring on validation images")
    validation = judged(head, given.seen, given.halves.check)
    deciding = decide_by(head, given.seen, validation, options.seed)
    notes = (*given.notes, *kept, *notes_of(result), *_too_short(options.config, result))
    found = Fitted(head, given.seen, validation, deciding, "decoder", history=result.history, notes=notes)
    return Trained(found, decoder)


def _views(given: Ready, wanted: int) -> tuple[int, tuple[str, ...]]:
    """How many views of the images have their maps kept, and a note where they are fewer than wanted."""
    of_each = len(given.halves.learn) * given.learnt.n_features * 2  # bytes: bfloat16
    views = max(1, min(wanted, int(_DISK * 1e9 / of_each)))
    if views == wanted:
        return views, ()
    note = (
        f"maps of {views} augmented views of each image are kept instead of {wanted}: more would take over {_DISK} GB"
    )
    return views, (f"{note} of disk",)


def new_decoder(spec: DecoderSpec, seed: int) -> TorchDecoder:
    """A decoder of random numbers that the seed alone decides."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch_decoder(spec)


def loss_of(given: Ready) -> SegmentationLoss:
    """With weights by how often the classes are seen in the images that are learnt from."""
    from topwork.tasks.segmentation.decoder._loss import SegmentationLoss, weights_of

    counts = np.zeros(256, np.int64)
    for row in np.searchsorted(given.used, given.halves.learn).tolist():
        counts += np.bincount(given.masks[row].ravel(), minlength=256)
    has_background = given.seen.dataset.has_background
    return SegmentationLoss(given.spec.n_classes, has_background, weights_of(counts[: given.spec.channels]))


def _in_what_is_left(config: TrainConfig, learn: MapSamples, check: MapSamples, say: Announce) -> TrainConfig:
    """With a budget, the maps are made first, of as many views as fit into a part of it; the rest is for the decoder.

    The steps then all take the same time, so that the schedule fits what is left from its first step on.
    """
    if config.budget_seconds is None:
        return config
    begun = time.monotonic()
    say("maps of views of the images")
    check.make_within(0)
    learn.make_within(_MAPS_SHARE * config.budget_seconds - (time.monotonic() - begun))
    left = config.budget_seconds - (time.monotonic() - begun)
    return config.model_copy(update={"budget_seconds": max(1.0, left)})


def _too_short(config: TrainConfig, result: TrainResult) -> tuple[str, ...]:
    """That the time ended long before the decoder could learn what it can."""
    done = len(result.history)
    if config.budget_seconds is None or result.interrupted or done >= _ENOUGH * config.epochs:
        return ()
    return (
        f"the time was enough for {done} of {config.epochs} epochs of the decoder, so the segmenter is worse than it "
        f"could be; give it about {math.ceil(config.epochs / max(1, done))} times as long with --budget",
    )
