"""Images per second from files to features: the plain way and ours in the same run, and the bound beside them.

The plain way is what most scripts do: timm in eager float32, batches of 32, torchvision transforms on Pillow images, a
DataLoader with 2 workers. Its clock starts after the first batch, so that starting the workers is not counted.

    python bench/extract.py DATA [--backbone resnet50 --weights random] [--repeats 3]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from _report import header, spread, table
from topwork import extract, load_backbone, read
from topwork._system import available_cores
from topwork.backbones import Backbone
from topwork.engines import EngineChoice, decide, default_engine, open_engine
from topwork.features._read_ahead import ImageReader


def plain(paths: list[Path], backbone: Backbone) -> float:
    """Images per second of the plain way."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    values = backbone.preprocessing
    steps = transforms.Compose(
        [
            transforms.Resize(math.floor(values.size / values.crop)),
            transforms.CenterCrop(values.size),
            transforms.ToTensor(),
            transforms.Normalize(values.mean, values.std),
        ]
    )

    class Images(Dataset[Any]):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, index: int) -> Any:
            return steps(Image.open(paths[index]).convert("RGB"))

    network: Any = backbone.module()
    done, start = 0, 0.0
    with torch.inference_mode():
        for number, batch in enumerate(DataLoader(Images(), batch_size=32, num_workers=2)):
            network.forward_head(network.forward_features(batch), pre_logits=True)
            if number == 0:
                start = time.perf_counter()
            else:
                done += len(batch)
    return done / (time.perf_counter() - start)


def rate(count: int, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def decode_alone(paths: list[Path], backbone: Backbone) -> float:
    """Images per second of reading, decoding and resizing on all cores."""

    reader = ImageReader(backbone.preprocessing)

    def one(index: int) -> None:
        reader.read(paths, index, lambda key: False)

    with ThreadPoolExecutor(available_cores()) as pool:
        return rate(len(paths), lambda: list(pool.map(one, range(len(paths)), chunksize=8)))


def network_alone(backbone: Backbone, choice: EngineChoice, images: np.ndarray[Any, Any], count: int) -> float:
    """Images per second of the engine on pixels that are there already."""
    engine = open_engine(backbone, backbone.outputs("last"), choice)
    batch = np.resize(images, (engine.batch_size, *images.shape[1:]))
    engine(batch)
    calls = max(2, count // engine.batch_size)
    with ThreadPoolExecutor(engine.callers) as pool:
        return rate(calls * engine.batch_size, lambda: list(pool.map(engine, [batch] * calls)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plain-images", type=int, default=416, help="how many the plain way gets to see")
    options = parser.parse_args()
    backbone = load_backbone(options.backbone, weights=options.weights)
    dataset = read(options.data)
    paths = [dataset.full_path(index) for index in range(len(dataset))]
    reader = ImageReader(backbone.preprocessing)
    few = [reader.read(paths, index, lambda key: False).content for index in range(min(16, len(paths)))]
    pixels = np.stack([image for image in few if image is not None])
    choice = decide(backbone, default_engine(), pixels)
    figures: dict[str, list[float]] = {"plain": [], "ours": [], "decode": [], "network": []}
    stride = max(1, len(paths) // options.plain_images)
    for _ in range(options.repeats):
        figures["plain"].append(plain(paths[::stride], backbone))
        figures["ours"].append(rate(len(paths), lambda: extract(dataset, backbone, cache=False)))
        figures["decode"].append(decode_alone(paths, backbone))
        figures["network"].append(network_alone(backbone, choice, pixels, min(len(paths), 640)))
    bounds = [1 / (1 / d + 1 / n) for d, n in zip(figures["decode"], figures["network"], strict=True)]
    times = [ours / plain for ours, plain in zip(figures["ours"], figures["plain"], strict=True)]
    shares = [100 * ours / bound for ours, bound in zip(figures["ours"], bounds, strict=True)]
    print(header(f"Features of {len(paths)} images with {backbone.name}"))
    rows = [
        ("plain way, from files", spread(figures["plain"], 1)),
        (f"topwork, from files ({choice.name}, {choice.precision})", spread(figures["ours"])),
        ("decode alone", spread(figures["decode"])),
        ("network alone", spread(figures["network"])),
        ("bound: both on the same cores", spread(bounds)),
    ]
    print(table(("images per second: median (lowest–highest)", f"{options.repeats} runs"), rows))
    print(f"\ntopwork / plain: {spread(times, 1)} times · share of the bound: {spread(shares)} %")
    alone = statistics.median(figures["network"]) / statistics.median(figures["plain"])
    print(f"network alone / plain: {alone:.1f} times, the most that any pipeline could reach here")


if __name__ == "__main__":
    main()
