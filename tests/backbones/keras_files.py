"""Networks of ``keras.applications`` with random numbers, written by Keras itself, and what Keras says they compute.

    python tests/backbones/keras_files.py FOLDER NAME[:SIZE[:weights]] …

Run as a program of its own: Keras takes its backend from the environment when it is imported. For each NAME (such as
``MobileNet``) it writes NAME.keras, NAME.h5, NAME.weights.h5 (with ``:weights`` that alone) and NAME.npz with
``pixels`` (0 to 255), ``maps`` and ``logits``.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

CAFFE, TF, TORCH, OWN = "caffe", "tf", "torch", ""
MODES = {"VGG": CAFFE, "ResNet": CAFFE, "Dense": TORCH, "Efficient": OWN}
CLASSES = 1000


def randomised(network: Any) -> Any:
    """The network with scales, means, variances and biases that are no default's."""
    draw = np.random.default_rng(7)
    for layer in network.layers:
        drawn = []
        for variable, value in zip(layer.weights, layer.get_weights(), strict=True):
            if variable.name in ("gamma", "moving_variance", "variance"):
                value = draw.uniform(0.5, 1.5, value.shape)
            elif variable.name == "mean":  # of pixels from 0 to 1
                value = draw.uniform(0.3, 0.6, value.shape)
            elif variable.name in ("beta", "moving_mean", "bias"):
                value = draw.normal(0, 0.1, value.shape)
            drawn.append(value)
        layer.set_weights(drawn)
    return network


def write(folder: Path, name: str, size: int, *, whole: bool) -> None:
    """One network's files; the two formats of whole models only where they are asked for."""
    import keras
    from keras.src.applications.imagenet_utils import preprocess_input

    keras.utils.set_random_seed(3)
    made: dict[str, Any] = {"weights": None, "input_shape": (size, size, 3)}
    top = {} if name.startswith("VGG") else {"classes": CLASSES, "classifier_activation": None}
    network = getattr(keras.applications, name)(include_top=bool(top), **made, **top)
    network = randomised(network)
    pixels = np.random.default_rng(5).uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    mode = TF if name.endswith("V2") else next((mode for begin, mode in MODES.items() if name.startswith(begin)), TF)
    given = preprocess_input(pixels.copy(), mode=mode) if mode else pixels
    maps = network
    if top:
        before = next(layer for layer in network.layers if "global_average" in layer.name or layer.name == "avg_pool")
        maps = keras.Model(network.input, before.input)
    answers = {
        "maps": np.asarray(maps(given, training=False).detach()),
        "logits": np.asarray(network(given, training=False).detach()) if top else np.zeros((2, 0)),
    }
    np.savez(folder / f"{name}.npz", pixels=pixels, **answers)
    for suffix in ("keras", "h5") if whole else ():
        network.save(folder / f"{name}.{suffix}")
    network.save_weights(folder / f"{name}.weights.h5")


def main() -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    warnings.simplefilter("ignore")
    for each in sys.argv[2:]:
        name, size, what, *_ = [*each.split(":"), "", ""]
        write(Path(sys.argv[1]), name, int(size or 64), whole=what != "weights")


if __name__ == "__main__":
    main()
