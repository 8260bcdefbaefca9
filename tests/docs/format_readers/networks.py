"""Trained detectors and segmenters of transformers: what their libraries' networks say, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def features(folder: Path, backbone: Mapping[str, Any], images: Any) -> Any:
    """``queries`` or ``classes/map``, (N, D), of normalised images (N, 3, side, side)."""
    import torch

    with torch.no_grad():
        given = torch.from_numpy(images)
        found = (_queries if backbone["reads"] == "objects" else _classes)(folder, backbone, given)
    return found.flatten(1).numpy()


def _opened(folder: Path, backbone: Mapping[str, Any], kind: str) -> Any:
    import transformers
    from safetensors.torch import load_file

    config = transformers.AutoConfig.for_model(**backbone["config"])
    made = getattr(transformers, kind)
    network: Any = made._from_config(config) if hasattr(made, "_from_config") else made.from_config(config)
    state = load_file(folder / "backbone.safetensors")
    network, told = type(network).from_pretrained(None, config=config, state_dict=state, output_loading_info=True)
    assert not told["missing_keys"]
    return network.eval()


def _queries(folder: Path, backbone: Mapping[str, Any], images: Any) -> Any:
    import torch

    network = _opened(folder, backbone, "AutoModelForObjectDetection")
    told = network(pixel_values=images)
    middle, half = told.pred_boxes[..., :2], told.pred_boxes[..., 2:] / 2
    rows = told.last_hidden_state
    if backbone["config"]["model_type"] == "d_fine":
        layer = network.model.decoder.class_embed[-1]
        rows = torch.cat([rows, told.logits[..., :1] - layer(rows)[..., :1]], dim=-1)
    return torch.cat([torch.cat([middle - half, middle + half], dim=-1).flatten(1), rows.flatten(1)], dim=1)


def _classes(folder: Path, backbone: Mapping[str, Any], images: Any) -> Any:
    import torch

    groups = backbone["groups"]
    if backbone["config"]["model_type"] == "segformer":
        told = _opened(folder, backbone, "SegformerForSemanticSegmentation")(pixel_values=images).logits
        p = told.softmax(dim=1)
        return torch.stack([p[:, each].sum(1).log() if each else torch.full_like(p[:, 0], -30) for each in groups], 1)
    told = _opened(folder, backbone, "Mask2FormerForUniversalSegmentation")(pixel_values=images)
    p, inside = told.class_queries_logits.softmax(-1), told.masks_queries_logits.sigmoid()
    shares = torch.stack([p[..., each].sum(-1) for each in groups], dim=1)
    return torch.einsum("ncq,nqhw->nchw", shares, inside).clamp(min=1e-6).log()
