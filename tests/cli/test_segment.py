"""``topwork segment``: masks on the command line, files that it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.backbones.segmenters import save
from tests.tasks.detection.made import made as detector
from tests.tasks.segmentation.made import written

from .conftest import Run

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("sam", tmp_path_factory.mktemp("sam") / "sam")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    small = np.random.default_rng(5).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    file = tmp_path / "a.png"
    Image.fromarray(small).resize((70, 45), Image.Resampling.BILINEAR).save(file)
    return file


def test_masks_of_prompts_and_of_everything(run: Run, network: Path, image: Path, tmp_path: Path) -> None:
    of_network = ("--backbone", "someone/sam", "--weights", str(network))
    out, points = tmp_path / "out", ("--point", "20,11", "--point", "60,40,-")
    done = run("segment", str(image), *points, "-o", str(out), *of_network)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == f"Masks in {image}: 1"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-01.png", "a-masks.png", "a.json"]
    told: Any = json.loads(run("segment", str(image), "--box", "5,4,40,30", "--json", *of_network).out)
    assert (told["width"], told["height"], len(told["masks"])) == (70, 45, 1)
    assert told["masks"][0]["segmentation"]["size"] == [45, 70]
    everything: Any = json.loads(run("segment", str(image), "--everything", "--grid", "2", "--json", *of_network).out)
    assert isinstance(everything["masks"], list)
    korean = run("segment", str(image), "--box", "5,4,40,30", "--lang", "ko", *of_network)
    assert korean.out.startswith(f"{image}의 마스크: 1개\n마스크 1: 점수 ")


def test_a_detectors_boxes_become_masks_with_their_classes(
    run: Run, network: Path, image: Path, tmp_path: Path
) -> None:
    from topwork.tasks.segmentation.promptable import Promptable

    model = detector(thresholds=(0.35,) * 3)
    (found,) = model.predict([str(image)])
    assert len(found) > 1
    folder, of_network = model.save(tmp_path / "detector"), ("--backbone", "someone/sam", "--weights", str(network))
    out = tmp_path / "out"
    done = run("segment", str(image), "--detector", str(folder), "-o", str(out), "--json", *of_network)
    assert done.code == 0, done.err
    told = json.loads(done.out)["masks"]
    seen = Promptable.load("someone/sam", weights=network).image(str(image))
    limits = (70, 45, 70, 45)
    for each, one in zip(told, found, strict=True):
        assert each["category"] == one.label
        corners: Any = tuple(min(max(0.0, at), end) for at, end in zip(one.corners, limits, strict=True))
        assert abs(each["area"] - seen.mask(box=corners).area) <= 3
    kept = json.loads((out / "a.json").read_text())["annotations"]
    assert [each["category"] for each in kept] == [each.label for each in found]
    nothing = detector(thresholds=(1.0,) * 3).save(tmp_path / "blind")
    assert json.loads(run("segment", str(image), "--detector", str(nothing), "--json", *of_network).out)["masks"] == []


def test_a_decoder_is_trained_and_used(run: Run, network: Path, image: Path, tmp_path: Path) -> None:
    data, out = written(tmp_path / "data", 4, side=64), tmp_path / "tuned"
    given = ("--backbone", "someone/sam", "--weights", str(network), "--epochs", "1")
    done = run("segment", str(data), "--learn", "-o", str(out), *given)
    assert done.code == 0, done.err
    assert "validation prompts" in done.out
    assert "note: note: " not in done.err
    written_at = {True: f"Written: {out}", False: f"Nothing was written: {out} would be the network as it was"}
    assert done.out.splitlines()[-1] == written_at[out.exists()]
    if out.exists():  # one epoch on random numbers may be no better
        assert run("segment", str(image), "--point", "20,11", "--weights", str(out)).code == 0


def test_an_image_that_cannot_be_used_comes_with_what_would_help(run: Run, network: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    given = ("--point", "3,4", "--backbone", "someone/sam", "--weights", network)
    said = run("segment", tmp_path / "empty.png", *given).failed()
    assert said == (f"{tmp_path}/empty.png: an empty file (0 bytes)", "check that the file is there and whole")


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ((), 2, "give points or boxes"),
        (("--point", "3,4", "--everything"), 2, "only one of prompts, --detector, --everything, --learn and --page"),
        (("--detector", "m", "--everything"), 2, "only one of prompts, --detector, --everything, --learn and --page"),
        (("--detector", "nowhere"), 1, "nowhere"),
        (("--learn",), 2, "--learn needs -o"),
        (("--page",), 2, "--page needs --collect"),
        (("--page", "--collect", "kept", "--class", "background"), 1, "'background' is no name of a class"),
        (("--point", "3"), 2, "--point takes across,down"),
        (("--box", "1,2,3,x"), 2, "--box takes left,top,right,bottom"),
        (("--point", "3,4", "-o", "/dev/null/x"), 1, "choose a writable folder with -o"),
        (("--point", "70,4"), 1, "lies outside of the image"),
        (("--box", "30,4,20,9"), 1, "is swapped"),
        (("--point", "nan,4"), 1, "a point is two numbers"),
        (("--point", "3,4", "--backbone", "lite0"), 1, "no segmenter is called 'lite0'"),
    ],
)
def test_what_means_nothing_is_refused(
    run: Run, network: Path, image: Path, given: tuple[str, ...], code: int, said: str
) -> None:
    of_network = () if "--backbone" in given else ("--backbone", "someone/sam", "--weights", str(network))
    done = run("segment", str(image), *given, *of_network)
    assert done.code == code
    assert said in " ".join(done.err.split())


def test_the_catalogue_tells_of_segmenters(run: Run) -> None:
    listed = run("models", "--task", "segmentation")
    assert listed.code == 0
    assert "sam-vit-b" in listed.out
    assert "NVIDIA Source Code License (non-commercial) (!)" in listed.out
    assert json.loads(run("models", "sam-vit-b", "--json").out)["task"] == "segmentation"
