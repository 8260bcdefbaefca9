"""Real pictures of classes that ImageNet has: 20 of foolbox's, and textile, which it has not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from tests.model.samples import copied, easy_folder
from topwork.backbones import classifier, load
from topwork.data import ImageDataset, read, split
from topwork.errors import BackboneError, DataError
from topwork.features import extract
from topwork.heads import fit_mapped, map_classes
from topwork.tasks.classification.strategies import AsIsOptions, OwnClasses, as_is_of, fit_as_is
from topwork.tasks.classification.strategies._as_is import groups_by_map, groups_by_name


def own(photos: list[Path]) -> dict[Path, int]:
    return {photo: int(photo.stem.rpartition("_")[2]) for photo in photos}


@pytest.fixture
def pictures(tmp_path: Path, photos: list[Path], shared_cache: Path) -> ImageDataset:
    """foolbox's dogs and its things, in no splits."""
    for photo, index in own(photos).items():
        if 151 <= index <= 268 or index > 400:
            copied([photo], tmp_path / "pictures" / ("Dogs" if index <= 268 else "things"))
    return read(tmp_path / "pictures")


@pytest.fixture
def easy(tmp_path: Path, shared_cache: Path) -> ImageDataset:
    """Names that the network does not know."""
    return split(read(easy_folder(tmp_path / "easy", "snapshot", "weaving", count=10)), test=0.2)


def test_names_answer_without_a_training_image(pictures: ImageDataset) -> None:
    dataset = dataclasses.replace(pictures, classes=("Dogs", "artefact"))
    found = fit_as_is(dataset, load(), AsIsOptions())
    assert (found.way, found.reason) == ("names", "")
    assert found.covers[0] == 118
    assert 450 < found.covers[1] < 600  # half of ImageNet's classes are man-made
    said = found.head.probabilities(found.table.values).argmax(axis=1)
    assert (said == dataset.labels).mean() > 0.9
    assert found.out_of_fold is None  # no split of these is for training
    training = dataclasses.replace(dataset, splits=np.full(len(dataset), "train"))
    unseen = fit_as_is(training, load(), AsIsOptions()).out_of_fold
    assert unseen is not None
    assert (unseen.source, len(unseen.rows)) == ("training", len(dataset))
    np.testing.assert_allclose(unseen.probabilities, found.head.probabilities(found.table.values), atol=1e-6)


def test_a_given_map_goes_before_the_names(pictures: ImageDataset) -> None:
    given = {"Dogs": ["cat"], "things": ["dog"]}
    found = fit_as_is(pictures, load(), AsIsOptions(class_map=given, way="names"))
    assert (found.way, found.covers) == ("given", (13, 118))


def test_a_map_is_learnt_where_the_names_say_nothing(easy: ImageDataset) -> None:
    found = fit_as_is(easy, load(), AsIsOptions())
    assert found.way == "learnt"
    assert "'snapshot', 'weaving'" in found.reason
    assert sum(found.covers) == 1000
    test = found.table.split("test")
    probabilities = found.head.probabilities(test.values)
    assert probabilities.argmax(axis=1).tolist() == test.dataset.labels.tolist()
    assert probabilities.max(axis=1).min() > 0.6  # float32 and bfloat16 differ by 0.03 at the most


def test_what_the_network_cannot_name_does_not_take_over_what_was_not_shown(tmp_path: Path, shared_cache: Path) -> None:
    """Cloth speaks a little for all of the network's classes; a photograph of another kind is no cloth for that."""
    table = extract(read(easy_folder(tmp_path / "easy", "snapshot", "weaving", count=20)), load())
    layer, labels = classifier(load()), table.dataset.labels
    right = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(table))
        drawn = np.concatenate([order[labels[order] == label][:8] for label in (0, 1)])
        others = np.setdiff1d(order, drawn)
        head = fit_mapped(table.values[drawn], labels[drawn], 2, layer.weight, layer.bias)
        right += (head.probabilities(table.values[others]).argmax(axis=1) == labels[others]).tolist()
    assert np.mean(right) > 0.9  # 95 %; at a softness of 3 it was 80 %


@pytest.mark.parametrize("outputs", ["last", "all"])
def test_features_that_are_there_are_not_taken_again(
    pictures: ImageDataset, outputs: Literal["last", "all"], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataclasses.replace(pictures, classes=("Dogs", "artefact"))
    anew, options = fit_as_is(dataset, load(), AsIsOptions()), AsIsOptions(way="names")
    table = extract(dataset, load(), outputs=load().outputs(outputs))
    monkeypatch.delattr("topwork.tasks.classification.strategies._as_is.extract")
    found = as_is_of(table, options)
    assert found.covers == anew.covers
    assert found.table.outputs == anew.table.outputs
    np.testing.assert_allclose(
        found.head.probabilities(found.table.values), anew.head.probabilities(anew.table.values), atol=1e-6
    )


def test_the_held_out_part_has_no_say(easy: ImageDataset) -> None:
    wrong = np.where(easy.splits == "test", 1 - easy.labels, easy.labels)
    spoilt = ImageDataset(easy.root, easy.paths, easy.splits, labels=wrong, classes=easy.classes)
    first, second = (fit_as_is(data, load(), AsIsOptions()) for data in (easy, spoilt))
    np.testing.assert_array_equal(first.head.shares, second.head.shares)
    assert first.head.temperature == second.head.temperature


def test_the_features_are_the_probes(easy: ImageDataset) -> None:
    """The same recipe, so that the ladder extracts once for both."""
    found = fit_as_is(easy, load(), AsIsOptions(crop_mode="squash"))
    alone = extract(easy, load().replace(crop_mode="squash"))
    np.testing.assert_array_equal(found.table.values, alone.values)
    assert found.table.outputs == ("embedding",)


def test_words_alone_make_a_head() -> None:
    layer = classifier(load())
    head = map_classes(layer.weight, layer.bias, groups_by_name(("dog", "artefact")))
    assert (head.n_classes, head.n_features) == (2, 1280)
    pets = map_classes(layer.weight, layer.bias, groups_by_map(("a", "b"), {"a": [281], "b": ["dog"]}))
    assert pets.weight.shape == (1280, 119)


def test_names_that_were_to_do_are_an_error_where_they_do_not(easy: ImageDataset) -> None:
    with pytest.raises(DataError, match="2 of 2 class names match no ImageNet-1k class"):
        fit_as_is(easy, load(), AsIsOptions(way="names"))
    with pytest.raises(DataError, match="1 of 2 class names match no ImageNet-1k class"):
        groups_by_name(("dog", "weaving"))


def test_nothing_to_learn_from_says_both_reasons(easy: ImageDataset) -> None:
    held = easy.split("test")
    with pytest.raises(
        DataError, match=r"no training image of 'snapshot', 'weaving'.*; and 2 of 2 class names"
    ) as caught:
        fit_as_is(held, load(), AsIsOptions())
    assert "map" in caught.value.hint


def test_a_class_whose_images_are_all_broken_cannot_be_learnt(tmp_path: Path, shared_cache: Path) -> None:
    folder = easy_folder(tmp_path / "data", "snapshot", "weaving", count=4)
    for file in (folder / "weaving").iterdir():
        file.write_bytes(b"no image")
    dataset = read(folder)
    train = dataclasses.replace(dataset, splits=np.full(len(dataset), "train"))
    with pytest.raises(DataError, match="no training image of 'weaving' can be read"):
        fit_as_is(train, load(), AsIsOptions(way="learnt"))


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(DataError, match="way must be auto, names or learnt, not 'guess'"):
        AsIsOptions(way="guess")  # type: ignore[arg-type]


def test_a_network_without_a_classifier_is_refused(easy: ImageDataset) -> None:
    with pytest.raises(BackboneError, match="its classes have no meaning"):
        fit_as_is(easy, load("resnet18", weights="random"), AsIsOptions())


def test_the_network_names_its_own_pictures(photos: list[Path], shared_cache: Path) -> None:
    from topwork.backbones import imagenet_labels

    answers = list(OwnClasses(load()).top(photos))
    right = [
        answer.top[0].label == imagenet_labels()[index].synset
        for answer, index in zip(answers, own(photos).values(), strict=True)
    ]
    assert sum(right) >= 17
    for answer in answers:
        probabilities = [candidate.probability for candidate in answer.top]
        assert probabilities == sorted(probabilities, reverse=True)
        assert len(answer.top) == 5
        assert 0 < sum(probabilities) <= 1.0001


def test_the_top_agrees_with_torch(photos: list[Path], shared_cache: Path) -> None:
    """The reference: the torch module itself on the same pixels."""
    import torch

    from topwork.data import decode

    backbone = load()
    fit = backbone.preprocessing
    pixels = np.stack([fit(decode(photo, min_side=fit.min_side)) for photo in photos[:4]]).astype(np.float32) / 255
    images = torch.from_numpy(((pixels - fit.mean) / fit.std).astype(np.float32).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        expected: npt.NDArray[np.float32] = backbone.module()(images).softmax(1).numpy()
    for answer, row in zip(OwnClasses(backbone, "torch-cpu").top(photos[:4], 1000), expected, strict=True):
        found = [candidate.probability for candidate in answer.top]
        np.testing.assert_allclose(found, np.sort(row)[::-1], atol=1e-4)


def test_a_picture_that_cannot_be_read_does_not_spoil_the_others(
    photos: list[Path], tmp_path: Path, shared_cache: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    first, second, third = OwnClasses(load()).top([photos[0], broken, photos[1].read_bytes()], 2)
    assert (second.top, second.source) == ((), str(broken))
    assert second.to_dict() == {"source": str(broken), "error": second.error}
    assert third.source == "#2"
    fields = first.to_dict()
    assert fields["source"] == str(photos[0])
    assert [sorted(candidate) for candidate in fields["top"]] == [["label", "name", "probability"]] * 2
