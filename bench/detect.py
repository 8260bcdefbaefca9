"""Speed of a detector's prediction, files to boxes: torch eager beside topwork, in turns.

    OMP_NUM_THREADS=2 python bench/detect.py IMAGES [--images 100] [--repeats 5] [--classes 3] [--parts]

IMAGES is a folder of images. The plain way: Pillow decodes and resizes, timm's network and the head run in torch, eager
and float32, 16 images at a time, and torchvision's FCOS decodes. Ours is what ``predict`` does. The head's numbers are
random, drawn so that one score in a hundred is above the threshold. ``--parts`` adds what each part of ours takes, the
head in bfloat16, the backbone and the head as one network, and how far the boxes lie from torch's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor

from _report import header, spread, table
from topwork._system import Executor, available_cores
from topwork.backbones import Backbone, load
from topwork.engines import Engines, precisions
from topwork.engines._engine import openvino_core
from topwork.engines._openvino import _built, _map_of, _settings
from topwork.engines._package import openvino
from topwork.features import extract_few
from topwork.metrics import Detections, overlaps
from topwork.tasks.detection.network import Decoding, DetectorHead, HeadSpec, decode, torch_head
from topwork.tasks.detection.network._graph import _Head
from topwork.tasks.detection.network._module import TorchHead

BATCH = 16
DECODING = Decoding(threshold=0.05)  # below what a user is shown


class Plain:
    """The plain way: torch, timm and torchvision, with nothing of ours but the head's module."""

    def __init__(self, backbone: Backbone, head: TorchHead) -> None:
        self._network, self._head, self._size = backbone.module(), head, backbone.preprocessing.size
        self._stages, self._seen = head.spec.stages, dict[str, Tensor]()
        for name in self._stages:
            self._network.get_submodule(name).register_forward_hook(self._keep(name))
        values = backbone.preprocessing
        self._mean, self._std = (torch.tensor(each)[:, None, None] for each in (values.mean, values.std))
        identity: Any = torch.nn.Identity()
        identity.out_channels = 32
        self._fcos = torchvision.models.detection.FCOS(
            identity,
            head.spec.n_classes,
            score_thresh=DECODING.threshold,
            nms_thresh=DECODING.overlap,
            detections_per_img=DECODING.most,
            topk_candidates=DECODING.candidates,
        )

    def _keep(self, name: str) -> Callable[..., None]:
        def hook(module: object, given: object, found: Tensor) -> None:
            self._seen[name] = found

        return hook

    @torch.inference_mode()
    def __call__(self, files: list[Path]) -> list[dict[str, Tensor]]:
        found = []
        for start in range(0, len(files), BATCH):
            self._network.forward_features(torch.stack([self._read(file) for file in files[start : start + BATCH]]))
            found += self._decoded(self._head([self._seen[name] for name in self._stages]))
        return found

    def _read(self, file: Path) -> Tensor:
        image = Image.open(file).convert("RGB").resize((self._size, self._size), Image.Resampling.BILINEAR)
        return (torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 - self._mean) / self._std

    def _decoded(self, said: Any) -> list[dict[str, Tensor]]:
        spec = self._head.spec
        counts = [level.side**2 for level in spec.levels]
        x, y, stride = torch.from_numpy(spec.points).T
        half = stride / 2
        anchors = list(torch.stack([x - half, y - half, x + half, y + half], 1).split(counts))
        kinds = (
            ("cls_logits", said.logits),
            ("bbox_regression", said.distances),
            ("bbox_ctrness", said.logits),  # the root of p * p is p
        )
        outputs = {name: list(each.split(counts, 1)) for name, each in kinds}
        images = len(said.logits)
        return self._fcos.postprocess_detections(outputs, [anchors] * images, [(spec.size, spec.size)] * images)


class Ours:
    """What ``predict`` does: decoders and OpenVINO at once, then the head and NumPy."""

    def __init__(self, backbone: Backbone, head: DetectorHead) -> None:
        self._backbone, self._head = backbone, head
        self._outputs = backbone.maps(head.spec.stages)
        self._engines = Engines(backbone, self._outputs)

    def features(self, files: list[Path]) -> Any:
        how: Any = {"open_network": self._engines}
        return extract_few(files, self._backbone, self._outputs, engine="openvino", **how).values

    def __call__(self, files: list[Path]) -> list[Detections]:
        return self._head.detect(self.features(files), DECODING)


def random_head(spec: HeadSpec, features: Any) -> TorchHead:
    """Random numbers that find something: 1 % of the scores on these features are above the threshold."""
    torch.manual_seed(0)
    head = torch_head(spec)
    with torch.no_grad():
        head.logits.weight.mul_(20)
        head.distances.weight.mul_(20)
        for _ in range(5):
            head(torch.from_numpy(features))  # the norms learn how the maps are distributed
        head.eval()
        limit = torch.logit(torch.tensor(DECODING.threshold))
        head.logits.bias.add_(limit - head(torch.from_numpy(features)).logits.flatten().quantile(0.99))
    return head


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """On the clock, and of all cores together, which other jobs on the machine change less."""
    begun, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - used


def whole(plain: Plain, ours: Ours, files: list[Path], repeats: int) -> str:
    """Both ways in turns: many images, and one."""
    rows = []
    for name, some in ((f"{len(files)} images", files), ("one image", files[:1])):
        for way in (plain, ours):
            way(some)  # opened, and warm
        pairs = [(seconds(partial(plain, some)), seconds(partial(ours, some))) for _ in range(repeats)]
        speeds = [[len(some) / clock for clock, _ in way] for way in zip(*pairs, strict=True)]
        ratios = [[a[kind] / b[kind] for a, b in pairs] for kind in (0, 1)]
        rows.append([name, *(spread(each, 1) for each in (*speeds, *ratios))])
    head = ["files to boxes", "torch eager, images/s", "topwork, images/s", "ratio", "ratio of the cores' seconds"]
    return table(head, rows)


def parts(backbone: Backbone, head: DetectorHead, ours: Ours, files: list[Path], repeats: int) -> str:
    """Milliseconds an image of each part, in turns."""
    features = ours.features(files)
    images = np.stack(
        [np.asarray(Image.open(file).convert("RGB").resize((backbone.preprocessing.size,) * 2)) for file in files]
    )
    raw, found = head.raw(features), dict[str, list[list[float]]]()
    engine = Engines(backbone, backbone.maps(head.spec.stages))
    fused = _fused(backbone, head)

    def network() -> Any:
        with Executor("bench") as executor:
            batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
            opened = engine(_choice(), len(images))
            return np.concatenate(list(executor.map_ordered(opened, batches, in_flight=4)))

    ways: dict[str, Callable[[], object]] = {
        "files to features": lambda: ours.features(files),
        "pixels to features": network,
        "head, float32": lambda: head.raw(features),
        "head, float32, group norms": _grouped(head, features),
        "head, bfloat16": lambda: head.raw(features, precision="bf16"),
        "decoding": lambda: decode(raw, head.spec, DECODING),
        "head, float32, and decoding": lambda: head.detect(features, DECODING),
        "pixels to what the head says": lambda: head.raw(network()),
        "the same in one network": lambda: fused(images),
    }
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            found.setdefault(name, []).append([1000 * each / len(files) for each in seconds(way)])
    rows = [[name, *(spread(each, 2) for each in zip(*times, strict=True))] for name, times in found.items()]
    return table(["part of ours", "ms an image", "of the cores together"], rows)


def _choice() -> Any:
    from topwork.engines import EngineChoice

    return EngineChoice("openvino", precisions("openvino")[0])


class _Grouped(_Head):
    """The towers with group norms, as torchvision's FCOS has them."""

    def _normed(self, maps: Any, layer: str, norm: str, padding: int) -> Any:
        found = super()._normed(maps, layer, norm, padding)
        if norm.startswith("pyramid"):
            return found
        ones = openvino().opset13.constant(np.ones(self._spec.channels, np.float32))
        return openvino().opset13.group_normalization(found, ones, ones, num_groups=8, epsilon=1e-5)


def _grouped(head: DetectorHead, features: Any) -> Callable[[], object]:
    with mock.patch("topwork.tasks.detection.network._graph._Head", _Grouped):
        other = DetectorHead(head.spec, head.arrays)
        other.raw(features)
    return partial(other.raw, features)


def _fused(backbone: Backbone, head: DetectorHead) -> Callable[[Any], object]:
    """Backbone and head as one network, in the backbone's precision."""
    network: Any = _built(backbone)
    maps = [_map_of(network, backbone, stage) for stage in head.spec.stages]
    operators = openvino().opset13
    results = [operators.result(each) for each in _Head(head.spec, head.arrays).predicted(maps)]
    network = openvino().Model(results, network.get_parameters())
    network.reshape([BATCH, *network.input().get_partial_shape()[1:]])
    cores = available_cores()
    compiled = openvino_core().compile_model(network, "CPU", _settings(precisions("openvino")[0], cores, streams=cores))

    def call(batch: Any) -> list[Any]:
        request = compiled.create_infer_request()
        full = np.concatenate([batch, np.zeros((BATCH - len(batch), *batch.shape[1:]), np.uint8)])
        request.start_async({0: full}, share_inputs=True)
        request.wait()
        return [request.get_output_tensor(place).data[: len(batch)].copy() for place in range(len(results))]

    def run(images: Any) -> object:
        with Executor("bench") as executor:
            batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
            return list(executor.map_ordered(call, batches, in_flight=4))

    return run


def deviations(module: TorchHead, head: DetectorHead, features: Any) -> str:
    """How far boxes and scores of the same places lie from torch's, the head's part alone."""
    with torch.inference_mode():
        logits, distances, _ = module(torch.from_numpy(features))
    stride, rows = head.spec.points[:, 2:], []
    for precision in precisions("openvino"):
        raw = head.raw(features, precision=precision)
        pixels = np.abs((raw.distances - distances.numpy()) * stride).max(axis=2)
        one, other = (1 / (1 + np.exp(-each)) for each in (raw.logits, logits.numpy()))
        sure = other.max(axis=2) > DECODING.threshold
        told = [
            f"{np.quantile(each, 0.5):.1e} (at most {each.max():.1e})"
            for each in (pixels[sure], np.abs(one - other)[sure])
        ]
        rows.append([precision, *told, f"{_agreement(head, features, precision):.4f}"])
    return table(["head in", "box, pixels", "score", "mean overlap of found boxes with float32's"], rows)


def _agreement(head: DetectorHead, features: Any, precision: Any) -> float:
    found, expected = (head.detect(features, DECODING, precision=each) for each in (precision, "f32"))
    none = [np.zeros(len(each), np.bool_) for each in found]
    pairs = zip(expected, found, none, strict=True)
    return float(
        np.mean([overlaps(a.corners, b.corners, c).max(axis=1).mean() for a, b, c in pairs if len(a) and len(b)])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--parts", action="store_true")
    options = parser.parse_args()
    files = sorted(file for file in options.folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[: options.images]
    torch.set_num_threads(available_cores())
    backbone = load("lite0", size=options.size).replace(crop_mode="squash")
    spec = HeadSpec.of(backbone, options.classes)
    few = extract_few(files[:16], backbone, backbone.maps(spec.stages), engine="openvino").values
    module = random_head(spec, few)
    head = DetectorHead.from_module(module)
    ours = Ours(backbone, head)
    print(
        header(f"Detection at {options.size} pixels, Lite0, {spec.channels} channels, {spec.layers}, {spec.depth} deep")
    )
    print(whole(Plain(backbone, module), ours, files, options.repeats))
    if options.parts:
        print("", parts(backbone, head, ours, files, options.repeats), "", deviations(module, head, few), sep="\n")


if __name__ == "__main__":
    main()
