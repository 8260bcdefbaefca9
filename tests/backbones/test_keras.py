"""Files of keras.applications: what our networks compute with them is what Keras says; what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from topwork.backbones import Backbone, backbone_from_dict, load
from topwork.errors import BackboneError

h5py = pytest.importorskip("h5py")

PROGRAM = Path(__file__).with_name("keras_files.py")
SIZE = 64
TOLERANCE = 1e-4  # of the largest number
SMALL = "MobileNet"
OWN = "EfficientNetB0"
DESIGNS = {"ResNet50V2": 64, "Xception": 96, OWN: 64}
"""Those whose layers, borders or pixels are named and read most unlike ours; ``bench/keras_parity.py`` has all."""

Written = Callable[..., Path]


def written(folder: Path, *networks: str) -> Path:
    """A folder with the networks' files, from a process of Keras's."""
    pytest.importorskip("optree")  # of Keras, whose own import wants a backend
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, PROGRAM, folder, *networks], env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest network's files."""
    return written(tmp_path_factory.mktemp("keras"), f"{SMALL}:{SIZE}")


def answers(backbone: Backbone, pixels: Any) -> tuple[Any, Any]:
    """Maps (N, rows, columns, channels) and logits of a backbone's network for pixels from 0 to 255."""
    seen = backbone.preprocessing
    given = torch.tensor(pixels).permute(0, 3, 1, 2) / 255
    given = (given - torch.tensor(seen.mean).view(3, 1, 1)) / torch.tensor(seen.std).view(3, 1, 1)
    network: Any = backbone.module()
    with torch.inference_mode():
        maps = network.forward_features(given.float())
        return maps.permute(0, 2, 3, 1).numpy(), network.forward_head(maps).numpy()


def require_equal(backbone: Backbone, folder: Path, name: str) -> None:
    told = np.load(folder / f"{name}.npz")
    maps, logits = answers(backbone, told["pixels"])
    assert np.abs(maps - told["maps"]).max() < TOLERANCE * np.abs(told["maps"]).max()
    if told["logits"].size:
        assert np.abs(logits - told["logits"]).max() < TOLERANCE * np.abs(told["logits"]).max()


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_a_network_computes_what_keras_says(small: Path, suffix: str) -> None:
    backbone = load("mobilenet", weights=small / f"{SMALL}{suffix}", size=SIZE)
    assert (backbone.name, backbone.embedding, backbone.weights.source) == ("keras-mobilenet", 1024, "file")
    require_equal(backbone, small, SMALL)


def test_a_file_alone_says_whose_it_is_and_a_record_finds_it_again(small: Path) -> None:
    backbone = load(str(small / f"{SMALL}.keras"), size=SIZE)
    again = backbone_from_dict(json.loads(json.dumps(backbone.to_dict())))
    assert again == backbone
    assert isinstance(again, Backbone)
    require_equal(again, small, SMALL)


@pytest.fixture(scope="module")
def designs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of each design, from one process: importing Keras takes as long as making a network.

    EfficientNet's come in every format: it has numbers that are no weights.
    """
    wanted = (f"{name}:{size}{'' if name == OWN else ':weights'}" for name, size in DESIGNS.items())
    return written(tmp_path_factory.mktemp("designs"), *wanted)


@pytest.mark.slow
@pytest.mark.parametrize("file", [*(f"{name}.weights.h5" for name in DESIGNS), f"{OWN}.h5", f"{OWN}.keras"])
def test_other_designs_compute_what_keras_says(designs: Path, file: str) -> None:
    name = file.partition(".")[0]
    require_equal(load(str(designs / file), size=DESIGNS[name]), designs, name)


def test_keras_2_names_layers_with_slashes_and_starts_its_numbers_anywhere(small: Path, tmp_path: Path) -> None:
    from topwork.backbones._keras._convert import by_place
    from topwork.backbones._keras._file import read_keras_file

    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1/bn", b"conv2d_10", b"conv2d_9", b"flatten", b"normalization"]
        for number, layer in enumerate(("conv1/bn", "conv2d_10", "conv2d_9", "flatten")):
            group = file.create_group(layer)
            names = [f"{layer}/kernel:0".encode()] if layer != "flatten" else []
            group.attrs["weight_names"] = names
            for name in names:
                group.create_dataset(name.decode(), data=np.full((2,), number, np.float16))
        seen = [b"normalization/mean:0", b"normalization/count:0"]
        file.create_group("normalization").attrs["weight_names"] = seen
        for name, kind in zip(seen, (np.float32, np.int64), strict=True):
            file["normalization"].create_dataset(name.decode(), data=np.full((), 4, kind))
    found = by_place(read_keras_file(tmp_path / "old.h5"))
    assert {name: float(arrays[0].flat[0]) for name, arrays in found.items()} == {
        "conv1_bn": 0,
        "conv2d#0": 2,
        "conv2d#1": 1,
        "normalization#0": 4,  # and not how many images it was counted from
    }


def test_efficientnet_holds_its_own_mean_and_deviation() -> None:
    from topwork.backbones._keras._convert import pixels
    from topwork.backbones._keras._rows import ROWS

    def of(mean: list[float], variance: list[float]) -> Any:
        held = (np.array(mean, np.float32), np.array(variance, np.float32))
        return pixels({"normalization_3": held}, ROWS["keras-efficientnetb0"])

    # as `weights="imagenet"` has it: the deviation in the variance's place, and a second scaling that makes up for it
    assert np.allclose(of([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[1], [0.229, 0.224, 0.225])
    assert np.allclose(of([0.5, 0.5, 0.5], [0.25, 0.04, 0.01])[1], [0.5, 0.2, 0.1])
    assert of([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]) == ((0, 0, 0), (1, 1, 1))


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Written:
    """A copy of one of the files, under a name of its own."""
    return lambda suffix: Path(shutil.copy(small / f"{SMALL}{suffix}", tmp_path / f"copy{suffix}"))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_file_is_refused(copied: Written, suffix: str, share: float) -> None:
    file = copied(suffix)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BackboneError, match="not a readable file of Keras's"):
        load("mobilenet", weights=file)


def test_another_networks_file_names_the_network(copied: Written) -> None:
    file = copied(".h5")
    with pytest.raises(BackboneError, match=r"layers of keras-resnet50 are missing, such as conv1_conv") as caught:
        load("resnet50", weights=file)
    assert "--backbone keras-mobilenet" in caught.value.hint
    with pytest.raises(BackboneError, match=r"vit-b16 is no network of keras.applications"):
        load("vit-b16", weights=file)
    with pytest.raises(BackboneError, match="no such weights file"):
        load("vgg16", weights=file.with_name("gone.h5"))
    with pytest.raises(BackboneError, match="has weights of its own"):
        load(str(file), weights=file)


def test_a_missing_layer_is_named(copied: Written) -> None:
    file = copied(".weights.h5")
    with h5py.File(file, "r+") as opened:
        del opened["layers/conv2d_3"]
    with pytest.raises(BackboneError, match=r"1 of the 54 layers of keras-mobilenet are missing, such as conv_pw_3"):
        load("mobilenet", weights=file)
    with pytest.raises(BackboneError, match=r"not those of a network of keras.applications"):
        load(str(file))


def _spoil(value: Any) -> Callable[[Any], None]:
    def spoil(opened: Any) -> None:
        place = "layers/conv2d/vars/0"
        array = value(opened[place][()])
        del opened[place]
        opened[place] = array

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_spoil(lambda array: np.full_like(array, np.nan)), "1 tensors contain NaN or infinity"),
        (_spoil(lambda array: array[..., 0]), "conv1 of keras-mobilenet cannot have arrays of the shapes"),
        (_spoil(lambda array: (array * 100).astype(np.int8)), "are missing, such as conv1 "),
    ],
)
def test_numbers_that_cannot_be_a_networks_are_refused(
    copied: Written, spoil: Callable[[Any], None], said: str
) -> None:
    file = copied(".weights.h5")
    with h5py.File(file, "r+") as opened:
        spoil(opened)
    with pytest.raises(BackboneError, match=said):
        load("mobilenet", weights=file)


def test_layers_without_names_are_found_by_the_networks_description(copied: Written, tmp_path: Path) -> None:
    """Older versions of Keras wrote no names beside the numbers."""

    def nameless(content: Path) -> None:
        with h5py.File(content, "r+") as opened:
            opened.visititems(lambda name, item: item.attrs.pop("name", None) and None)

    alone = copied(".weights.h5")
    nameless(alone)
    with pytest.raises(BackboneError, match="it does not name its layers"):
        load("mobilenet", weights=alone)
    file = copied(".keras")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "inside")
    nameless(tmp_path / "inside" / "model.weights.h5")
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("config.json", "model.weights.h5"):
            archive.write(tmp_path / "inside" / name, name)
    plain, found = (load("mobilenet", weights=each).module() for each in (copied(".h5"), file))
    assert all(torch.equal(one, two) for one, two in zip(plain.parameters(), found.parameters(), strict=True))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_of_code_is_refused_and_never_run(copied: Written, tmp_path: Path, suffix: str) -> None:
    file, mark = copied(suffix), tmp_path / "ran"
    code = {"class_name": "Lambda", "config": {"name": "own", "function": f"open({str(mark)!r}, 'w')"}}
    described = json.dumps({"class_name": "Functional", "config": {"layers": [{"config": {"layers": [code]}}]}})
    if suffix == ".keras":
        with zipfile.ZipFile(file) as archive:
            content = archive.read("model.weights.h5")
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("config.json", described)
            archive.writestr("model.weights.h5", content)
    else:
        with h5py.File(file, "r+") as opened:
            opened.attrs["model_config"] = described
    with pytest.raises(BackboneError, match="a layer Lambda, which holds code"):
        load("mobilenet", weights=file)
    assert not mark.exists()


def test_what_unpacks_to_far_more_than_the_file_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.weights.h5"
    with h5py.File(bomb, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (2**33,), "f4", chunks=(2**20,), compression="gzip", fillvalue=0)
    with pytest.raises(BackboneError, match="its arrays unpack to 34359738368 bytes"):
        load("mobilenet", weights=bomb)
    zipped = tmp_path / "bomb.keras"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(2**25))
    with pytest.raises(BackboneError, match="unpacks to more than"):
        load("mobilenet", weights=zipped)


def test_what_lies_in_another_file_is_not_read(copied: Written, tmp_path: Path) -> None:
    file = copied(".weights.h5")
    (tmp_path / "secret").write_bytes(bytes(2**16))
    with h5py.File(file, "r+") as opened:
        shape = opened["layers/conv2d/vars/0"].shape
        del opened["layers/conv2d/vars/0"]
        stored = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        opened.create_dataset("layers/conv2d/vars/0", shape, "f4", external=stored)
    with pytest.raises(BackboneError, match="lies in another file, which is not read"):
        load("mobilenet", weights=file)
    with h5py.File(file, "r+") as opened:
        del opened["layers/conv2d"]
        opened["layers/conv2d"] = h5py.ExternalLink("other.h5", "/layers/conv2d")
    with pytest.raises(BackboneError, match="are missing, such as conv1"):
        load("mobilenet", weights=file)


def test_a_model_on_it_is_saved_and_answers_the_same_without_keras(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import topwork

    draw = np.random.default_rng(2)
    for label in range(2):
        (tmp_path / "data" / f"class{label}").mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(0, 120, (40, 40, 3)).astype(np.uint8) + np.uint8(120 * label)
            Image.fromarray(pixels).save(tmp_path / "data" / f"class{label}" / f"{number}.png")
    backbone = load("mobilenet", weights=small / f"{SMALL}.keras", size=SIZE)
    model = topwork.fit(tmp_path / "data", backbone=backbone, strategy="probe")
    model.save(tmp_path / "model")
    image = tmp_path / "data" / "class1" / "3.png"
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "empty"))  # of another machine
    again = topwork.load(tmp_path / "model")
    (found,), (expected,) = again.predict([image]), model.predict([image])
    assert found.label == expected.label == "class1"
    assert abs(found.probability - expected.probability) < 0.02
    with pytest.raises(topwork.errors.TopworkError, match="timm has no network keras-mobilenet"):
        topwork.export(again, "torch", tmp_path / "out")
