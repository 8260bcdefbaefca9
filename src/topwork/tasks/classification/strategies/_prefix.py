"""The frozen prefix: the stages that are not trained, run once for every view of an image; their maps are kept on disk.

In each further epoch, and wherever a view is seen again, training begins at the maps. Where torch trains on a CPU even
the first time gains, since a frozen prefix runs in the engine.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from topwork.backbones import Backbone
from topwork.backbones.layers import Prefix, embed, tail_of
from topwork.engines import EngineChoice, open_prefix
from topwork.features import MapSamples, scratch
from topwork.tasks.classification.strategies._augment import UInt8Array
from topwork.tasks.classification.strategies._pictures import ImageSamples
from topwork.tasks.classification.strategies._tunable import Tunable
from topwork.train import Layers

_BYTES = 2  # of a number in bfloat16
_WORTH = 0.1  # share of a step's operations that the prefix must make up
_FEWEST_VIEWS = 4  # with fewer the images would be seen too much alike
_DISK = 16 * 2**30  # bytes of maps, at most
_FREE = 0.5  # share of what is free on the disk


@dataclass(frozen=True, eq=False)
class KeptPrefix:
    """A model cut in two where its training begins."""

    model: Tunable  # of the maps; its parameters are those of the model that was cut
    layers: Layers  # what is trained of it
    stage: str  # the last one of the prefix
    views: int  # augmented ones of an image that there is room for
    shape: tuple[int, ...]  # of one image's map
    engine: Callable[[UInt8Array], torch.Tensor]  # uint8 (n, size, size, 3) to maps
    choice: EngineChoice

    @contextlib.contextmanager
    def samples(self, images: ImageSamples) -> Iterator[MapSamples]:
        """The images' maps, on disk for as long as the context lasts."""
        views = self.views if images.varied else 1
        with scratch((views, len(images.labels), *self.shape), np.int16) as maps:
            yield MapSamples(images, self.engine, maps, f"{self.stage} {views} {self.choice}")


def kept_prefix(
    model: Tunable, layers: Layers, backbone: Backbone, choice: EngineChoice, images: int, views: int
) -> KeptPrefix | None:
    """Cut a model where its training begins, if that can be done and pays.

    It does not where the network is no chain there, where the prefix is less than a tenth of the operations of a
    step, where there is no room on the disk, and on a GPU unless the maps are smaller than the images: it computes
    them faster than they can be sent to it.

    The model is whole, and on the device where it is to be trained; ``views`` of each image are wanted besides the
    image as it is, and 0 cuts nothing.
    """
    frozen = len(backbone.stages) - (len(layers) - 1)
    if frozen <= 0 or views == 0:  # one without stages is trained as a whole
        return None
    stage, size = backbone.stages[frozen - 1].name, backbone.preprocessing.size
    network = tail_of(model.network, backbone, stage)
    if network is None:
        return None
    example = torch.zeros(1, 3, size, size, device=next(model.parameters()).device)
    with torch.no_grad():
        maps = Prefix(model.network, stage)(example)
    room = _room_for(images, _BYTES * maps.numel())
    slow = maps.is_cuda and _BYTES * maps.numel() > example.numel()
    if slow or room < min(views, _FEWEST_VIEWS) or share_saved(model.network, network, stage, example) < _WORTH:
        return None
    tail = Tunable(network, model.head, nn.Identity())
    engine = open_prefix(backbone, stage, choice)
    return KeptPrefix(
        tail, of_tail(layers, model, tail), stage, min(views, room), tuple(maps.shape[1:]), engine, choice
    )


def share_saved(network: nn.Module, tail: nn.Module, stage: str, images: torch.Tensor) -> float:
    """Share of a training step's operations that lie before the end of a stage.

    A frozen layer costs its forward pass; a trained one about three times that, since the backward pass is two. Images
    are normalised (n, 3, size, size).
    """
    with torch.no_grad(), FlopCounterMode(display=False) as before:
        maps = Prefix(network, stage)(images)
    with torch.no_grad(), FlopCounterMode(display=False) as behind:
        embed(tail, maps)
    frozen, trained = int(before.get_total_flops()), 3 * int(behind.get_total_flops())
    return frozen / (frozen + trained)


def _room_for(images: int, size: int) -> int:
    """Views, besides the image as it is, that the disk may hold."""
    room = min(_DISK, _FREE * shutil.disk_usage(tempfile.gettempdir()).free)
    return math.floor(room / (images * size)) - 1


def of_tail(layers: Layers, model: Tunable, tail: Tunable) -> Layers:
    """The same layers, of the tail: modules of its own, which share the parameters."""
    names = {module: name for name, module in model.named_modules()}
    *stages, head = layers
    return [
        *(
            (stage, nn.ModuleList([tail.get_submodule(names[module]) for module in layer.modules() if module in names]))
            for stage, layer in stages
        ),
        head,
    ]
