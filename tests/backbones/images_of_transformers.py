"""Tiny networks of images of several designs, with random numbers, as transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SIDE = 64
_LAYERS = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": SIDE}
_STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}

DESIGNS: dict[str, dict[str, Any]] = {
    "vit": {**_LAYERS, "intermediate_size": 64, "patch_size": 16},
    "dinov2_with_registers": {**_LAYERS, "patch_size": 16, "num_register_tokens": 4},
    "beit": {**_LAYERS, "intermediate_size": 64, "patch_size": 16},
    "swin": {
        "embed_dim": 16,
        "depths": [1, 1, 2, 1],
        "num_heads": [1, 2, 2, 4],
        "image_size": SIDE,
        "window_size": 4,
        "patch_size": 2,
    },
    "convnext": _STAGES,
    "resnet": {**_STAGES, "embedding_size": 8, "layer_type": "basic"},
    "efficientnet": {"image_size": SIDE, "width_coefficient": 0.25, "depth_coefficient": 0.2, "hidden_dim": 320},
    "mobilenet_v2": {"image_size": SIDE, "depth_multiplier": 0.35},
}
OTHERS: dict[str, dict[str, Any]] = {
    "poolformer": {**_STAGES},
    "pvt": {**_STAGES, "num_attention_heads": [1, 2, 3, 4], "image_size": SIDE},
    "deit": {**_LAYERS, "intermediate_size": 64, "patch_size": 16, "architectures": ["DeiTForImageClassification"]},
    "levit": {
        "image_size": SIDE,
        "hidden_sizes": [16, 24, 32],
        "num_attention_heads": [1, 2, 2],
        "depths": [1, 1, 1],
        "key_dim": [8, 8, 8],
        "architectures": ["LevitForImageClassification"],
    },
}
"""Designs whose stages, or last layers, are not as the others have theirs."""

PROCESSOR: dict[str, Any] = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": SIDE, "width": SIDE},
    "resample": 3,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.25, 0.3],
}


def network_of(design: str, classes: int = 5) -> Any:
    """A network whose normalisations are no default's."""
    import transformers

    config = transformers.CONFIG_MAPPING[design].from_dict({**(DESIGNS | OTHERS)[design], "num_labels": classes})
    torch.manual_seed(3)
    network = transformers.AutoModelForImageClassification.from_config(config).eval()
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            value.copy_(torch.rand_like(value) + 0.5)
    return network


def saved(folder: Path, design: str, processor: dict[str, Any] | None = None, classes: int = 5) -> Path:
    """A folder as ``save_pretrained`` makes it."""
    network_of(design, classes).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor or PROCESSOR))
    return folder
