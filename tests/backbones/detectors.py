"""Tiny detectors of each design, with random numbers, as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SIDE = 64
COCO = ("person", "bicycle", "car", "motorcycle", "dog", "cat", "tv", "couch")


def _resnet(transformers: Any, kind: str, stages: list[str]) -> Any:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1], "layer_type": "basic"}
    return getattr(transformers, kind)(**sizes, out_features=stages)


def _rtdetr(transformers: Any, kind: str, **more: Any) -> Any:
    shared = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_layers": 2, "num_queries": 20}
    widths = {"encoder_hidden_dim": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 32}
    joints = {"encoder_in_channels": [16, 16, 32], "decoder_in_channels": [32, 32, 32]}
    return getattr(transformers, kind)(**shared, **widths, **joints, num_labels=len(COCO), **more)


def config_of(design: str) -> Any:
    """The configuration of a network with few numbers."""
    import transformers

    upper = ["stage2", "stage3", "stage4"]
    if design == "detr":
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32}
        layers = {"encoder_layers": 1, "decoder_layers": 1, "decoder_ffn_dim": 32, "d_model": 32, "num_queries": 10}
        body = _resnet(transformers, "ResNetConfig", ["stage4"])
        plain = {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None}
        return transformers.DetrConfig(**heads, **layers, **plain, backbone_config=body, num_labels=len(COCO))
    if design == "rt_detr_v2":
        return _rtdetr(
            transformers, "RTDetrV2Config", backbone_config=_resnet(transformers, "RTDetrResNetConfig", upper)
        )
    if design == "rt_detr":
        return _rtdetr(transformers, "RTDetrConfig", backbone_config=_resnet(transformers, "RTDetrResNetConfig", upper))
    if design == "d_fine":
        sizes = {
            "stage_in_channels": [8, 8, 16, 16],
            "stage_mid_channels": [8] * 4,
            "stage_out_channels": [8, 16, 16, 32],
        }
        counts = {"stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4, "hidden_sizes": [8, 16, 16, 32]}
        told = {"embedding_size": 8, "stem_channels": [3, 8, 8], "depths": [1] * 4, "out_features": upper}
        body = transformers.HGNetV2Config(**sizes, **counts, **told, out_indices=[2, 3, 4])
        return _rtdetr(transformers, "DFineConfig", backbone_config=body, feat_strides=[8, 16, 32])
    if design == "rf_detr":
        body = transformers.RfDetrDinov2Config(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, patch_size=8, image_size=SIDE, num_windows=2,
            out_features=["stage2", "stage4"],
        )  # fmt: skip
        heads = {"decoder_self_attention_heads": 2, "decoder_cross_attention_heads": 2, "decoder_ffn_dim": 32}
        layers = {"decoder_layers": 2, "d_model": 32, "num_queries": 20, "group_detr": 2, "decoder_n_points": 2}
        return transformers.RfDetrConfig(backbone_config=body, num_labels=len(COCO), **heads, **layers)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": 600, "max_position_embeddings": 16, "bos_token_id": 3, "eos_token_id": 1, "pad_token_id": 2}
    vision = {**sizes, "image_size": SIDE, "patch_size": 16}
    return transformers.Owlv2Config(text_config={**sizes, **words}, vision_config=vision, projection_dim=16)


def processor_of(design: str) -> Any:
    """What prepares images for it in its own library."""
    import transformers

    square = {"height": SIDE, "width": SIDE}
    if design == "detr":
        return transformers.DetrImageProcessor(size={"shortest_edge": SIDE * 3 // 4, "longest_edge": SIDE * 2})
    if design == "owlv2":
        return transformers.Owlv2ImageProcessor(size=square)
    if design == "rf_detr":
        return transformers.RfDetrImageProcessor(size=square)
    return transformers.RTDetrImageProcessor(size=square)


def network_of(design: str) -> Any:
    """The network in its own library; its numbers lie far enough apart that no choice within is a near tie."""
    import transformers

    config = config_of(design)
    if design != "owlv2":
        config.id2label = dict(enumerate(COCO))
        config.label2id = {name: place for place, name in enumerate(COCO)}
    kinds: Any = transformers.AutoModelForObjectDetection._model_mapping
    kind = transformers.Owlv2ForObjectDetection if design == "owlv2" else kinds[type(config)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        network = kind(config).eval()
        for value in network.parameters():
            if value.ndim > 1:
                value.copy_(torch.randn_like(value) * (2 / value[0].numel()) ** 0.5)
    return network


def save(design: str, folder: Path, network: Any = None, licence: str = "apache-2.0") -> Path:
    """A folder as it would lie on the hub; of OWLv2 with a tokenizer of single letters."""
    (network or network_of(design)).save_pretrained(folder)
    processor_of(design).save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# Tiny\n")
    if design == "owlv2":
        _tokenizer(folder)
    return folder


def _tokenizer(folder: Path) -> None:
    import json

    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    words = ["<none>", "<|endoftext|>", "<pad>", "<|startoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    told = {"tokenizer_class": "CLIPTokenizer", "pad_token": "<pad>", "unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**told, "model_max_length": 16}))
