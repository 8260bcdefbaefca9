"""The head without torch: what torch's says, on real maps and in any number; its numbers come back checked."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from topwork.backbones import load
from topwork.engines import EngineChoice
from topwork.errors import ModelError
from topwork.features import extract_few
from topwork.heads import read_tensors, write_tensors
from topwork.tasks.detection.network import Decoding, DetectorHead, HeadSpec, Raw, decode, torch_head
from topwork.tasks.detection.network._module import TorchHead

SMALL = HeadSpec(("a", "b"), (8, 12), (8, 16), 100, n_classes=3, channels=8, depth=2, centreness=True)


def trained(spec: HeadSpec, seed: int = 0) -> TorchHead:
    """A head whose every number differs from where it began, norms included; it sees objects here and there."""
    torch.manual_seed(seed)
    module = torch_head(spec)
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if name.split(".")[0] in ("logits", "distances", "centreness"):
                tensor.mul_(20 if tensor.ndim > 1 else 0.5)
            else:
                tensor.add_(0.1 * torch.randn_like(tensor))
        for _ in range(3):
            module(torch.randn(8, spec.n_features))
    return module.eval()


def said(module: TorchHead, features: np.ndarray) -> Raw:
    with torch.inference_mode():
        found = module(torch.from_numpy(features))
    return Raw(*(None if each is None else each.numpy() for each in found))


def assert_the_same(found: Raw, expected: Raw, strides: np.ndarray) -> None:
    def probability(logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-logits.astype(float)))

    np.testing.assert_allclose(probability(found.logits), probability(expected.logits), atol=1e-4)
    np.testing.assert_allclose(found.distances * strides, expected.distances * strides, atol=0.05)  # pixels
    assert (found.centreness is None) == (expected.centreness is None)
    if found.centreness is not None and expected.centreness is not None:
        np.testing.assert_allclose(probability(found.centreness), probability(expected.centreness), atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": "plain", "extra": 2},
        {"depth": 0, "extra": 0, "centreness": False},
        {"stages": ("a", "b", "c"), "widths": (8, 12, 4), "strides": (8, 16, 64), "n_classes": 1},
        {"stages": ("a",), "widths": (8,), "strides": (14,)},
    ],
)
def test_it_says_what_torch_says(changes: dict[str, object]) -> None:
    spec = replace(SMALL, **changes)
    module = trained(spec)
    head = DetectorHead.from_module(module)
    features = np.random.default_rng(0).normal(size=(11, spec.n_features)).astype(np.float32)
    expected = said(module, features)
    assert_the_same(head.raw(features), expected, spec.points[:, 2:])
    alone = Raw.joined([head.raw(features[row : row + 1]) for row in range(3)])
    assert_the_same(alone, said(module, features[:3]), spec.points[:, 2:])


def test_objects_in_photographs_are_those_that_torchvision_finds(photos: list[Path]) -> None:
    backbone = load("lite0", size=320).replace(crop_mode="squash")
    spec = HeadSpec.of(backbone, 3)
    module = trained(spec)
    module.logits.weight.data.mul_(0.2)  # or most scores would be 1
    found = extract_few(photos[:3], backbone, backbone.maps(spec.stages), choice=EngineChoice("openvino", "f32"))
    detections = DetectorHead.from_module(module).detect(found.values)
    for mine, theirs in zip(detections, torchvisions(said(module, found.values), spec, Decoding()), strict=True):
        boxes, scores, labels = (theirs[name].numpy() for name in ("boxes", "scores", "labels"))
        same = labels[:, None] == mine.labels  # two that are equally sure may change places
        same &= np.abs(boxes[:, None] - mine.corners).max(axis=2) < 0.5  # pixels
        same &= np.abs(scores[:, None] - mine.scores) < 1e-3
        assert len(mine) == len(scores) > 10
        assert same.any(axis=1).sum() >= len(scores) - 1  # as is the last that is given


def torchvisions(raw: Raw, spec: HeadSpec, how: Decoding) -> list[dict[str, torch.Tensor]]:
    """What torchvision's FCOS makes of the same."""
    backbone = torch.nn.Identity()
    backbone.out_channels = 32  # type: ignore[assignment]
    fcos = torchvision.models.detection.FCOS(
        backbone,
        spec.n_classes,
        score_thresh=how.threshold,
        nms_thresh=how.overlap,
        detections_per_img=how.most,
        topk_candidates=how.candidates,
    )
    x, y, stride = torch.from_numpy(spec.points).T
    anchors = torch.stack([x - stride / 2, y - stride / 2, x + stride / 2, y + stride / 2], 1)
    counts = [level.side**2 for level in spec.levels]
    parts = {
        "cls_logits": raw.logits,
        "bbox_regression": raw.distances,
        "bbox_ctrness": raw.logits if raw.centreness is None else raw.centreness[..., None],  # the root of p * p is p
    }
    split = {name: list(torch.from_numpy(np.asarray(each)).split(counts, 1)) for name, each in parts.items()}
    images = [list(anchors.split(counts)) for _ in range(len(raw))]
    return fcos.postprocess_detections(split, images, [(spec.size, spec.size)] * len(raw))


@pytest.mark.parametrize("how", [Decoding(), Decoding(0.3, 0.3, 20, 7), Decoding(0.0, 1.0), Decoding(0.95)])
@pytest.mark.parametrize(("n_classes", "centreness"), [(1, True), (4, False), (4, True)])
def test_decoding_is_torchvisions(how: Decoding, n_classes: int, centreness: bool) -> None:
    spec = replace(SMALL, n_classes=n_classes, size=160, centreness=centreness)
    rng = np.random.default_rng(1)
    raw = Raw(
        rng.normal(-2, 2, (2, spec.n_points, n_classes)).astype(np.float32),
        rng.gamma(2, 2, (2, spec.n_points, 4)).astype(np.float32),
        rng.normal(0, 2, (2, spec.n_points)).astype(np.float32) if centreness else None,
    )
    for mine, theirs in zip(decode(raw, spec, how), torchvisions(raw, spec, how), strict=True):
        np.testing.assert_allclose(mine.scores, theirs["scores"], atol=1e-6)
        np.testing.assert_allclose(mine.corners, theirs["boxes"], atol=1e-3)
        np.testing.assert_array_equal(mine.labels, theirs["labels"])


def test_without_centreness_a_score_is_the_probability() -> None:
    spec = replace(SMALL, centreness=False, n_classes=2, extra=0)
    logits = np.full((1, spec.n_points, 2), -20, np.float32)
    logits[0, 0, 1], logits[0, 170, 0] = 1, 2
    found = decode(Raw(logits, np.ones((1, spec.n_points, 4), np.float32), None), spec)[0]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-2, -1])), rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [0, 1])
    np.testing.assert_array_equal(found.corners, [[8, 0, 40, 24], [0, 0, 12, 12]])  # the second place of the second map


def test_many_at_once_are_as_alone_and_detect_decodes_them() -> None:
    head = DetectorHead.from_module(trained(SMALL))
    features = np.random.default_rng(2).normal(size=(21, SMALL.n_features)).astype(np.float32)
    expected = decode(head.raw(features), SMALL)
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: head.detect(features), range(4)):
            for mine, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mine.corners, theirs.corners)
                np.testing.assert_array_equal(mine.scores, theirs.scores)
    assert head.detect(features[:0]) == []


def test_it_comes_back_from_a_file_a_copy_and_torch(tmp_path: Path) -> None:
    module = trained(SMALL)
    head = DetectorHead.from_module(module)
    head.raw(np.zeros((1, SMALL.n_features), np.float32))  # what is compiled is not copied
    write_tensors(head.to_tensors(), tmp_path / "head.safetensors")
    read = DetectorHead.from_tensors(read_tensors(tmp_path / "head.safetensors"), SMALL)
    for other in (read, pickle.loads(pickle.dumps(head)), DetectorHead.from_module(head.to_module())):
        assert other.spec == SMALL
        assert other.arrays.keys() == head.arrays.keys()
        assert all(np.array_equal(other.arrays[name], array) for name, array in head.arrays.items())
    features = torch.randn(2, SMALL.n_features)
    torch.testing.assert_close(head.to_module()(features), module(features))


def test_what_does_not_fit_is_refused() -> None:
    tensors = DetectorHead.from_module(trained(SMALL)).to_tensors()
    name, variance = "logits.weight", "pyramid.inner_blocks.0.1.running_var"
    broken = {
        "missing logits.weight": {key: value for key, value in tensors.items() if key != name},
        "not expected more": {**tensors, "more": np.zeros(1, np.float32)},
        r"expected float32 \(3, 8, 1, 1\), got float32 \(4, 8, 1, 1\)": {**tensors, name: np.zeros((4, 8, 1, 1), "f4")},
        "got float64": {**tensors, name: tensors[name].astype(float)},
        "1 of 24 numbers are NaN or Inf": {
            **tensors,
            name: np.where(tensors[name] == tensors[name].max(), np.nan, 0).astype("f4"),
        },
        "a variance is negative": {**tensors, variance: -tensors[variance]},
    }
    for message, each in broken.items():
        with pytest.raises(ModelError, match=message):
            DetectorHead.from_tensors(each, SMALL)
    with pytest.raises(ModelError, match=f"reads {SMALL.n_features} features"):
        DetectorHead.from_tensors(tensors, SMALL).raw(np.zeros((2, 5), np.float32))
    for wrong in ({"threshold": 1.0}, {"overlap": 0.0}, {"most": 0}, {"candidates": 0}, {"threshold": np.nan}):
        with pytest.raises(ModelError, match="cannot be chosen"):
            Decoding(**wrong)
