"""The ways to a segmenter, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence

from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.tasks._classes._finetuned import INTERRUPTED
from topwork.tasks._task import Run, Strategy, only
from topwork.tasks.segmentation.decoder import require_decoders
from topwork.tasks.segmentation.decoder._options import DecoderOptions, FinetuneOptions
from topwork.tasks.segmentation.decoder._ready import UNHEARD
from topwork.tasks.segmentation.strategies import Fitted, ProbeOptions, fit_probe


def _probe(dataset: MaskDataset, backbones: Sequence[Backbone], options: ProbeOptions, run: Run) -> Fitted:
    return fit_probe(dataset, only("probe", backbones), options, announce=run.announce)


def _decoder(dataset: MaskDataset, backbones: Sequence[Backbone], options: DecoderOptions, run: Run) -> Fitted:
    require_decoders()
    from topwork.tasks.segmentation.decoder._frozen import fit_decoder

    return fit_decoder(dataset, only("decoder", backbones), options, announce=run.announce)


def _finetune(dataset: MaskDataset, backbones: Sequence[Backbone], options: FinetuneOptions, run: Run) -> Fitted:
    require_decoders()
    from topwork.tasks.segmentation.decoder._finetune import fit_finetuned

    return fit_finetuned(dataset, only("fine-tuning", backbones), options, announce=run.announce)


STRATEGIES = (
    Strategy(
        "probe", "Train a new head on pixels of the frozen backbone's maps; needs no PyTorch.", ProbeOptions, _probe
    ),
    Strategy(
        "decoder",
        "Train a decoder, such as a U-Net, on the frozen backbone's maps.",
        DecoderOptions,
        _decoder,
        unused=UNHEARD,
        broken_off=INTERRUPTED,
    ),
    Strategy(
        "finetune",
        "Train a decoder and the last stages of the network, or all stages.",
        FinetuneOptions,
        _finetune,
        unused=UNHEARD,
        distributed=True,
        broken_off=INTERRUPTED,
    ),
)
