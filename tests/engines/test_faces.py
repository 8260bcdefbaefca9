"""Networks of faces: dlib's beside dlib itself, ArcFace's kind beside torch, and files that are neither."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from topwork.backbones import EMBEDDING, Backbone, backbone_from_dict, face_row, load, package_file
from topwork.engines import EngineChoice, decide, engine_for, open_engine
from topwork.errors import BackboneError

CHOICE = EngineChoice("openvino", "f32")


def crops(count: int, size: int):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_dlibs_network_gives_what_dlib_gives() -> None:
    import dlib

    row, images = face_row("dlib"), crops(3, 150)
    assert row is not None
    expected = np.array(dlib.face_recognition_model_v1(str(package_file(row))).compute_face_descriptor(list(images)))
    backbone = load("DLIB")
    assert backbone.outputs("all") == (EMBEDDING,)
    found = open_engine(backbone, (EMBEDDING,), CHOICE)(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert decide(backbone, engine_for(backbone), images) == CHOICE  # float32 on every machine


def small_network(torch, widths=(8, 16), *, divides=False):
    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, widths[0], 3, 8, 1)
            self.norm = torch.nn.BatchNorm2d(widths[0])
            self.act = torch.nn.PReLU(widths[0])
            self.last = torch.nn.Linear(widths[0] * 14 * 14, widths[1])

        def forward(self, images):
            if divides:
                images = (images - 127.5) * (1 / 128)
            return self.last(self.act(self.norm(self.first(images))).flatten(1))

    torch.manual_seed(0)
    return Small().eval()


def exported(torch, network, path: Path, size=112, count=2, **how) -> Path:
    content = io.BytesIO()
    axes = {"faces": {0: "n"}, "embedding": {0: "n"}}
    names = {"input_names": ["faces"], "output_names": ["embedding"], "dynamic_axes": axes}
    torch.onnx.export(network, torch.zeros(count, 3, size, size), content, dynamo=False, **{**names, **how})
    path.write_bytes(content.getvalue())
    return path


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "divides", "normalise"),
    [
        ("arcface", False, lambda x: (x - 127.5) / 127.5),
        ("arcface-128", False, lambda x: (x - 127.5) / 128),
        ("arcface", True, lambda x: x),  # the file does it by itself, as insightface's older ones do
    ],
)
def test_an_onnx_file_gives_what_torch_gives(torch, tmp_path: Path, name: str, divides: bool, normalise) -> None:
    network = small_network(torch, divides=divides)
    backbone = load(name, weights=exported(torch, network, tmp_path / "face.onnx"))
    assert isinstance(backbone, Backbone)
    assert backbone.embedding == 16
    images = crops(5, 112)
    found = open_engine(backbone, (EMBEDDING,), CHOICE)(images)
    with torch.no_grad():
        expected = network(normalise(torch.from_numpy(images).permute(0, 3, 1, 2).float())).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    (tmp_path / "face.onnx").unlink()  # the backbone keeps what it needs
    again = backbone_from_dict(backbone.to_dict())
    np.testing.assert_array_equal(open_engine(again, (EMBEDDING,), CHOICE)(images), found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_files_that_are_no_network_of_faces_are_refused(torch, tmp_path: Path) -> None:
    whole = exported(torch, small_network(torch), tmp_path / "face.onnx").read_bytes()
    for name, content in (("empty", b""), ("text", b"no network at all"), ("cut", whole[: len(whole) // 2])):
        (tmp_path / f"{name}.onnx").write_bytes(content)
        with pytest.raises(BackboneError, match="not a readable ONNX file"):
            load("arcface", weights=tmp_path / f"{name}.onnx")
    flat = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1))
    wide = exported(torch, flat, tmp_path / "wide.onnx", size=224, dynamic_axes={})
    with pytest.raises(BackboneError, match=r"takes \(2, 3, 224, 224\) .* takes \(N, 3, 112, 112\)"):
        load("arcface", weights=wide)
    for name, weights, wrong in (
        ("arcface", "pretrained", "needs a file of weights"),
        ("arcface", tmp_path / "none.onnx", "no such weights file"),
        ("arcface", tmp_path / "face.pt", "takes an ONNX file"),
        ("dlib", tmp_path / "face.onnx", "takes the weights of its package alone"),
    ):
        with pytest.raises(BackboneError, match=wrong):
            load(name, weights=weights)
    with pytest.raises(BackboneError, match="takes faces of 150 pixels, not 224"):
        load("dlib", size=224)
    with pytest.raises(BackboneError, match="no torch network"):
        load("dlib").module()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_for_one_image_at_a_time_is_refused_in_plain_words(torch, tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, images):
            return images[:, :, ::28, ::28].reshape(1, 48)

    file = exported(torch, Fixed(), tmp_path / "one.onnx", count=1, dynamic_axes={})
    with pytest.raises(BackboneError, match="OpenVINO cannot read arcface"):
        open_engine(load("arcface", weights=file), (EMBEDDING,), CHOICE)
