"""SAM's image encoder at a real ViT-B's size, with random weights: torch as transformers runs it, and topwork's engine.

    python bench/sam.py [--repeats 3] [--network sam-vit-b]

Both take turns on one image of 1024 pixels, in float32 (in bfloat16 too where the processor has it), and the same
numbers must come out. Then what a second prompt costs: the embedding from the cache, and the mask decoder. Speed alone
is measured; random weights find nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from _report import header


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TOPWORK_CACHE"] = cache
        measure(given.network, given.repeats)


def measure(name: str, repeats: int) -> None:
    from topwork.backbones import load_segmenter
    from topwork.engines import EngineChoice, open_engine, precisions
    from topwork.tasks.segmentation.promptable import Promptable

    print(header(f"SAM's image encoder, {name}, random weights, one image of 1024 pixels"))
    network: Any = load_segmenter(name, weights="random:1")
    square = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    ways: dict[str, Callable[[], Any]] = {}
    plain = plain_encoder(network)
    ways["torch eager (transformers)"] = lambda: plain(square)
    for precision in precisions("openvino"):
        took, engine = seconds(
            lambda precision=precision: open_engine(network, ("image",), EngineChoice("openvino", precision))
        )
        print(f"openvino {precision}: converted and compiled in {took:.1f} s, once for a machine")
        ways[f"openvino {precision}"] = lambda engine=engine: engine(square[None])[0]
    times: dict[str, list[float]] = {way: [] for way in ways}
    answers: dict[str, Any] = {}
    for turn in range(repeats + 1):
        for way, call in ways.items():
            took, answers[way] = seconds(call)
            if turn:  # the first is to warm up
                times[way].append(took)
    first = "torch eager (transformers)"
    for way, each in times.items():
        ratios = [a / b for a, b in zip(times[first], each, strict=True)]
        apart = np.linalg.norm(answers[way] - answers[first]) / np.linalg.norm(answers[first])
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"{way:28} {statistics.median(each):7.2f} s   {statistics.median(ratios):5.2f} x ({spread})"
            f"   differs by {apart:.1e} of the norm"
        )
    sam = Promptable(network)
    pixels = np.random.default_rng(1).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    took, image = seconds(lambda: sam.image(pixels))
    print(f"first embedding of an image, parity with torch measured once: {took:.2f} s")
    took, image = seconds(lambda: sam.image(pixels))
    print(f"the same image again, from the cache: {took:.3f} s")
    image.mask([(500, 300)])
    asked = [seconds(lambda: image.mask([(500, 300)]))[0] for _ in range(5)]
    print(f"a prompt on it: {statistics.median(asked):.3f} s")


if __name__ == "__main__":
    main()
