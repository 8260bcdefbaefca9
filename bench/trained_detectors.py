"""How long a trained detector takes for an image in OpenVINO and in torch: RT-DETRv2 and D-FINE at full size.

Their numbers are random: what is found has no meaning, what it costs has. `python bench/trained_detectors.py`
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from topwork.backbones import DetectorNetwork, load_detector
from topwork.engines import EngineChoice, EngineName, open_engine

ROUNDS = 5


def networks(folder: Path) -> dict[str, DetectorNetwork]:
    """Networks as transformers makes them when nothing is said, for images of 640 pixels."""
    import transformers

    square = {"height": 640, "width": 640}
    found = {}
    for kind in ("rt_detr_v2", "d_fine"):
        place = folder / kind
        config = transformers.CONFIG_MAPPING[kind](num_labels=80)
        transformers.AutoModelForObjectDetection.from_config(config).save_pretrained(place)
        transformers.RTDetrImageProcessor(size=square).save_pretrained(place)
        found[kind] = load_detector(f"bench/{kind}", weights=place)
    return found


def seconds(network: DetectorNetwork, name: EngineName) -> float:
    """Median of an image's time, after one that does not count."""
    size = network.preprocessing.size
    engine = open_engine(network, network.outputs(), EngineChoice(name, "f32"))
    image = np.random.default_rng(0).integers(0, 255, (1, size, size, 3), dtype=np.uint8)
    taken = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        engine(image)
        taken.append(time.perf_counter() - began)
    return float(np.median(taken[1:]))


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, network in networks(Path(folder)).items():
            ours, theirs = seconds(network, "openvino"), seconds(network, "torch-cpu")
            print(f"{kind}: OpenVINO {ours:.2f} s, torch {theirs:.2f} s, {theirs / ours:.1f} x")


if __name__ == "__main__":
    main()
