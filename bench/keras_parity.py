"""How far our networks lie from Keras's with the same random numbers, for each network of keras.applications.

    KERAS_BACKEND=torch python bench/keras_parity.py [NAME[:SIZE] ...]

Each network is made by Keras, given scales, means and biases that are no default's, saved in its three formats and read
by topwork; what is printed is the largest difference of the last map (and of the logits, where there is a top) over the
largest number, and the seconds that reading the file took the first time. Needs ``pip install keras h5py``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _report import header, table
from topwork.backbones import load

PROGRAM = Path(__file__).parents[1] / "tests" / "backbones" / "keras_files.py"
SMALL = [*(f"{name}:64" for name in ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152"))]
SMALL += [*(f"{name}:64" for name in ("ResNet50V2", "ResNet101V2", "ResNet152V2", "DenseNet121", "DenseNet169"))]
SMALL += ["DenseNet201:64", "InceptionV3:96", "Xception:96", "MobileNet:64", "MobileNetV2:64"]
ALL = [*SMALL, *(f"EfficientNetB{number}:64" for number in range(8))]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=ALL)
    rows = []
    for given in parser.parse_args().networks:
        name, _, size = given.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, PROGRAM, folder, given], check=True, capture_output=True)
            told = np.load(Path(folder) / f"{name}.npz")
            for suffix in (".keras", ".h5", ".weights.h5"):
                begun = time.perf_counter()
                backbone = load(str(Path(folder) / f"{name}{suffix}"), size=int(size))
                seconds = time.perf_counter() - begun
                network = backbone.module()
                seen = backbone.preprocessing
                pixels = torch.tensor(told["pixels"]).permute(0, 3, 1, 2) / 255
                mean, std = (torch.tensor(each).view(3, 1, 1) for each in (seen.mean, seen.std))
                with torch.inference_mode():
                    maps = network.forward_features(((pixels - mean) / std).float())
                    logits = network.forward_head(maps).numpy()
                pairs = [(maps.permute(0, 2, 3, 1).numpy(), told["maps"])]
                pairs += [(logits, told["logits"])] if told["logits"].size else []
                off = [np.abs(ours - theirs).max() / np.abs(theirs).max() for ours, theirs in pairs]
                rows.append(
                    [backbone.name, suffix, *(f"{each:.1e}" for each in off), *["-"] * (2 - len(off)), f"{seconds:.1f}"]
                )
                print(*rows[-1], file=sys.stderr, flush=True)
    print(header("Our networks and Keras's"))
    print(table(["network", "file", "maps", "logits", "seconds"], rows))


if __name__ == "__main__":
    main()
