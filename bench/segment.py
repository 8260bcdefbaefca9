"""Speed of a segmenter's prediction, pixels to a mask: torch eager beside topwork, in turns.

    OMP_NUM_THREADS=2 python bench/segment.py [--size 512] [--images 8] [--repeats 7] [--decoder unet] [--parts]

The plain way is segmentation-models-pytorch's U-Net on timm's Lite0 as its documentation builds it, in torch, eager and
float32: normalised, one forward, softmax, the most probable class. Beside it stands the network that topwork trains, in
torch eager; its decoder is narrower and stops at stride 2. Ours is what ``predict`` does with pixels: the backbone and
the decoder in OpenVINO, then the probabilities of the image's pixels. Weights are random numbers, the pixels too.
``--parts`` adds what each part of ours takes, and backbone and decoder as one network.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch

from _report import header, spread, table
from topwork._system import available_cores
from topwork.backbones import Backbone, load
from topwork.engines import EngineChoice, Engines, precisions
from topwork.engines._engine import openvino_core
from topwork.engines._openvino import _built, _map_of, _settings
from topwork.engines._package import openvino
from topwork.tasks.segmentation._decide import Deciding
from topwork.tasks.segmentation._told import told
from topwork.tasks.segmentation.decoder import DecoderHead, DecoderSpec, torch_decoder
from topwork.tasks.segmentation.decoder._graph import decoded
from topwork.tasks.segmentation.decoder._network import Network
from topwork.tasks.segmentation.network import Placed, strips


class Plain:
    """A torch module that takes normalised images, one image at a time."""

    def __init__(self, module: torch.nn.Module, backbone: Backbone) -> None:
        values = backbone.preprocessing
        self._module = module.eval()
        self._mean, self._std = (torch.tensor(each)[:, None, None] for each in (values.mean, values.std))

    @torch.inference_mode()
    def __call__(self, images: Any) -> list[Any]:
        found = []
        for image in images:
            pixels = (torch.from_numpy(image).permute(2, 0, 1) / 255 - self._mean) / self._std
            logits = self._module(pixels[None])
            if logits.shape[-1] != image.shape[0]:
                logits = torch.nn.functional.interpolate(logits, size=image.shape[:2], mode="bilinear")
            found.append(logits.softmax(1).argmax(1)[0].numpy().astype(np.uint8))
        return found


class Eager(torch.nn.Module):
    """The network that topwork trains, of normalised images."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.maps, self.decoder = network.maps, network.decoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.decoder(self.maps(images))
        return found


class Ours:
    """Backbone and decoder in OpenVINO, and the probabilities of the image's own pixels."""

    def __init__(self, backbone: Backbone, head: DecoderHead) -> None:
        self.backbone, self.head = backbone, head
        outputs = backbone.maps(head.spec.stages)
        self.engine = Engines(backbone, outputs)(EngineChoice("openvino", precisions("openvino")[0]), 1)
        size = backbone.preprocessing.size
        self._placed = Placed.of(head.spec.grid, backbone.preprocessing, size, size)
        self._size = size

    def mask(self, logits: Any) -> Any:
        parts, size = strips(logits, self._placed), (self._size, self._size)
        return told(parts, size, Deciding(), self.head.spec.n_classes, has_background=True).labels

    def __call__(self, images: Any) -> list[Any]:
        return [self.mask(self.head.logits(self.engine(image[None]))[0]) for image in images]


def joined(backbone: Backbone, head: DecoderHead) -> Callable[[Any], list[Any]]:
    """Backbone and decoder as one network."""
    network: Any = _built(backbone)
    maps = [_map_of(network, backbone, stage).get_node() for stage in head.spec.stages]
    found = decoded(head.spec, head.arrays, maps)
    network = openvino().Model([openvino().opset13.result(found)], network.get_parameters())
    settings = _settings(precisions("openvino")[0], available_cores(), streams=1)
    compiled = openvino_core().compile_model(network, "CPU", settings)
    request = compiled.create_infer_request()

    def run(images: Any) -> list[Any]:
        logits = []
        for image in images:
            request.start_async({0: image[None]}, share_inputs=True)
            request.wait()
            logits.append(request.get_output_tensor().data[0].copy())
        return logits

    return run


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of all cores together, which other jobs on the machine change less."""
    begun, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - used


def whole(plain: dict[str, Plain], ours: Ours, images: Any, repeats: int) -> str:
    """Each plain way beside ours, in turns, an image at a time."""
    rows = []
    for name, way in plain.items():
        for each in (way, ours):
            each(images[:1])
        pairs = [(seconds(partial(way, images)), seconds(partial(ours, images))) for _ in range(repeats)]
        clocks = [[1000 * clock / len(images) for clock, _ in side] for side in zip(*pairs, strict=True)]
        ratios = [[a[kind] / b[kind] for a, b in pairs] for kind in (0, 1)]
        rows.append([name, *(spread(each, 0) for each in clocks), *(spread(each, 1) for each in ratios)])
    head = ["plain way", "torch eager, ms an image", "topwork, ms an image", "ratio", "ratio of the cores' seconds"]
    return table(head, rows)


def parts(ours: Ours, images: Any, repeats: int) -> str:
    """Milliseconds an image of each part, in turns."""
    features = ours.engine(images[:1])
    logits = ours.head.logits(features)[0]
    one = joined(ours.backbone, ours.head)
    ways: dict[str, Callable[[], object]] = {
        "backbone": lambda: [ours.engine(image[None]) for image in images],
        "decoder": lambda: [ours.head.logits(features) for _ in images],
        "backbone and decoder as one network": lambda: one(images),
        "logits to a mask": lambda: [ours.mask(logits) for _ in images],
    }
    found = dict[str, list[tuple[float, ...]]]()
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            found.setdefault(name, []).append(tuple(1000 * each / len(images) for each in seconds(way)))
    rows = [[name, *(spread(each, 1) for each in zip(*times, strict=True))] for name, times in found.items()]
    return table(["part of ours", "ms an image", "of the cores together"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--decoder", default="unet")
    parser.add_argument("--parts", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(available_cores())
    torch.manual_seed(0)
    backbone = load("lite0", size=options.size).replace(crop_mode="squash")
    spec = DecoderSpec.of(backbone, 2, options.decoder, border=True)
    network = Network(backbone, torch_decoder(spec)).eval()
    library = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=3)
    plain = {
        "the library's U-Net": Plain(library, backbone),
        f"our network ({options.decoder})": Plain(Eager(network), backbone),
    }
    ours = Ours(backbone, DecoderHead.from_module(network.decoder))
    images = np.random.default_rng(0).integers(0, 256, (options.images, options.size, options.size, 3), dtype=np.uint8)
    print(header(f"Segmentation at {options.size} pixels, Lite0, {options.decoder}"))
    print(whole(plain, ours, images, options.repeats))
    if options.parts:
        print("", parts(ours, images, options.repeats), sep="\n")


if __name__ == "__main__":
    main()
