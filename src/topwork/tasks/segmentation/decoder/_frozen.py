"""The strategy ``decoder``: one is trained on the maps of a frozen backbone, which is run once for each view."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from topwork._system import freed_memory_kept
from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.tasks._classes._finetuned import notes_of, shown
from topwork.tasks._maps._training import in_what_is_left, seeded, too_short
from topwork.tasks._task import Announce
from topwork.tasks.segmentation.decoder import torch_decoder
from topwork.tasks.segmentation.decoder._options import DecoderOptions
from topwork.tasks.segmentation.decoder._ready import Ready, ready
from topwork.tasks.segmentation.strategies._fitted import Fitted, judged
from topwork.tasks.segmentation.strategies._probe import decide_by

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._loss import SegmentationLoss
    from topwork.tasks.segmentation.decoder._module import TorchDecoder

MEASURE = "IoU of an image"

_TWO = 2  # classes
_DISK = 16  # GB of kept maps, at most, but for one view


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

    decoder: TorchDecoder = seeded(torch_decoder, given.learnt, options.seed)
    decoder.to(given.device)
    config = given.config(options.config)
    views, kept = _views(given, min(options.views, config.epochs))
    with contextlib.ExitStack() as stack:
        learn = stack.enter_context(given.maps(given.samples(given.halves.learn, given.augmentation()), views))
        check = stack.enter_context(given.maps(given.samples(given.halves.check), 1))
        config = in_what_is_left(config, learn, check, say)
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
    notes = (*given.notes, *kept, *notes_of(result), *too_short(options.config, result, "the decoder", "the segmenter"))
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


def loss_of(given: Ready) -> SegmentationLoss:
    """With weights by how often the classes are seen in the images that are learnt from, where there are several.

    Beside one alone they would only make it seem more probable than it is: the Dice balances both.
    """
    from topwork.tasks.segmentation.decoder._loss import SegmentationLoss, weights_of

    has_background, n_classes = given.seen.dataset.has_background, given.spec.n_classes
    if n_classes == _TWO:
        return SegmentationLoss(n_classes, has_background)
    counts = np.zeros(256, np.int64)
    for row in np.searchsorted(given.used, given.halves.learn).tolist():
        counts += np.bincount(given.masks[row][0].ravel(), minlength=256)
    return SegmentationLoss(n_classes, has_background, weights_of(counts[:n_classes]))
