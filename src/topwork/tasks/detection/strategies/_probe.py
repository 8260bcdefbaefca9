"""The probe: a new pyramid and head on the maps of a frozen backbone, which is run once for each view of an image."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from topwork._system import freed_memory_kept
from topwork.backbones import Backbone, DetectorNetwork
from topwork.data import BoxDataset
from topwork.features import MapSamples, Progress
from topwork.tasks._classes._finetuned import notes_of, shown
from topwork.tasks._maps._training import in_what_is_left, seeded, too_short
from topwork.tasks._task import Announce
from topwork.tasks.detection.network import DetectorHead, torch_head
from topwork.tasks.detection.strategies._fitted import Fitted, judged
from topwork.tasks.detection.strategies._options import ProbeOptions, with_enough_steps
from topwork.tasks.detection.strategies._ready import Ready, ready
from topwork.train import Samples, TrainConfig, TrainResult

if TYPE_CHECKING:
    from topwork.tasks.detection.network._module import TorchHead


class Probed(NamedTuple):
    """A probe, its head as it can be trained further, and what its training took.

    Attributes:
        maps: Of the images that are learnt from, and of those that judge; they last as long as the context in which
            they were asked for.
        config: Of the training.
        seconds: That the head was trained.
    """

    fitted: Fitted
    head: TorchHead
    maps: tuple[MapSamples, MapSamples]
    config: TrainConfig
    seconds: float


@freed_memory_kept()
def fit_probe(
    dataset: BoxDataset, backbone: Backbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Fitted:
    """Train a head on the split ``train``; the other splits are only looked at, so that their maps are at hand.

    Of a detector that is trained already the boxes stay, and a new class layer is trained on its candidates.

    Raises:
        DataError: No training image has an object, or too few images to set any aside.
        BackboneError: The network has no maps that serve.
        TrainError: The training cannot be made, or not resumed.
    """
    say = announce or (lambda text: None)
    if isinstance(backbone, DetectorNetwork):
        from topwork.tasks.detection.strategies._candidates import fit_candidates

        return fit_candidates(dataset, backbone, options, say)
    with ready(dataset, backbone, options, say) as given, contextlib.ExitStack() as stack:
        return probed(given, options, say, stack).fitted


def probed(given: Ready, options: ProbeOptions, say: Announce, stack: contextlib.ExitStack) -> Probed:
    """A head trained on the maps of views of the images that are learnt from; the stack keeps the maps."""
    wanted = with_enough_steps(given.config(options.config), len(given.halves.learn))
    views = min(options.views, wanted.epochs)
    learn = stack.enter_context(given.maps(given.samples(given.halves.learn, given.augmentation()), views))
    check = stack.enter_context(given.maps(given.samples(given.halves.check), 1))
    config = in_what_is_left(wanted, learn, check, say)
    kept = {"checkpoint": options.checkpoint, "resume": options.resume}
    head, result = trained_head(given, (learn, check), config, say("training the head on kept maps"), **kept)
    found = DetectorHead.from_module(head.cpu())
    validation = judged(found, given.table, given.halves.check)
    notes = (*given.notes, *notes_of(result), *too_short(config, result, "the head", "the detector"))
    fitted = Fitted(found, given.table, validation, history=result.history, notes=notes)
    return Probed(fitted, head, (learn, check), config, result.seconds)


def trained_head(
    given: Ready, maps: tuple[Samples, Samples], config: TrainConfig, progress: Progress | None = None, **kept: Any
) -> tuple[TorchHead, TrainResult]:
    """A new head, trained on the first and judged by the second; ``kept`` tells where checkpoints lie."""
    from topwork.tasks.detection.strategies._loss import DetectionLoss
    from topwork.train import train

    head: TorchHead = seeded(torch_head, given.spec, given.options.seed)
    head.to(given.device)
    told = shown(progress, config, measure="AP of an image") if progress else None
    loss = DetectionLoss(given.spec)
    return head, train(head, *maps, config, layers=[("head", head)], loss=loss, progress=told, **kept)
