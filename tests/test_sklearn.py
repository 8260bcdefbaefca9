from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import DataConversionWarning, NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_do_not_raise_errors_in_init_or_set_params,
    check_estimator_cloneable,
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
    check_valid_tag_types,
    estimator_checks_generator,
)

import topwork.sklearn
from tests.model.samples import photos, textiles
from topwork.backbones import load
from topwork.data import decode
from topwork.errors import BackboneError, DataError, ImageError
from topwork.features import extract_few
from topwork.sklearn import FeatureExtractor, TransferClassifier

ESTIMATORS = [FeatureExtractor(), TransferClassifier()]
ROUNDING = 0.05  # bfloat16, of one image against sixteen


@pytest.fixture(scope="module")
def paths(shared_cache: Path) -> list[str]:
    """Eight photographs, then eight textiles."""
    return [str(path) for path in (*photos()[:8], *textiles("nominal")[:8])]


@pytest.fixture(scope="module")
def labels() -> npt.NDArray[np.str_]:
    return np.repeat(["photo", "cloth"], 8)


@pytest.fixture(scope="module")
def pixels() -> npt.NDArray[np.uint8]:
    """12 textiles of 250 by 250 pixels, six of each of two kinds."""
    return np.stack([decode(path) for label in ("global", "nominal") for path in textiles(label)[:6]])


# What scikit-learn itself checks of an estimator without giving it numbers.
CHECKS = [
    check_do_not_raise_errors_in_init_or_set_params,
    check_estimator_cloneable,
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
    check_valid_tag_types,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_scikit_learns_own_checks(estimator: BaseEstimator, check: Any) -> None:
    check(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_the_tags_say_that_tables_of_numbers_do_not_apply(estimator: BaseEstimator) -> None:
    """So scikit-learn's generator yields the one check that gives no data; the others fit on two-dimensional floats."""
    tags = get_tags(estimator).input_tags
    assert (tags.one_d_array, tags.two_d_array, tags.string) == (True, False, True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checks = [getattr(check, "func", check).__name__ for _, check in estimator_checks_generator(estimator)]
    assert checks == ["check_estimator_cloneable"]
    assert [each.category for each in caught] == [SkipTestWarning]


def test_the_tags_say_what_they_are() -> None:
    assert get_tags(TransferClassifier()).estimator_type == "classifier"
    assert get_tags(TransferClassifier()).target_tags.required
    assert get_tags(FeatureExtractor()).transformer_tags is not None


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_parameters_survive_a_clone(estimator: BaseEstimator) -> None:
    changed = clone(estimator).set_params(stages=("blocks.2",), pooling="max", size=96, crop_mode="squash")
    copy = clone(changed)
    assert copy is not changed
    assert copy.get_params() == changed.get_params()
    assert copy.get_params()["stages"] == ("blocks.2",)
    with pytest.raises(ValueError, match="Invalid parameter 'stage'"):
        copy.set_params(stage="all")


def test_features_are_those_of_extraction(paths: list[str]) -> None:
    extractor = FeatureExtractor(stages="all", pooling="max", crop_mode="pad", size=160)
    values = extractor.fit_transform(paths)
    backbone = load(size=160).replace(crop_mode="pad")
    expected = extract_few(paths, backbone, backbone.outputs("all", "max"))
    np.testing.assert_array_equal(values, expected.values)
    assert values.dtype == np.float32
    assert values.shape == (16, extractor.n_features_out_)


def test_names_stand_for_the_columns(paths: list[str]) -> None:
    extractor = FeatureExtractor(stages=("blocks.1", "blocks.3"), pooling="mean+max").fit(paths)
    names = extractor.get_feature_names_out()
    assert len(names) == extractor.n_features_out_ == 2 * (24 + 80) == len(set(names))
    assert (names[0], names[24], names[-1]) == ("blocks.1/mean[0]", "blocks.1/max[0]", "blocks.3/max[79]")
    alone = FeatureExtractor(stages=("blocks.1",), pooling="max").fit_transform(paths)
    np.testing.assert_allclose(extractor.transform(paths)[:, 24:48], alone, rtol=0.1, atol=0.1)


def test_fitting_learns_nothing(paths: list[str]) -> None:
    extractor = FeatureExtractor()
    assert extractor.fit(paths[:1]) is extractor
    first = extractor.transform(paths[8:])
    np.testing.assert_array_equal(extractor.fit(paths[:3], y=[1, 2, 3]).transform(paths[8:]), first)


def test_names_bytes_and_arrays_give_the_same(pixels: npt.NDArray[np.uint8]) -> None:
    files = [path for label in ("global", "nominal") for path in textiles(label)[:6]]
    given: list[Any] = [files, np.array([str(path) for path in files]), [path.read_bytes() for path in files]]
    given += [pixels, list(pixels)]
    extractor = FeatureExtractor().fit(files)
    values = [extractor.transform(each) for each in given]
    for other in values[1:]:
        np.testing.assert_array_equal(other, values[0])


def test_a_classifier_learns(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    classifier = TransferClassifier()
    assert classifier.fit(paths, labels) is classifier
    assert classifier.classes_.tolist() == ["cloth", "photo"]
    others = [*photos()[10:14], *textiles("local")[10:14]]
    probabilities = classifier.predict_proba(others)
    assert probabilities.shape == (8, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert classifier.predict(others).tolist() == ["photo"] * 4 + ["cloth"] * 4
    assert classifier.predict(others).tolist() == classifier.classes_[probabilities.argmax(axis=1)].tolist()
    assert classifier.score(others, ["photo"] * 4 + ["cloth"] * 4) == 1


@pytest.mark.parametrize("kind", [[7, 3], [True, False], ["é", "<b>"]], ids=str)
def test_labels_of_any_kind_come_back(paths: list[str], kind: list[Any]) -> None:
    y = np.repeat(np.array(kind), 8)
    classifier = TransferClassifier().fit(paths, y)
    assert classifier.predict(paths).tolist() == y.tolist()
    assert classifier.classes_.dtype == y.dtype


def test_the_same_seed_gives_the_same_classifier(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    """On the second fit of one object too, and whatever order the labels' names sort in."""
    noisy = labels[np.random.default_rng(0).permutation(16)]
    first = TransferClassifier(random_state=3).fit(paths, noisy)
    before = first.predict_proba(paths)
    np.testing.assert_array_equal(first.fit(paths, noisy).predict_proba(paths), before)
    np.testing.assert_array_equal(clone(first).fit(paths, noisy).predict_proba(paths), before)


def test_a_fitted_estimator_can_be_pickled(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    classifier = TransferClassifier().fit(paths, labels)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(paths), classifier.predict_proba(paths))


def test_the_engine_that_fitting_opened_serves_every_later_call(
    paths: list[str], labels: npt.NDArray[np.str_], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = TransferClassifier(cache=False).fit(paths, labels)
    expected = classifier.predict_proba(paths)
    again = pickle.loads(pickle.dumps(classifier))
    monkeypatch.setattr("topwork.engines._open.open_engine", lambda *_, **__: pytest.fail("another engine"))
    np.testing.assert_array_equal(classifier.predict_proba(paths), expected)
    with pytest.raises(pytest.fail.Exception, match="another engine"):
        again.predict_proba(paths)


def test_a_pipeline_of_file_names(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    pipeline = make_pipeline(FeatureExtractor(), StandardScaler(), LogisticRegression()).fit(paths, labels)
    assert pipeline.predict([photos()[12], textiles("local")[12]]).tolist() == ["photo", "cloth"]


def test_a_pipeline_of_pixels(pixels: npt.NDArray[np.uint8]) -> None:
    y = np.repeat([0, 1], 6)
    pipeline = make_pipeline(FeatureExtractor(), StandardScaler(), LogisticRegression()).fit(pixels, y)
    assert pipeline.score(pixels, y) == 1
    assert pipeline[:-1].get_feature_names_out()[-1] == "embedding[1279]"


def test_cross_validation_and_a_search_over_stages(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    assert cross_val_score(TransferClassifier(), paths, labels, cv=2).mean() > 0.9
    pipeline = make_pipeline(FeatureExtractor(), StandardScaler(), LogisticRegression())
    grid = {"featureextractor__stages": ["last", ("blocks.1",)]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(paths, labels)
    assert search.best_score_ > 0.9
    assert len(search.cv_results_["mean_test_score"]) == 2


NOT_SEVERAL: dict[str, Any] = {
    "a name": "a.jpg",
    "a path": Path("a.jpg"),
    "bytes": b"\xff\xd8\xff",
    "one image": np.zeros((8, 8, 3), np.uint8),
    "a table": np.zeros((4, 5)),
    "a number": 3,
    "nothing": [],
    "no rows": np.zeros((0, 8, 8, 3), np.uint8),
    "lists": [["a.jpg"], ["b.jpg"]],
    "numbers": [1, 2],
    "None": [None, None],
}


@pytest.mark.parametrize("X", NOT_SEVERAL.values(), ids=NOT_SEVERAL)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_what_is_not_several_images_is_refused(estimator: BaseEstimator, X: Any) -> None:
    with pytest.raises(DataError, match=r"^X (must|holds)"):
        clone(estimator).fit(X, [0, 1])


def test_a_data_frame_is_refused_rather_than_read_as_its_columns() -> None:
    class Frame:
        """What of a DataFrame counts here; pandas is no dependency."""

        ndim, shape = 2, (2, 1)

        def __iter__(self) -> Any:
            return iter(["path"])

    with pytest.raises(DataError, match=r"not an array of shape \(2, 1\)"):
        FeatureExtractor().fit(Frame())


def test_an_image_that_cannot_be_used_is_named_with_the_remedy(paths: list[str]) -> None:
    bad = [paths[0], "none.jpg", b""]
    with pytest.raises(ImageError, match=r"image 1 \(none\.jpg\) cannot be used: .*no such file \(2 such") as error:
        FeatureExtractor().fit_transform(bad)
    assert "remove them from X and y" in error.value.hint
    with pytest.raises(ImageError, match=r"image 1 \(none\.jpg\) cannot be used"):
        TransferClassifier().fit(bad, [0, 1, 1])
    with pytest.raises(ImageError, match="float32"):
        FeatureExtractor().fit_transform([np.zeros((4, 4, 3), np.float32)])


def test_images_that_weigh_nothing_teach_nothing(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    wrong = labels.copy()
    wrong[::4] = np.where(labels[::4] == labels[0], labels[-1], labels[0])
    weights = np.where(wrong == labels, 1, 0)
    plain, weighed = TransferClassifier().fit(paths, wrong), TransferClassifier().fit(paths, wrong, weights)
    assert weighed.score(paths, labels) > plain.score(paths, labels)


def test_labels_that_cannot_be_are_refused(paths: list[str]) -> None:
    classifier = TransferClassifier()
    with pytest.raises(DataError, match="16 images, but 3 labels"):
        classifier.fit(paths, [0, 1, 0])
    with pytest.raises(DataError, match="all 16 images are of class x; two classes are needed"):
        classifier.fit(paths, ["x"] * 16)
    with pytest.raises(DataError, match="sample_weight must be 16 numbers"):
        classifier.fit(paths, ["a", "b"] * 8, sample_weight=[1, 2])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classifier.fit(paths, np.linspace(0, 1, 16))
    with pytest.raises(ValueError, match="y should be a 1d array"):
        classifier.fit(paths, np.zeros((16, 2)))
    with pytest.warns(DataConversionWarning):
        classifier.fit(paths, np.repeat([[0], [1]], 8, axis=0))


def test_wrong_parameters_are_refused_by_fit_and_not_before(paths: list[str], labels: npt.NDArray[np.str_]) -> None:
    wrong: list[dict[str, Any]] = [{"backbone": "lite9"}, {"stages": ("blocks.9",)}, {"pooling": "median"}]
    wrong += [{"crop_mode": "stretch"}, {"size": 3}, {"weights": "w.pth"}]
    for parameters in wrong:
        for estimator in (FeatureExtractor(**parameters), TransferClassifier(**parameters)):
            with pytest.raises(BackboneError):
                estimator.fit(paths, labels)
    with pytest.raises(BackboneError, match="no backbone is called 'lite9'"):
        FeatureExtractor(backbone="lite9").fit(paths)


def test_what_is_not_fitted_says_so(paths: list[str]) -> None:
    for call in (
        lambda: FeatureExtractor().transform(paths),
        lambda: FeatureExtractor().get_feature_names_out(),
        lambda: TransferClassifier().predict(paths),
        lambda: TransferClassifier().predict_proba(paths),
    ):
        with pytest.raises(NotFittedError):
            call()
    half = TransferClassifier()
    with pytest.raises(ImageError):
        half.fit([*paths[:3], b""], [0, 1, 0, 1])
    with pytest.raises(NotFittedError):
        half.predict(paths)


def test_the_room_is_importable_without_torch() -> None:
    code = "import sys, topwork.sklearn; print(sorted({'torch', 'timm', 'openvino'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert topwork.sklearn.__doc__


def test_a_grid_search_extracts_once(
    paths: list[str], labels: npt.NDArray[np.str_], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path))
    search = GridSearchCV(
        make_pipeline(FeatureExtractor(), LogisticRegression(max_iter=50)),
        {"logisticregression__C": [0.1, 1, 10]},
        cv=3,
    )
    search.fit(paths, labels)
    stored = sum(len(file.read_bytes()) // 16 for file in tmp_path.rglob("*.keys"))
    assert stored == len(set(paths))
    FeatureExtractor(cache=False, size=96).fit_transform(paths[:4])
    assert sum(len(file.read_bytes()) // 16 for file in tmp_path.rglob("*.keys")) == stored
