"""Tiny segmenters of each design, with random numbers, as transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from .detectors import _tokenizer

SIDE = 64
ADE = ("wall", "sky", "person", "car", "dog")
PROMPTABLE = ("sam", "sam2")
TELLING = ("segformer", "mask2former")


def config_of(design: str) -> Any:
    """The configuration of a network with few numbers."""
    import transformers as t

    if design == "sam":
        vision = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE}
        seen = {
            "window_size": 3,
            "global_attn_indexes": [1],
            "output_channels": 32,
            "num_pos_feats": 16,
            "patch_size": 8,
        }
        return t.SamConfig(
            vision_config={**vision, **seen},
            prompt_encoder_config={"hidden_size": 32, "image_size": SIDE, "patch_size": 8},
            mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
        )
    if design in ("sam2", "sam2_video"):
        stages = {
            "hidden_size": 16,
            "embed_dim_per_stage": [16, 24, 32, 64],
            "blocks_per_stage": [1, 1, 2, 1],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "window_size_per_stage": [4, 4, 4, 4],
            "global_attention_blocks": [3],
            "image_size": [SIDE, SIDE],
        }
        sizes = [[16, 16], [8, 8], [4, 4]]
        vision = {
            "backbone_config": {"model_type": "sam2_hiera_det_model", **stages},
            "backbone_channel_list": [64, 32, 24, 16],
            "backbone_feature_sizes": sizes,
            "fpn_hidden_size": 32,
        }
        parts = {
            "vision_config": {"model_type": "sam2_vision_model", **vision},
            "prompt_encoder_config": {"hidden_size": 32, "image_size": SIDE, "patch_size": 16},
            "mask_decoder_config": {
                "hidden_size": 32,
                "mlp_dim": 32,
                "num_attention_heads": 2,
                "iou_head_hidden_dim": 32,
            },
        }
        return t.Sam2Config(**parts)
    labels = {"id2label": dict(enumerate(ADE)), "label2id": {name: place for place, name in enumerate(ADE)}}
    if design == "segformer":
        sizes = {"hidden_sizes": [8, 8, 16, 16], "num_attention_heads": [1, 1, 2, 2], "depths": [1, 1, 1, 1]}
        return t.SegformerConfig(**sizes, decoder_hidden_size=16, **labels)
    if design == "mask2former":
        swin = t.SwinConfig(
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            image_size=SIDE,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )
        widths = {"hidden_dim": 32, "feature_size": 32, "mask_feature_size": 32, "dim_feedforward": 32}
        layers = {"encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2, "encoder_feedforward_dim": 32}
        return t.Mask2FormerConfig(backbone_config=swin, **widths, **layers, num_queries=6, **labels)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    words = {"vocab_size": 600, "max_position_embeddings": 16, "bos_token_id": 3, "eos_token_id": 1, "pad_token_id": 2}
    return t.CLIPSegConfig(
        text_config={**sizes, **words},
        vision_config={**sizes, "image_size": SIDE, "patch_size": 16},
        projection_dim=16,
        reduce_dim=8,
        extract_layers=[0, 1, 2],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        use_complex_transposed_convolution=True,
    )


def image_processor_of(design: str) -> Any:
    """What prepares images for it in its own library, with Pillow."""
    import transformers as t

    if design == "sam":
        from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

        sizes = {"size": {"longest_edge": SIDE}, "pad_size": {"height": SIDE, "width": SIDE}}
        return SamImageProcessorPil(**sizes, mask_size={"longest_edge": SIDE // 2})
    if design in ("sam2", "sam2_video"):
        return t.Sam2ImageProcessor(size={"height": SIDE, "width": SIDE})
    square = {"size": {"height": SIDE, "width": SIDE}}
    if design == "segformer":
        return t.SegformerImageProcessor(**square)
    if design == "mask2former":
        return t.Mask2FormerImageProcessor(**square)
    return t.ViTImageProcessor(**square)


def network_of(design: str) -> Any:
    """The network in its own library, with numbers that leave differences between places."""
    import transformers as t

    kinds = {
        "sam": t.SamModel,
        "sam2": t.Sam2Model,
        "segformer": t.SegformerForSemanticSegmentation,
        "mask2former": t.Mask2FormerForUniversalSegmentation,
        "clipseg": t.CLIPSegForImageSegmentation,
    }
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        network = kinds[design](config_of(design)).eval()
        for value in network.parameters():
            if value.ndim > 1:
                value.normal_(std=(1.5 / value[0].numel()) ** 0.5)
    return network


def save(design: str, folder: Path, licence: str = "apache-2.0") -> Path:
    """A folder as it would lie on the hub; of CLIPSeg with a tokenizer of single letters."""
    network_of(design).save_pretrained(folder)
    image_processor_of(design).save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# Tiny\n")
    if design == "clipseg":
        _tokenizer(folder)
    return folder


def as_video(folder: Path) -> None:
    """As the hub's files of SAM 2 say what they are."""
    file = folder / "config.json"
    told = json.loads(file.read_text())
    file.write_text(
        json.dumps({**told, "model_type": "sam2_video", "architectures": ["Sam2VideoModel"], "num_maskmem": 7})
    )
