"""SAM's image encoder at a real ViT-B's size, with random weights: torch as transformers runs it, and topwork's engine.

    python bench/sam.py [--repeats 3] [--network sam-vit-b] [--layers 3]

Both take turns on one image of 1024 pixels, in float32 (in bfloat16 too where the processor has it), and the same
numbers must come out. Beside it is said what the products of SAM's encoder alone would take at the speed of one large
product: less than that there is not in float32. Then what a second prompt costs: the embedding from the cache, and the
mask decoder. Speed alone is measured; random weights find nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from _report import header

PLAIN = "torch eager (transformers)"


class Spent(NamedTuple):
    """Seconds by the clock, and of the cores: other jobs on the machine move the first far more than the second."""

    wall: float
    cores: float


def spent(call: Callable[[], Any]) -> tuple[Spent, Any]:
    began, worked = time.perf_counter(), time.process_time()
    found = call()
    return Spent(time.perf_counter() - began, time.process_time() - worked), found


def plain_encoder(network: Any) -> Callable[[Any], Any]:
    """transformers' own network with its default attention, in eager mode, on a normalised image."""
    import torch
    import transformers

    from topwork.backbones._promptable_module import whole_network
    from topwork.backbones._segmenter_files import segmenter_config

    kind = transformers.SamModel if network.config["model_type"] == "sam" else transformers.Sam2Model
    own = kind(segmenter_config(dict(network.config), network.name)).eval()
    own.load_state_dict(whole_network(network).state_dict())
    mean, std = (
        torch.tensor(each).view(1, 3, 1, 1) for each in (network.preprocessing.mean, network.preprocessing.std)
    )

    def run(square: Any) -> Any:
        with torch.inference_mode():
            pixels = (torch.from_numpy(square.copy()).permute(2, 0, 1)[None] / 255 - mean) / std
            return own.get_image_embeddings(pixels).flatten().numpy()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--network", default="sam-vit-b")
    parser.add_argument("--layers", type=int, help="only so many of its layers, the last of them over the whole image")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TOPWORK_CACHE"] = cache
        measure(given.network, given.repeats, given.layers)


def measure(name: str, repeats: int, layers: int | None) -> None:
    from topwork.backbones import load_segmenter
    from topwork.engines import EngineChoice, open_engine, precisions

    network: Any = load_segmenter(name, weights="random:1")
    part = ""
    if layers is not None:
        vision = {**network.config["vision_config"], "num_hidden_layers": layers, "global_attn_indexes": [layers - 1]}
        network = dataclasses.replace(network, config={**network.config, "vision_config": vision})
        part = f", {layers} of its layers"
    print(header(f"SAM's image encoder, {name}{part}, random weights, one image of 1024 pixels"), flush=True)
    square = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    plain = plain_encoder(network)
    ways: dict[str, Callable[[], Any]] = {PLAIN: lambda: plain(square)}
    for precision in precisions("openvino"):
        choice = EngineChoice("openvino", precision)
        took, engine = spent(lambda choice=choice: open_engine(network, ("image",), choice))
        print(f"openvino {precision}: converted and compiled in {took.wall:.0f} s, once for a machine", flush=True)
        ways[f"openvino {precision}"] = lambda engine=engine: engine(square[None])[0]
    times: dict[str, list[Spent]] = {way: [] for way in ways}
    for turn in range(repeats):
        answers: dict[str, Any] = {}
        for way, call in ways.items():
            took, answers[way] = spent(call)
            times[way].append(took)
            apart = np.linalg.norm(answers[way] - answers[PLAIN]) / np.linalg.norm(answers[PLAIN])
            told = f"{took.wall:6.1f} s by the clock, {took.cores:6.1f} s of the cores, differs by {apart:.1e}"
            print(f"turn {turn + 1}: {way:28} {told}", flush=True)
    for way, each in times.items():
        ratios = [a.cores / b.cores for a, b in zip(times[PLAIN], each, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{way:28} {statistics.median(ratios):5.2f} x torch eager by seconds of the cores ({spread})", flush=True)
    if network.config["model_type"] == "sam":
        print(f"its products alone, at the speed of one large one: {least(network):.1f} s of the cores", flush=True)
    if layers is None:
        prompts(network)


def least(network: Any) -> float:
    """Seconds of the cores that the products of SAM's encoder take, were all as quick as one of 4096 x 768 x 3072."""
    import torch

    from topwork.backbones._segmenter_files import segmenter_config

    one, other = torch.randn(4096, 768), torch.randn(768, 3072)
    quickest = min(spent(lambda: one @ other)[0].cores for _ in range(10))
    vision = segmenter_config(dict(network.config), network.name).vision_config
    return products(vision) / (4096 * 768 * 3072) * quickest


def products(vision: Any) -> float:
    """Multiplications of SAM's encoder on one image; relative positions, a hundredth of them, are left out."""
    width, given, side = vision.hidden_size, vision.output_channels, vision.image_size // vision.patch_size
    tokens, padded = side**2, (-(-side // vision.window_size) * vision.window_size) ** 2
    found = tokens * (3 * vision.patch_size**2 * width + width * given + 9 * given**2)
    for layer in range(vision.num_hidden_layers):
        whole = layer in vision.global_attn_indexes
        here, seen = (tokens, tokens) if whole else (padded, vision.window_size**2)
        found += here * (4 * width**2 + 2 * seen * width) + tokens * 2 * width * vision.mlp_dim
    return float(found)


def prompts(network: Any) -> None:
    """What a second prompt costs, beside the embedding."""
    from topwork.tasks.segmentation.promptable import Promptable

    sam = Promptable(network)
    pixels = np.random.default_rng(1).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    took, _ = spent(lambda: sam.image(pixels))
    print(
        f"the first image, parity with torch measured once for a machine: {took.cores:.1f} s of the cores", flush=True
    )
    took, image = spent(lambda: sam.image(pixels))
    print(f"the same image again, from the cache: {took.wall:.2f} s by the clock, {took.cores:.2f} s of the cores")
    image.mask([(500, 300)])
    asked = [spent(lambda: image.mask([(500, 300)]))[0] for _ in range(5)]
    print(f"a prompt on it: {statistics.median(each.cores for each in asked):.2f} s of the cores")


if __name__ == "__main__":
    main()
