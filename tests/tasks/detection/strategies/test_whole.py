"""A trained detector that is trained as a whole: beside its library's own loss and answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.backbones.detectors import COCO, SIDE, save
from tests.tasks.detection.strategies.samples import shapes
from topwork.backbones import DetectorNetwork, load_detector, own_classes
from topwork.backbones.detecting import WholeDetector, for_classes, library_loss
from topwork.data import decode
from topwork.errors import BackboneError
from topwork.features import extract
from topwork.tasks.detection.network import Decoding, QueryHead
from topwork.tasks.detection.strategies import FinetuneOptions, HeadOptions, Judged, finetune_config, fit_finetuned
from topwork.tasks.detection.strategies._samples import NO_BOX
from topwork.tasks.detection.strategies._whole import Trained, WholeLoss

pytest.importorskip("transformers")

LABELS = [
    {"class_labels": torch.tensor([0, 3]), "boxes": torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.6, 0.5, 0.5, 0.4]])},
    {"class_labels": torch.zeros(0, dtype=torch.long), "boxes": torch.zeros(0, 4)},
]


def tiny(design: str, folder: Path) -> DetectorNetwork:
    return load_detector(f"someone/{design}", weights=save(design, folder / design))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("design", ["detr", "rt_detr", "rt_detr_v2", "d_fine"])
def test_the_loss_is_the_librarys_own_and_classes_keep_their_numbers(
    design: str, images: torch.Tensor, tmp_path: Path
) -> None:
    """Of the network with its classes in another order, whose answers are the old ones in that order."""
    backbone = tiny(design, tmp_path)
    own = for_classes(backbone, COCO, range(len(COCO)))
    loss = library_loss(own, WholeDetector(own)(images), LABELS)
    assert loss.item() == pytest.approx(own(pixel_values=images, labels=LABELS).loss.item(), rel=1e-5)
    loss.backward()
    assert max(float(each.grad.abs().max()) for each in own.parameters() if each.grad is not None) > 0
    turned = for_classes(backbone, COCO[::-1], range(len(COCO))[::-1])
    with torch.no_grad():
        before, after = own(pixel_values=images), turned(pixel_values=images)
    count = len(COCO)
    np.testing.assert_allclose(after.logits[..., :count].flip(-1), before.logits[..., :count], atol=1e-4)
    np.testing.assert_allclose(after.pred_boxes, before.pred_boxes, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("design", ["detr", "rt_detr_v2", "d_fine"])
def test_what_was_trained_answers_in_the_engine_as_in_its_library(design: str, tmp_path: Path) -> None:
    """After one step, to half a pixel: classes of the user's, weights from a file, OpenVINO."""
    dataset, network = shapes(tmp_path / "shapes", 6), tiny(design, tmp_path)
    body = Trained(network, dataset.classes)
    pixels = np.stack([network.preprocessing(decode(each)) for each in dataset.sources()])
    targets = torch.tensor([[[8.0, 8, 40, 40, 1], [0, 0, 0, 0, NO_BOX]]] * len(pixels))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    loss = WholeLoss(body.whole.network, body.spec)
    before = loss(body(images), targets)
    before.backward()
    torch.optim.SGD(body.parameters(), lr=1e-4).step()
    tuned = body.backbone()
    assert tuned.classes == dataset.classes
    assert [name for name, _ in body.layers()] == ["body", "detector"]
    held = {id(each) for _, layer in body.layers() for each in layer.parameters()}
    assert held == {id(each) for each in body.parameters()}
    table = extract(dataset, tuned, outputs=tuned.outputs(), cache=False)
    assert table.choice.name == "openvino"
    head = QueryHead(body.spec, *own_classes(tuned))
    with torch.no_grad():
        told = body(images)
    middle, half = told.boxes[..., :2], told.boxes[..., 2:] / 2
    corners = torch.cat([middle - half, middle + half], dim=-1).clamp(0, 1).numpy() * body.spec.size
    own = head.boxes(table.values)
    apart = np.abs(own[:, :, None] - corners[:, None]).max(axis=-1).min(axis=2)
    assert (apart < 0.5).mean() > 0.95  # near ties among the candidates of the encoder change places
    logits = told.logits.numpy()
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    scores = (raised / raised.sum(-1, keepdims=True))[..., :-1] if design == "detr" else 1 / (1 + np.exp(-logits))
    best = [float(each.scores.max()) for each in head.detect(table.values, Decoding(threshold=0.0))]
    np.testing.assert_allclose(best, scores.max(axis=(1, 2)), atol=2e-3)


@pytest.mark.slow
def test_a_trained_detector_is_fitted_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept whatever it gained: two epochs of random numbers gain little."""
    monkeypatch.setattr(Judged, "beats", lambda *_: True)
    dataset = shapes(tmp_path / "shapes", 14, val=4, test=2)
    options = FinetuneOptions(
        config=finetune_config(epochs=2, batch_size=4, learning_rate=1e-3, ema_decay=None),
        probe=HeadOptions(cache=False, views=1),
    )
    fitted = fit_finetuned(dataset, tiny("detr", tmp_path), options)
    assert (fitted.strategy, len(fitted.history)) == ("finetune", 2)
    assert isinstance(fitted.table.backbone, DetectorNetwork)
    assert fitted.table.backbone.classes == dataset.classes
    assert [trial.answer for trial in fitted.trials[:2]] == ["probe", "finetune all"]


def test_what_cannot_be_trained_as_a_whole_says_so(tmp_path: Path) -> None:
    dataset = shapes(tmp_path / "shapes", 6)
    with pytest.raises(BackboneError, match="cannot be trained as a whole"):
        fit_finetuned(dataset, load_detector("ssdlite", weights="random"), FinetuneOptions())
    with pytest.raises(BackboneError, match="--unfreeze 3 has no meaning"):
        fit_finetuned(dataset, tiny("rt_detr_v2", tmp_path), FinetuneOptions(unfreeze=3))
