"""Detectors from ImageNet weights: accuracy beside torchvision's own heads, and what keeping maps saves.

    python bench/detection.py DATA --part accuracy [--seeds 0 1 2] [--test 40] [--ways probe fcos ssdlite]
    python bench/detection.py DATA --part speed [--images 64] [--repeats 3]

Accuracy: for each seed so many images are held out, and each way learns from the others. The first way sets the
processor seconds (of all cores) that the others have. torchvision's FCOS and SSDlite stand around the same Lite0 with
the same ImageNet weights, since no other weights can be had here; they train all of it, on the same augmented images,
by AdamW under one cosine that ends with the time.

Speed: images a second of a head's training on kept maps, and of the same head's on the same images where the frozen
backbone runs in torch for every image, by turns.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections import OrderedDict
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.layers import norm_act
from torch import nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead, _extra_block
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

from _report import header, table
from topwork.backbones import Backbone, load
from topwork.backbones.layers import Maps
from topwork.data import BoxDataset, read_boxes, split
from topwork.features import Squares, squares
from topwork.metrics import DetectionReport, Detections, detection_report
from topwork.tasks._maps._training import seeded
from topwork.tasks.detection.network import in_image, torch_head
from topwork.tasks.detection.strategies import (
    FinetuneOptions,
    HeadOptions,
    ProbeOptions,
    finetune_config,
    fit_finetuned,
    fit_probe,
    judged,
    probe_config,
)
from topwork.tasks.detection.strategies._augment import Augmentation
from topwork.tasks.detection.strategies._detector import Detector
from topwork.tasks.detection.strategies._loss import DetectionLoss
from topwork.tasks.detection.strategies._ready import Ready, ready
from topwork.tasks.detection.strategies._samples import BoxSamples
from topwork.train import Samples, train

STAGES = ("blocks.2", "blocks.4", "blocks.6")  # of Lite0, at strides 8, 16 and 32
WIDTHS = (40, 112, 320)
RATE, BATCH, WARMUP = 5e-4, 16, 0.1  # of torchvision's


class Result(NamedTuple):
    """What a way came to on the images that were held out."""

    report: DetectionReport
    processor: float  # seconds, of all cores
    passes: float  # over the images that it learnt from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--part", choices=("accuracy", "speed"), required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--ways", nargs="+", default=["probe", "fcos", "ssdlite"])
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(header(__doc__))
    dataset, backbone = read_boxes(options.data), load("lite0", size=options.size)
    if options.part == "accuracy":
        accuracy(dataset, backbone, options)
    else:
        speed(dataset, backbone, options)


def accuracy(dataset: BoxDataset, backbone: Backbone, options: argparse.Namespace) -> None:
    rows = []
    for seed in options.seeds:
        data = split(dataset, test=options.test / len(dataset), seed=seed)
        budget = 0.0
        for way in options.ways:
            if way in ("probe", "finetune"):
                found = ours(way, data, backbone, seed)
            else:
                found = theirs(way, data, backbone.replace(crop_mode="squash"), seed, budget)
            budget = budget or found.processor
            figures = [f"{100 * each.value:.1f}" for each in (found.report.ap50, found.report.ap) if each is not None]
            rows.append((str(seed), way, *figures, f"{found.passes:.1f}", f"{found.processor:.0f}"))
            print("\t".join(rows[-1]), flush=True)
    print(table(("seed", "way", "AP50", "AP", "passes", "processor seconds"), rows))


def ours(way: str, data: BoxDataset, backbone: Backbone, seed: int) -> Result:
    began = time.process_time()
    if way == "probe":
        fitted = fit_probe(data, backbone, ProbeOptions(seed=seed, cache=False, config=probe_config()))
    else:
        options = FinetuneOptions(probe=HeadOptions(seed=seed, cache=False), config=finetune_config())
        fitted = fit_finetuned(data, backbone, options)
    spent = time.process_time() - began
    test = np.flatnonzero(fitted.table.dataset.splits == "test")
    return Result(judged(fitted.head, fitted.table, test).report, spent, float(len(fitted.history)))


def theirs(way: str, data: BoxDataset, backbone: Backbone, seed: int, budget: float) -> Result:
    torch.manual_seed(seed)
    model = (fcos if way == "fcos" else ssdlite)(backbone)
    learn, test = (np.flatnonzero(data.splits == name) for name in ("train", "test"))
    with squares(data, backbone.preprocessing, None) as images:
        began = time.process_time()
        passes = fit_plainly(model, samples_of(images, data, backbone, learn, seed), budget, seed)
        spent = time.process_time() - began
        found = [detections(model, images.pixels[row]) for row in test.tolist()]
    held = data.select(test)
    placed = (
        in_image(each, backbone.preprocessing, *size) for each, size in zip(found, held.sizes.tolist(), strict=True)
    )
    return Result(detection_report(held.all_boxes(), [*placed], data.classes), spent, passes)


def samples_of(images: Squares, data: BoxDataset, backbone: Backbone, rows: Any, seed: int) -> BoxSamples:
    return BoxSamples(images, data, backbone.preprocessing, rows, augmentation=Augmentation(), seed=seed)


def fit_plainly(model: nn.Module, samples: BoxSamples, budget: float, seed: int) -> float:
    """Train as long as there is processor time; gives the passes over the images."""
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.05)
    count, seen, began, rng = len(samples.labels), 0, time.process_time(), np.random.default_rng(seed)
    model.train()
    while True:
        epoch = seen // count
        for rows in np.array_split(rng.permutation(count), math.ceil(count / BATCH)):
            share = (time.process_time() - began) / budget
            if share >= 1:
                return seen / count
            rising, falling = share / WARMUP, 0.5 * (1 + math.cos(math.pi * (share - WARMUP) / (1 - WARMUP)))
            for group in optimizer.param_groups:
                group["lr"] = RATE * (rising if share < WARMUP else falling)
            images, targets = samples.batch(epoch, rows)
            boxes = [each[each[:, 4] >= 0] for each in targets]
            asked = [{"boxes": each[:, :4], "labels": each[:, 4].long() + 1} for each in boxes]  # 0 is the background
            loss = sum(model([*(images.float() / 255)], asked).values())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 5.0)
            optimizer.step()
            seen += len(rows)


def detections(model: nn.Module, pixels: Any) -> Detections:
    model.eval()
    with torch.no_grad():
        found = model([torch.tensor(pixels).permute(2, 0, 1).float() / 255])[0]
    order = found["scores"].argsort(descending=True)
    labels = (found["labels"][order] - 1).numpy().astype(np.int32)
    return Detections(found["boxes"][order].numpy(), found["scores"][order].numpy(), labels)


def network_of(backbone: Backbone) -> nn.Module:
    """With trainable weights and frozen norms, as torchvision's detectors have their backbones."""
    network: nn.Module = norm_act.freeze_batch_norm_2d(backbone.module())
    return network.requires_grad_(True)


class Pyramid(nn.Module):
    """Lite0's maps with torchvision's feature pyramid, as its ``fcos_resnet50_fpn`` has it."""

    out_channels = 256

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.maps = Maps(network_of(backbone), STAGES)
        self.pyramid = FeaturePyramidNetwork([*WIDTHS], 256, LastLevelP6P7(256, 256))

    def forward(self, images: torch.Tensor) -> Any:
        return self.pyramid(OrderedDict((str(place), each) for place, each in enumerate(self.maps(images))))


class Extras(nn.Module):
    """Lite0's maps at strides 16 and 32 and four more, as torchvision's ``ssdlite320`` has them."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.maps = Maps(network_of(backbone), STAGES[1:])
        widths = (WIDTHS[2], 512, 256, 256, 128)
        pairs = itertools.pairwise(widths)
        self.extra = nn.ModuleList(_extra_block(before, after, NORM) for before, after in pairs)

    def forward(self, images: torch.Tensor) -> Any:
        found = self.maps(images)
        for block in self.extra:
            found.append(block(found[-1]))
        return OrderedDict((str(place), each) for place, each in enumerate(found))


NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)


def fcos(backbone: Backbone) -> nn.Module:
    size, values = backbone.preprocessing.size, backbone.preprocessing
    means: Any = {"image_mean": [*values.mean], "image_std": [*values.std]}
    return FCOS(Pyramid(backbone), 2, min_size=size, max_size=size, **means)


def ssdlite(backbone: Backbone) -> nn.Module:
    size, values = backbone.preprocessing.size, backbone.preprocessing
    boxes = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    head = SSDLiteHead([112, 320, 512, 256, 256, 128], boxes.num_anchors_per_location(), 2, NORM)
    how: Any = {"score_thresh": 0.01, "nms_thresh": 0.55, "detections_per_img": 100, "topk_candidates": 300}
    return SSD(
        Extras(backbone), boxes, (size, size), 2, head=head, image_mean=[*values.mean], image_std=[*values.std], **how
    )


def speed(dataset: BoxDataset, backbone: Backbone, options: argparse.Namespace) -> None:
    some = dataset.select(np.arange(min(options.images, len(dataset))))
    rates: dict[str, list[float]] = {"kept maps": [], "without": []}
    how = HeadOptions(cache=False, views=1)
    with ready(split(some, test=0.1, seed=0), backbone, how, lambda text: None) as given:
        learn = given.samples(given.halves.learn, given.augmentation())
        check = given.samples(given.halves.check[:1])
        with given.maps(learn, 1) as kept, given.maps(check, 1) as kept_check:
            for turn in range(options.repeats + 1):
                found = {"kept maps": head_alone(given, kept, kept_check), "without": whole(given, learn, check)}
                for name, rate in found.items():
                    rates[name] += [rate] if turn else []  # the first turn makes the maps and allocates
                print("\t".join(f"{name} {rate:.1f}" for name, rate in found.items()), flush=True)
    median = {name: float(np.median(each)) for name, each in rates.items()}
    rows = [(name, f"{rate:.1f}", f"{rate / median['without']:.2f}") for name, rate in median.items()]
    print(table(("training a head", "images/s", "times"), rows))


def head_alone(given: Ready, learn: Samples, check: Samples) -> float:
    head = seeded(torch_head, given.spec, 0)
    return rate(given, head, [("head", head)], learn, check)


def whole(given: Ready, learn: Samples, check: Samples) -> float:
    detector = Detector(given.backbone, seeded(torch_head, given.spec, 0))
    return rate(given, detector, [("head", detector.head)], learn, check)


def rate(given: Ready, model: nn.Module, layers: Any, learn: Samples, check: Samples) -> float:
    """Images a second of one epoch's steps."""
    config = given.config(probe_config(epochs=1))
    result = train(model, learn, check, config, layers=layers, loss=DetectionLoss(given.spec))
    return result.history[0].samples_per_second


if __name__ == "__main__":
    main()
