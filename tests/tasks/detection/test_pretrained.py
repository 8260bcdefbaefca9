"""Trained detectors, from data or words to a model folder and what is found with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.backbones.detectors import save
from tests.clocks import Still
from topwork import fit
from topwork.backbones import DetectorNetwork, load, load_detector, own_classes
from topwork.cli._app import app
from topwork.data import read_boxes
from topwork.errors import BackboneError, DataError
from topwork.features import extract_few
from topwork.model import Model
from topwork.tasks import load as load_model
from topwork.tasks._classes._names import meet
from topwork.tasks.detection import Detector
from topwork.tasks.detection._ladder import AdviceOptions, climb
from topwork.tasks.detection._load import load as load_any
from topwork.tasks.detection.network import Decoding, QueryHead, QuerySpec, in_image
from topwork.tasks.detection.strategies import AsIsOptions, FinetuneOptions, HeadOptions, ProbeOptions

pytest.importorskip("transformers")

IMAGES, TRAINING = 16, 10
CALLED = {0: "Persons", 1: "bike", 7: "sofa"}  # the user's names for the network's person, bicycle, couch


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> DetectorNetwork:
    return load_detector("someone/tiny", weights=save("rt_detr_v2", tmp_path_factory.mktemp("net") / "tiny"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, rng = tmp_path_factory.mktemp("boxes"), np.random.default_rng(2)
    for place in range(IMAGES):
        small = Image.fromarray(rng.integers(0, 255, (5, 5, 3), dtype=np.uint8))
        small.resize((96, 72), Image.Resampling.BILINEAR).save(folder / f"{place}.png")
    return [folder / f"{place}.png" for place in range(IMAGES)]


@pytest.fixture(scope="module")
def lines(tiny: DetectorNetwork, photos: list[Path]) -> list[str]:
    """The boxes that the tiny network itself finds in the pictures, so that it is right there."""
    weight, bias = own_classes(tiny)
    head = QueryHead(QuerySpec.of(tiny, 8, tuple(range(8))), weight, bias)
    features = extract_few([str(each) for each in photos], tiny, tiny.outputs(), engine="torch-cpu")
    found = []
    for photo, square in zip(photos, head.detect(features.values, Decoding(threshold=0.05, most=300)), strict=True):
        told = in_image(square, tiny.preprocessing, 72, 96)
        split = "train" if int(photo.stem) < TRAINING else "test"
        for place in [each for each in range(len(told)) if told.labels[each] in CALLED][:4]:
            corners = ",".join(f"{edge:.2f}" for edge in told.corners[place])
            found.append(f"{photo.name},{CALLED[int(told.labels[place])]},{corners},{split}")
        found.append(f"{photo.name},unicorn,3,3,20,20,{split}")
    return found


def written(photos: list[Path], lines: list[str], name: str) -> Path:
    file = photos[0].parent / name
    file.write_text("\n".join(["path,label,xmin,ymin,xmax,ymax,split", *lines]) + "\n")
    return file


def fitted(data: Path, strategy: str, network: DetectorNetwork, options: AsIsOptions | ProbeOptions) -> Detector:
    model = fit(data, task="detection", strategy=strategy, backbone=network, options=options)
    assert isinstance(model, Detector)
    return model


def answers(model: Model, photo: Path) -> object:
    return [each.to_dict() for each in model.predict_each([str(photo)])]


def test_a_detector_as_it_is_from_data_to_a_folder_that_needs_no_hub(
    tiny: DetectorNetwork, photos: list[Path], lines: list[str], tmp_path: Path
) -> None:
    data = written(photos, lines, "named.csv")
    model = fitted(data, "as-is", tiny, AsIsOptions(engine="torch-cpu"))
    assert (model.record.strategy, model.classes) == ("as-is", ("Persons", "bike", "sofa", "unicorn"))
    assert "the network has no class for 'unicorn', so the model never finds it" in model.record.data.notes
    report = model.metrics
    assert report is not None
    assert report.per_class[3].ap50 is not None
    assert report.per_class[3].ap50.value == 0
    assert report.per_class[0].ap50 is not None
    assert report.per_class[0].ap50.value > 0.6  # the boxes are its own
    model.save(tmp_path / "model", self_contained=True)
    again = load_model(tmp_path / "model")
    assert isinstance(again.backbone, DetectorNetwork)
    assert Path(again.backbone.weights.location).parent == (tmp_path / "model").resolve()
    assert answers(again, photos[12]) == answers(model, photos[12])
    found = again.evaluate(data)
    assert (found.split, found.report.ap50) == ("test", report.ap50)
    assert found.trained == 0
    assert "nothing was trained" in (tmp_path / "model" / "README.md").read_text()
    methods = (tmp_path / "model" / "methods.md").read_text()
    assert "of transformers" in methods
    assert "PyTorch" in methods


def test_a_class_layer_is_trained_on_kept_candidates_for_classes_that_the_network_has_not(
    tiny: DetectorNetwork, photos: list[Path], lines: list[str]
) -> None:
    """Of what it takes for persons and bicycles, called otherwise."""
    new = [each.replace("Persons", "alpha").replace("bike", "beta") for each in lines if "sofa" not in each]
    data = written(photos, [each for each in new if "unicorn" not in each], "new.csv")
    with pytest.raises(DataError, match="none of the classes 'alpha', 'beta'") as caught:
        fitted(data, "as-is", tiny, AsIsOptions())
    assert "person, bicycle" in caught.value.hint
    model = fitted(data, "probe", tiny, ProbeOptions(engine="torch-cpu"))
    assert model.record.strategy == "probe"
    assert model.metrics is not None
    assert model.metrics.ap50 is not None
    assert model.metrics.ap50.value > 0.2, model.metrics.ap50
    assert len(model.history) > 2


@pytest.mark.parametrize(("persons", "strategies"), [("Persons", {"as-is", "probe"}), ("alpha", {"probe"})])
def test_the_ladder_measures_each_rung_on_the_same_images_and_ap_decides(
    tiny: DetectorNetwork, photos: list[Path], lines: list[str], persons: str, strategies: set[str]
) -> None:
    """Of names that the network has, and of one that it has not."""
    of_persons = [each.replace("Persons", persons) for each in lines if "Persons" in each]
    data = read_boxes(written(photos, of_persons, f"{persons}.csv"))
    options = AdviceOptions(finetune=FinetuneOptions(probe=HeadOptions(engine="torch-cpu")))
    heard: list[str] = []
    advice, fitted = climb(data, tiny, options, clock=Still(14), climbed=lambda rung: heard.append(rung.name))
    assert heard == [rung.name for rung in advice.rungs] == ["as-is", "probe", "fine-tuning"]
    assert "are left" in advice.rungs[2].note
    measured = [rung for rung in advice.rungs if rung.accuracy is not None]
    assert {rung.strategy for rung in measured} == strategies
    assert len({rung.images for rung in measured}) == 1
    assert advice.chosen.strategy == fitted.strategy
    assert advice.chosen.deciding == max(rung.deciding or 0.0 for rung in measured)
    if "as-is" not in strategies:
        assert "has none of the classes 'alpha'" in advice.rungs[0].note
    assert type(advice).from_dict(advice.to_dict()) == advice


def test_words_make_a_detector_without_data_on_the_command_line(photos: list[Path], tmp_path: Path) -> None:
    folder = save("owlv2", tmp_path / "owl")
    asked = ["--task", "detection", "--strategy", "zero-shot", "--backbone", "someone/owl", "--weights", str(folder)]
    made = CliRunner().invoke(app, ["fit", *asked, "--labels", "a dog,red car", "-o", str(tmp_path / "m")])
    assert made.exit_code == 0, made.stderr
    model = load_model(tmp_path / "m")
    assert isinstance(model, Detector)
    assert (model.classes, model.record.strategy) == (("a dog", "red car"), "zero-shot")
    assert model.head.spec.n_features == 16 * 21
    (folder / "vocab.json").unlink()  # words are understood once
    again = CliRunner().invoke(app, ["predict", str(tmp_path / "m"), str(photos[0]), "--json", "--threshold", "0.01"])
    assert again.exit_code == 0, again.stderr
    objects = json.loads(again.stdout.splitlines()[0])["objects"]
    assert objects
    assert {each["category"] for each in objects} <= {"a dog", "red car"}


@pytest.mark.parametrize(
    ("given", "met"),
    [
        (("Cars", "SOFA", "tvmonitor"), (-1, -1, 0, 2, 1)),
        (("aeroplane", "traffic_light", "people"), (2, 0, -1, -1, -1)),
    ],
)
def test_names_meet_whatever_their_case_number_and_synonym(given: tuple[str, ...], met: tuple[int, ...]) -> None:
    own = ("person", "airplane", "car", "tv", "couch")
    rows, strangers = meet(given, own)
    assert rows == met
    assert set(strangers) == {name for place, name in enumerate(given) if place not in rows}


def test_two_names_of_one_class_are_refused() -> None:
    with pytest.raises(DataError, match="both mean the network's class 'person'"):
        meet(("people", "pedestrian"), ("", "person"))


def test_what_does_not_go_together_is_refused(
    tiny: DetectorNetwork, photos: list[Path], lines: list[str], tmp_path: Path
) -> None:
    data = written(photos, lines, "again.csv")
    for strategy, network, said in (
        ("as-is", load("lite0"), "as-is needs a trained detector"),
        ("zero-shot", tiny, "has classes of its own"),
        ("as-is", load_detector("ssdlite", weights="random"), "are random"),
        ("probe", _unfrozen(tmp_path), "decides on classes within"),
    ):
        with pytest.raises(BackboneError, match=said):
            fit(data, task="detection", strategy=strategy, backbone=network)
    with pytest.raises(BackboneError, match="AGPL"):
        load_any("yolov8n")
    with pytest.raises(BackboneError, match="no backbone is called 'dfine-sm'") as caught:
        load_any("dfine-sm")
    assert "dfine-s" in caught.value.hint
    assert load_any("lite0").name == load("lite0").name


def _unfrozen(folder: Path) -> DetectorNetwork:
    """A detector of torchvision with weights from a file."""
    from safetensors.torch import save_file

    state = load_detector("ssdlite", weights="random").module().state_dict()
    save_file({name.removeprefix("network."): value for name, value in state.items()}, folder / "own.safetensors")
    return load_detector("ssdlite", weights=folder / "own.safetensors")
