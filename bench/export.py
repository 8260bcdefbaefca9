"""Exports: how long one takes, how large it is, and images a second of each beside topwork's engine, in the same run.

Images a second are from decoded pixels of one size to probabilities, the preprocessing included, one image a call and
16: the ONNX file in ONNX Runtime, the IR in OpenVINO with its script's Pillow, timm in torch, and topwork's own engine
with its own preprocessing. The ways take turns.

    python bench/export.py MODEL IMAGES [--targets onnx,openvino,torch] [--count 64] [--repeats 5]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import topwork
from _report import header, spread, table
from topwork.data import decode, image_files
from topwork.exporting import Exported
from topwork.exporting._parity import loaded
from topwork.tasks import export

Way = Callable[[Sequence[Any]], Any]
_SIDE = (400, 360)  # width and height of the images that are timed


def engine(model: Any) -> Way:
    """Topwork itself, in the model's own precision."""

    def answer(images: Sequence[Any]) -> Any:
        return model.predict_proba(list(images))

    return answer


def script(exported: Exported) -> Way:
    """``predict.py``; where it makes the square itself, that is timed too."""
    module = loaded(exported.folder / "predict.py")
    if not hasattr(module, "square"):
        return module.answer
    return lambda images: module.answer([np.asarray(module.square(Image.fromarray(each))) for each in images])


def rate(way: Way, images: Sequence[Any], batch: int) -> float:
    began = time.perf_counter()
    for start in range(0, len(images), batch):
        way(images[start : start + batch])
    return len(images) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--targets", default="onnx,openvino,torch")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    model = topwork.load(given.model)
    files = list(image_files(str(given.images)))[: given.count]
    images = [np.asarray(Image.fromarray(decode(file)).resize(_SIDE)) for file in files]
    ways: dict[str, Way] = {f"topwork, {model.engine_choice.precision}": engine(model)}
    print(header(f"Exports of {model.record.backbone['name']}, {len(images)} images of {_SIDE[0]} x {_SIDE[1]}"))
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for target in given.targets.split(","):
            found = export(model, target, Path(folder) / target, images=files)
            agreed = [f"{each.farthest['probabilities']:.1g}" for each in found.parity.agreements]
            same = [f"{each.same_label:.1%}" for each in found.parity.agreements]
            size = sum(found.files.values()) / 1e6
            rows.append([target, f"{found.seconds:.1f}", f"{size:.1f}", " / ".join(agreed), " / ".join(same)])
            ways[found.parity.runtime] = script(found)
        print(table(["target", "seconds", "MB", "probabilities differ by (float32 / own)", "same label"], rows))
        print()
        for way in ways.values():  # each has seen both numbers of images before its clock starts
            rate(way, images[:16], 1)
            rate(way, images[:16], 16)
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(given.repeats):
            for name, way in ways.items():
                for batch in (1, 16):
                    rates.setdefault((name, batch), []).append(rate(way, images, batch))
    rows = [[name, *(spread(rates[name, batch]) for batch in (1, 16))] for name in ways]
    print(table(["images/s", "one a call", "16 a call"], rows))


if __name__ == "__main__":
    main()
