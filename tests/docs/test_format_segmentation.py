"""A segmenter's folder, read by docs/format-tasks.md alone: the same pixels and objects as topwork's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.docs.format_readers import decoders, images, masks
from tests.tasks.segmentation.made import drawn, segmenter, written
from topwork.backbones import load
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation.decoder import DecoderHead, DecoderSpec, Design
from topwork.tasks.segmentation.instances import Splitting

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("float32")]

pytest.importorskip("timm")

DESIGNS: tuple[Design, ...] = ("unet", "unet++", "fpn", "deeplabv3+", "segformer")


def same_masks(found: Any, expected: masks.Masks) -> None:
    """But for pixels that rounding decides; where two floods meet these are more."""
    assert (found.labels != expected.labels).mean() < 1e-3
    assert np.abs(found.certainty.astype(int) - expected.certainty).max() <= 1
    if found.objects is None:
        assert expected.objects is None
        return
    assert found.count == expected.objects.max() > 2
    assert (found.objects != expected.objects).mean() < 0.02


@pytest.mark.parametrize("tile", [None, 50])
def test_a_fitted_segmenter_says_the_same_of_each_pixel(tile: int | None, fitted: Segmenter, tmp_path: Path) -> None:
    folder, pictures = fitted.save(tmp_path / "model", self_contained=True), [drawn(98, 110)[0], drawn(99)[0][:90]]
    assert fitted.certainty_is_calibrated
    for found, expected in zip(
        fitted.predict(pictures, certainty=True, tile=tile), masks.segment(folder, pictures, tile=tile), strict=True
    ):
        same_masks(found, expected)
        assert len(np.unique(found.labels)) == 3


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, float32: None) -> Segmenter:
    from topwork.tasks.segmentation.strategies import ProbeOptions

    data = written(tmp_path_factory.mktemp("shapes"), 5)
    options = ProbeOptions(cache=False)
    how: Any = {"strategy": "probe", "backbone": load("lite0", size=64), "options": options}
    model = topwork.fit(data, task="segmentation", **how)
    assert isinstance(model, Segmenter)
    return model


CASES: dict[str, dict[str, Any]] = {
    "linear": {"hidden": 0, "crop_mode": "pad"},
    "a threshold": {"classes": ("a", "b"), "threshold": 0.3, "crop_mode": "crop", "raised": 4.0},
    "objects by borders": {
        "border": True,
        "raised": 3.0,
        "splitting": Splitting(True, 0.35, 0.1, join=0.2, sure=0.3, least_area=3).to_dict(),
    },
    "objects by waists": {"raised": 4.0, "splitting": Splitting(False, 0.4, depth=1.0, least_area=4).to_dict()},
}


@pytest.mark.parametrize("case", CASES)
def test_every_pixel_head_is_read(case: str, tmp_path: Path) -> None:
    model = segmenter(64, **CASES[case])
    folder, pictures = model.save(tmp_path / "model", self_contained=True), [drawn(5)[0], drawn(6)[0][:90]]
    for found, expected in zip(model.predict(pictures, certainty=True), masks.segment(folder, pictures), strict=True):
        same_masks(found, expected)
        assert len(np.unique(found.labels)) > 1


def decoder(spec: DecoderSpec) -> DecoderHead:
    """Of random numbers, its norms' too."""
    from tests.tasks.segmentation.decoder.test_head import trained

    module = trained(spec)
    module.head.weight.data *= 0.3  # so that probabilities are not all 0 and 1
    return DecoderHead.from_module(module)


@pytest.mark.parametrize("flat", [False, True], ids=["strides", "flat"])
@pytest.mark.parametrize("design", DESIGNS)
def test_every_decoder_gives_the_same_logits(design: Design, flat: bool) -> None:
    """On features of random numbers; flat are the maps of a transformer, all of one stride."""
    pytest.importorskip("segmentation_models_pytorch")
    spec = DecoderSpec.of(load("lite0", size=72), 3, design, width=32, border=True, refine=design == "unet")
    if flat:
        count = 2 if design == "deeplabv3+" else 4
        names = tuple("abcd"[:count])
        spec = DecoderSpec(design, names, (8,) * count, (16,) * count, 112, 2, width=32)
    features = np.random.default_rng(0).normal(size=spec.n_features).astype(np.float32)
    head, fields = decoder(spec), spec.to_dict()
    (expected,) = head.logits(features[None])
    found = decoders.logits(images.maps(features, fields), fields, head.to_tensors())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(found) > 0.5


@pytest.mark.parametrize("design", ["unet", "segformer"])
def test_a_decoder_tells_the_same_masks_and_objects(design: Design, tmp_path: Path) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    head = decoder(DecoderSpec.of(load("lite0", size=72), 2, design, width=32, border=True))
    splitting = Splitting(True, 0.5, 0.2).to_dict()
    model = segmenter(72, classes=("a", "b"), head=head, splitting=splitting)
    folder, pictures = model.save(tmp_path / "model", self_contained=True), [drawn(5)[0], drawn(6)[0][:90]]
    for found, expected in zip(model.predict(pictures, certainty=True), masks.segment(folder, pictures), strict=True):
        same_masks(found, expected)


@pytest.mark.parametrize("design", ["segformer", "mask2former"])
def test_a_segmenter_of_transformers_says_the_same(design: str, tmp_path: Path) -> None:
    """With random numbers, as it is: the user's classes are some of its own."""
    pytest.importorskip("transformers")
    from tests.backbones.segmenters import save
    from tests.tasks.segmentation.test_untrained import data
    from topwork.tasks.segmentation._load import load as load_network
    from topwork.tasks.segmentation.strategies import AsIsOptions

    network = load_network("someone/net", weights=save(design, tmp_path / "net"))
    source = data(tmp_path / "data", ("background", "people", "dog"))
    how: Any = {"strategy": "as-is", "backbone": network, "options": AsIsOptions(engine="torch-cpu")}
    model = topwork.fit(source, task="segmentation", **how)
    folder, pictures = model.save(tmp_path / "model", self_contained=True), [drawn(9)[0], drawn(8)[0][:70]]
    for found, expected in zip(model.predict(pictures, certainty=True), masks.segment(folder, pictures), strict=True):
        same_masks(found, expected)
