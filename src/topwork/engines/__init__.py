"""Engines: what runs a frozen backbone. OpenVINO on a CPU, torch on a GPU, torch on a CPU as the reference.

In: a backbone, names of outputs, an engine and its precision. Out: a function from batches of uint8 images to float32
features, whose parity with torch's float32 is measured once a network and recorded.
"""

from topwork.engines._engine import (
    BATCH,
    Engine,
    EngineChoice,
    EngineName,
    Precision,
    RunsOn,
    default_engine,
    engine_for,
    has_cuda,
    precisions,
)
from topwork.engines._ngrams import Grams, NgramScorer
from topwork.engines._open import Engines, open_engine, open_maps, open_prefix
from topwork.engines._openvino import norm_shifts
from topwork.engines._parity import PARITY_IMAGES, decide, deviation, nearest_choice, recorded_choice
from topwork.engines._texts import text_module
from topwork.engines._transformer import Architecture, Arrays, Linear, Tokens, architecture_of, is_known
from topwork.engines._vectors import LONGEST, WORDS, random_features, rarity

__all__ = [
    "BATCH",
    "LONGEST",
    "PARITY_IMAGES",
    "WORDS",
    "Architecture",
    "Arrays",
    "Engine",
    "EngineChoice",
    "EngineName",
    "Engines",
    "Grams",
    "Linear",
    "NgramScorer",
    "Precision",
    "RunsOn",
    "Tokens",
    "architecture_of",
    "decide",
    "default_engine",
    "deviation",
    "engine_for",
    "has_cuda",
    "is_known",
    "nearest_choice",
    "norm_shifts",
    "open_engine",
    "open_maps",
    "open_prefix",
    "precisions",
    "random_features",
    "rarity",
    "recorded_choice",
    "text_module",
]
