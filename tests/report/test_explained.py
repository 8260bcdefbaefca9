"""The page of what a network sees: it stands alone, shows every result, and a map's images when one points at them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.model.samples import easy_folder
from topwork.data import ImageDataset, read
from topwork.explain import FeatureSpace
from topwork.report import explained_page

from .pages import Node, parsed, pixels

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)<'


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A result that is made by hand."""

    headline: str = "Grad-CAM for cat"
    shade: int = 90

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.headline, "probability": 0.5}

    def picture(self) -> np.ndarray:
        return np.full((40, 60, 3), self.shade, np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> ImageDataset:
    return read(easy_folder(tmp_path / "data", count=4))


def space(dataset: ImageDataset) -> FeatureSpace:
    points = np.random.default_rng(0).normal(size=(2, len(dataset), 2)).astype(np.float32)
    return FeatureSpace(
        "pca", ("blocks.0/mean", "embedding"), points, (0.5, 0.9), dataset.labels, dataset.classes, dataset.paths
    )


def test_every_result_is_shown_with_its_numbers() -> None:
    page = parsed(explained_page([("a.jpg", Drawn()), ("", Drawn("ideal image of dog", 30))], name="lite0"))
    assert [node.text for node in page.all("h2")] == ["Grad-CAM for cat", "ideal image of dog"]
    assert [int(pixels(node.attributes["src"]).mean().round()) for node in page.all("img")] == [90, 30]
    assert [node.text for node in page.classed("file")] == ["a.jpg"]
    assert '"probability": 0.5' in page.all("pre")[0].text


def test_a_maps_images_show_when_one_points_at_them(dataset: ImageDataset) -> None:
    page = parsed(explained_page([("", space(dataset))], name="lite0", dataset=dataset))
    stored = {node.attributes["id"]: node for node in page.all("image")}
    assert len(stored) == 8
    maps = page.classed("map")
    assert len(maps) == 2
    for drawn in maps:
        dots = drawn.all("g")
        assert len(dots) == 8
        for dot, path, label in zip(dots, dataset.paths, dataset.labels, strict=True):
            assert dot.one("title").text == f"{dataset.classes[label]}: {path}"
            assert (
                stored[dot.one("use").attributes["href"].removeprefix("#")].attributes["href"].startswith("data:image/")
            )
            assert 0 <= float(dot.one("circle").attributes["cx"]) <= 100
    colours = {dot.one("circle").attributes["fill"] for dot in page.all("g")}
    assert len(colours) == 2
    assert [node.text for node in page.classed("swatches")[0].all("li")] == list(dataset.classes)


def test_a_map_without_its_data_set_has_names_alone(dataset: ImageDataset) -> None:
    page = parsed(explained_page([("", space(dataset))], name="lite0"))
    assert not page.all("image", "use")
    assert len(page.all("g")) == 16


def test_an_image_that_is_gone_leaves_its_dot(dataset: ImageDataset) -> None:
    Path(dataset.full_path(0)).unlink()
    page = parsed(explained_page([("", space(dataset))], name="lite0", dataset=dataset))
    assert len(page.all("image")) == 7
    assert len(page.all("g")) == 16


def test_the_page_stands_alone(dataset: ImageDataset) -> None:
    html = explained_page([("a.jpg", Drawn()), ("", space(dataset))], name="lite0", dataset=dataset)
    page = parsed(html)
    assert not page.all("script", "link", "iframe", "object", "form", "base", "a")
    assert {name for node in page.nodes() for name in node.attributes if name.startswith("on")} == set()
    assert not re.search(r"https?:|url\(|@import", html)


def test_names_are_shown_and_never_run(dataset: ImageDataset) -> None:
    strange = dataclasses.replace(space(dataset), classes=(HOSTILE, "b"), paths=(HOSTILE, *dataset.paths[1:]))
    page = parsed(explained_page([(HOSTILE, Drawn(HOSTILE)), ("", strange)], name=HOSTILE, dataset=dataset))
    assert not page.all("script")
    assert all(node.attributes["src"].startswith("data:") for node in page.all("img"))
    assert page.all("h2")[0].text == HOSTILE


def test_too_many_results_are_counted() -> None:
    page: Node = parsed(explained_page([("", Drawn())] * 43, name="lite0"))
    assert len(page.all("img")) == 40
    assert "3 more are not shown" in page.text
