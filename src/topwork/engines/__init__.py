"""Engines: what runs a frozen backbone. OpenVINO on a CPU, torch on a GPU, torch on a CPU as the reference.

In: a backbone, names of outputs, an engine and its precision. Out: a function from batches of uint8 images to float32
features, whose parity with torch's float32 is measured once a network and recorded.
"""

from topwork.engines._engine import Engine, EngineChoice, EngineName, default_engine, has_cuda, precisions
from topwork.engines._open import Engines, open_engine, open_prefix
from topwork.engines._openvino import norm_shifts
from topwork.engines._parity import PARITY_IMAGES, decide, deviation, nearest_choice, recorded_choice

__all__ = [
    "PARITY_IMAGES",
    "Engine",
    "EngineChoice",
    "EngineName",
    "Engines",
    "decide",
    "default_engine",
    "deviation",
    "has_cuda",
    "nearest_choice",
    "norm_shifts",
    "open_engine",
    "open_prefix",
    "precisions",
    "recorded_choice",
]
