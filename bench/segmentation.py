"""How good the pixel probe, or another strategy, is in how many seconds; the probe beside a plain U-Net from 5 images.

    python bench/segmentation.py DATA --part whole [--fit="--strategy finetune --budget 6m"]
    python bench/segmentation.py DATA --part few [--images 5] [--seeds 0 1 2 3 4] [--test 70] [--seconds 60]
    python bench/segmentation.py --part large [--side 20000] [--tile 512]

Whole: what `topwork fit` says and takes, the pixel probe unless told otherwise; a process of its own with an empty
cache, by the wall and by its processor seconds (of all cores).

Few: for each seed so many images of the training part are labelled; the probe fits on them, which sets the processor
seconds that the U-Net has, or ``--seconds`` where these are more: segmentation-models-pytorch's, around the same Lite0
with the same ImageNet weights, all of it trained by AdamW under one cosine that ends with the time, on crops that are
flipped and turned. Both are measured on the test part; the IoU of the foreground is of all pixels together.

Large: one image in parts, from its JPEG, its outlines as GeoJSON, and the most memory that the process had.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _report import header, spread, table
from topwork.backbones import load
from topwork.data import MaskDataset, decode, read_masks
from topwork.metrics import mask_counts, segmentation_report
from topwork.tasks.segmentation._evaluated import counted
from topwork.tasks.segmentation._load import SIZE
from topwork.tasks.segmentation._seen import look
from topwork.tasks.segmentation.outlines import write_outlines
from topwork.tasks.segmentation.strategies import ProbeOptions, fit_probe

_BATCH, _RATE = 8, 1e-3


def whole(data: str, arguments: list[str]) -> None:
    """What the command says and takes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "topwork", "fit", data, "-o", f"{folder}/model", *arguments]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "TOPWORK_CACHE": f"{folder}/cache"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(header(f"topwork fit {' '.join(arguments)}, cold"))
    print("\n".join(f"    {line}" for line in done.stdout.splitlines()[:5]))
    print(f"\n{wall:.0f} s by the wall, {own:.0f} processor seconds, {after.ru_maxrss / 1024:.0f} MB at most")


def few(data: str, images: int, seeds: list[int], most: int, seconds: float) -> None:
    """The probe and a U-Net in the same processor seconds."""
    dataset = read_masks(data)
    test = dataset.split("test")
    test = test.select(np.arange(len(test))[:most])
    rows, ours, theirs = list[list[str]](), list[float](), list[float]()
    for seed in seeds:
        train = np.flatnonzero(dataset.splits == "train")
        chosen = np.sort(np.random.default_rng(seed).choice(train, images, replace=False))
        few = dataset.select(chosen)
        began = time.process_time()
        fitted = fit_probe(few, load("lite0", size=SIZE), ProbeOptions(seed=seed))
        took = time.process_time() - began
        seen, _ = look(
            test, fitted.table.backbone, fitted.table.outputs, lambda row, maps: None, wanted=lambda row: False
        )
        probe = _iou(counted(seen, fitted.head, fitted.deciding), dataset)
        given = max(took, seconds)
        unet, steps = _unet(few, test, given, seed)
        ours.append(probe)
        theirs.append(unet)
        rows.append([str(seed), f"{100 * probe:.1f}", f"{100 * unet:.1f}", f"{took:.0f}", f"{given:.0f}", str(steps)])
        print(*rows[-1], flush=True, file=sys.stderr)
    print(header(f"{images} labelled images: the pixel probe and a plain U-Net"))
    print(
        table(
            ["seed", "probe IoU %", "U-Net IoU %", "processor seconds of the probe", "of the U-Net", "its steps"], rows
        )
    )
    print(f"\nprobe {spread([100 * each for each in ours], 1)}, U-Net {spread([100 * each for each in theirs], 1)}")


def _iou(counts: Any, dataset: MaskDataset) -> float:
    found = segmentation_report(counts, dataset.classes, has_background=dataset.has_background, resamples=1).iou
    return 0.0 if found is None else found.value


def _unet(train: MaskDataset, test: MaskDataset, seconds: float, seed: int) -> tuple[float, int]:
    """IoU on the test part, and steps that were made."""
    import segmentation_models_pytorch as smp
    import torch
    from torch.nn.functional import cross_entropy, interpolate

    torch.manual_seed(seed)
    backbone = load("lite0", size=256)
    net = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=len(train.classes))
    lost = net.encoder.model.load_state_dict(backbone.module().state_dict(), strict=False)
    assert not lost.missing_keys, lost.missing_keys
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (backbone.preprocessing.mean, backbone.preprocessing.std)
    )
    side = 256

    def tensor(image: np.ndarray) -> torch.Tensor:
        return (torch.from_numpy(image.copy()).permute(2, 0, 1) / 255 - mean) / std

    pairs = [
        (tensor(decode(train.source(row))), torch.from_numpy(train.mask(row).labels).long())
        for row in range(len(train))
    ]
    rng = np.random.default_rng(seed)

    def crop() -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = pairs[int(rng.integers(len(pairs)))]
        top, left = (int(rng.integers(max(1, length - side + 1))) for length in mask.shape)
        image, mask = image[:, top : top + side, left : left + side], mask[top : top + side, left : left + side]
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        image, mask = torch.rot90(image, turns, (1, 2)), torch.rot90(mask, turns, (0, 1))
        return (image.flip(2), mask.flip(1)) if flip else (image, mask)

    optimiser, steps = torch.optim.AdamW(net.parameters(), _RATE), 0
    net.train()
    began = time.process_time()
    while (share := (time.process_time() - began) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 + math.cos(math.pi * share)) / 2
        images, masks = (torch.stack(each) for each in zip(*(crop() for _ in range(_BATCH)), strict=True))
        optimiser.zero_grad()
        cross_entropy(net(images), masks, ignore_index=-1).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        steps += 1
    net.eval()
    counts = []
    with torch.no_grad():
        for row in range(len(test)):
            image = tensor(decode(test.source(row)))[None]
            height, width = image.shape[2:]
            padded = torch.nn.functional.pad(image, (0, -width % 32, 0, -height % 32), mode="replicate")
            logits = interpolate(net(padded), scale_factor=1)[0, :, :height, :width]
            labels = logits.argmax(dim=0).numpy().astype(np.uint8)
            how: Any = {"has_background": test.has_background}
            counts.append(mask_counts(test.mask(row), labels, len(test.classes), **how))
    return _iou(counts, test), steps


def large(side: int, tile: int) -> None:
    """One large image in parts, by a model of drawn images; then its outlines."""
    import topwork
    from topwork.tasks.segmentation._sample import sample

    os.environ["TOPWORK_MAX_PIXELS"] = str(side**2)
    data = sample().dataset
    model: Any = topwork.fit(data, task="segmentation", strategy="probe", backbone=load("lite0", size=SIZE))
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "large.jpg")
        subprocess.run([sys.executable, "-c", _TILED, data.full_path(0), str(side), image], check=True)
        before = _most_memory()
        began = time.perf_counter(), time.process_time()
        (found,) = model.predict([image], tile=tile)
        took = time.perf_counter() - began[0], time.process_time() - began[1]
        after = _most_memory()
        assert found.size == (side, side), found.error
        began = time.perf_counter(), time.process_time()
        count = write_outlines(found.features(), Path(folder, "large.geojson"))
        drawn = time.perf_counter() - began[0], time.process_time() - began[1]
        bytes_of = [Path(folder, each).stat().st_size / 2**20 for each in ("large.jpg", "large.geojson")]
    print(header(f"One image of {side} x {side} pixels, in parts of {tile}"))
    print(f"predict: {took[0]:.0f} s by the wall, {took[1]:.0f} processor seconds; the file has {bytes_of[0]:.0f} MB")
    print(
        f"most memory {after:.0f} MB, {before:.0f} MB of it before; the image is {3 * side**2 / 2**20:.0f} MB, its "
        f"mask {found.labels.nbytes / 2**20:.0f} MB, probabilities of the whole would be "
        f"{len(data.classes) * side**2 * 4 / 2**20:.0f} MB"
    )
    print(
        f"outlines: {count:,} in {bytes_of[1]:.0f} MB, {drawn[0]:.0f} s by the wall, {drawn[1]:.0f} processor seconds; "
        f"most memory then {_most_memory():.0f} MB"
    )
    print(f"shares: {found.shares()}")


_TILED = """
import sys
import numpy as np
from PIL import Image
one, side = np.asarray(Image.open(sys.argv[1]).convert("RGB")), int(sys.argv[2])
times = -(-side // one.shape[0]), -(-side // one.shape[1])
Image.fromarray(np.tile(one, (*times, 1))[:side, :side]).save(sys.argv[3], quality=90)
"""  # in a process of its own, whose memory is not counted


def _most_memory() -> float:
    """Megabytes that the process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--part", choices=("whole", "few", "large"), required=True)
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--fit", default="--strategy probe", type=shlex.split)
    given = parser.parse_args()
    if given.part == "large":
        return large(given.side, given.tile)
    if given.data is None:
        parser.error("name the data")
    return (
        whole(given.data, given.fit)
        if given.part == "whole"
        else few(given.data, given.images, given.seeds, given.test, given.seconds)
    )


if __name__ == "__main__":
    main()
